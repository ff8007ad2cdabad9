"""The machine of processes whose store is a folder: its disk, and what becomes of all of them when the power fails.

The store's objects are in the history's bucket as well, which is what is judged: each link and rename that gives one
its name is a write there, and after a power loss the bucket holds what the disk has left. The queue is elsewhere.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from unittest.mock import patch

from fakes.disk import STORE, Disk
from fakes.disk_modules import DiskPath, stand_ins
from simulation.gate import Gate
from simulation.scheduler import Lock, Process

from sweepctl.errors import StoreError
from sweepctl.store import files, local
from sweepctl.store.contract import Put
from sweepctl.store.local import LocalStore

if TYPE_CHECKING:
    from simulation.world import _World


class _Store(LocalStore):
    """Says in the log which writes were not confirmed, and notes from which folder an object was made."""

    def __init__(self, gate: Gate, source_folders: dict[str, str]) -> None:
        super().__init__(STORE)
        self._gate = gate
        self._source_folders = source_folders

    def create(self, key: str, body: bytes | Path) -> Put:
        if isinstance(body, Path):
            self._source_folders[key] = body.parent.name
        with self._noting(key):
            return super().create(key, body)

    def replace(self, key: str, body: bytes, etag: str) -> Put:
        with self._noting(key):
            return super().replace(key, body, etag)

    @contextmanager
    def _noting(self, key: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            outside = self._gate.outside
            outside.log.note(outside.scheduler.now, self._gate.process.name, "failed", f"put {key}")
            raise


@dataclass
class Machine:
    world: "_World"
    is_damaged: bool = False  # so that nothing else can be judged

    def __post_init__(self) -> None:
        self._gates: dict[str, Gate] = {}  # of each process
        self._at_exit: dict[str, Callable[[], None]] = {}  # likewise
        self.source_folders: dict[str, str] = {}  # of objects
        self._disk = Disk(self.world.scheduler, self._call, self._on_name)
        self.world.outside.lose_power = self._lose_power

    @classmethod
    @contextmanager
    def of(cls, world: "_World") -> Iterator[Self]:
        """Have the store's modules on the disk of a history."""
        machine = cls(world)
        with ExitStack() as patches:
            patches.enter_context(patch.object(DiskPath, "disk", machine._disk, create=True))
            patches.enter_context(patch.object(files, "Lock", partial(Lock, world.scheduler)))
            for name, stand_in in stand_ins(machine._disk):
                for module in (files, local):
                    if hasattr(module, name):
                        patches.enter_context(patch.object(module, name, stand_in))
            # Of processes that died, too: otherwise it would be done whenever their memory is freed.
            patches.callback(machine._end_all)
            yield machine

    def install(self, objects: Mapping[str, bytes]) -> None:
        """Have these objects on the disk, for good."""
        for key, body in objects.items():
            self._disk.place(key, body)

    def _end_all(self) -> None:
        for close in (*self._at_exit.values(), *self._disk.at_exit):
            close()

    def store(self, gate: Gate) -> LocalStore:
        store = _Store(gate, self.source_folders)
        self._gates[gate.process.name] = gate
        self._at_exit[gate.process.name] = self._disk.at_exit.pop()
        return store

    def end(self, process: Process) -> None:
        """Do what a process does as it ends."""
        self._at_exit.pop(process.name)()

    def pass_compaction(self, name: str) -> None:
        """Have the power fail, now and then, just after a process has compacted the run."""
        self._gates[name].disk("compacted", "", lambda: None)

    def judge_end(self) -> None:
        """Whoever starts next removes the work folders of all that ended, however they did."""
        with LocalStore(STORE).scratch() as own:
            left = self._disk.find(own.parent.parent).names.keys() - {"lock", own.parent.name}
        if left:
            self.world.log.find("litter", f"{sorted(left)}")

    def _call(self, process: Process, kind: str, where: str, effect: Callable[[], Any]) -> Any:  # noqa: ANN401  its answer
        return self._gates[process.name].disk(kind, where, effect)

    def _on_name(self, process: str, key: str, old: bytes | None, new: bytes) -> None:
        world = self.world
        world.bucket.objects[key] = new
        world.bucket.written_at[key] = dt.datetime.now(dt.UTC)
        world.log.note(world.scheduler.now, process, "put", key, "created" if old is None else "replaced")
        world.checker.on_put(process, key, old, new)

    def _lose_power(self, process: Process) -> None:
        world = self.world
        others = [each for each in (*world.living, *world.operators) if each.tasks and each is not process]
        for each in (*others, process):
            world.log.note(world.scheduler.now, each.name, "life", "dies")
            if each is not process:
                world.scheduler.kill(each)
        torn = self._disk.lose_power(world.plan.choice)
        world.bucket.objects = self._disk.objects()
        self.is_damaged = self.is_damaged or bool(torn)
        world.checker.on_power_loss(torn)
        world.scheduler.kill(process)

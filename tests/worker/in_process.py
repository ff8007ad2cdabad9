"""Workers in this process, on a queue in memory and a store that fails when it is told to.

Time runs SPEED times as fast as the wall's, for the worker and its queue alike: leases, delays and graces are the real
ones.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fakes import toys
from fakes.faulty import Call, FaultyStore, T
from fakes.memory_queue import Clock, MemoryQueue
from waiting import LIMIT, wait_until
from worker import whole

from sweepctl.engine.client import Engine
from sweepctl.shard.run import Conditions
from sweepctl.store.contract import Store
from sweepctl.worker import events
from sweepctl.worker.drain import Worker
from sweepctl.worker.lease import Policy
from sweepctl.worker.tally import WorkerProgress

SPEED = 20
LEASE, GRACE = 60, 30


class HastyWorker(Worker):
    """Waits as its fast clock says."""

    def _next_event(self, wake_at: float | None) -> events.Event:
        if wake_at is not None:
            assert isinstance(self.monotonic, Clock)
            now = self.monotonic()
            wake_at = now + self.monotonic.wall(wake_at - now)
        return super()._next_event(wake_at)


@dataclass
class WatchedStore(FaultyStore):
    """`before` sees every call before it happens, probes too, and may raise."""

    before: Callable[[Call], None] = lambda _: None

    def probe(self) -> None:
        self.before(Call("probe", ""))
        super().probe()

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        self.before(Call(method, key))
        return super()._call(method, key, action)


@dataclass
class Place:
    """A queue, a store, and engines."""

    folder: Path
    queue: MemoryQueue
    inner: Store
    store: WatchedStore
    workers: list[Worker] = field(default_factory=list)

    def worker(self, engine: str | Engine = "", *, queue: MemoryQueue | None = None, **policy: Any) -> Worker:  # noqa: ANN401
        worker = HastyWorker(
            queue or self.queue,
            toys.engine(self.folder, engine) if isinstance(engine, str) else engine,
            self.store,
            Policy(**{"concurrency": 2, "lease": LEASE, "grace": float(GRACE), **policy}),
            Conditions(),
            monotonic=self.queue.clock,
        )
        self.workers.append(worker)
        return worker

    def tell(self, name: str) -> None:
        (self.folder / name).touch()

    def is_told(self, name: str) -> bool:
        return (self.folder / name).exists()


def drained(worker: Worker) -> WorkerProgress:
    """Drain; whatever happened, every message that was received has come to one ending."""
    progress = worker.drain()
    assert sum(progress.endings.values()) == progress.received
    assert progress.running == 0
    return progress


class Draining:
    """A worker that drains in the background."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._progress: WorkerProgress | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def end(self) -> WorkerProgress:
        self._thread.join(LIMIT)
        assert not self._thread.is_alive(), "the worker does not end"
        if self._error is not None:
            raise self._error
        assert self._progress is not None
        return self._progress

    def _drain(self) -> None:
        try:
            self._progress = drained(self.worker)
        except BaseException as error:  # noqa: BLE001  `end` raises it
            self._error = error


def drained_to_the_last(place: Place, worker: Worker) -> WorkerProgress:
    """Drain until nothing is left, delayed messages included."""
    draining = Draining(worker)
    wait_until(lambda: not place.queue.bodies)
    worker.stop()
    return draining.end()


def require_done(place: Place, bodies: list[bytes]) -> None:
    assert place.queue.bodies == []
    assert place.queue.dead == []
    standing = whole.require_whole(whole.objects(place.inner), bodies)
    assert all(outcome.status == "success" for outcome in standing.values())
    if bodies:
        whole.require_verified(place.inner, toys.RUN_ID)


WAIT = "tell(f'running-{os.getpid()}')\nwait_for('go')"


def running(place: Place) -> int:
    return len(list(place.folder.glob("running-*")))

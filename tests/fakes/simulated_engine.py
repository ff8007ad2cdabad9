"""An engine within this process: what its child would write, through the production reader of its protocol.

`Engine` and `EngineRun` are the real ones; only the child process is handed in. It says what engines of `toy` say, a
record at a time, and takes its time for each. It is no script of `fakes.engines`: a process knows nothing of virtual
time.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Literal, Self, cast

from fakes.toy_model import (
    DESCRIPTION,
    STARTED,
    crashed_point,
    failed_point,
    finished,
    identity,
    point,
    refused,
)
from simulation.faults import Fault
from simulation.gate import Gate

from sweepctl.engine.child import Child
from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError, InterruptedRunError
from sweepctl.protocol import Description

POINT_SECONDS = 4.0
LISTEN_SECONDS = 5.0  # between two looks at the deadline and the stop
WAIT_SECONDS = 0.5  # between two looks at what an engine waits for
SEGFAULT = -11
CODES = {"crash": "point_crashed", "hang": "point_timeout", "memory": "point_out_of_memory"}

# A record; how the process ends, instead of with 0 and after all records; or what it waits for.
Step = str | int | Callable[[], bool]


@dataclass(frozen=True)
class Behaviour:
    """What the model does, whoever runs it."""

    version: str = "1"
    failing: frozenset[int] = frozenset()  # points that fail by themselves
    poison: frozenset[int] = frozenset()  # points that end the engine
    fragile: frozenset[int] = frozenset()  # points that end it now and then
    ending: Literal["crash", "hang", "memory"] = "crash"  # what these do
    is_once: bool = False  # whether fragile points do it the first time alone that an engine runs them
    hosts: bool = False  # whether its engine can run points in child processes
    refuses: bool = False

    def steps(self, command: str, request: dict[str, Any], strikes: Callable[[], bool]) -> Sequence[Step]:
        """Return what an engine does that is asked for a shard; `strikes` says whether a fragile point kills."""
        if self.refuses:
            return [refused("x is too large", "x")]
        indices = range(request["start_index"], request["end_index_exclusive"])
        started = STARTED.replace('"model_version":"1"', f'"model_version":"{self.version}"')
        has_children = command == "host"
        # Without a limit of its time a point hangs in a child as well.
        endures = self.ending == "hang" and not _limits_time(request)
        hosted = has_children and not endures
        points = [self._point(command, index, strikes, is_bounded=hosted) for index in indices]
        failed = sum(isinstance(each, str) and '"status":"failure"' in each for each in points)
        return [started, *points, finished(len(indices), failed)]

    def _point(self, command: str, index: int, strikes: Callable[[], bool], *, is_bounded: bool) -> Step:
        if command == "points":
            return _identity(index)
        if index in self.poison or (index in self.fragile and strikes()):
            if is_bounded:
                return _crashed_point(index, CODES[self.ending])
            return _for_ever if self.ending == "hang" else SEGFAULT
        return _failed_point(index) if index in self.failing else _point(index)


def _limits_time(request: dict[str, Any]) -> bool:
    return "point_seconds" in request.get("limits", {}) or "point" in request.get("time", {})


def _for_ever() -> bool:
    return False


_point, _failed_point, _identity = cache(point), cache(failed_point), cache(identity)
_crashed_point = cache(crashed_point)


class SimulatedEngine(Engine):
    """Without a gate, it answers at once, and as it should."""

    def __init__(self, behaviour: Behaviour, gate: Gate | None, monotonic: Callable[[], float]) -> None:
        super().__init__(Path("simulated"), monotonic=monotonic)
        self.__dict__["description"] = _description(behaviour.version, behaviour.hosts)
        self._behaviour = behaviour
        self._gate = gate
        self._strikes_so_far = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self._behaviour.version.encode()).hexdigest()

    def _child(self, command: str, *, stdin: bytes, timeout: float | None, stop: Event) -> Child:
        steps = self._behaviour.steps(command, json.loads(stdin), self._strikes)
        child = SimulatedChild(list(steps), self._gate, timeout, stop, self._monotonic)
        return cast("Child", child)

    def _strikes(self) -> bool:
        self._strikes_so_far += 1
        if self._behaviour.is_once and self._strikes_so_far > 1:
            return False
        return self._gate is not None and self._gate.outside.plan.choice(2) == 1


class SimulatedChild:
    """Does what a child would, a step at a time."""

    cpu_seconds = 0.25
    stderr_tail = ""

    def __init__(
        self,
        steps: list[Step],
        gate: Gate | None,
        timeout: float | None,
        stop: Event,
        monotonic: Callable[[], float],
    ) -> None:
        self._steps = steps
        self._gate = gate
        self._stop = stop
        self._monotonic = monotonic
        self._timeout = timeout
        self._deadline = None if timeout is None else monotonic() + timeout
        self._status = 0
        self._hangs = False
        self._ready_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def output_ended(self) -> bool:
        return not self._steps and not self._hangs

    def read(self, seconds: float) -> bytes:
        if self._gate is None:
            said, self._steps = self._steps, []
            return "".join(f"{each}\n" for each in said).encode()
        if self.output_ended or not seconds:
            return self._next() if seconds == 0 and self._steps else b""
        if self._ready_at is None:
            self._ready_at = self._monotonic() + self._gate.outside.plan.latency(POINT_SECONDS)
        left = LISTEN_SECONDS if self._hangs else min(LISTEN_SECONDS, self._ready_at - self._monotonic())
        self._gate.outside.scheduler.sleep(max(0.0, left))
        self._check_limits()
        if self._hangs or self._monotonic() < self._ready_at:
            return b""
        if callable(self._steps[0]):
            if self._steps[0]():
                del self._steps[0]
            self._ready_at = self._monotonic() + WAIT_SECONDS
            return b""
        self._ready_at = None
        fault = self._gate.fault("engine", "")
        if fault is Fault.STALL_BEFORE:
            self._ready_at = self._monotonic() + self._gate.outside.plan.minutes()
            return b""
        self._gate.before(fault)
        self._misbehave(fault)
        return self._next()

    def wait(self, seconds: float) -> int | None:
        if self._gate is not None:
            self._gate.outside.scheduler.sleep(0.1)
        return None if self._hangs and seconds else self._status

    def _next(self) -> bytes:
        if not self._steps or self._hangs:
            return b""
        step = self._steps.pop(0)
        if isinstance(step, int):
            self._steps, self._status = [], step
            return b""
        return f"{step}\n".encode()

    def _misbehave(self, fault: Fault | None) -> None:
        steps = self._steps
        match fault:
            case Fault.ENGINE_CRASH:
                self._steps, self._status = [], -9
            case Fault.ENGINE_PARTIAL:
                self._steps = []
            case Fault.ENGINE_HANG:
                self._hangs = True
            case Fault.ENGINE_INDEX:
                self._steps = steps[1:]
            case Fault.ENGINE_COUNT:
                self._steps = [*steps[:-1], finished(9)]
            case Fault.ENGINE_GARBAGE:
                self._steps = ["\x00{", *steps]
            case Fault.ENGINE_NAN:
                self._steps = [_changed(steps[0], re.compile('"m":[^,}]+'), '"m":NaN'), *steps[1:]]
            case Fault.ENGINE_MORE:
                self._steps = [*steps, "{}"]
            case Fault.ENGINE_VALUE:
                self._steps = [_changed(each, re.compile('"metrics":{"m":'), '"metrics":{"m":9') for each in steps]

    def _check_limits(self) -> None:
        if self._stop.is_set():
            raise InterruptedRunError("stopped by a signal")
        if self._deadline is not None and self._monotonic() > self._deadline:
            raise EngineFaultError("engine_timeout", f"the engine did not finish within {self._timeout:g} s")


def _changed(step: Step, old: re.Pattern[str], new: str) -> Step:
    return old.sub(new, step) if isinstance(step, str) else step


@cache
def _description(version: str, hosts: bool) -> Description:  # noqa: FBT001
    (model,) = DESCRIPTION["models"]
    models = [{**cast("dict[str, Any]", model), "version": version}]
    # Memory is limited on Linux only.
    target = "x86_64-unknown-linux-gnu"
    return Description.model_validate({**DESCRIPTION, "host": hosts, "target": target, "models": models})

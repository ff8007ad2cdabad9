"""An engine within this process: what its child would write, through the production reader of its protocol.

`Engine` and `EngineRun` are the real ones; only the child process is handed in. It says what engines of `toy` say, a
record at a time, and takes its time for each. It is no script of `fakes.engines`: a process knows nothing of virtual
time.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
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
    in_columns,
    point,
    refused,
    rows,
)
from simulation.faults import Fault
from simulation.gate import Gate
from simulation.scheduler import Task

from sweepctl.engine.child import Child
from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError, InterruptedRunError
from sweepctl.protocol import Description, Model

POINT_SECONDS = 4.0
LISTEN_SECONDS = 5.0  # between two looks at the deadline and the stop
WAIT_SECONDS = 0.5  # between two looks at what an engine waits for
SEGFAULT = -11
FAILURE = '"failure"'  # in a record of a point that failed
ROWS = 2  # of `parts` that each point has
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
    ending: Literal["crash", "hang", "memory", "any"] = "crash"  # what these do
    is_once: bool = False  # whether fragile points do it the first time alone that an engine runs them
    hosts: bool = False  # whether its engine can run points in child processes
    columns: int = 0  # how many points it writes in a record of columns; 0 where it writes none
    again: bool = False  # whether its process can be asked again
    replaced: bool = False  # whether its file is replaced now and then
    refuses: bool = False

    def steps(
        self, command: str, request: dict[str, Any], strikes: Callable[[], str | None], blamed: int | None
    ) -> Sequence[Step]:
        """Return what an engine does that is asked for a shard.

        `strikes` says what a fragile point does this time, if anything; `blamed` is a sound one that a host blames.
        """
        if self.refuses:
            return [refused("x is too large", "x")]
        indices = range(request["start_index"], request["end_index_exclusive"])
        started = STARTED.replace('"model_version":"1"', f'"model_version":"{self.version}"')
        if request["outputs"]:
            started = started.replace('"datasets":{}', '"datasets":{"parts":{"p":"int"}}')
        # Without a limit of its time a point hangs in a child as well.
        bounded = () if command != "host" else CODES if _limits_time(request) else ("crash", "memory")
        points = [
            _crashed_point(index, CODES["crash"]) if index == blamed else self._point(command, index, strikes, bounded)
            for index in indices
        ]
        failed = sum(isinstance(each, str) and FAILURE in each for each in points)
        if request["outputs"] and command != "points":
            points = [_with_rows(each) for each in points]
        together = _together(points, self.columns) if request.get("columns") and command != "points" else points
        return [started, *together, finished(len(indices), failed)]

    def _point(self, command: str, index: int, strikes: Callable[[], str | None], bounded: Collection[str]) -> Step:
        if command == "points":
            return _identity(index)
        always = "hang" if self.ending == "any" else self.ending
        ending = always if index in self.poison else strikes() if index in self.fragile else None
        if ending is not None:
            if ending in bounded:
                return _crashed_point(index, CODES[ending])
            return _for_ever if ending == "hang" else SEGFAULT
        return _failed_point(index) if index in self.failing else _point(index)


@cache
def _with_rows(step: Step) -> Step:
    """Return the record of a point with its rows of `parts` before it, if it has succeeded."""
    if not isinstance(step, str) or FAILURE in step:
        return step
    index = json.loads(step)["point_index"]
    return f"{rows(index, *range(ROWS))}\n{step}"


def _together(points: Sequence[Step], most: int) -> Iterator[Step]:
    """Yield the records of points in columns, some points at a time."""
    held: list[str] = []
    for step in points:
        if isinstance(step, str):
            held.append(step)
        if held and (len(held) == most or not isinstance(step, str)):
            yield _columns(*held)
            held.clear()
        if not isinstance(step, str):
            yield step
    if held:
        yield _columns(*held)


@cache
def _columns(*lines: str) -> str:
    """Return some points in columns, in which an entry that they share is written once."""
    fields = json.loads(in_columns(*lines))
    once = {name: _shared(fields[name]) for name in ("status", "error_code", "error_message")}
    return in_columns(*lines, **once, metrics={"m": _shared(fields["metrics"]["m"])})


def _shared(entries: list[Any]) -> list[Any]:
    return entries[:1] if all(each == entries[0] for each in entries) else entries


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
        self.__dict__["description"] = _description(
            behaviour.version, host=behaviour.hosts, again=behaviour.again, columns=behaviour.columns > 0
        )
        self._behaviour = behaviour
        self._gate = gate
        self._strikes_so_far = 0
        self._builds = 0
        self._asked: dict[Task, list[SimulatedChild]] = {}

    @property
    def sha256(self) -> str:
        if self._gate is not None and self._behaviour.replaced and self._gate.fault("build", ""):
            self._builds += 1
        return self._digest

    @property
    def _digest(self) -> str:
        return hashlib.sha256(f"{self._behaviour.version} {self._builds}".encode()).hexdigest()

    def asked_by(self, task: Task) -> "Sequence[SimulatedChild]":
        """Return the processes that a task has asked so far, and forget them."""
        return self._asked.pop(task, [])

    def note(self, child: "SimulatedChild") -> None:
        if self._gate is not None:
            self._asked.setdefault(self._gate.outside.scheduler.current, []).append(child)

    def _child(self, command: str, *, stdin: bytes, timeout: float | None, stop: Event) -> Child:
        child = SimulatedChild(self, command, self._gate, self._digest, self._monotonic)
        child.begin(stdin, timeout, stop)
        return cast("Child", child)

    def steps(self, command: str, request: dict[str, Any]) -> list[Step]:
        """Return what a process does that is asked for some points."""
        blamed = None
        if self._gate is not None:
            xs = request["design"].get("dimensions", {}).get("x", [])
            if xs != list(range(len(xs))):
                self._gate.outside.log.find("wrong_design", f"an engine is asked for points of {xs}")
            if command == "host" and self._gate.fault("host", ""):
                blamed = request["start_index"]
        return list(self._behaviour.steps(command, request, self._strikes, blamed))

    def _strikes(self) -> str | None:
        self._strikes_so_far += 1
        is_over = self._behaviour.is_once and self._strikes_so_far > 1
        if is_over or self._gate is None or self._gate.outside.plan.choice(2) == 0:
            return None
        ending = self._behaviour.ending
        return [*CODES][self._gate.outside.plan.choice(len(CODES))] if ending == "any" else ending


class SimulatedChild:
    """Does what a child would, a step at a time."""

    cpu_seconds = 0.25
    peak_bytes = 1 << 20
    stderr_tail = ""

    def __init__(
        self, engine: SimulatedEngine, command: str, gate: Gate | None, build: str, monotonic: Callable[[], float]
    ) -> None:
        self._engine = engine
        self.command = command
        self._gate = gate
        self._monotonic = monotonic
        self.build = build
        self.requests = 0
        self.was_late = False  # for its deadline
        self._status = 0
        self._hangs = False
        self._stays = command == "run --again"
        self._steps: list[Step] = []

    def begin(self, stdin: bytes, timeout: float | None, stop: Event) -> None:
        """Begin with a request."""
        request = json.loads(stdin)
        self._call = "columns" if request.get("columns") else "engine"
        self.has_limits = "limits" in request
        self._stop = stop
        self._timeout = timeout
        self._deadline = None if timeout is None else self._monotonic() + timeout
        self._ready_at: float | None = None
        self._steps = self._engine.steps(self.command, request)
        self._said = list(self._steps)
        self.requests += 1
        self._engine.note(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stays = False

    def pause(self) -> bool:
        return self._stays

    def resume(self, stdin: bytes, timeout: float | None, stop: Event) -> bool:
        """Begin with another request, unless it has ended or has written what nobody asked for."""
        fault = None if self._gate is None else self._gate.fault("resume", "")
        if fault is Fault.ENGINE_GONE or self._steps or not self._stays:
            return False
        if self._gate is not None and any(isinstance(each, str) and FAILURE in each for each in self._said):
            self._gate.outside.log.find("unfit", "an engine is asked again, a point of which has failed")
        former = self._said
        self.begin(stdin, timeout, stop)
        match fault:
            case Fault.ENGINE_LATE:
                self._end(-9)
            case Fault.ENGINE_FORMER:
                self._steps = former
            case Fault.ENGINE_OTHER:
                self._steps[0] = STARTED.replace('"model_version":"1"', '"model_version":"other"')
        return True

    @property
    def output_ended(self) -> bool:
        return not (self._steps or self._hangs or self._stays)

    def read(self, seconds: float) -> bytes:
        if self._gate is None:
            said, self._steps = self._steps, []
            return "".join(f"{each}\n" for each in said).encode()
        if self.output_ended or not seconds:
            return self._next() if seconds == 0 and self._steps else b""
        is_silent = self._hangs or not self._steps
        if self._ready_at is None:
            self._ready_at = self._monotonic() + self._gate.outside.plan.latency(POINT_SECONDS)
        left = LISTEN_SECONDS if is_silent else min(LISTEN_SECONDS, self._ready_at - self._monotonic())
        self._gate.outside.scheduler.sleep(max(0.0, left))
        self._check_limits()
        if is_silent or self._monotonic() < self._ready_at:
            return b""
        if callable(self._steps[0]):
            if self._steps[0]():
                del self._steps[0]
            self._ready_at = self._monotonic() + WAIT_SECONDS
            return b""
        self._ready_at = None
        fault = self._gate.fault(self._call, self.command)
        if fault is Fault.STALL_BEFORE:
            self._ready_at = self._monotonic() + self._gate.outside.plan.minutes()
            return b""
        self._gate.before(fault)
        self.was_late = self._is_late  # for whoever stood still meanwhile
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
            self._end(step)
            return b""
        return f"{step}\n".encode()

    def _end(self, status: int) -> None:
        self._steps, self._status, self._stays = [], status, False

    def _misbehave(self, fault: Fault | None) -> None:
        match fault:
            case Fault.ENGINE_CRASH:
                self._end(-9)
            case Fault.ENGINE_PARTIAL:
                self._end(0)
            case Fault.ENGINE_HANG:
                self._hangs = True
            case _:
                self._steps = _spoiled(self._steps, fault)

    @property
    def _is_late(self) -> bool:
        return self._deadline is not None and self._monotonic() > self._deadline

    def _check_limits(self) -> None:
        if self._stop.is_set():
            raise InterruptedRunError("stopped by a signal")
        self.was_late = self._is_late
        if self.was_late:
            raise EngineFaultError("engine_timeout", f"the engine did not finish within {self._timeout:g} s")


def _spoiled(steps: list[Step], fault: Fault | None) -> list[Step]:
    """Return what is written in place of some records."""
    match fault:
        case Fault.ENGINE_INDEX:
            return steps[1:]
        case Fault.ENGINE_COUNT:
            return [*steps[:-1], finished(9)]
        case Fault.ENGINE_GARBAGE:
            return ["\x00{", *steps]
        case Fault.ENGINE_NAN:
            return [_changed(steps[0], re.compile(r'"m":(\[?)[^,\]}]+'), r'"m":\1NaN'), *steps[1:]]
        case Fault.ENGINE_MORE:
            return [*steps, "{}"]
        case Fault.ENGINE_VALUE:
            return [_changed(each, re.compile(r'("metrics":{"m":\[?)(?=\d)'), r"\g<1>9") for each in steps]
        case Fault.ENGINE_ENTRIES:
            return [_changed(steps[0], re.compile(r'"m":\[([^\]]+)\]'), r'"m":[\1,\1,\1]'), *steps[1:]]
    return steps


def _changed(step: Step, old: re.Pattern[str], new: str) -> Step:
    return old.sub(new, step) if isinstance(step, str) else step


@cache
def declared(version: str) -> Model:
    """Return the model as all engines of a version declare it; the same object, by which results are remembered."""
    (model,) = DESCRIPTION["models"]
    return Model.model_validate({**cast("dict[str, Any]", model), "version": version})


@cache
def _description(version: str, **can: bool) -> Description:
    # Memory is limited on Linux only.
    target = "x86_64-unknown-linux-gnu"
    return Description.model_validate({**DESCRIPTION, **can, "target": target, "models": [declared(version)]})

"""An engine within this process: what its child would write, through the production reader of its protocol.

`Engine` and `EngineRun` are the real ones; only the child process is handed in. It computes `toy` of tests/engines.py,
a point a record, and takes its time for each.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Self, cast

from fakes.engines import DESCRIPTION, STARTED, finished, line, point
from simulation.faults import Fault
from simulation.gate import Gate

from sweepctl.engine.child import Child
from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError, InterruptedRunError
from sweepctl.protocol import Description

POINT_SECONDS = 4.0
LISTEN_SECONDS = 5.0  # between two looks at the deadline and the stop


@dataclass(frozen=True)
class Behaviour:
    """What the model does, whoever runs it."""

    version: str = "1"
    failing: frozenset[int] = frozenset()  # points that fail by themselves
    poison: frozenset[int] = frozenset()  # points that kill the engine
    refuses: bool = False


class SimulatedEngine(Engine):
    """Without a gate, it answers at once, and as it should."""

    def __init__(self, behaviour: Behaviour, gate: Gate | None, monotonic: Callable[[], float]) -> None:
        super().__init__(Path("simulated"), monotonic=monotonic)
        self.__dict__["description"] = _description(behaviour.version)
        self._behaviour = behaviour
        self._gate = gate

    def _child(self, command: str, *, stdin: bytes, timeout: float | None, stop: Event) -> Child:
        request = json.loads(stdin)
        records = _records(command, request, self._behaviour)
        child = SimulatedChild(records, self._gate, timeout, stop, self._monotonic)
        return cast("Child", child)


class SimulatedChild:
    """Gives what a child would write, a record at a time."""

    cpu_seconds = 0.25
    stderr_tail = ""

    def __init__(
        self,
        records: list[str],
        gate: Gate | None,
        timeout: float | None,
        stop: Event,
        monotonic: Callable[[], float],
    ) -> None:
        self._records = records
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
        return not self._records and not self._hangs

    def read(self, seconds: float) -> bytes:
        if self._gate is None:
            said, self._records = self._records, []
            return "".join(f"{each}\n" for each in said).encode()
        if self.output_ended or not seconds:
            return self._next() if seconds == 0 and self._records else b""
        if self._ready_at is None:
            self._ready_at = self._monotonic() + self._gate.outside.plan.latency(POINT_SECONDS)
        left = LISTEN_SECONDS if self._hangs else min(LISTEN_SECONDS, self._ready_at - self._monotonic())
        self._gate.outside.scheduler.sleep(max(0.0, left))
        self._check_limits()
        if self._hangs or self._monotonic() < self._ready_at:
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
        if not self._records or self._hangs:
            return b""
        record = self._records.pop(0)
        if record == "poison":
            self._records, self._status = [], -11
            return b""
        return f"{record}\n".encode()

    def _misbehave(self, fault: Fault | None) -> None:
        said = self._records
        match fault:
            case Fault.ENGINE_CRASH:
                self._records, self._status = [], -9
            case Fault.ENGINE_PARTIAL:
                self._records = []
            case Fault.ENGINE_HANG:
                self._hangs = True
            case Fault.ENGINE_INDEX:
                self._records = said[1:]
            case Fault.ENGINE_COUNT:
                self._records = [*said[:-1], finished(9)]
            case Fault.ENGINE_GARBAGE:
                self._records = ["\x00{", *said]
            case Fault.ENGINE_NAN:
                self._records = [re.sub('"m":[^,}]+', '"m":NaN', said[0]), *said[1:]]
            case Fault.ENGINE_MORE:
                self._records = [*said, "{}"]
            case Fault.ENGINE_VALUE:
                self._records = [each.replace('"metrics":{"m":', '"metrics":{"m":9') for each in said]

    def _check_limits(self) -> None:
        if self._stop.is_set():
            raise InterruptedRunError("stopped by a signal")
        if self._deadline is not None and self._monotonic() > self._deadline:
            raise EngineFaultError("engine_timeout", f"the engine did not finish within {self._timeout:g} s")


@cache
def _description(version: str) -> Description:
    (model,) = DESCRIPTION["models"]
    models = [{**cast("dict[str, Any]", model), "version": version}]
    return Description.model_validate({**DESCRIPTION, "models": models})


def _records(command: str, request: dict[str, Any], behaviour: Behaviour) -> list[str]:
    if behaviour.refuses:
        refusal = {"error_code": "invalid_parameters", "message": "x is too large", "parameter": "x"}
        return [line(record="refused", **refusal)]
    indices = range(request["start_index"], request["end_index_exclusive"])
    values = request["design"]["dimensions"]["x"]
    started = STARTED.replace('"model_version":"1"', f'"model_version":"{behaviour.version}"')
    points = [_point(command, index, values[index], behaviour) for index in indices]
    failed = sum(index in behaviour.failing for index in indices) if command == "run" else 0
    return [started, *points, finished(len(indices), failed)]


@cache
def _point(command: str, index: int, x: int, behaviour: Behaviour) -> str:
    if command == "run" and index in behaviour.poison:
        return "poison"
    names = _names(index, x)
    if command == "points":
        return point(index, status=..., metrics=..., **names)
    if index in behaviour.failing:
        failure = {"status": "failure", "metrics": ..., "error_code": "domain_error", "error_message": "x is odd"}
        return point(index, **failure, **names)
    return point(index, metrics={"m": x / 2}, **names)


def _names(index: int, x: int) -> dict[str, Any]:
    digest = hashlib.sha256(b"%d" % x).hexdigest()
    return {
        "parameters": {"x": x},
        "effective_parameters_json": line(x=x),
        "parameter_fingerprint": digest,
        "point_fingerprint": hashlib.sha256(f"{digest} {index}".encode()).hexdigest(),
    }

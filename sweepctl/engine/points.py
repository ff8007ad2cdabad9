"""Runs points of a run: in-process, and in child processes from the first on that ends the engine.

Where the run limits what a point may take, all are in child processes: only there such a limit is kept.

It chooses the engine's command; what becomes of the records is the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import TYPE_CHECKING

from sweepctl.engine.client import Engine
from sweepctl.engine.reader import RecordReader
from sweepctl.engine.run import EngineRun
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessage
from sweepctl.protocol import ShardTime, encode_request
from sweepctl.spec import MAX_POINT_SECONDS, NO_LIMITS, Limits

if TYPE_CHECKING:
    import pyarrow as pa

    from sweepctl.design import Space

# What a point can do to an engine that runs it in-process.
OF_A_POINT = {"engine_crashed", "engine_incomplete", "engine_timeout"}
# Of the time limit: an engine that finishes and begins no point for so long has hung, while points wait to begin.
SILENCE = 1 / 2
# Of the time that is left then, for one point: it is tried twice, so that four such points leave time for the others.
POINT_SHARE = 1 / 10
REPORT_SECONDS = 5.0  # of silence, after which an engine says which point has been running longest


class Requests:
    """The request for a shard's points, and for the last of them."""

    def __init__(
        self,
        message: ShardMessage,
        space: "Space",
        threads: int | None,
        *,
        has_host: bool,
        keep: bool = False,
        has_columns: bool = False,
    ) -> None:
        """Encode the request for all points; `space` is the design of `message`.

        An engine that has a host understands requests for reports, too. `keep` asks for the files that a program keeps.
        One that has columns is asked for them where a point's record has no others that belong to it.

        Raises:
            MessageError: the design's rows are invalid, or the request is longer than an engine accepts.
        """
        self._message, self._space, self._threads = message, space, threads
        self.limits = message.spec.limits.of_points
        self.end = message.end_index_exclusive
        self._report_seconds, self._keep = REPORT_SECONDS if has_host else None, keep
        self._columns = has_columns and not keep and not message.outputs
        self.whole = self.rest(message.start_index)

    def rest(self, start_index: int) -> bytes:
        """Return the request for the points from `start_index` on."""
        return encode_request(
            self._message.spec,
            self._space,
            start_index,
            self.end,
            self._threads,
            report_seconds=self._report_seconds,
            keep=self._keep,
            columns=self._columns,
        )


@dataclass(frozen=True)
class Clock:
    """How long all engines of an attempt may take."""

    seconds: float | None  # None: no limit
    monotonic: Callable[[], float]
    point_seconds: float | None = None  # for one point; None: a share of `seconds`, once a point has hung

    def left(self, began_at: float) -> float | None:
        """Return how long an engine may still take in an attempt that began at `began_at`."""
        return None if self.seconds is None else self.seconds - (self.monotonic() - began_at)


def run_points(
    engine: Engine,
    requests: Requests,
    reader: RecordReader,
    take: Callable[[EngineRun], None],
    *,
    clock: Clock,
    stop: Event,
    spec: str | None = None,
) -> tuple[EngineFaultError | None, float]:
    """Have `take` read what the engine writes; return the fault that ended it, if any, and the CPU seconds.

    If the engine dies or hangs, its host runs the points from the first on that has no record. If the run limits what a
    point may take, its host runs all of them. Once points have hung, each has a share of the time that is left then.
    With `spec`, its fingerprint, an engine's process may have been asked before and be asked again: it has no start of
    its own. If such a one fails before its first record, that may be due to what it did before: a new one is asked.

    Raises:
        RefusedError: the engine refused the request.
    """
    began_at, cpu_seconds = clock.monotonic(), 0.0
    request, way = requests.whole, _Way(clock, requests.limits, is_hosted=requests.limits != NO_LIMITS, spec=spec)
    while True:
        first = reader.next_index
        run = way.start(engine, request, clock.left(began_at), stop)
        fault = _taken(run, take)
        cpu_seconds += run.cpu_seconds
        left = clock.left(began_at)
        if fault is not None and run.was_asked and reader.next_index == first and (left is None or left > 0):
            way = replace(way, spec=None)
            reader.go_on()
            continue
        is_over = reader.next_index == requests.end or (left is not None and left <= 0)  # no point is left, or no time
        if fault is None or fault.error_code not in OF_A_POINT or is_over or not engine.description.host:
            return fault, cpu_seconds
        before, way = way, way.after(fault)
        if way == before:
            return fault, cpu_seconds
        reader.go_on()
        request = requests.rest(reader.next_index)


@dataclass(frozen=True)
class _Way:
    """How an engine is to run points, after what they have done to it so far."""

    clock: Clock
    limits: Limits  # of the run
    is_hosted: bool
    spec: str | None  # of engines that wait, to ask one of them; None to start one
    has_hung: bool = False

    def after(self, fault: EngineFaultError) -> "_Way":
        """Return how to go on after a fault; the same way if there is no better one."""
        # Where points have a limit anyway, none of them is why a host hangs.
        has_hung = fault.error_code == "engine_timeout" and self._point_seconds is None
        return replace(self, is_hosted=True, has_hung=self.has_hung or has_hung)

    def start(self, engine: Engine, request: bytes, left: float | None, stop: Event) -> EngineRun:
        """Start the engine, with `left` seconds for all that it does."""
        limits = self.limits.model_copy(update={"point_seconds": self._point_seconds}) if self.is_hosted else NO_LIMITS
        shard_time = self._shard_time(left) if engine.description.host else None
        return engine.start(
            request,
            command="host" if self.is_hosted else "run",
            limits=limits,
            shard_time=shard_time,
            timeout=left,
            silence=self._silence(shard_time),
            stop=stop,
            spec=self.spec,
        )

    @property
    def _point_seconds(self) -> float | None:
        return min((each for each in (self.limits.point_seconds, self.clock.point_seconds) if each), default=None)

    def _shard_time(self, left: float | None) -> ShardTime | None:
        if left is None or left <= 0 or self.clock.seconds is None or self.clock.point_seconds is not None:
            return None
        most = MAX_POINT_SECONDS
        return ShardTime(min(self.clock.seconds, most), min(left, most), left * POINT_SHARE if self.has_hung else None)

    def _silence(self, shard_time: ShardTime | None) -> float | None:
        """Return how long the engine may finish no point; None: for all of its time."""
        if not self.is_hosted and self.clock.point_seconds is not None:
            return self.clock.point_seconds
        has_limit = self._point_seconds is not None or self.has_hung
        return None if shard_time is None or has_limit else shard_time.limit * SILENCE


def taking(reader: RecordReader, use: Callable[[Mapping[str, "pa.Table"]], None]) -> Callable[[EngineRun], None]:
    """Return a `take` for `run_points` that has `use` called with the rows of each dataset, some points at a time."""

    def take(run: EngineRun) -> None:
        run.begin()
        for block in run.blocks():
            batch = reader.read(block)
            use(batch.rows)
            if batch.fault is not None:
                raise batch.fault
        reader.finish(run.finished)

    return take


def _taken(run: EngineRun, take: Callable[[EngineRun], None]) -> EngineFaultError | None:
    try:
        with run:
            take(run)
    except EngineFaultError as fault:
        return fault
    return None

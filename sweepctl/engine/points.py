"""Runs points of a run: in-process, and in child processes from the first on that ends the engine.

Where the run limits what a point may take, all are in child processes: only there such a limit is kept.

It chooses the engine's command; what becomes of the records is the caller's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from sweepctl.engine.client import Engine, EngineRun
from sweepctl.engine.reader import RecordReader
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessage
from sweepctl.protocol import encode_request
from sweepctl.spec import MAX_POINT_SECONDS, NO_LIMITS, Limits

if TYPE_CHECKING:
    import pyarrow as pa

    from sweepctl.design import Space

# What a point can do to an engine that runs it in-process.
OF_A_POINT = {"engine_crashed", "engine_incomplete", "engine_timeout"}
# Of the time limit: an engine that writes nothing for so long has hung, and its host has the rest of the time.
SILENCE = 2 / 3
# Of the time that a host has, for one point: it is tried twice, and others are left.
POINTS_SHARE = 1 / 3
REPORT_SECONDS = 5.0  # of silence, after which an engine says which point has been running longest


class Requests:
    """The request for a shard's points, and for the last of them."""

    def __init__(
        self, message: ShardMessage, space: "Space", threads: int | None, *, has_host: bool, keep: bool = False
    ) -> None:
        """Encode the request for all points; `space` is the design of `message`.

        An engine that has a host understands requests for reports, too. `keep` asks for the files that a program keeps.

        Raises:
            MessageError: the design's rows are invalid, or the request is longer than an engine accepts.
        """
        self._message, self._space, self._threads = message, space, threads
        self.limits = message.spec.limits.of_points
        self.end = message.end_index_exclusive
        self._report_seconds, self._keep = REPORT_SECONDS if has_host else None, keep
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
        )


@dataclass(frozen=True)
class Clock:
    """How long all engines of an attempt may take."""

    seconds: float | None  # None: no limit
    monotonic: Callable[[], float]
    point_seconds: float | None = None  # for one point; None: a share of `seconds`, once a point has hung

    def silence(self, *, hosts: bool) -> float | None:
        """Return how long an engine may write nothing; None: for all of its time."""
        if self.point_seconds is not None:
            return self.point_seconds
        return None if self.seconds is None or not hosts else self.seconds * SILENCE


def run_points(
    engine: Engine,
    requests: Requests,
    reader: RecordReader,
    take: Callable[[EngineRun], None],
    *,
    clock: Clock,
    stop: Event,
) -> tuple[EngineFaultError | None, float]:
    """Have `take` read what the engine writes; return the fault that ended it, if any, and the CPU seconds.

    If the engine dies or hangs, its host runs the points from the first on that has no record. If the run limits what a
    point may take, its host runs all of them.

    Raises:
        RefusedError: the engine refused the request.
    """
    seconds = clock.seconds
    if requests.limits != NO_LIMITS:
        own = requests.limits.point_seconds
        given = [each for each in (own, clock.point_seconds) if each is not None]
        limits = requests.limits.model_copy(update={"point_seconds": min(given) if given else _share(seconds)})
        host = engine.start(requests.whole, command="host", limits=limits, timeout=seconds, stop=stop)
        return _taken(host, take), host.cpu_seconds
    began_at = clock.monotonic()
    hosts = engine.description.host
    run = engine.start(requests.whole, timeout=seconds, silence=clock.silence(hosts=hosts), stop=stop)
    fault = _taken(run, take)
    left = None if seconds is None else seconds - (clock.monotonic() - began_at)
    is_over = reader.next_index == requests.end or (left is not None and left <= 0)  # no point is left, or no time
    if fault is None or not hosts or fault.error_code not in OF_A_POINT or is_over:
        return fault, run.cpu_seconds
    # One that has crashed needs no limit; one that hangs would hang again.
    hangs = fault.error_code == "engine_timeout"
    limits = Limits(point_seconds=clock.point_seconds or (_share(left) if hangs else None))
    reader.go_on()
    host = engine.start(requests.rest(reader.next_index), command="host", limits=limits, timeout=left, stop=stop)
    return _taken(host, take), run.cpu_seconds + host.cpu_seconds


def _share(seconds: float | None) -> float | None:
    """Return how long a point may take in a host that has so long; None: for ever."""
    return min(seconds * POINTS_SHARE, MAX_POINT_SECONDS) if seconds else None


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

"""Runs the points of a shard: in-process, and in child processes from the first on that ends the engine.

Where the run limits what a point may take, all are in child processes: only there such a limit is kept.

It chooses the engine's command; what becomes of the records is the caller's.
"""

from collections.abc import Callable
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

    def __init__(self, message: ShardMessage, space: "Space", threads: int | None, *, has_host: bool) -> None:
        """Encode the request for all points; `space` is the design of `message`.

        An engine that has a host understands requests for reports, too.

        Raises:
            MessageError: the design's rows are invalid, or the request is longer than an engine accepts.
        """
        self._message, self._space, self._threads = message, space, threads
        self.limits = message.spec.limits.of_points
        self._report_seconds = REPORT_SECONDS if has_host else None
        self.whole = self.rest(message.start_index)

    def rest(self, start_index: int) -> bytes:
        """Return the request for the points from `start_index` on."""
        end = self._message.end_index_exclusive
        return encode_request(
            self._message.spec, self._space, start_index, end, self._threads, report_seconds=self._report_seconds
        )


@dataclass(frozen=True)
class Clock:
    """How long all engines of an attempt may take."""

    seconds: float | None  # None: no limit
    monotonic: Callable[[], float]


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
        limits = requests.limits
        if limits.point_seconds is None:
            limits = limits.model_copy(update={"point_seconds": _share(seconds)})
        host = engine.start(requests.whole, command="host", limits=limits, timeout=seconds, stop=stop)
        return _taken(host, take), host.cpu_seconds
    began_at = clock.monotonic()
    hosts = engine.description.host
    silence = None if seconds is None or not hosts else seconds * SILENCE
    run = engine.start(requests.whole, timeout=seconds, silence=silence, stop=stop)
    fault = _taken(run, take)
    left = None if seconds is None else seconds - (clock.monotonic() - began_at)
    if fault is None or not hosts or fault.error_code not in OF_A_POINT or (left is not None and left <= 0):
        return fault, run.cpu_seconds
    # One that has crashed needs no limit; one that hangs would hang again.
    hangs = fault.error_code == "engine_timeout" and left is not None
    reader.go_on()
    limits = Limits(point_seconds=_share(left)) if hangs else NO_LIMITS
    host = engine.start(requests.rest(reader.next_index), command="host", limits=limits, timeout=left, stop=stop)
    return _taken(host, take), run.cpu_seconds + host.cpu_seconds


def _share(seconds: float | None) -> float | None:
    """Return how long a point may take in a host that has so long; None: for ever."""
    return min(seconds * POINTS_SHARE, MAX_POINT_SECONDS) if seconds else None


def _taken(run: EngineRun, take: Callable[[EngineRun], None]) -> EngineFaultError | None:
    try:
        with run:
            take(run)
    except EngineFaultError as fault:
        return fault
    return None

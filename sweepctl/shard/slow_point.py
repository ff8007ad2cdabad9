"""A point that has been running for some time: what a worker shows and logs of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sweepctl import logs
from sweepctl.engine.reader import RecordReader
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessage
from sweepctl.protocol import Running

LOG_SECONDS = 60.0  # from which on a point has a log line, and another one each time that this has doubled


@dataclass(frozen=True)
class SlowPoint:
    """The point of a shard that has been running longest, as its engine last reported it."""

    shard_id: int
    point_index: int
    seconds: float


# Is called with the number of points done, and with what is slow at the moment, if anything is.
Progress = Callable[[int, SlowPoint | None], None]


def slowest(points: Iterable[SlowPoint | None]) -> SlowPoint | None:
    """Return the one that has been running longest; None if there is none."""
    return max((each for each in points if each is not None), key=lambda each: each.seconds, default=None)


def slow_point(running: Running | None, reader: RecordReader, message: ShardMessage) -> SlowPoint | None:
    """Return what an engine says is running.

    Raises:
        EngineFaultError: that point has its record already, or is not of this shard.
    """
    if running is None:
        return None
    if not reader.next_index <= running.point_index < message.end_index_exclusive:
        left = f"{reader.next_index} to {message.end_index_exclusive - 1}"
        msg = f"the engine reported point_index {running.point_index} as running, while {left} have no record"
        raise EngineFaultError("engine_invalid_output", msg)
    return SlowPoint(message.shard_id, running.point_index, running.seconds)


class SlowPointLog:
    """Logs points that have been running for a minute, two, four and so on."""

    def __init__(self, **fields: object) -> None:
        """`fields` identify the attempt in each line."""
        self._fields = fields
        self._last: SlowPoint | None = None
        self._due = LOG_SECONDS

    def note(self, slow: SlowPoint | None) -> None:
        """Log `slow` if its time has come."""
        if slow is None:
            return
        last, self._last = self._last, slow
        # The same point with fewer seconds is tried once more.
        if last is None or last.point_index != slow.point_index or last.seconds > slow.seconds:
            self._due = LOG_SECONDS
        if slow.seconds >= self._due:
            logs.event("point_running", **self._fields, point_index=slow.point_index, seconds=round(slow.seconds, 1))
            while self._due <= slow.seconds:
                self._due *= 2

"""A queue's backlog, and when the queue will be empty at its current pace.

All workers and senders together make that pace; one worker's own says nothing about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_DEPTHS = 30  # samples of the last minutes: older ones say nothing about the current pace


@dataclass(frozen=True)
class DepthSample:
    """How many messages were visible at a time, in seconds of a monotonic clock; SQS counts approximately."""

    at: float
    visible: int


@dataclass(frozen=True)
class Backlog:
    """What is left on a queue."""

    waiting: int
    seconds_left: float | None  # None while the backlog does not shrink


def estimate_backlog(depths: Sequence[DepthSample]) -> Backlog | None:
    """Return the backlog that depth samples, oldest first, show; None without samples."""
    if not depths:
        return None
    first, last = depths[0], depths[-1]
    drained = first.visible - last.visible
    return Backlog(last.visible, last.visible * (last.at - first.at) / drained if drained > 0 else None)

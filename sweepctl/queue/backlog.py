"""How many messages wait on a queue, and when they will be gone at the pace at which they became fewer.

All workers of a queue, and whoever still sends, make that pace; one worker's own tells nothing of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_DEPTHS = 30  # of the last minutes: what was an hour ago is no measure


@dataclass(frozen=True)
class DepthSample:
    """How many messages could be received at a time, in seconds of a monotonic clock; SQS counts approximately."""

    at: float
    visible: int


@dataclass(frozen=True)
class Backlog:
    """What is left on a queue."""

    waiting: int
    seconds_left: float | None  # None while the messages do not become fewer


def estimate_backlog(depths: Sequence[DepthSample]) -> Backlog | None:
    """Return what the depths, oldest first, say; None where there is none."""
    if not depths:
        return None
    first, last = depths[0], depths[-1]
    fewer = first.visible - last.visible
    return Backlog(last.visible, last.visible * (last.at - first.at) / fewer if fewer > 0 else None)

"""A pilot: some of a run's points, run on this machine to measure their time; no result is kept.

Points are run in blocks that are spread over the whole design, on one thread. Time is the engine's CPU time without its
start, so other programs do not count; each block is one measurement.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from typing import Literal

from sweepctl.engine.client import Engine
from sweepctl.protocol import encode_request
from sweepctl.sweep.cost import Interval, interval
from sweepctl.sweep.file import DEFAULT_SHARD_SECONDS
from sweepctl.sweep.plan import Draft

BLOCKS = 16
# The least time of a block when measuring the shard size: below it, the engine's start would distort the result.
BLOCK_SECONDS = 0.05
# No block is started after this time when measuring the shard size, which need not be precise.
PATIENCE_SECONDS = 10.0
# Also for cheap points: a shard's files are read as a whole.
MAX_SHARD_POINTS = 1_000_000


@dataclass(frozen=True)
class Pilot:
    """The measured time of a point."""

    points: int
    failed: int  # of these; they have no result, and would have none in the run
    seconds: Interval  # per point, on one core


def run_pilot(
    draft: Draft,
    engine: Engine,
    points: int,
    *,
    patience: float | None = None,
    progress: Callable[[int], None] = lambda _points: None,
    stop: Event | None = None,
) -> Pilot:
    """Run some of a sweep's points, at most `points`, and return the time per point.

    After `patience` seconds, no further block is started, once there are two.

    Raises:
        InterruptedRunError: `stop` was set.
        EngineFaultError: the engine failed on a block.
    """
    total = draft.total_points
    # At least two points per block: the first one's time includes what a process does once, such as making a map.
    blocks = max(1, min(BLOCKS, min(points, total) // 2))
    size = max(1, min(points, total) // blocks)
    clock = _Clock(draft, engine, stop)
    began_at, measured, failed = time.monotonic(), list[float](), 0
    # In an order that covers the design, however early it stops.
    for place in sorted(range(blocks), key=lambda block: block * GOLDEN_RATIO % 1):
        start = min(place * total // blocks, total - size)
        seconds, failures = clock.of_a_point(start, start + size)
        measured.append(seconds)
        failed += failures
        progress(len(measured) * size)
        if patience is not None and len(measured) > 1 and time.monotonic() - began_at > patience:
            break
    # A single block does not show how much others differ.
    return Pilot(len(measured) * size, failed, interval(measured if len(measured) > 1 else measured * 2))


def shard_points(draft: Draft, engine: Engine, stop: Event | None = None) -> int:
    """Return how many points take as long as a shard should, rounded to two digits.

    Raises:
        InterruptedRunError, EngineFaultError: as `run_pilot`.
    """
    wanted, total = draft.file.sweep.shards.seconds or DEFAULT_SHARD_SECONDS, draft.total_points
    clock, size = _Clock(draft, engine, stop), 1
    while size * BLOCKS * 4 <= total and clock.of(0, size)[0] - clock.start_up < BLOCK_SECONDS:
        size *= 4
    pilot = run_pilot(draft, engine, size * BLOCKS, patience=PATIENCE_SECONDS, stop=stop)
    fitting = min(wanted / max(pilot.seconds.mean, 1e-9), total, MAX_SHARD_POINTS)
    return max(1, int(float(f"{fitting:.2g}")))


GOLDEN_RATIO = 0.618034


class _Clock:
    """Measures the CPU seconds and the failed points of blocks."""

    def __init__(self, draft: Draft, engine: Engine, stop: Event | None) -> None:
        self._draft = draft
        self._engine = engine
        self._stop = stop or Event()

    def of(self, start: int, end: int, command: Literal["run", "points"] = "run") -> tuple[float, int]:
        """Measure an engine process that runs these points."""
        request = encode_request(self._draft.spec, self._draft.file.space, start, end, threads=1)
        run = self._engine.start(request, command=command, stop=self._stop)
        with run:
            run.begin()
            for _ in run.blocks():
                pass
        return run.cpu_seconds, run.finished.failed

    @cached_property
    def start_up(self) -> float:
        """CPU seconds of a process that runs no points."""
        return self.of(0, 1, "points")[0]

    def of_a_point(self, start: int, end: int) -> tuple[float, int]:
        """Measure the seconds per point of a block, without the process's start, and all failed points of it."""
        seconds, failed = self.of(start, end)
        if end - start == 1:
            return max(0.0, seconds - self.start_up), failed
        first, _ = self.of(start, start + 1)
        return max(0.0, seconds - first) / (end - start - 1), failed

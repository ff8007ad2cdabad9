"""A pilot: some of a run's points, run on this machine to measure their time; no result is kept.

Points are run in blocks that are spread over the whole design, on one thread. Time is the engine's CPU time without its
start, so other programs do not count; each block is one measurement. A point that crashes or hangs costs its block's
measurement and a bounded time: child processes run the rest of the block, as in a shard.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Event

import pyarrow as pa
import pyarrow.compute as pc

from sweepctl.engine.client import HANDSHAKE_SECONDS, Engine
from sweepctl.engine.points import OF_A_POINT, Clock, Requests, run_points, taking
from sweepctl.engine.reader import RecordReader
from sweepctl.engine.run import EngineRun
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessageV2
from sweepctl.protocol import encode_request
from sweepctl.records.outcome import MACHINE_DEPENDENT
from sweepctl.records.table import POINT_OUTCOMES
from sweepctl.sweep.cost import Interval, interval
from sweepctl.sweep.file import DEFAULT_SHARD_SECONDS
from sweepctl.sweep.plan import Draft

BLOCKS = 16
# The least time of a block when measuring the shard size: below it, the engine's start would distort the result.
BLOCK_SECONDS = 0.05
# No block is started after this time when measuring the shard size, which need not be precise, or once a point hung.
PATIENCE_SECONDS = 10.0
# For one point of a pilot: it has hung if it takes longer.
POINT_SECONDS = 60.0
# Blocks with a point that crashed or hung, before the shard size is taken from them: such points are frequent.
MOST_BAD = 3
# Also for cheap points: a shard's files are read as a whole.
MAX_SHARD_POINTS = 1_000_000
GOLDEN_RATIO = 0.618034


@dataclass(frozen=True)
class Pilot:
    """The measured time of a point."""

    points: int  # that have a result or have failed
    failed: int  # of these; they have no result, and would have none in the run
    seconds: Interval  # per point, on one core
    bad: int = 0  # of the failed ones: those that crashed or hung, and were stepped over
    first_bad: str | None = None  # what happened at the first of them


@dataclass(frozen=True)
class ShardSize:
    """How many points a shard should have, and the pilot that measured it."""

    points: int
    pilot: Pilot


def run_pilot(
    draft: Draft,
    engine: Engine,
    points: int,
    *,
    point_seconds: float | None = None,
    progress: Callable[[int], None] = lambda _points: None,
    stop: Event | None = None,
) -> Pilot:
    """Run some of a sweep's points, at most `points`, and return the time per point.

    A point that crashes, or takes longer than `point_seconds`, is stepped over. By default these are the run's own, or
    else POINT_SECONDS.

    Raises:
        InterruptedRunError: `stop` was set.
        EngineFaultError: the engine broke its protocol.
    """
    clock = _BlockClock(draft, engine, _seconds_of(draft, point_seconds), stop)
    return _pilot(_run_blocks(clock, 0, points, patience=None, progress=progress))


def measure_shard(
    draft: Draft, engine: Engine, stop: Event | None = None, *, point_seconds: float | None = None
) -> ShardSize:
    """Return how many points take as long as a shard should, rounded to two digits.

    A point that crashes, or takes longer than `point_seconds` (as in `run_pilot`) or the shard should, is stepped over.

    Raises:
        InterruptedRunError, EngineFaultError: as `run_pilot`.
    """
    wanted, total = draft.file.sweep.shards.seconds or DEFAULT_SHARD_SECONDS, draft.total_points
    # A shard whose points take longer than it should has one point, however long they take.
    clock = _BlockClock(draft, engine, min(_seconds_of(draft, point_seconds), wanted), stop)
    size, start, bad = 1, 0, list[_Block]()
    while size * BLOCKS * 4 <= total and start + size <= total and len(bad) < MOST_BAD:
        block = clock.of(start, start + size)
        if not block.is_clean:
            bad.append(block)
            start += size
        elif block.cpu_seconds - clock.start_up < BLOCK_SECONDS:
            size *= 4
        else:
            break
    if len(bad) < MOST_BAD:
        bad += _run_blocks(clock, start, size * BLOCKS, patience=PATIENCE_SECONDS)
    pilot = _pilot(bad)
    fitting = min(wanted / max(pilot.seconds.mean, 1e-9), total, MAX_SHARD_POINTS)
    return ShardSize(max(1, int(float(f"{fitting:.2g}"))), pilot)


@dataclass(frozen=True)
class _Block:
    """What was measured of consecutive points."""

    points: int  # that have a record
    failed: int
    bad: int  # points that crashed or hung
    first_bad: str | None
    is_clean: bool  # whether no point ended or blocked its process, even once
    cpu_seconds: float  # of the whole process
    wall_seconds: float
    seconds: float  # per point


def _run_blocks(
    clock: "_BlockClock",
    first: int,
    points: int,
    *,
    patience: float | None,
    progress: Callable[[int], None] = lambda _points: None,
) -> list[_Block]:
    """Run blocks that are spread over the points from `first` on.

    After `patience` seconds, no further block is started, once there are two.
    """
    total = clock.total_points - first
    # At least two points per block: the first one's time includes what a process does once, such as making a map.
    blocks = max(1, min(BLOCKS, min(points, total) // 2))
    size = max(1, min(points, total) // blocks)
    began_at, measured = time.monotonic(), list[_Block]()
    # In an order that covers the design, however early it stops.
    for place in sorted(range(blocks), key=lambda block: block * GOLDEN_RATIO % 1):
        start = first + min(place * total // blocks, total - size)
        block = clock.per_point(start, start + size)
        measured.append(block)
        progress(len(measured) * size)
        if block.wall_seconds >= clock.point_seconds and not block.is_clean:
            patience = PATIENCE_SECONDS  # a point hung, and more may
        if patience is not None and len(measured) > 1 and time.monotonic() - began_at > patience:
            break
    return measured


def _pilot(blocks: Sequence[_Block]) -> Pilot:
    # Where no block is clean, points run in child processes in the run, too: what they take there is what counts.
    measured = [block.seconds for block in blocks if block.is_clean] or [block.seconds for block in blocks]
    return Pilot(
        sum(block.points for block in blocks),
        sum(block.failed for block in blocks),
        # A single block does not show how much others differ.
        interval(measured if len(measured) > 1 else measured * 2),
        sum(block.bad for block in blocks),
        next((block.first_bad for block in blocks if block.first_bad is not None), None),
    )


def _seconds_of(draft: Draft, point_seconds: float | None) -> float:
    return point_seconds or draft.spec.limits.point_seconds or POINT_SECONDS


class _BlockClock:
    """Measures blocks."""

    def __init__(self, draft: Draft, engine: Engine, point_seconds: float, stop: Event | None) -> None:
        self._draft = draft
        self._engine = engine
        self._stop = stop or Event()
        self.point_seconds = point_seconds
        self.total_points = draft.total_points

    def of(self, start: int, end: int) -> _Block:
        """Run points in an engine of their own; if one ends or blocks it, the engine's host runs the others.

        Raises EngineFaultError if the engine broke its protocol.
        """
        message = self._message(start, end)
        has_host = self._engine.description.host
        requests = Requests(message, self._draft.file.space, 1, has_host=has_host)
        reader = RecordReader(message, self._engine.model(message.model))
        found = _BadPoints()
        # Beyond the points' own time: one of them hangs, and is tried twice more.
        clock = Clock(self.point_seconds * (end - start + 2) + HANDSHAKE_SECONDS, time.monotonic, self.point_seconds)
        take, began_at = taking(reader, found.add), time.monotonic()
        fault, cpu = run_points(self._engine, requests, reader, found.counting(take), clock=clock, stop=self._stop)
        wall, points = time.monotonic() - began_at, reader.next_index - start
        if fault is not None and fault.error_code not in OF_A_POINT:
            msg = f"the pilot's points {start} to {end - 1}: {fault.message}"
            raise EngineFaultError(fault.error_code, msg, remedy=fault.remedy)
        if fault is not None:
            found.add_fault(fault, reader.next_index, end)
        is_clean = found.count == 0 and found.engines == 1
        return _Block(points, reader.failed, found.count, found.first, is_clean, cpu, wall, wall / max(1, points))

    def per_point(self, start: int, end: int) -> _Block:
        """Run a block, and measure the seconds per point without the process's start."""
        block = self.of(start, end)
        if not block.is_clean:
            return block
        if end - start == 1:
            return replace(block, seconds=max(0.0, block.cpu_seconds - self.start_up))
        first = self.of(start, start + 1)
        if first.is_clean:
            return replace(block, seconds=max(0.0, block.cpu_seconds - first.cpu_seconds) / (end - start - 1))
        return replace(block, is_clean=False)

    @cached_property
    def start_up(self) -> float:
        """CPU seconds of a process that runs no points."""
        request = encode_request(self._draft.spec, self._draft.file.space, 0, 1, threads=1)
        with self._engine.start(request, command="points", timeout=HANDSHAKE_SECONDS, stop=self._stop) as run:
            run.begin()
            for _ in run.blocks():
                pass
        return run.cpu_seconds

    def _message(self, start: int, end: int) -> ShardMessageV2:
        return ShardMessageV2.of(
            self._draft.spec,
            "pilot",
            "2000-01-01",
            total_points=self.total_points,
            shard_id=0,
            start_index=start,
            end_index_exclusive=end,
        )


class _BadPoints:
    """Counts the points of a block that crashed or hung, and its engines."""

    def __init__(self) -> None:
        self.engines = 0
        self.count = 0
        self.first: str | None = None

    def counting(self, take: Callable[[EngineRun], None]) -> Callable[[EngineRun], None]:
        """Return `take`, counted."""

        def counted(run: EngineRun) -> None:
            self.engines += 1
            take(run)

        return counted

    def add(self, rows: Mapping[str, pa.Table]) -> None:
        """Count those among the rows of some points."""
        if POINT_OUTCOMES not in rows:
            return
        outcomes = rows[POINT_OUTCOMES]
        bad = outcomes.filter(pc.is_in(outcomes["error_code"], pa.array(MACHINE_DEPENDENT)))
        if self.first is None and bad.num_rows:
            row = bad.slice(0, 1).to_pylist()[0]
            self.first = f"point {row['point_index']}: {row['error_code']}: {row['error_message']}"
        self.count += bad.num_rows

    def add_fault(self, fault: EngineFaultError, start: int, end: int) -> None:
        """Count a point among `[start, end)` that ended its block: the engine has no host, or no time was left."""
        if self.first is None:
            where = f"point {start}" if start + 1 == end else f"one of the points {start} to {end - 1}"
            self.first = f"{where}: {fault.error_code}: {fault.message}"
        self.count += 1

"""Check 6: points are re-run, and their results compared bit for bit with the store."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.engine.client import HANDSHAKE_SECONDS, Engine
from sweepctl.engine.points import Clock, Requests, run_points, taking
from sweepctl.engine.reader import RecordReader
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessageV2
from sweepctl.protocol import Model
from sweepctl.records.datafile import open_rows
from sweepctl.records.outcome import MACHINE_DEPENDENT, Outcome, differ
from sweepctl.records.rows import RowBuffer, tables_of
from sweepctl.records.table import POINT_OUTCOMES
from sweepctl.verify.builds import has_results
from sweepctl.verify.report import NOT_REPRODUCED, Finding
from sweepctl.verify.rows import Differences, plain
from sweepctl.verify.run import ExaminedRun

# By shard_id: the ranges of points to re-run.
Sample: TypeAlias = Mapping[int, Sequence[tuple[int, int]]]
# Points of a shard that hang, before the rest of it is left out: each takes three times what a point may.
MOST_HANGING = 3


@dataclass(frozen=True)
class Reexecuted:
    """What re-running points of a shard found."""

    findings: Sequence[Finding]
    lost: int  # points that crashed or hung, or were left out after one that did
    compared: int  # points whose result was compared


def draw_sample(outcomes: Sequence[Outcome], size: int | None, seed: int) -> Sample:
    """Draw `size` points, spread over as many shards as possible; None draws all.

    At least one point of each engine build is drawn. The same run and seed give the same sample.
    """
    if size is None:
        return {each.shard_id: [(each.start_index, each.end_index_exclusive)] for each in outcomes}
    draw = random.Random(seed)  # noqa: S311  a sample, not a secret
    shuffled = draw.sample(list(outcomes), len(outcomes))
    first_of = {each.engine_sha256: each.shard_id for each in reversed(shuffled) if has_results(each)}
    shuffled.sort(key=lambda each: first_of.get(each.engine_sha256) != each.shard_id)
    wanted = dict.fromkeys((each.shard_id for each in outcomes), 0)
    left = min(max(size, len(first_of)), sum(each.points for each in outcomes))
    # One point per shard and round: no shard has a second point before every shard has one.
    while left:
        for each in (each for each in shuffled if wanted[each.shard_id] < each.points):
            wanted[each.shard_id] += 1
            left -= 1
            if not left:
                break
    ranges = {}
    for each in outcomes:
        chosen = draw.sample(range(each.start_index, each.end_index_exclusive), wanted[each.shard_id])
        if chosen:
            ranges[each.shard_id] = [(index, index + 1) for index in sorted(chosen)]
    return ranges


def reexecute(
    outcome: Outcome,
    run: ExaminedRun,
    files: Mapping[str, Path],
    ranges: Sequence[tuple[int, int]],
    *,
    engine: Engine,
    model: Model,
    point_seconds: float,
    stop: Event,
) -> Reexecuted:
    """Re-run ranges of a shard's points; `files` holds its rows by dataset, in order of the points.

    Points whose failure depends on the machine are left out: they may end or block the engine, and prove nothing. So
    does a point that crashes now, or takes longer than `point_seconds`: it is found not to be reproduced. Rows of extra
    datasets are compared only if the whole shard is re-run.

    Raises:
        EngineUnavailableError: the engine does not start.
        InterruptedRunError: `stop` was set.
    """
    differences = Differences(run, outcome.shard_id, outcome.model_version)
    apart = _machine_dependent(files[POINT_OUTCOMES]) if outcome.points_failed else []
    lost = hanging = asked = 0
    for start, end in (part for each in ranges for part in _around(apart, *each)):
        asked += end - start
        if hanging >= MOST_HANGING:
            lost += end - start
            continue
        message = ShardMessageV2.of(
            run.spec,
            run.record.run_id,
            run.record.run_date,
            total_points=run.total_points,
            shard_id=outcome.shard_id,
            start_index=start,
            end_index_exclusive=end,
        )
        is_whole = (start, end) == (outcome.start_index, outcome.end_index_exclusive)
        reader = RecordReader(message, model)
        with ExitStack() as closing:
            stored = {
                name: _StoredRows(closing.enter_context(open_rows(path)), outcome.start_index, start, end)
                for name, path in files.items()
                if name == POINT_OUTCOMES or (is_whole and name in run.spec.outputs)
            }
            comparison = _Comparison(stored, differences, MOST_HANGING - hanging)
            # One thread each: several shards are re-run at a time. Time beyond the points' own: some may hang.
            has_host, has_columns = engine.description.host, engine.description.columns
            requests = Requests(message, run.space, 1, has_host=has_host, has_columns=has_columns)
            take = taking(reader, comparison.add)
            seconds = point_seconds * (end - start + 2 * MOST_HANGING) + HANDSHAKE_SECONDS
            clock = Clock(seconds, time.monotonic, point_seconds)
            fault, _ = run_points(engine, requests, reader, take, clock=clock, stop=stop)
            if fault is None:
                comparison.finish()
            else:
                comparison.end(fault, reader.next_index, end)
        lost, hanging = lost + comparison.lost, hanging + comparison.hanging
        if is_whole and not comparison.lost and differ(reader.content_sha256, outcome.content_sha256):
            what = f"its content digest is {reader.content_sha256}, its outcome says {outcome.content_sha256}"
            differences.add("reexecution.digest", what, None)
    return Reexecuted(differences.findings, lost, asked - lost)


class _Comparison:
    """Compares the rows of re-run points with the stored ones, as they come."""

    def __init__(self, stored: Mapping[str, "_StoredRows"], differences: Differences, most_hanging: int) -> None:
        self._stored = stored
        self._differences = differences
        self._most_hanging = most_hanging
        self.lost = 0
        self.hanging = 0

    def add(self, rows: Mapping[str, pa.Table]) -> None:
        """Compare the rows of the next points.

        Raises EngineFaultError if too many points hang.
        """
        if not rows:
            return
        outcomes = rows[POINT_OUTCOMES]
        depends = pc.is_in(outcomes["error_code"], pa.array(MACHINE_DEPENDENT))
        for row in outcomes.filter(depends).to_pylist():
            said = f"run again, it ends as {row['error_code']}: {row['error_message']}"
            self._lose(row["point_index"], 1, f"it has another result in the store; {said}")
            self.hanging += row["error_code"] == "point_timeout"
        apart = pc.indices_nonzero(depends).to_pylist()
        self._stored[POINT_OUTCOMES].compare(POINT_OUTCOMES, outcomes, self._differences, apart)
        for name, found in self._stored.items():
            # A lost point has no rows: what follows could only be compared out of step.
            if name != POINT_OUTCOMES and not self.lost:
                found.compare(name, rows[name], self._differences)
        if self.hanging >= self._most_hanging:
            raise EngineFaultError("engine_timeout", "too many points of the shard take too long")

    def end(self, fault: EngineFaultError, start: int, end: int) -> None:
        """Record the points from `start` on, which the engine did not run."""
        start = min(start, end - 1)  # where it failed after its last point, that is not proved
        what = "the point was" if start + 1 == end else f"the points from {start} to {end - 1} were"
        message = f"{what} not run again: {fault.error_code}: {fault.message}"
        self._lose(start if start + 1 == end else None, end - start, message)

    def finish(self) -> None:
        """Find rows beyond those of the re-run points."""
        for name, found in self._stored.items():
            if not self.lost:
                found.finish(name, self._differences)

    def _lose(self, point_index: int | None, count: int, message: str) -> None:
        self._differences.add(NOT_REPRODUCED, "points", point_index, count, message)
        self.lost += count


class _StoredRows:
    """Rows of one file, to compare with re-run points in order."""

    def __init__(self, file: pq.ParquetFile, shard_start: int, start: int, end: int) -> None:
        """Read the rows of points `[start, end)`."""
        whole = start == shard_start
        self._buffer = RowBuffer(tables_of(file) if whole else _rows_of(file, start - shard_start, end - shard_start))
        self._next = start

    def compare(self, name: str, ours: pa.Table, differences: Differences, apart: Sequence[int] = ()) -> None:
        """Compare the next rows, without those at the places `apart`."""
        code = "reexecution.metrics" if name == POINT_OUTCOMES else "reexecution.rows"
        theirs = self._buffer.take(ours.num_rows) if ours.num_rows else ours
        if theirs is None or theirs.num_rows != ours.num_rows:
            differences.add(code, f"{name} has fewer rows", self._next)
            return
        for start, end in _around(apart, 0, ours.num_rows):
            their, our = theirs.slice(start, end - start), ours.slice(start, end - start)
            for column in ours.schema.names:
                differences.equal(code, f"{name}: {column}", their[column], plain(our[column]), self._next + start)
        self._next += ours.num_rows if name == POINT_OUTCOMES else 0

    def finish(self, name: str, differences: Differences) -> None:
        """Find rows beyond those of the re-run points."""
        if name != POINT_OUTCOMES and self._buffer.take(1) is not None:
            differences.add("reexecution.rows", f"{name} has more rows", self._next)


def _machine_dependent(path: Path) -> list[int]:
    """Return the points of a file whose failure depends on the machine, in order."""
    rows = pq.read_table(path, columns=["point_index", "error_code"], use_threads=False)
    return list(rows.filter(pc.is_in(rows["error_code"], pa.array(MACHINE_DEPENDENT)))["point_index"].to_pylist())


def _around(points: Sequence[int], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of `[start, end)` without `points`."""
    for point in (point for point in points if start <= point < end):
        if start < point:
            yield start, point
        start = point + 1
    if start < end:
        yield start, end


def _rows_of(file: pq.ParquetFile, start: int, end: int) -> Iterator[pa.Table]:
    """Yield the rows at positions `[start, end)`."""
    first = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        low, high = max(start, first), min(end, first + rows)
        if low < high:
            yield file.read_row_group(group, use_threads=False).slice(low - first, high - low)
        first += rows

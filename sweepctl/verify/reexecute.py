"""Check 6: points are re-run, and their results compared bit for bit with the store."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.design import Space
from sweepctl.engine.client import Engine
from sweepctl.engine.reader import RecordReader
from sweepctl.messages import ShardMessage, ShardMessageV2
from sweepctl.protocol import Model, encode_request
from sweepctl.records.datafile import open_rows
from sweepctl.records.outcome import MACHINE_DEPENDENT, Outcome
from sweepctl.records.rows import RowBuffer, tables_of
from sweepctl.records.table import POINT_OUTCOMES
from sweepctl.verify.report import Finding
from sweepctl.verify.rows import Differences, plain
from sweepctl.verify.run import ExaminedRun

# By shard_id: the ranges of points to re-run.
Sample: TypeAlias = Mapping[int, Sequence[tuple[int, int]]]


def draw_sample(outcomes: Sequence[Outcome], size: int | None, seed: int) -> Sample:
    """Draw `size` points, spread over as many shards as possible; None draws all.

    The same run and seed give the same sample.
    """
    if size is None:
        return {each.shard_id: [(each.start_index, each.end_index_exclusive)] for each in outcomes}
    draw = random.Random(seed)  # noqa: S311  a sample, not a secret
    shuffled = draw.sample(list(outcomes), len(outcomes))
    wanted = dict.fromkeys((each.shard_id for each in outcomes), 0)
    left = min(size, sum(each.points for each in outcomes))
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
    stop: Event,
) -> list[Finding]:
    """Re-run ranges of a shard's points; `files` holds its rows by dataset, in order of the points.

    Points whose failure depends on the machine are left out: they may end or block the engine, and prove nothing. Rows
    of extra datasets are compared only if the whole shard is re-run.

    Raises:
        EngineFaultError: the engine failed.
        EngineUnavailableError: it does not start.
        InterruptedRunError: `stop` was set.
    """
    differences = Differences(run, outcome.shard_id, outcome.model_version)
    apart = _machine_dependent(files[POINT_OUTCOMES]) if outcome.points_failed else []
    for start, end in (part for each in ranges for part in _around(apart, *each)):
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
            for rows in _rerun(reader, engine, message, run.space, stop):
                for name, found in stored.items():
                    found.compare(name, rows[name], differences)
            for name, found in stored.items():
                found.finish(name, differences)
        if is_whole and reader.content_sha256 != outcome.content_sha256:
            what = f"its content digest is {reader.content_sha256}, its outcome says {outcome.content_sha256}"
            differences.add("reexecution.digest", what, None)
    return differences.findings


class _StoredRows:
    """Rows of one file, to compare with re-run points in order."""

    def __init__(self, file: pq.ParquetFile, shard_start: int, start: int, end: int) -> None:
        """Read the rows of points `[start, end)`."""
        whole = start == shard_start
        self._buffer = RowBuffer(tables_of(file) if whole else _rows_of(file, start - shard_start, end - shard_start))
        self._next = start

    def compare(self, name: str, ours: pa.Table, differences: Differences) -> None:
        """Compare the next rows."""
        code = "reexecution.metrics" if name == POINT_OUTCOMES else "reexecution.rows"
        theirs = self._buffer.take(ours.num_rows) if ours.num_rows else ours
        if theirs is None or theirs.num_rows != ours.num_rows:
            differences.add(code, f"{name} has fewer rows", self._next)
            return
        for column in ours.schema.names:
            differences.equal(code, f"{name}: {column}", theirs[column], plain(ours[column]), self._next)
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


def _rerun(
    reader: RecordReader, engine: Engine, message: ShardMessage, space: Space, stop: Event
) -> Iterator[Mapping[str, pa.Table]]:
    # One thread each: several shards are re-run at a time.
    request = encode_request(message.spec, space, message.start_index, message.end_index_exclusive, threads=1)
    with engine.start(request, stop=stop) as run:
        run.begin()
        for block in run.blocks():
            batch = reader.read(block)
            if batch.rows:
                yield batch.rows
            if batch.fault is not None:
                raise batch.fault
        reader.finish(run.finished)


def _rows_of(file: pq.ParquetFile, start: int, end: int) -> Iterator[pa.Table]:
    """Yield the rows at positions `[start, end)`."""
    first = 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        low, high = max(start, first), min(end, first + rows)
        if low < high:
            yield file.read_row_group(group, use_threads=False).slice(low - first, high - low)
        first += rows

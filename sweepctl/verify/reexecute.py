"""Check 6: points run again, and their results compared bit for bit with what the store holds."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.engine import Engine
from sweepctl.messages import ShardMessage
from sweepctl.outcome import Outcome
from sweepctl.protocol import Model, encode_request
from sweepctl.records import RecordReader
from sweepctl.table import POINT_OUTCOMES
from sweepctl.verify.report import Finding
from sweepctl.verify.rows import Differences, Pieces
from sweepctl.verify.run import Run


@dataclass(frozen=True)
class Sample:
    """Which points are to be run again: of each shard, ranges of its points."""

    ranges: Mapping[int, Sequence[tuple[int, int]]]  # by shard_id

    @property
    def points(self) -> int:
        """How many points these are."""
        return sum(end - start for ranges in self.ranges.values() for start, end in ranges)


def draw_sample(outcomes: Sequence[Outcome], size: int | None, seed: int) -> Sample:
    """Draw `size` points, spread over as many shards as there are; None draws all.

    Equal runs and seeds give equal samples.
    """
    if size is None:
        return Sample({each.shard_id: [(each.start_index, each.end_index_exclusive)] for each in outcomes})
    draw = random.Random(seed)  # noqa: S311  a sample, no secret
    shuffled = draw.sample(list(outcomes), len(outcomes))
    wanted = dict.fromkeys((each.shard_id for each in outcomes), 0)
    left = min(size, sum(each.points for each in outcomes))
    # One point a shard and round: every shard is looked into before any is a second time.
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
    return Sample(ranges)


def reexecute(
    outcome: Outcome,
    run: Run,
    file: Path,
    ranges: Sequence[tuple[int, int]],
    *,
    engine: Engine,
    model: Model,
) -> list[Finding]:
    """Run ranges of a shard's points again; `file` holds its point outcomes, a row a point and in order.

    Raises:
        EngineFaultError: the engine failed.
        EngineUnavailableError: it does not start.
    """
    differences = Differences(outcome, run)
    findings: list[Finding] = []
    with pq.ParquetFile(file) as stored:
        for start, end in ranges:
            bounds = {"shard_id": outcome.shard_id, "start_index": start, "end_index_exclusive": end}
            message = ShardMessage.of(run.spec, run.record.run_id, run.record.run_date, **bounds)
            reader = RecordReader(message, model)
            pieces = Pieces(_run_again(reader, engine, message))
            for first, theirs in _stored(stored, outcome.start_index, start, end):
                ours = pieces.take(theirs.num_rows)
                if ours is not None:
                    for name in ("status", "error_code", "error_message", *(each.name for each in model.metrics)):
                        differences.equal("reexecution.metrics", name, theirs[name], ours[name], first)
            is_all = (start, end) == (outcome.start_index, outcome.end_index_exclusive)
            if is_all and reader.content_sha256 != outcome.content_sha256:
                what = f"its content digest is {reader.content_sha256}, its outcome says {outcome.content_sha256}"
                findings.append(Finding("reexecution.digest", what, outcome.shard_id))
    return [*differences.findings, *findings]


def _run_again(reader: RecordReader, engine: Engine, message: ShardMessage) -> Iterator[pa.Table]:
    request = encode_request(
        message.spec, message.start_index, message.end_index_exclusive, threads=1
    )  # shards are run side by side
    with engine.start(request) as run:
        run.begin()
        for block in run.blocks():
            batch = reader.read(block)
            yield batch.rows[POINT_OUTCOMES]
            if batch.fault is not None:
                raise batch.fault
        reader.finish(run.finished)


def _stored(file: pq.ParquetFile, shard_start: int, start: int, end: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the stored rows of points `[start, end)`, each piece with its first point's index."""
    first = shard_start
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        low, high = max(start, first), min(end, first + rows)
        if low < high:
            yield low, file.read_row_group(group, use_threads=False).slice(low - first, high - low)
        first += rows

"""Check 3 for many small shards at once: their rows are put together, and each column is compared once for all.

Nothing is found here: where anything differs, each shard is examined by itself (`rows`), which tells what it is.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.records.outcome import Outcome
from sweepctl.records.table import INT, ROW_GROUP_BYTES
from sweepctl.verify.rows import Differences, Pair, RowsExaminer
from sweepctl.verify.run import ExaminedRun, Tables


def gather(outcomes: Sequence[Outcome], files: Sequence[tuple[pq.ParquetFile, pq.ParquetFile]]) -> Pair | None:
    """Return the rows of shards with consecutive points: of each, its parameters' file and its outcomes' file.

    None unless every point is in both files of its shard once, in order, and all rows together take bounded memory.
    Raises ArrowException or OSError if a file's pages are damaged.
    """
    gathered: tuple[list[pa.Table], list[pa.Table]] = ([], [])
    size = 0
    for outcome, both in zip(outcomes, files, strict=True):
        for file, tables in zip(both, gathered, strict=True):
            if file.metadata.num_rows != outcome.points or file.metadata.num_row_groups != 1:
                return None
            tables.append(file.read(use_threads=False))
            size += tables[-1].get_total_buffer_size()  # `nbytes` takes 40 microseconds
            if size > ROW_GROUP_BYTES:
                return None
    parameters, results = (pa.concat_tables(tables) for tables in gathered)
    first = outcomes[0].start_index
    index = pa.chunked_array([pa.arange(first, outcomes[-1].end_index_exclusive)])
    # Each file has as many rows as its shard has points: so these are its own.
    if not all(table["point_index"].equals(index) for table in (parameters, results)):
        return None
    return Pair(first, parameters, results)


def examine_together(
    outcomes: Sequence[Outcome], pair: Pair, run: ExaminedRun, tables: Tables
) -> list[RowsExaminer] | None:
    """Return what the rows of each shard add up to; None if anything differs."""
    versions = {outcome.model_version for outcome in outcomes}
    if len(versions) != 1:
        return None
    differences = Differences(run, None, *versions)
    shard_ids = pa.chunked_array([pa.repeat(pa.scalar(each.shard_id, INT), each.points) for each in outcomes])
    for table in (pair.parameters, pair.outcomes):
        differences.equal("run_record.row_disagrees", "shard_id", table["shard_id"], shard_ids, pair.first)
    whole = RowsExaminer(outcomes[0], run, tables, differences)
    whole.add(pair)
    examined = []
    for outcome in outcomes:
        rows = RowsExaminer(outcome, run, tables, differences)
        if whole.without_result:
            rows.add_statuses(pair.outcomes.slice(outcome.start_index - pair.first, outcome.points))
        rows.finish()
        examined.append(rows)
    return None if differences.findings else examined

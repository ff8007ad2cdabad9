"""The rows that compact files are made of: those of many shards' files, in order of their points.

Arrow opens the files, many at a time. Nothing of them is checked here: verify did that, or does.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from sweepctl.records import table
from sweepctl.records.outcome import Outcome
from sweepctl.records.table import ROW_GROUP_BYTES, ROW_GROUP_ROWS, SHARD_OUTCOMES
from sweepctl.store.contract import Store

READ_AHEAD_BYTES = 8 << 20  # of files, compressed
MOST_AHEAD = 32  # files
OUTCOMES_AT_ONCE = 4_096


def source_rows(store: Store, dataset: str, outcomes: Sequence[Outcome]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the schema and the rows of some shards, in the order of their outcomes.

    Raises one of PARQUET_ERRORS, also while rows are read, if a file cannot be read.
    """
    if dataset == SHARD_OUTCOMES:
        return table.OUTCOME, _outcome_rows(outcomes)
    filesystem, root = store.filesystem()
    form = ds.ParquetFileFormat()
    files = [each for outcome in outcomes for each in outcome.artifacts if each.dataset == dataset]
    fragments = [form.make_fragment(root + each.key, filesystem) for each in files]
    schema = fragments[0].physical_schema.remove_metadata()
    ahead = min(max(READ_AHEAD_BYTES // max(each.bytes for each in files), 1), MOST_AHEAD)
    scanner = ds.FileSystemDataset(fragments, schema, form, filesystem).scanner(
        batch_size=ROW_GROUP_ROWS, batch_readahead=ahead, fragment_readahead=ahead
    )
    return schema, _gathered(scanner.to_reader())


def _outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[pa.Table]:
    for start in range(0, len(outcomes), OUTCOMES_AT_ONCE):
        rows = [dataclasses.asdict(each) for each in outcomes[start : start + OUTCOMES_AT_ONCE]]
        yield pa.Table.from_pylist(rows, schema=table.OUTCOME)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows in fewer tables of one chunk: of small shards, one at a time would take most of the time."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(held).combine_chunks()
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held).combine_chunks()

"""The rows that compact files are made of: those of many shards' files, in order of their points.

Arrow opens the files, many small ones at a time. Nothing of them is checked here: verify did that, or does.
"""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from sweepctl.records import table
from sweepctl.records.outcome import Outcome
from sweepctl.records.rows import tables_of
from sweepctl.records.table import ROW_GROUP_BYTES, ROW_GROUP_ROWS, SHARD_OUTCOMES
from sweepctl.store.contract import Store

SLICE_BYTES = 1 << 20  # of files, compressed
MOST_AHEAD = 64  # files
OUTCOMES_AT_ONCE = 4_096


def source_rows(store: Store, dataset: str, outcomes: Sequence[Outcome]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the schema and the rows of some shards, in the order of their outcomes.

    Raises one of PARQUET_ERRORS, also while rows are read, if a file cannot be read.
    """
    if dataset == SHARD_OUTCOMES:
        return table.OUTCOME, _outcome_rows(outcomes)
    filesystem, root = store.filesystem()
    files = [each for outcome in outcomes for each in outcome.artifacts if each.dataset == dataset]
    paths, largest = [root + each.key for each in files], max(each.bytes for each in files)
    schema = pq.read_schema(paths[0], filesystem=filesystem).remove_metadata()
    if largest > SLICE_BYTES:
        return schema, _rows_of_large(filesystem, paths)
    return schema, _gathered(_rows_of_small(filesystem, paths, schema, min(SLICE_BYTES // largest, MOST_AHEAD)))


def _rows_of_small(
    filesystem: fs.FileSystem, paths: Sequence[str], schema: pa.Schema, at_once: int
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of files of which so many are opened at once; those of no others are in memory then."""
    form = ds.ParquetFileFormat()
    for start in range(0, len(paths), at_once):
        fragments = [form.make_fragment(path, filesystem) for path in paths[start : start + at_once]]
        dataset = ds.FileSystemDataset(fragments, schema, form, filesystem)
        yield from dataset.to_table(fragment_readahead=MOST_AHEAD).combine_chunks().to_batches()


def _rows_of_large(filesystem: fs.FileSystem, paths: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the rows of files of which Arrow would hold a whole one, or several, in memory if it read ahead."""
    for path in paths:
        with pq.ParquetFile(path, filesystem=filesystem, pre_buffer=True) as file:
            yield from tables_of(file)


def _outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[pa.Table]:
    for start in range(0, len(outcomes), OUTCOMES_AT_ONCE):
        yield table.outcome_rows(outcomes[start : start + OUTCOMES_AT_ONCE])


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

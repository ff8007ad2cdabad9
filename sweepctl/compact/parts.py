"""Makes one compact file: copies the rows of its shards, reads them back, and gives the file its name."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.compact.plan import PlannedPart
from sweepctl.compact.stop import until_stopped
from sweepctl.errors import ConflictError, ScratchError, StoreError, SweepctlError
from sweepctl.records.compact import Part
from sweepctl.records.compact_source import source_rows
from sweepctl.records.datafile import open_rows, require_damage_of
from sweepctl.records.row_digest import RowDigest, digest_of
from sweepctl.records.rows import tables_of
from sweepctl.records.table import COMPRESSION_LEVEL, PARQUET_ERRORS, ROW_GROUP_ROWS, SHARD_OUTCOMES, DatasetWriter
from sweepctl.store.contract import Put, Store
from sweepctl.store.files import store_errors


def make_part(store: Store, planned: PlannedPart, stop: Event) -> Part:
    """Create a compact file, or adopt the one that is there if it has the same rows; return its entry.

    Raises:
        ConflictError: the one that is there has other rows.
        DamagedError: a file of its shards is missing, or is not the one that its outcome names.
        StoreError: the store does not answer, or there is no space for the file (ScratchError).
        InterruptedRunError: `stop` was set.
    """
    with store.scratch() as folder, store_errors("copy rows to", folder, ScratchError), ExitStack() as lent:
        found = lent.enter_context(store.borrow(planned.key))
        if found is None:
            path, source = _copy(store, planned, folder, stop)
            _require_rows(path, source, StoreError(f"{planned.key} was written with other rows than its source has"))
            digest = _sha256_of(path)
            if store.create(planned.key, path) is Put.WRITTEN:
                return _entry(planned, source, path.stat().st_size, digest)
            # Of another compaction at the same time; other bytes, where its libraries are others.
            found = lent.enter_context(store.borrow(planned.key))
        else:
            store.make_durable(planned.key)  # its writer may not have, and the manifest will name it
            source = _digest_of_source(store, planned, stop)
        if found is None:
            raise StoreError(f"inconsistent store: {planned.key} exists on create but cannot be read")
        msg = f"{store.locate(planned.key)} does not have the rows of its shards; nothing was overwritten"
        _require_rows(found, source, ConflictError(msg, remedy="Move it away, and compact again."))
        return _entry(planned, source, found.stat().st_size, _sha256_of(found))


def _entry(planned: PlannedPart, source: RowDigest, size: int, sha256: str) -> Part:
    return Part(
        dataset=planned.dataset,
        key=planned.key,
        bytes=size,
        rows=source.rows,
        sha256=sha256,
        rows_sha256=source.hexdigest(),
        start_index=planned.outcomes[0].start_index,
        end_index_exclusive=planned.outcomes[-1].end_index_exclusive,
    )


def _copy(store: Store, planned: PlannedPart, folder: Path, stop: Event) -> tuple[Path, RowDigest]:
    """Write the rows of a part to a file, and return their digest, which is of the source."""
    schema, tables = source_rows(store, planned.dataset, planned.outcomes)
    digest = RowDigest(schema)
    path = folder / f"{planned.dataset}.parquet"
    with _writer(planned, schema, path) as write:
        for rows in until_stopped(stop, tables):
            digest.add(rows)
            write(rows)
    return path, digest


def _digest_of_source(store: Store, planned: PlannedPart, stop: Event) -> RowDigest:
    schema, tables = source_rows(store, planned.dataset, planned.outcomes)
    return digest_of(schema, until_stopped(stop, tables))


@contextmanager
def _writer(planned: PlannedPart, schema: pa.Schema, path: Path) -> Iterator[Callable[[pa.Table], object]]:
    """Provide what writes tables of rows to a file with row groups that readers take."""
    if planned.dataset != SHARD_OUTCOMES:
        with DatasetWriter(planned.dataset, schema, path.parent) as writer:
            yield writer.add
            writer.finish()
        return
    # Every artifact is a value of its column, and a row group has a bounded number of values.
    most = max(len(outcome.artifacts) for outcome in planned.outcomes)
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=COMPRESSION_LEVEL, use_dictionary=False
    ) as plain:
        yield lambda rows: plain.write_table(rows, row_group_size=max(ROW_GROUP_ROWS // most, 1))


def _require_rows(path: Path, source: RowDigest, otherwise: SweepctlError) -> None:
    """Raise the error unless a file has the rows of its source."""
    try:
        with open_rows(path) as file:
            found = digest_of(file.schema_arrow.remove_metadata(), tables_of(file))
    except PARQUET_ERRORS as error:
        require_damage_of(path, error)
        raise otherwise from error
    if found.hexdigest() != source.hexdigest():
        raise otherwise


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

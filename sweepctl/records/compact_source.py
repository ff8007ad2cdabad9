"""The rows that compact files are made of: those of many shards' files, in order of their points.

A file is read only if its size and SHA-256 are those that its outcome names; its columns are those of the others, and
a table of points has one row for each point, in order. `verify` examines the rest.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.errors import DamagedError
from sweepctl.records import table
from sweepctl.records.datafile import require_damage_of
from sweepctl.records.outcome import Artifact, Outcome
from sweepctl.records.rows import tables_of
from sweepctl.records.table import (
    EFFECTIVE_PARAMETERS,
    PARQUET_ERRORS,
    POINT_OUTCOMES,
    ROW_GROUP_BYTES,
    ROW_GROUP_ROWS,
    SHARD_OUTCOMES,
)
from sweepctl.store.contract import Store
from sweepctl.store.files import store_errors

BYTES_AT_ONCE = 4 << 20  # of files in memory, as they are stored; a larger one stays on disk
OUTCOMES_AT_ONCE = 4_096


def source_rows(store: Store, dataset: str, outcomes: Sequence[Outcome]) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the schema and the rows of some shards, in the order of their outcomes.

    Raises, also while rows are read:
        DamagedError: a file is missing, cannot be read, or is not the one that its outcome names.
        StoreError: the store does not answer.
    """
    if dataset == SHARD_OUTCOMES:
        return table.OUTCOME, _outcome_rows(outcomes)
    files = [each for outcome in outcomes for each in outcome.artifacts if each.dataset == dataset]
    if not files:
        raise DamagedError(f"the outcomes name no file of {dataset}")
    rows = _rows(store, files)
    schema = next(rows).schema
    tables = _gathered(rows)
    if dataset in {EFFECTIVE_PARAMETERS, POINT_OUTCOMES}:
        tables = _in_order(dataset, tables, outcomes[0].start_index)
    return schema, tables


def _rows(store: Store, files: Sequence[Artifact]) -> Iterator[pa.Table]:
    """Yield a table without rows, which has the schema; then the rows of each file."""
    schema: pa.Schema | None = None
    for artifact, source in _sources(store, files):
        try:
            with pq.ParquetFile(source) as file:
                found = file.schema_arrow.remove_metadata()
                if schema is None:
                    schema = found
                    yield schema.empty_table()
                if not found.equals(schema) or file.metadata.num_rows != artifact.rows:
                    raise _damaged(store, artifact, "it has other columns than the others, or not its number of rows")
                yield from tables_of(file)
        except PARQUET_ERRORS as error:
            require_damage_of(store.locate(artifact.key), error)
            raise _damaged(store, artifact, f"it cannot be read: {error}") from error


def _sources(store: Store, files: Sequence[Artifact]) -> Iterator[tuple[Artifact, pa.BufferReader | Path]]:
    """Yield each file that is the one that its outcome names: its content, or its path if it is large."""
    for some in _batches(files):
        if some[0].bytes > BYTES_AT_ONCE:
            with store.borrow(some[0].key) as path:
                yield some[0], _checked(store, some[0], path)
            continue
        for artifact, body in zip(some, store.bodies([each.key for each in some]), strict=True):
            if isinstance(body, DamagedError):
                raise body
            if body is None or (len(body), hashlib.sha256(body).hexdigest()) != (artifact.bytes, artifact.sha256):
                raise _not_named(store, artifact, is_missing=body is None)
            yield artifact, pa.BufferReader(body)


def _batches(files: Iterable[Artifact]) -> Iterator[list[Artifact]]:
    """Yield files that are read at once, or one that is larger than that."""
    some: list[Artifact] = []
    size = 0
    for each in files:
        if some and size + each.bytes > BYTES_AT_ONCE:
            yield some
            some, size = [], 0
        some.append(each)
        size += each.bytes
    yield some


def _checked(store: Store, artifact: Artifact, path: Path | None) -> Path:
    if path is None:
        raise _not_named(store, artifact, is_missing=True)
    with store_errors("read", path), path.open("rb") as file:
        is_named = path.stat().st_size == artifact.bytes
        is_named = is_named and hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
    if not is_named:
        raise _not_named(store, artifact, is_missing=False)
    return path


def _not_named(store: Store, artifact: Artifact, *, is_missing: bool) -> DamagedError:
    why = "it is missing" if is_missing else "its size or SHA-256 is not what its outcome says"
    return _damaged(store, artifact, why)


def _damaged(store: Store, artifact: Artifact, why: str) -> DamagedError:
    return DamagedError(f"{store.locate(artifact.key)}: {why}")


def _in_order(dataset: str, tables: Iterable[pa.Table], reached: int) -> Iterator[pa.Table]:
    """Yield the tables; raise DamagedError unless they have each point from `reached` on once, in order."""
    for rows in tables:
        if not rows["point_index"].equals(pa.chunked_array([pa.arange(reached, reached + rows.num_rows)])):
            raise DamagedError(f"{dataset} does not have every point from {reached} on once, in order")
        reached += rows.num_rows
        yield rows


def _outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[pa.Table]:
    for start in range(0, len(outcomes), OUTCOMES_AT_ONCE):
        yield table.outcome_rows(outcomes[start : start + OUTCOMES_AT_ONCE])


def _gathered(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows in fewer tables of one chunk: of small shards, one at a time would take most of the time."""
    held: list[pa.Table] = []
    rows = size = 0
    for each in tables:
        held.append(each)
        rows, size = rows + each.num_rows, size + each.nbytes
        if rows >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(held).combine_chunks()

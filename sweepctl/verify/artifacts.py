"""Check 2: every file that an outcome names exists, byte for byte; `leftovers` examines the others."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.errors import DamagedError
from sweepctl.records import datafile
from sweepctl.records.outcome import KEPT_FILES, Artifact, Outcome
from sweepctl.records.table import PARQUET_ERRORS
from sweepctl.store.contract import Store, is_key
from sweepctl.store.files import store_errors
from sweepctl.texts import counted
from sweepctl.verify.report import Finding
from sweepctl.verify.run import ExaminedRun

MOST_MORE = 1 << 30  # bytes beyond a file's own of which a digest is computed


def examine_names(outcome: Outcome, run: ExaminedRun) -> Iterator[Finding]:
    """Find files that an outcome or attempt should name but does not, or names but should not."""
    named = [(artifact.dataset, artifact.key) for artifact in outcome.artifacts]
    expected = [(name, _expected_key(outcome, name, run)) for name in run.datasets]
    kept = (KEPT_FILES, _expected_key(outcome, KEPT_FILES, run))
    if kept in named:  # there may be one
        named.remove(kept)
    # An incomplete attempt names only the files that it has.
    wrong = sorted(named) != sorted(expected) if outcome.complete else not set(named) <= set(expected)
    if wrong:
        message = f"it names {sorted(key for _, key in named)}, but its files are {sorted(key for _, key in expected)}"
        yield Finding("artifacts.not_named", message, outcome.shard_id)
    for artifact in outcome.artifacts:
        if outcome.complete and artifact.dataset in run.datasets[:2] and artifact.rows != outcome.points:
            message = (
                f"its outcome says {counted('rows', artifact.rows)}, the shard has {counted('points', outcome.points)}"
            )
            yield Finding("artifacts.wrong_rows", message, outcome.shard_id, artifact.key)


def _expected_key(outcome: Outcome, dataset: str, run: ExaminedRun) -> str:
    keys = run.keys(outcome.shard_id)
    if outcome.complete:
        return keys.dataset(dataset, run.spec.model)
    return keys.partial(dataset, run.spec.model, outcome.attempt_id)


@dataclass(frozen=True)
class Borrowed:
    """A named file that exists; its content is not checked yet."""

    artifact: Artifact
    path: Path


def borrow(store: Store, outcome: Outcome, folder: Path, pool: Executor) -> tuple[list[Borrowed], list[Finding]]:
    """Fetch every file that an outcome names, several at a time.

    A listing is not used: data may have been written after the listing and before its outcome was read.
    """
    files: list[Borrowed] = []
    findings = []
    distinct = {artifact.key: artifact for artifact in outcome.artifacts}.values()

    def fetched(artifact: Artifact) -> Path | DamagedError | None:
        try:
            return store.borrow(artifact.key, folder) if is_key(artifact.key) else None
        except DamagedError as error:
            return error

    for artifact, path in zip(distinct, pool.map(fetched, distinct), strict=True):
        if isinstance(path, DamagedError):
            findings.append(Finding("artifacts.unreadable", path.message, outcome.shard_id, artifact.key))
        elif path is None:
            findings.append(
                Finding(
                    "artifacts.missing", "its outcome names it, but it does not exist", outcome.shard_id, artifact.key
                )
            )
        else:
            files.append(Borrowed(artifact, path))
    return files, findings


def examine_bytes(file: Borrowed, shard_id: int) -> Iterator[Finding]:
    """Compare a file's size and SHA-256 with its outcome."""
    artifact = file.artifact
    with store_errors("read", file.path), file.path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        if size != artifact.bytes:
            message = f"it has {size} bytes, its outcome says {artifact.bytes}"
            yield Finding("artifacts.wrong_size", message, shard_id, artifact.key)
        if size > artifact.bytes + MOST_MORE:
            return  # a digest that differs too is not worth hours
        opened.seek(0)
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != artifact.sha256:
        message = f"its SHA-256 is {digest}, its outcome says {artifact.sha256}"
        yield Finding("artifacts.wrong_sha256", message, shard_id, artifact.key)


def open_rows(
    file: Borrowed, shard_id: int, schemas: Mapping[str, pa.Schema]
) -> tuple[pq.ParquetFile | None, list[Finding]]:
    """Open a file to examine its rows; None if that is not possible, and findings about it."""
    artifact = file.artifact
    schema = schemas.get(artifact.dataset)  # None if unknown
    try:
        # Names that repeat in every row are cheap to compare as a dictionary.
        rows = datafile.open_rows(file.path, ("run_id", "model", "model_version", "status"))
    except PARQUET_ERRORS as error:
        return None, [Finding("artifacts.unreadable", f"not a Parquet file: {error}", shard_id, artifact.key)]
    found = rows.metadata.schema.to_arrow_schema()
    if schema is not None and not found.equals(schema):
        rows.close()
        message = f"its columns are {_columns(found)}, but should be {_columns(schema)}"
        return None, [Finding("artifacts.wrong_schema", message, shard_id, artifact.key)]
    if rows.metadata.num_rows != artifact.rows:
        message = f"it has {counted('rows', rows.metadata.num_rows)}, its outcome says {artifact.rows}"
        return rows, [Finding("artifacts.wrong_rows", message, shard_id, artifact.key)]
    return rows, []


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{each.name} {each.type}" for each in schema)

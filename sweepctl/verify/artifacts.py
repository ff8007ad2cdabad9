"""Check 2: every file that an outcome names exists, byte for byte; `leftovers` examines the others."""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.errors import DamagedError
from sweepctl.records import datafile
from sweepctl.records.footer_forms import FooterForms
from sweepctl.records.outcome import KEPT_FILES, Artifact, Outcome, differ
from sweepctl.records.table import CONTENT_DIGEST, PARQUET_ERRORS, schema_of
from sweepctl.store.contract import Store, is_key
from sweepctl.store.files import store_errors
from sweepctl.texts import counted
from sweepctl.verify.report import Finding
from sweepctl.verify.run import ExaminedRun, begins

MOST_MORE = 1 << 30  # bytes beyond a file's own of which a digest is computed
SMALL_BYTES = 1 << 18  # of a file that is read at once, with those of other shards


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
    content: Path | bytes


def read_small(store: Store, outcomes: Sequence[Outcome]) -> dict[str, bytes | None]:
    """Return the small files that some outcomes name, by their keys, None for what is missing.

    What is damaged, or has become large, is not among them.
    """
    small = [each for outcome in outcomes for each in outcome.artifacts if each.bytes <= SMALL_BYTES]
    # Those of one folder one after the other, which is then opened once.
    keys = list(dict.fromkeys(each.key for each in sorted(small, key=lambda each: each.dataset) if is_key(each.key)))
    found = zip(keys, store.bodies(keys, SMALL_BYTES), strict=True)
    return {key: body for key, body in found if not isinstance(body, DamagedError)}


def borrow(
    store: Store,
    outcome: Outcome,
    lent: ExitStack,
    pool: Executor,
    small: Mapping[str, bytes | None] = MappingProxyType({}),
) -> tuple[list[Borrowed], list[Finding]]:
    """Borrow every file that an outcome names, several at a time, but for those that were read as `small`.

    They stay until `lent` is closed.

    A listing is not used: data may have been written after the listing and before its outcome was read.
    """
    files: list[Borrowed] = []
    findings = []
    distinct = {artifact.key: artifact for artifact in outcome.artifacts}.values()

    def fetched(key: str) -> Path | DamagedError | None:
        try:
            # Threads may share the stack: each only appends to it.
            return lent.enter_context(store.borrow(key)) if is_key(key) else None
        except DamagedError as error:
            return error

    keys = [artifact.key for artifact in distinct if artifact.key not in small]
    fetched_files = dict(zip(keys, pool.map(fetched, keys), strict=True))
    for artifact in distinct:
        content = small[artifact.key] if artifact.key in small else fetched_files[artifact.key]
        if isinstance(content, DamagedError):
            findings.append(Finding("artifacts.unreadable", content.message, outcome.shard_id, artifact.key))
        elif content is None:
            findings.append(
                Finding(
                    "artifacts.missing", "its outcome names it, but it does not exist", outcome.shard_id, artifact.key
                )
            )
        else:
            files.append(Borrowed(artifact, content))
    return files, findings


def examine_bytes(file: Borrowed, shard_id: int) -> tuple[int, list[Finding]]:
    """Return a file's size, and findings about its size and SHA-256 where its outcome says others."""
    artifact, findings = file.artifact, list[Finding]()
    size, digest = _digest(file.content, artifact.bytes + MOST_MORE)
    if size != artifact.bytes:
        message = f"it has {size} bytes, its outcome says {artifact.bytes}"
        findings.append(Finding("artifacts.wrong_size", message, shard_id, artifact.key))
    if digest not in (None, artifact.sha256):
        message = f"its SHA-256 is {digest}, its outcome says {artifact.sha256}"
        findings.append(Finding("artifacts.wrong_sha256", message, shard_id, artifact.key))
    return size, findings


def _digest(content: Path | bytes, most: int) -> tuple[int, str | None]:
    """Return size and SHA-256; None of more than so many bytes, since a digest that differs too is not worth hours."""
    if isinstance(content, bytes):
        return len(content), hashlib.sha256(content).hexdigest()
    with store_errors("read", content), content.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        if size > most:
            return size, None
        opened.seek(0)
        return size, hashlib.file_digest(opened, "sha256").hexdigest()


def open_rows(
    file: Borrowed, shard_id: int, schemas: Mapping[str, pa.Schema], forms: FooterForms
) -> tuple[pq.ParquetFile | None, list[Finding]]:
    """Open a file to examine its rows; None if that is not possible, and findings about it."""
    artifact = file.artifact
    schema = schemas.get(artifact.dataset)  # None if unknown, but for the columns that all models share
    common = schema_of(artifact.dataset, ())
    try:
        if isinstance(file.content, bytes):
            rows = datafile.open_body(file.content, forms)
        else:
            # Names that repeat in every row are cheap to compare as a dictionary.
            rows = datafile.open_rows(file.content, ("run_id", "model", "model_version", "status"))
    except PARQUET_ERRORS as error:
        datafile.require_damage_of(artifact.key, error)
        return None, [Finding("artifacts.unreadable", f"not a Parquet file: {error}", shard_id, artifact.key)]
    found = rows.metadata.schema.to_arrow_schema()
    if not (begins(found, common) if schema is None else found.equals(schema)):
        rows.close()
        message = f"its columns are {_columns(found)}, but should be {_columns(schema or common)}"
        return None, [Finding("artifacts.wrong_schema", message, shard_id, artifact.key)]
    if rows.metadata.num_rows != artifact.rows:
        message = f"it has {counted('rows', rows.metadata.num_rows)}, its outcome says {artifact.rows}"
        return rows, [Finding("artifacts.wrong_rows", message, shard_id, artifact.key)]
    return rows, []


def examine_content(rows: pq.ParquetFile, key: str, outcome: Outcome) -> Iterator[Finding]:
    """Compare the content digest that a file of points' results keeps, if any, with its outcome's."""
    kept = (rows.metadata.metadata or {}).get(CONTENT_DIGEST.encode())
    if kept is not None and differ(kept.decode(errors="replace"), outcome.content_sha256):
        message = f"it has the content digest {kept.decode(errors='replace')}, its outcome {outcome.content_sha256}"
        yield Finding("artifacts.wrong_sha256", message, outcome.shard_id, key)


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{each.name} {each.type}" for each in schema)

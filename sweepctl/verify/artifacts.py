"""Check 2: every file that an outcome names is there, byte for byte, and no other file is in a table."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl import layout
from sweepctl.outcome import Artifact, Outcome
from sweepctl.store.contract import Store
from sweepctl.verify.inventory import Inventory
from sweepctl.verify.outcomes import Filed
from sweepctl.verify.report import Finding
from sweepctl.verify.run import Run


def examine_names(outcome: Outcome, run: Run) -> Iterator[Finding]:
    """Find what a complete outcome should name and does not, or the other way round."""
    if not outcome.complete:
        return
    keys = run.keys(outcome.shard_id)
    proper = {name: keys.dataset(name, run.spec.model) for name in run.datasets}
    named = {artifact.dataset: artifact.key for artifact in outcome.artifacts}
    if named != proper or len(outcome.artifacts) != len(proper):
        message = f"its outcome names {sorted(named.values())}, the shard's files are {sorted(proper.values())}"
        yield Finding("artifacts.not_named", message, outcome.shard_id)
    for artifact in outcome.artifacts:
        if artifact.dataset in run.datasets[:2] and artifact.rows != outcome.points:
            message = f"its outcome says {artifact.rows} rows, the shard has {outcome.points} points"
            yield Finding("artifacts.wrong_rows", message, outcome.shard_id, artifact.key)


def unnamed(
    inventory: Inventory, outcomes: Sequence[Outcome], attempts: Sequence[Filed], run: Run
) -> Iterator[Finding]:
    """Find files that nothing names: orphans, and what attempts left that ended before they could name it."""
    committed = {outcome.shard_id for outcome in outcomes if outcome.complete}
    named = {artifact.key for outcome in outcomes for artifact in outcome.artifacts}
    named |= {artifact.key for attempt in attempts for artifact in attempt.outcome.artifacts}
    record = run.record
    for key in inventory.data.keys() - named:
        shard_id = layout.shard_of(key)
        dataset = key.partition("/")[0]
        proper = shard_id is not None and key == run.keys(shard_id).dataset(dataset, run.spec.model)
        if proper and shard_id not in committed:
            yield _uncommitted(key, "an attempt ended between its data and its outcome; the next one adopts it")
        else:
            yield _orphan(key)
    for key in inventory.partial.keys() - named:
        if layout.shard_of(key) is None:
            yield _orphan(key)
        else:
            yield _uncommitted(key, "an attempt ended between its partial data and its record")
    for key in inventory.runs.keys() - {layout.run_record(record.run_id), layout.engine_pin(record.run_id)}:
        yield _orphan(key)


def _orphan(key: str) -> Finding:
    return Finding(
        "artifacts.orphan", "no outcome names it, and readers of the table meet it", layout.shard_of(key), key
    )


def _uncommitted(key: str, why: str) -> Finding:
    return Finding("artifacts.uncommitted", why, layout.shard_of(key), key)


@dataclass(frozen=True)
class Borrowed:
    """A named file that is there, and of which nothing is known yet but its size."""

    artifact: Artifact
    path: Path


def borrow(
    store: Store, outcome: Outcome, sizes: Mapping[str, int], folder: Path
) -> tuple[list[Borrowed], list[Finding]]:
    """Get hold of every file that an outcome names."""
    files: list[Borrowed] = []
    findings = []
    for artifact in outcome.artifacts:
        path = store.borrow(artifact.key, folder) if artifact.key in sizes else None
        if path is None:
            findings.append(
                Finding(
                    "artifacts.missing", "its outcome names it, and it is not there", outcome.shard_id, artifact.key
                )
            )
        else:
            files.append(Borrowed(artifact, path))
    return files, findings


def examine_bytes(file: Borrowed, shard_id: int) -> Iterator[Finding]:
    """Compare a file with what its outcome promises: size and SHA-256."""
    artifact = file.artifact
    size = file.path.stat().st_size
    if size != artifact.bytes:
        message = f"it has {size} bytes, its outcome says {artifact.bytes}"
        yield Finding("artifacts.wrong_size", message, shard_id, artifact.key)
    with file.path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != artifact.sha256:
        message = f"its SHA-256 is {digest}, its outcome says {artifact.sha256}"
        yield Finding("artifacts.wrong_sha256", message, shard_id, artifact.key)


def open_rows(
    file: Borrowed, shard_id: int, schemas: Mapping[str, pa.Schema]
) -> tuple[pq.ParquetFile | None, list[Finding]]:
    """Open a file whose rows can be examined; None, and why, for one whose rows cannot."""
    artifact = file.artifact
    schema = schemas.get(artifact.dataset, pa.schema([]))
    try:
        metadata = pq.read_metadata(file.path)
        found = metadata.schema.to_arrow_schema()
        if not found.equals(schema):
            message = f"its columns are {_columns(found)}, they should be {_columns(schema)}"
            return None, [Finding("artifacts.wrong_schema", message, shard_id, artifact.key)]
        # Names that repeat in every row are cheap to compare as a dictionary.
        repeated = [name for name in ("run_id", "model", "model_version", "status") if name in found.names]
        rows = pq.ParquetFile(file.path, metadata=metadata, read_dictionary=repeated)
    except (pa.ArrowException, OSError) as error:
        return None, [Finding("artifacts.unreadable", f"it is no Parquet file: {error}", shard_id, artifact.key)]
    if rows.metadata.num_rows != artifact.rows:
        message = f"it has {rows.metadata.num_rows} rows, its outcome says {artifact.rows}"
        return rows, [Finding("artifacts.wrong_rows", message, shard_id, artifact.key)]
    return rows, []


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{each.name} {each.type}" for each in schema)

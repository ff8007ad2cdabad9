"""What must hold of a store after any faults: every promise about a run, checked over all that lies in the store."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fakes.toys import RUN_DATE, decoded

from sweepctl.messages import ShardMessage
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome
from sweepctl.store.contract import Store
from sweepctl.store.s3 import S3Store
from sweepctl.verify import Check, Verdict, verify

DATASETS = (table.EFFECTIVE_PARAMETERS, table.POINT_OUTCOMES)
TABLES = (*DATASETS, "shard_outcomes")
RECORDS = ("runs", "shard_attempts", "shard_claims", "partial", "rejected")

Objects = Mapping[str, bytes]


def objects(store: Store) -> dict[str, bytes]:
    """Read all that lies in a store, work in progress and the probe apart."""
    found = _in_bucket(store) if isinstance(store, S3Store) else _in_folder(Path(store.url))
    return {key: body for key, body in found if not key.startswith(".sweepctl/")}


def _in_folder(root: Path) -> Iterator[tuple[str, bytes]]:
    for folder, folders, names in os.walk(root):
        # Work in progress vanishes while it is looked at.
        folders[:] = [name for name in folders if name != ".sweepctl"]
        for path in (Path(folder, name) for name in names):
            yield str(path.relative_to(root)), path.read_bytes()


def _in_bucket(store: S3Store) -> Iterator[tuple[str, bytes]]:
    pages = store._client.get_paginator("list_objects_v2").paginate(Bucket=store._bucket, Prefix=store._prefix)
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        body = store._client.get_object(Bucket=store._bucket, Key=entry["Key"])["Body"]
        yield entry["Key"].removeprefix(store._prefix), b"".join(body.iter_chunks(1 << 20))


def outcomes(found: Objects) -> dict[int, Outcome]:
    """Return the outcomes that stand, by shard."""
    decoded_ones = [
        table.decode(Outcome, body, key) for key, body in found.items() if key.startswith("shard_outcomes/")
    ]
    assert len({outcome.shard_id for outcome in decoded_ones}) == len(decoded_ones), "a shard has one outcome"
    return {outcome.shard_id: outcome for outcome in decoded_ones}


def attempts(found: Objects) -> list[Outcome]:
    """Return the attempts that did not, or may not, stand."""
    return [table.decode(Outcome, body, key) for key, body in found.items() if key.startswith("shard_attempts/")]


def require_whole(found: Objects, bodies: Sequence[bytes]) -> dict[int, Outcome]:
    """Assert every promise about the run whose good messages are `bodies`; return the outcomes."""
    wanted = {message.shard_id: message for message in map(decoded, bodies)}
    standing = outcomes(found)
    assert standing.keys() == wanted.keys(), "exactly one outcome a shard"
    for shard_id, outcome in standing.items():
        _require_outcome(found, outcome, wanted[shard_id])
    named = [artifact.key for outcome in standing.values() if outcome.complete for artifact in outcome.artifacts]
    in_tables = [key for key in found if key.split("/")[0] in DATASETS]
    assert Counter(in_tables) == Counter(named), "nothing in the tables that no outcome names"
    assert {key.split("/")[0] for key in found} <= {*TABLES, *RECORDS}
    _require_points(found, standing, in_tables)
    _require_attempts(found, standing)
    _require_rejections(found)
    return standing


def _require_outcome(found: Objects, outcome: Outcome, message: ShardMessage) -> None:
    keys = layout.ShardKeys(message.run_id, RUN_DATE, message.shard_id)
    assert table.decode(Outcome, found[keys.outcome], keys.outcome) == outcome, "it lies where it belongs"
    assert (outcome.start_index, outcome.end_index_exclusive) == (message.start_index, message.end_index_exclusive)
    assert outcome.spec_fingerprint == message.spec.fingerprint
    assert outcome.attempt_number is not None
    assert outcome.attempt_number >= 1
    if outcome.complete:
        assert [artifact.key for artifact in outcome.artifacts] == [keys.dataset(name, "toy") for name in DATASETS]
        assert outcome.points_succeeded + outcome.points_failed == message.points
    for artifact in outcome.artifacts:
        body = found[artifact.key]
        assert (artifact.bytes, artifact.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert artifact.rows == pq.read_metadata(pa.BufferReader(body)).num_rows
        assert not outcome.complete or artifact.rows == message.points


def _require_points(found: Objects, standing: Mapping[int, Outcome], in_tables: Sequence[str]) -> None:
    done = [outcome for outcome in standing.values() if outcome.complete]
    points = sorted(index for outcome in done for index in range(outcome.start_index, outcome.end_index_exclusive))
    for dataset in DATASETS:
        bodies = [found[key] for key in in_tables if key.startswith(f"{dataset}/")]
        rows = [index for body in bodies for index in _points(body)]
        assert sorted(rows) == points, f"every point exactly one row in {dataset}"


def _require_attempts(found: Objects, standing: Mapping[int, Outcome]) -> None:
    recorded = attempts(found)
    assert all(attempt.status in {"failure", "conflict", "interrupted"} for attempt in recorded)
    assert len({attempt.attempt_id for attempt in recorded}) == len(recorded)
    incomplete = {outcome.attempt_id for outcome in standing.values() if not outcome.complete}
    assert incomplete <= {attempt.attempt_id for attempt in recorded}, "history before the verdict"


def _require_rejections(found: Objects) -> None:
    for key, body in found.items():
        if key.startswith("rejected/"):
            assert key == layout.rejection(json.loads(body)["body_sha256"])


def _points(body: bytes) -> list[int]:
    points: list[int] = pq.ParquetFile(pa.BufferReader(body)).read(["point_index"])["point_index"].to_pylist()
    return points


def require_verified(store: Store, run_id: str) -> None:
    """Have the code of verify itself judge a store in which every shard has succeeded, however that came about.

    The toy engine gives all points one fingerprint, so identities are not compared.
    """
    report = verify(store, run_id, None)
    assert report.verdict is Verdict.UNPROVEN, report.findings
    assert set(report.unchecked) == {Check.IDENTITY}
    assert {finding.code for finding in report.findings} <= {"artifacts.uncommitted"}

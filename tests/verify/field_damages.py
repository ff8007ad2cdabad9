"""Damages to single fields of records, and to rows whose outcomes promise them, of a full run (`full`).

Each record is written as a worker writes one, so that no checksum tells: only what else the store says.
"""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from verify.damage import RUN_ID, Damaged
from verify.file_damages import Cases, Damage, find, write
from verify.full import DATASETS, MODEL, OTHER

from sweepctl.records import layout
from sweepctl.records.row_digest import digest_of

LATER = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
NONE = "0" * 64
Edits = Mapping[str, tuple[Any, str]]  # of a field: its new value, and the code of the finding

RECORD: Edits = {
    "run_id": ("other", "run_record.wrong_run"),
    "run_date": ("2026-02-15", "outcomes.misplaced"),
    "spec_fingerprint": (NONE, "run_record.wrong_spec"),
    "total_points": (25, "run_record.wrong_total"),
    "shard_points": (5, "outcomes.misplaced"),
}
PIN: Edits = {
    "run_id": ("other", "run_record.pin_disagrees"),
    "model": ("queue", "run_record.pin_disagrees"),
    "model_version": ("1", "run_record.pin_disagrees"),
    "declaration_json": ("{}", "run_record.pin_unreadable"),
}
OUTCOME: Edits = {
    "run_id": ("other", "outcomes.misplaced"),
    "shard_id": (1, "outcomes.misplaced"),
    "start_index": (1, "outcomes.gap"),
    "end_index_exclusive": (7, "outcomes.overlap"),
    "total_points": (25, "outcomes.wrong_spec"),
    "status": ("failure", "outcomes.wrong_counts"),
    "attempt_id": ("", "outcomes.wrong_counts"),
    "attempt_number": (0, "outcomes.wrong_counts"),
    "points_succeeded": (5, "outcomes.wrong_counts"),
    "points_failed": (1, "outcomes.wrong_counts"),
    "error_code": ("point_failed", "outcomes.wrong_counts"),
    "error_message": ("x: y", "outcomes.wrong_counts"),
    "error_point_index": (0, "outcomes.wrong_counts"),
    "retryable": (True, "outcomes.wrong_counts"),
    "started_at": (LATER, "outcomes.wrong_counts"),
    "cpu_seconds": (-1.0, "outcomes.unreadable"),
    "engine_sha256": (NONE, "outcomes.engine_versions"),
    "model": ("queue", "outcomes.wrong_model"),
    "model_version": ("1", "outcomes.wrong_model"),
    "spec_fingerprint": (NONE, "outcomes.wrong_spec"),
    "content_sha256": (f"v2:{NONE}", "artifacts.wrong_sha256"),
    "artifacts": ((), "artifacts.not_named"),
    "points_machine_dependent": (1, "points.counts"),
    "points_excluded": (1, "outcomes.wrong_counts"),
}
# What only a copy of the row can tell, as a compact run has one.
TOLD_BY_COPY: Mapping[str, Any] = {
    "attempt_id": "f" * 32,
    "attempt_number": 7,
    "finished_at": LATER,
    "cpu_seconds": 1e-9,
    "engine_version": "9.9.9",
}
ATTEMPT: Edits = {
    "run_id": ("other", "failures.attempt_misplaced"),
    "shard_id": (2, "failures.attempt_misplaced"),
    "attempt_id": ("f" * 32, "failures.attempt_misplaced"),
    "start_index": (12, "failures.attempt_disagrees"),
    "end_index_exclusive": (25, "failures.attempt_disagrees"),
    "total_points": (25, "failures.attempt_disagrees"),
    "status": ("success", "failures.attempt_disagrees"),
    "model": ("queue", "failures.attempt_disagrees"),
    "model_version": ("1", "failures.attempt_disagrees"),
    "spec_fingerprint": (NONE, "failures.attempt_disagrees"),
    "cpu_seconds": (-1.0, "failures.attempt_unreadable"),
}
ARTIFACT: Edits = {
    "dataset": ("visits", "artifacts.not_named"),
    "key": ("runs/run=whole/run.parquet", "artifacts.not_named"),
    "bytes": (1, "artifacts.wrong_size"),
    "rows": (5, "artifacts.wrong_rows"),
    "sha256": (NONE, "artifacts.wrong_sha256"),
}
MANIFEST = {"schema_version": "v2", "run_id": "other", "spec_fingerprint": NONE, "parts": [], "more": 1}
PART: Edits = {
    "dataset": ("visits", "compact.manifest"),
    "key": ("compact-v1/steps/walk/run_date=2026-02-14/run=whole/part-00001.parquet", "compact.manifest"),
    "bytes": (1, "compact.altered"),
    "rows": (5, "compact.wrong_rows"),
    "sha256": (NONE, "compact.altered"),
    "rows_sha256": (NONE, "compact.wrong_rows"),
    "start_index": (1, "compact.manifest"),
    "end_index_exclusive": (23, "compact.manifest"),
}
COMPACT = ("effective_parameters", "point_outcomes", "steps", "shard_outcomes")


def uncompact(run: Damaged) -> None:
    shutil.rmtree(run.root / layout.COMPACT)


def _edited(pattern: str, *, alone: bool = True, **changes: object) -> Damage:
    def damage(run: Damaged) -> None:
        if alone:
            uncompact(run)
        run.edit(find(run, pattern)[0], **changes)

    return damage


def _artifact(of: str, **changes: object) -> Damage:
    def damage(run: Damaged) -> None:
        uncompact(run)
        run.reseal(of, 0, **changes)

    return damage


def in_manifest(change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(run: Damaged) -> None:
        path = run.path(layout.compact_manifest(RUN_ID))
        manifest = json.loads(path.read_bytes())
        change(manifest)
        write(path, json.dumps(manifest).encode())

    return damage


def part_of(manifest: dict[str, Any], dataset: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in manifest["parts"] if each["dataset"] == dataset)
    return found


def _records() -> Iterator[tuple[str, tuple[str, Damage]]]:
    outcome, attempt = "shard_outcomes/*/run=RUN/shard-00000000.parquet", "shard_attempts/*/run=RUN/shard-00000001-*"
    for what, pattern, edits in (
        ("run record", "runs/run=RUN/run.parquet", RECORD),
        ("engine pin", "runs/run=RUN/engine.parquet", PIN),
        ("outcome", outcome, OUTCOME),
        ("attempt", attempt, ATTEMPT),
    ):
        for name, (value, code) in edits.items():
            yield f"{what}: {name}", (code, _edited(pattern, **{name: value}))
    for name, value in {**{name: value for name, (value, _) in OUTCOME.items()}, **TOLD_BY_COPY}.items():
        # Of what cannot be an outcome there is no row to compare.
        if name not in {"run_id", "shard_id", "start_index", "end_index_exclusive"} and value != -1.0:
            yield (
                f"outcome of a compact run: {name}",
                ("compact.wrong_rows", _edited(outcome, alone=False, **{name: value})),
            )
    for dataset in DATASETS:
        for name, (value, code) in ARTIFACT.items():
            yield f"{dataset} in an outcome: {name}", (code, _artifact(dataset, **{name: value}))


def _manifests() -> Iterator[tuple[str, tuple[str, Damage]]]:
    for name, value in MANIFEST.items():
        yield f"manifest: {name}", ("compact.manifest", in_manifest(partial(dict.update, **{name: value})))
    for dataset in COMPACT:
        for name, (value, code) in PART.items():
            yield f"{dataset} in the manifest: {name}", (code, in_manifest(partial(_in_part, dataset, {name: value})))


def _in_part(dataset: str, changes: dict[str, Any], manifest: dict[str, Any]) -> None:
    part_of(manifest, dataset).update(changes)


def _sealed(dataset: str, change: Callable[[pa.Table], pa.Table]) -> Damage:
    """Change rows of a data file, as its outcome then promises them."""

    def damage(run: Damaged) -> None:
        uncompact(run)
        run.edit_rows(dataset, 0, change)
        run.reseal(dataset, 0, rows=pq.read_metadata(run.data(dataset, 0)).num_rows)

    return damage


def _of_other(dataset: str, shard: int, run_id: str) -> Damage:
    """Put a sound file of another shard, or of another run, in a shard's place, with its digest in the outcome."""

    def damage(run: Damaged) -> None:
        uncompact(run)
        key = run.keys(shard).dataset(dataset, MODEL).replace(f"run={RUN_ID}", f"run={run_id}")
        write(run.data(dataset, 0), run.path(key).read_bytes())
        run.reseal(dataset, 0, rows=pq.read_metadata(run.data(dataset, 0)).num_rows)

    return damage


def constant(column: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(rows: pa.Table) -> pa.Table:
        place = rows.schema.get_field_index(column)
        return rows.set_column(place, column, pa.array([value] * len(rows), rows.schema.field(place).type))

    return change


def _not_utf8(dataset: str) -> Damage:
    """Spoil a text of a row, whose file is otherwise as it was."""

    def change(rows: pa.Table) -> pa.Table:
        place = next(place for place, field in enumerate(rows.schema) if field.type == pa.string())
        values = pa.array([b"\xff", *(b"whole" for _ in range(len(rows) - 1))])
        texts = pa.StringArray.from_buffers(len(rows), *values.buffers()[1:])
        return rows.set_column(place, rows.schema.field(place), texts)

    return _sealed(dataset, change)


def _rows() -> Iterator[tuple[str, tuple[str, Damage]]]:
    for dataset in DATASETS:
        yield f"{dataset} of another run, sealed", ("run_record.row_disagrees", _of_other(dataset, 0, OTHER))
        code = "points.outside" if dataset in DATASETS[2:] else "points.missing"
        yield f"{dataset} of another shard, sealed", (code, _of_other(dataset, 2, RUN_ID))
        for column, value in {"run_id": "other", "shard_id": 1}.items():
            code = "run_record.row_disagrees"
            yield f"{dataset}: another {column}, sealed", (code, _sealed(dataset, constant(column, value)))
        code = "points.replicate"
        yield f"{dataset}: another replicate, sealed", (code, _sealed(dataset, constant("replicate", 7)))
        yield f"{dataset}: a text that is not UTF-8, sealed", ("artifacts.unreadable", _not_utf8(dataset))
        reverse = lambda rows: rows.take(list(reversed(range(len(rows)))))  # noqa: E731
        yield f"{dataset}: in another order, sealed", ("points.order", _sealed(dataset, reverse))


def _compacted(dataset: str, change: Callable[[pa.Table], pa.Table], *, rows_sha256: bool) -> Damage:
    """Change rows of a compact file, as the manifest then describes it."""

    def damage(run: Damaged) -> None:
        (path,) = find(run, f"{layout.COMPACT}/{dataset}/walk/*/run=RUN/*")
        rows = change(pq.ParquetFile(path).read())
        pq.write_table(rows, path, store_schema=False)
        body = path.read_bytes()
        own = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "rows": len(rows)}
        if rows_sha256:
            own["rows_sha256"] = digest_of(rows.schema.remove_metadata(), [rows]).hexdigest()
        in_manifest(partial(_in_part, dataset, own))(run)

    return damage


def _compact() -> Iterator[tuple[str, tuple[str, Damage]]]:
    changes = {
        "another run's": constant("run_id", "other"),
        "a row less": lambda rows: rows.slice(1),
        "a row twice": lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]),
        "two rows swapped": lambda rows: rows.take([1, 0, *range(2, len(rows))]),
        "a column less": lambda rows: rows.drop_columns([rows.column_names[-1]]),
    }
    for dataset in COMPACT:
        for what, change in changes.items():
            for sealed in (False, True):
                name = f"compact {dataset}: {what}, its digest of rows {'too' if sealed else 'not'}"
                yield name, ("compact.wrong_rows", _compacted(dataset, change, rows_sha256=sealed))


FIELD_DAMAGES: Cases = dict([*_records(), *_manifests(), *_rows(), *_compact()])

"""The ways in which a whole run is damaged, and the code under which verify must name each."""

import datetime as dt
import math
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from verify.damage import MODEL, RUN_DATE, RUN_ID, Damaged
from verify.runs import SPEC

from sweepctl.records import table
from sweepctl.records.outcome import Artifact, Outcome

PARAMETERS, OUTCOMES, CUSTOMERS = "effective_parameters", "point_outcomes", "customers"
OTHER_DATE = "2026-02-15"
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
Damage = Callable[[Damaged], object]
Change = Callable[[pa.Table], pa.Table]  # of rows


def flip(path: Path, at: float = 0.5) -> None:
    body = bytearray(path.read_bytes())
    body[int(len(body) * at)] ^= 1
    path.write_bytes(body)


def swap(one: Path, other: Path) -> None:
    bodies = one.read_bytes(), other.read_bytes()
    one.write_bytes(bodies[1])
    other.write_bytes(bodies[0])


def rename_column(run: Damaged) -> None:
    run.edit_rows(OUTCOMES, 0, lambda rows: rows.rename_columns([f"{name}s" for name in rows.column_names]))


def retype_column(run: Damaged) -> None:
    run.edit_rows(PARAMETERS, 0, lambda rows: rows.set_column(2, "point_index", rows["point_index"].cast(pa.float64())))


def drop_shard(run: Damaged, shard: int) -> None:
    run.outcome(shard).unlink()
    for dataset in (PARAMETERS, OUTCOMES, CUSTOMERS):
        run.data(dataset, shard).unlink()


def swap_rows(run: Damaged) -> None:
    run.edit_rows(PARAMETERS, 0, lambda rows: rows.take([1, 0, 2, 3, 4, 5]))


def drop_row(run: Damaged) -> None:
    run.edit_rows(OUTCOMES, 0, lambda rows: rows.slice(1))


def twice_a_row(run: Damaged) -> None:
    run.edit_rows(OUTCOMES, 0, lambda rows: rows.take([0, 0, 2, 3, 4, 5]))


def stale_failure(run: Damaged) -> None:
    copy = run.path(run.keys(0, OTHER_DATE).outcome)
    run.copy(run.outcome(0), copy)
    run.edit(copy, status="failure", error_code="engine_crashed", error_message="", retryable=True, content_sha256=None)


def misname_artifact(run: Damaged) -> None:
    outcome = table.decode(Outcome, run.outcome(0).read_bytes(), "")
    other = table.decode(Outcome, run.outcome(1).read_bytes(), "")
    run.edit(run.outcome(0), artifacts=(other.artifacts[0], *outcome.artifacts[1:]))


def forget_artifact(run: Damaged) -> None:
    outcome = table.decode(Outcome, run.outcome(0).read_bytes(), "")
    run.edit(run.outcome(0), artifacts=outcome.artifacts[:2])


def both_fingerprints(run: Damaged) -> None:
    for dataset in (PARAMETERS, OUTCOMES):
        run.set(dataset, 0, "point_fingerprint", "0" * 64)


def incomplete_without_history(run: Damaged) -> None:
    run.fail(0).unlink()


def orphan_of_an_attempt(run: Damaged) -> None:
    copy = run.path(run.keys(0, OTHER_DATE).dataset(OUTCOMES, MODEL))
    run.copy(run.data(OUTCOMES, 0), copy)
    attempt = run.fail(1)
    artifact = Artifact(OUTCOMES, str(copy.relative_to(run.root)), 1, 1, "0" * 64)
    for path in (attempt, run.outcome(1)):
        run.edit(path, artifacts=(artifact,))


def twice_an_artifact(run: Damaged) -> None:
    outcome = table.decode(Outcome, run.outcome(0).read_bytes(), "")
    run.edit(run.outcome(0), artifacts=(*outcome.artifacts, outcome.artifacts[1]))


def rows_of_a_failed_point(run: Damaged) -> None:
    places = [
        place
        for place, index in enumerate(pq.read_table(run.data(CUSTOMERS, 2))["point_index"].to_pylist())
        if index == 13
    ]
    run.set(CUSTOMERS, 2, "point_index", 14, row=places[-1])


def one_attempt_of_two(run: Damaged) -> None:
    outcome = table.decode(Outcome, run.outcome(0).read_bytes(), "")
    run.edit(run.outcome(1), attempt_id=outcome.attempt_id)


def failed(**changes: object) -> Damage:
    """A failure whose outcome says other things than its attempt."""

    def damage(run: Damaged) -> None:
        run.fail(0)
        run.edit(run.outcome(0), **changes)

    return damage


def attempted(**changes: object) -> Damage:
    return lambda run: run.edit(run.fail(0), **changes)


def beside(path: str) -> Damage:
    """A file that is none of sweepctl's in the folder of the outcomes."""
    return lambda run: run.copy(run.pin, run.outcome(0).with_name(path))


def attempt_of_another(run: Damaged) -> None:
    run.copy(run.outcome(0), run.path(run.keys(1).attempt("0" * 32)))


def from_other_run(run: Damaged, key: str) -> None:
    run.copy(run.path(key.replace(RUN_ID, "other")), run.path(key))


def promised_from_other_run(run: Damaged) -> None:
    from_other_run(run, run.keys(0).dataset(PARAMETERS, MODEL))
    run.reseal(PARAMETERS, 0)


def cell(dataset: str, column: str, value: object, row: int = 0, shard: int = 0) -> Damage:
    return lambda run: run.set(dataset, shard, column, value, row=row)


def outcome_field(shard: int = 0, **changes: object) -> Damage:
    return lambda run: run.edit(run.outcome(shard), **changes)


def next_bit(value: float) -> float:
    return float(struct.unpack("<d", struct.pack("<q", struct.unpack("<q", struct.pack("<d", value))[0] ^ 1))[0])


DAMAGES: dict[str, tuple[str, Damage]] = {
    # Files.
    "a parameters file is gone": ("artifacts.missing", lambda run: run.data(PARAMETERS, 0).unlink()),
    "an outcomes file is gone": ("artifacts.missing", lambda run: run.data(OUTCOMES, 0).unlink()),
    "an extra file is gone": ("artifacts.missing", lambda run: run.data(CUSTOMERS, 0).unlink()),
    "a file is cut short": (
        "artifacts.wrong_size",
        lambda run: run.data(OUTCOMES, 0).write_bytes(run.data(OUTCOMES, 0).read_bytes()[:-9]),
    ),
    "a file is longer": (
        "artifacts.wrong_size",
        lambda run: run.data(OUTCOMES, 0).write_bytes(run.data(OUTCOMES, 0).read_bytes() + b"x"),
    ),
    "a bit is flipped in the data": ("artifacts.wrong_sha256", lambda run: flip(run.data(PARAMETERS, 0), 0.1)),
    "a bit is flipped in the middle": ("artifacts.wrong_sha256", lambda run: flip(run.data(PARAMETERS, 0))),
    "a file is empty": ("artifacts.unreadable", lambda run: run.data(OUTCOMES, 0).write_bytes(b"")),
    "a file is no Parquet": ("artifacts.unreadable", lambda run: run.data(OUTCOMES, 0).write_bytes(b"junk" * 99)),
    "a file was written anew": (
        "artifacts.wrong_sha256",
        lambda run: run.edit_rows(OUTCOMES, 0, lambda rows: rows, reseal=False),
    ),
    "two shards' files are swapped": (
        "artifacts.wrong_sha256",
        lambda run: swap(run.data(PARAMETERS, 0), run.data(PARAMETERS, 1)),
    ),
    "a file of another run": (
        "artifacts.wrong_sha256",
        lambda run: from_other_run(run, run.keys(0).dataset(PARAMETERS, MODEL)),
    ),
    "a file of another run, promised": (
        "run_record.row_disagrees",
        promised_from_other_run,
    ),
    "a file of no shard": (
        "artifacts.orphan",
        lambda run: run.copy(run.data(PARAMETERS, 0), run.data(PARAMETERS, 0).with_name("shard-00000000-copy.parquet")),
    ),
    "a file under another date": (
        "artifacts.orphan",
        lambda run: run.copy(run.data(OUTCOMES, 0), run.path(run.keys(0, OTHER_DATE).dataset(OUTCOMES, MODEL))),
    ),
    "a file under another model": (
        "artifacts.orphan",
        lambda run: run.copy(run.data(OUTCOMES, 0), run.path(run.keys(0).dataset(OUTCOMES, "epidemic"))),
    ),
    "a file with a name of its own": (
        "artifacts.orphan",
        lambda run: run.copy(run.data(OUTCOMES, 0), run.data(OUTCOMES, 0).with_name("notes.parquet")),
    ),
    "a file beside the run record": (
        "artifacts.orphan",
        lambda run: run.copy(run.pin, run.pin.with_name("engine-2.parquet")),
    ),
    "partial data of no attempt's name": (
        "artifacts.orphan",
        lambda run: run.copy(
            run.pin, run.path(f"partial/{OUTCOMES}/{MODEL}/run_date={RUN_DATE}/run={RUN_ID}/x.parquet")
        ),
    ),
    "data whose outcome is gone": ("artifacts.uncommitted", lambda run: run.outcome(0).unlink()),
    "partial data whose attempt is gone": (
        "artifacts.uncommitted",
        lambda run: run.copy(run.pin, run.path(run.keys(0).partial(OUTCOMES, MODEL, "0" * 32))),
    ),
    "an outcome that names another shard's file": ("artifacts.not_named", misname_artifact),
    "an outcome that names a file too few": ("artifacts.not_named", forget_artifact),
    "an outcome that promises other rows": ("artifacts.wrong_rows", lambda run: run.reseal(OUTCOMES, 0, rows=5)),
    "an outcome that promises another size": ("artifacts.wrong_size", lambda run: run.reseal(OUTCOMES, 0, bytes=5)),
    "columns of other names": ("artifacts.wrong_schema", rename_column),
    "a column of another type": ("artifacts.wrong_schema", retype_column),
    "a column too few": (
        "artifacts.wrong_schema",
        lambda run: run.edit_rows(OUTCOMES, 0, lambda rows: rows.drop_columns(["p_wait"])),
    ),
    "a column too many": (
        "artifacts.wrong_schema",
        lambda run: run.edit_rows(OUTCOMES, 0, lambda rows: rows.append_column("x", rows["p_wait"])),
    ),
    # Outcomes.
    "a shard is gone": ("outcomes.gap", lambda run: drop_shard(run, 1)),
    "the last shard is gone": ("outcomes.gap", lambda run: drop_shard(run, 3)),
    "a stale failure beside a success": ("outcomes.twice", stale_failure),
    "an outcome of another number": ("outcomes.misplaced", outcome_field(shard_id=1)),
    "an outcome of another run": ("outcomes.misplaced", lambda run: from_other_run(run, run.keys(0).outcome)),
    "an outcome that was moved to another date": (
        "outcomes.misplaced",
        lambda run: run.move(run.outcome(0), run.path(run.keys(0, OTHER_DATE).outcome)),
    ),
    "two outcomes are swapped": ("outcomes.misplaced", lambda run: swap(run.outcome(0), run.outcome(1))),
    "an outcome's bounds reach too far": ("outcomes.overlap", outcome_field(end_index_exclusive=7)),
    "an outcome's bounds are too short": ("outcomes.gap", outcome_field(end_index_exclusive=5)),
    "an outcome beyond the run": ("outcomes.out_of_range", outcome_field(3, end_index_exclusive=99)),
    "an outcome of no points": ("outcomes.out_of_range", outcome_field(end_index_exclusive=0)),
    "an outcome of another spec": ("outcomes.wrong_spec", outcome_field(spec_fingerprint="0" * 64)),
    "an outcome of a larger run": ("outcomes.wrong_spec", outcome_field(total_points=25)),
    "an outcome of another model": ("outcomes.wrong_model", outcome_field(model="epidemic")),
    "an outcome of another model version": ("outcomes.wrong_model", outcome_field(model_version="2")),
    "an outcome of another engine build": ("outcomes.engine_versions", outcome_field(engine_version="9.9.9")),
    "an outcome is cut short": (
        "outcomes.unreadable",
        lambda run: run.outcome(0).write_bytes(run.outcome(0).read_bytes()[:-9]),
    ),
    "an outcome is empty": ("outcomes.unreadable", lambda run: run.outcome(0).write_bytes(b"")),
    "an outcome that is a data file": (
        "outcomes.unreadable",
        lambda run: run.copy(run.data(OUTCOMES, 0), run.outcome(0)),
    ),
    "a success with a failed point": (
        "outcomes.wrong_counts",
        outcome_field(points_failed=1, points_succeeded=5),
    ),
    "a success without a digest": ("outcomes.wrong_counts", outcome_field(content_sha256=None)),
    "a success with an error": ("outcomes.wrong_counts", outcome_field(error_code="x")),
    "a status that is no verdict": ("outcomes.wrong_counts", outcome_field(status="interrupted")),
    "a failure without a reason": ("outcomes.wrong_counts", outcome_field(2, error_code=None)),
    "a count too few": ("outcomes.wrong_counts", outcome_field(points_succeeded=5)),
    "a retryable failure without history": ("failures.attempt_missing", incomplete_without_history),
    "a retryable failure": ("outcomes.retryable", incomplete_without_history),
    # The run record and the pin.
    "the run record is gone": ("run_record.missing", lambda run: run.record.unlink()),
    "the run record is empty": ("run_record.unreadable", lambda run: run.record.write_bytes(b"")),
    "a run record of another run": ("run_record.wrong_run", lambda run: run.edit(run.record, run_id="other")),
    "a run record of another seed": (
        "run_record.wrong_spec",
        lambda run: run.edit(run.record, spec_json=SPEC.to_json().replace('"seed":1', '"seed":2')),
    ),
    "a run record without a design": ("run_record.unreadable", lambda run: run.edit(run.record, spec_json="{}")),
    "a run record of another size": ("run_record.wrong_total", lambda run: run.edit(run.record, total_points=25)),
    "the engine pin is gone": ("run_record.pin_missing", lambda run: run.pin.unlink()),
    "the engine pin is empty": ("run_record.pin_unreadable", lambda run: run.pin.write_bytes(b"")),
    "an engine pin of another run": ("run_record.pin_disagrees", lambda run: run.edit(run.pin, run_id="other")),
    "an engine pin of another model": ("run_record.pin_disagrees", lambda run: run.edit(run.pin, model="epidemic")),
    "an engine pin of another version": ("outcomes.wrong_model", lambda run: run.edit(run.pin, model_version="2")),
    # Attempts.
    "an attempt is unreadable": (
        "failures.attempt_unreadable",
        lambda run: run.copy(run.data(OUTCOMES, 0), run.path(run.keys(0).attempt("0" * 32))),
    ),
    "an attempt of another shard": ("failures.attempt_misplaced", attempt_of_another),
    "an attempt of another spec": ("failures.attempt_disagrees", attempted(spec_fingerprint="0" * 64)),
    "an attempt at no points": ("failures.attempt_disagrees", attempted(end_index_exclusive=0)),
    "an attempt of another status": ("failures.attempt_disagrees", attempted(status="success")),
    "an attempt that met a conflict": ("failures.conflict", attempted(status="conflict")),
    "an outcome of another reason than its attempt": ("failures.attempt_disagrees", failed(error_message="signal 11")),
    "a crash that is called final": ("outcomes.wrong_counts", failed(retryable=False)),
    "a failure of no known code": ("outcomes.wrong_counts", failed(error_code="tired")),
    # Names.
    "a file of a dataset that the spec does not list": (
        "artifacts.orphan",
        lambda run: run.copy(run.data(OUTCOMES, 0), run.path(run.keys(0).dataset("visitors", MODEL))),
    ),
    "an orphan that an attempt names": ("artifacts.orphan", orphan_of_an_attempt),
    "an attempt that names a table's file": ("artifacts.not_named", orphan_of_an_attempt),
    "an outcome that names a file twice": ("artifacts.not_named", twice_an_artifact),
    "an outcome that names no key": (
        "outcomes.unreadable",
        lambda run: run.edit(run.outcome(0), artifacts=(Artifact(OUTCOMES, "../x", 1, 6, "0" * 64),)),
    ),
    "a copy of an outcome": ("artifacts.orphan", beside("shard-00000000 (copy).parquet")),
    "a file of the system's": ("artifacts.stray", beside(".DS_Store")),
    # Fields that no worker writes so.
    "an outcome that ends before it starts": ("outcomes.wrong_counts", outcome_field(finished_at=LONG_AGO)),
    "an outcome of no CPU time": ("outcomes.unreadable", outcome_field(cpu_seconds=math.nan)),
    "an outcome of a negative attempt": ("outcomes.wrong_counts", outcome_field(attempt_number=-1)),
    "an outcome of another shard's attempt": ("outcomes.wrong_counts", one_attempt_of_two),
    "a digest that is none": ("outcomes.wrong_counts", outcome_field(content_sha256="zzz")),
    "a negative shard": ("outcomes.unreadable", outcome_field(shard_id=-1)),
    "an outcome without bounds": ("outcomes.unreadable", lambda run: run.erase(run.outcome(0), "start_index")),
    "an outcome without a model version": (
        "outcomes.unreadable",
        lambda run: run.erase(run.outcome(0), "model_version"),
    ),
    "a pin without a version": ("run_record.pin_unreadable", lambda run: run.erase(run.pin, "model_version")),
    "a run record without a total": ("run_record.unreadable", lambda run: run.erase(run.record, "total_points")),
    "a run record of another day": ("run_record.unreadable", lambda run: run.edit(run.record, run_date="yesterday")),
    "a spec that is written in another way": (
        "run_record.wrong_spec",
        lambda run: run.edit(run.record, spec_json=SPEC.to_json().replace('"customers":100', '"customers":100.0')),
    ),
    "another reason of the first failed point": ("points.counts", outcome_field(2, error_message="warmup_too_long: x")),
    "another reason in its row": ("points.counts", cell(OUTCOMES, "error_message", "x", row=2, shard=2)),
    # Rows, as their outcomes promise them.
    "a row is gone": ("points.missing", drop_row),
    "a row is there twice": ("points.duplicate", twice_a_row),
    "a row in place of another": ("points.missing", twice_a_row),
    "a row of another shard's point": ("points.outside", cell(PARAMETERS, "point_index", 23)),
    "a row without an index": ("points.missing", cell(PARAMETERS, "point_index", None)),
    "rows in another order": ("points.order", swap_rows),
    "another replicate": ("points.replicate", cell(OUTCOMES, "replicate", 1)),
    "fingerprints that do not join": ("points.join", cell(OUTCOMES, "point_fingerprint", "0" * 64)),
    "a status turned to failure": ("points.status", cell(OUTCOMES, "status", "failure")),
    "a status turned to success": ("points.counts", cell(OUTCOMES, "status", "success", row=2, shard=2)),
    "a status of another word": ("points.status", cell(OUTCOMES, "status", "maybe")),
    "no status": ("points.status", cell(OUTCOMES, "status", None)),
    "an error beside a success": ("points.status", cell(OUTCOMES, "error_code", "panic")),
    "a failure without its message": ("points.status", cell(OUTCOMES, "error_message", None, row=2, shard=2)),
    "a metric is gone": ("points.status", cell(OUTCOMES, "mean_wait", None)),
    "a metric is infinite": ("points.status", cell(OUTCOMES, "mean_wait", math.inf)),
    "a metric is no number": ("points.status", cell(OUTCOMES, "mean_wait", math.nan)),
    "a metric of a failed point": ("points.status", cell(OUTCOMES, "mean_wait", 1.0, row=2, shard=2)),
    "another number of points that the machine failed": ("points.counts", outcome_field(2, points_machine_dependent=1)),
    "another first failed point": ("points.counts", outcome_field(2, error_point_index=13)),
    "another run_id in a row": ("run_record.row_disagrees", cell(OUTCOMES, "run_id", "other")),
    "another shard_id in a row": ("run_record.row_disagrees", cell(PARAMETERS, "shard_id", 1)),
    "another seed in a row": ("run_record.row_disagrees", cell(PARAMETERS, "seed", 2)),
    "another model in a row": ("run_record.row_disagrees", cell(PARAMETERS, "model", "epidemic")),
    "another model version in a row": ("run_record.row_disagrees", cell(PARAMETERS, "model_version", "2")),
    "no run_id in a row": ("run_record.row_disagrees", cell(OUTCOMES, "run_id", None)),
    "extra rows of another shard's point": ("points.outside", cell(CUSTOMERS, "point_index", 23, row=-1)),
    "extra rows in another order": ("points.order", cell(CUSTOMERS, "point_index", 5)),
    "extra rows of another replicate": ("points.replicate", cell(CUSTOMERS, "replicate", 1)),
    "extra rows of another run": ("run_record.row_disagrees", cell(CUSTOMERS, "run_id", "other")),
    "extra rows without an index": (
        "points.outside",
        lambda run: run.edit_rows(
            CUSTOMERS, 0, lambda rows: rows.set_column(2, "point_index", pa.nulls(len(rows), pa.int64()))
        ),
    ),
    "extra rows of a failed point": ("points.status", rows_of_a_failed_point),
    "an extra value is gone": ("points.status", cell(CUSTOMERS, "wait", None)),
    "an extra value is infinite": ("points.status", cell(CUSTOMERS, "wait", math.inf, row=7)),
    # Identity, as their outcomes promise it.
    "another canonical JSON": ("identity.parameters_json", cell(PARAMETERS, "effective_parameters_json", "{}")),
    "another parameter fingerprint": (
        "identity.parameter_fingerprint",
        cell(PARAMETERS, "parameter_fingerprint", "0" * 64),
    ),
    "another point fingerprint in both tables": ("identity.point_fingerprint", both_fingerprints),
    "a bit of a float parameter": ("identity.typed_column", cell(PARAMETERS, "arrival_rate", next_bit(0.5))),
    "an integer parameter": ("identity.typed_column", cell(PARAMETERS, "servers", 3)),
    "a parameter that no dimension names": ("identity.typed_column", cell(PARAMETERS, "service_rate", 2.0)),
    "no parameter": ("identity.typed_column", cell(PARAMETERS, "warmup", None)),
}

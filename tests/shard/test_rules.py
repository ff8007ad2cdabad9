"""Points that the rules of a run leave out, from the message to the proof."""

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from verify.runs import ENGINE, RUN_DATE, total

from sweepctl.messages import ShardMessageV2
from sweepctl.runs.status import StatusReader
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.spec import Limits, Spec
from sweepctl.store.contract import Store
from sweepctl.verify import Verdict, verify

# Six cells of two replicates. warmup is 10 // (3 - servers): 5 and 10 customers, and none at 3 servers.
SPEC = Spec(
    "queue",
    {"kind": "grid", "dimensions": {"arrival_rate": [0.5, 1.5], "servers": [1, 2, 3]}},
    {"customers": 10},
    2,
    1,
    (),
    derived={"warmup": "10 // (3 - servers) - 1"},
    constraints=("arrival_rate < servers * service_rate", "servers < 3 or arrival_rate > 1"),
)


def message(spec: Spec = SPEC, **changes: Any) -> ShardMessageV2:  # noqa: ANN401  any JSON value
    bounds = {"total_points": total(spec), "shard_id": 0, "start_index": 0, "end_index_exclusive": total(spec)}
    return ShardMessageV2.of(spec, "r", RUN_DATE, **bounds | changes)


def rows(store: Store, table: str, columns: list[str]) -> list[tuple[Any, ...]]:
    found = ds.dataset(Path(store.url, table), format="parquet").to_table(columns=columns)
    return [tuple(row.values()) for row in found.sort_by("point_index").to_pylist()]


def test_excluded_points_are_done_and_never_failed(store: Store) -> None:
    outcome = run_shard(message(), ENGINE, store).outcome
    counts = (outcome.points_succeeded, outcome.points_failed, outcome.points_excluded)
    # 0.5: servers 1 and 2 succeed, 3 is excluded. 1.5: 1 is excluded, 2 succeeds, and 3 has no warmup.
    assert (outcome.status, counts) == ("failure", (6, 2, 4))
    found = rows(store, "point_outcomes", ["point_index", "status", "error_code", "error_message", "mean_wait"])
    by_point = {index: rest for index, *rest in found}
    assert by_point[4] == by_point[5] == ["excluded", "constraint", "servers < 3 or arrival_rate > 1", None]
    assert by_point[6] == ["excluded", "constraint", "arrival_rate < servers * service_rate", None]
    no_value = "warmup = 10 // (3 - servers) - 1 has no value: division by zero"
    assert by_point[10] == ["failure", "invalid_derived_parameter", no_value, None]
    assert by_point[0][0] == "success"
    warmups = [warmup for _, warmup in rows(store, "effective_parameters", ["point_index", "warmup"])]
    assert warmups == [4, 4, 9, 9, None, None, 4, 4, 9, 9, None, None]
    status = StatusReader.of(store, "r").read(utc_now())
    assert (status.points_done, status.points_failed, status.points_excluded, status.is_done) == (12, 2, 4, True)
    report = verify(store, "r", engine=ENGINE)
    assert (report.verdict, report.points_excluded) == (Verdict.FAILURES, 4)


def test_a_run_of_which_points_are_excluded_is_whole_and_its_retry_is_the_same(store: Store) -> None:
    spec = Spec(**{**vars(SPEC), "derived": {}})
    first = run_shard(message(spec), ENGINE, store).outcome
    assert (first.status, first.points_excluded) == ("success", 4)
    (outcome,) = Path(store.url, "shard_outcomes").rglob("*.parquet")
    outcome.unlink()
    again = run_shard(message(spec), ENGINE, store).outcome
    assert (again.content_sha256, again.artifacts) == (first.content_sha256, first.artifacts)
    assert (again.points_succeeded, again.points_excluded) == (8, 4)
    assert verify(store, "r", engine=ENGINE).verdict is Verdict.WHOLE


def test_a_host_leaves_the_same_points_out(store: Store) -> None:
    limits = Limits(point_seconds=60.0)
    outcome = run_shard(message(Spec(**{**vars(SPEC), "limits": limits})), ENGINE, store).outcome
    assert (outcome.points_succeeded, outcome.points_failed, outcome.points_excluded) == (6, 2, 4)


def change(store: Store, table: str, column: str, point: int, value: object) -> None:
    (path,) = Path(store.url, table).rglob("*.parquet")
    found = pq.read_table(path)
    values = found[column].to_pylist()
    values[point] = value
    place = found.column_names.index(column)
    pq.write_table(found.set_column(place, found.schema.field(place), [values]), path)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "failure"}, "points.counts"),
        ({"status": "success"}, "points.status"),
        ({"error_message": "servers > 9"}, "identity.rule"),
        ({"error_code": "other"}, "identity.rule"),
        ({"error_message": None}, "points.status"),
    ],
)
def test_another_verdict_on_an_excluded_point_is_damage(store: Store, changes: dict[str, Any], code: str) -> None:
    run_shard(message(), ENGINE, store)
    for column, value in changes.items():
        change(store, "point_outcomes", column, 4, value)
    report = verify(store, "r", engine=ENGINE)
    assert report.verdict is Verdict.CORRUPT
    assert code in {finding.code for finding in report.findings}


def test_a_point_that_is_excluded_but_meets_every_constraint_is_damage(store: Store) -> None:
    run_shard(message(), ENGINE, store)
    for column, value in {"status": "excluded", "error_code": "constraint", "error_message": "x"}.items():
        change(store, "point_outcomes", column, 0, value)
    assert "identity.rule" in {finding.code for finding in verify(store, "r", engine=ENGINE).findings}

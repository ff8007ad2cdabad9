"""`sweepctl athena ddl` and `apply`, as a person and a script see them."""

import json
from pathlib import Path

import boto3
import pytest
from athena import sample
from athena.athenas_sql import parsed
from fakes.servers import Server
from typer.testing import CliRunner, Result

from sweepctl.athena import check, execution
from sweepctl.cli import app
from sweepctl.engine.client import Engine, find_engine

STORE = ("--store", "s3://bucket/sweeps")
RESULTS = ("--output", "s3://bucket/athena-results/")


@pytest.fixture
def aws(glue_and_athena: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  they answer
    monkeypatch.setattr(execution, "POLL_SECONDS", 0.01)
    boto3.client("s3").create_bucket(Bucket="bucket")


def athena(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["athena", *arguments], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"})


def test_ddl_prints_statements_that_end_with_a_semicolon() -> None:
    done = athena("ddl", *STORE, "--model", "queue", "--database", "research")
    assert done.exit_code == 0, done.output
    printed = [each for each in done.stdout.split(";\n") if each.strip()]
    assert len(printed) == 1 + 2 * (1 + 2 + 3) + 2 * 2
    for each in printed:
        assert "research" in parsed(each).sql(dialect="athena")
    told = json.loads(athena("ddl", *STORE, "--model", "queue", "--database", "research", "--json").stdout)
    assert told["statements"] == [each.strip() for each in printed]


@pytest.mark.slow
@pytest.mark.usefixtures("aws")
def test_apply_tells_what_it_does() -> None:
    first = athena("apply", *STORE, *RESULTS, "--model", "queue")
    assert first.exit_code == 0, first.output
    assert "database sweeps created" in first.stdout
    assert "table point_outcomes_queue_of_run created" in first.stdout
    assert "view points_queue replaced" in first.stdout
    again = athena("apply", *STORE, *RESULTS, "--model", "queue")
    assert "sweeps over s3://bucket/sweeps: 13 unchanged, 4 replaced" in again.stdout
    told = json.loads(athena("apply", *STORE, *RESULTS, "--json").stdout)
    assert told["store"] == "s3://bucket/sweeps"
    assert told["check"] is None
    assert {"kind": "table", "name": "trips_ridehail", "change": "created", "differences": []} in told["made"]


def test_apply_begins_at_the_first_run_and_counts_it(
    moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    monkeypatch.setattr(execution, "POLL_SECONDS", 0.01)
    boto3.client("s3").create_bucket(Bucket="athena-check")
    fields = {"model": "queue", "dimensions": {"servers": [1, 2]}, "base": {"customers": 20}, "total_points": 10}
    sample.run(tmp_path, Engine(find_engine()), {"run_id": "first", **fields}, 0)
    for path in tmp_path.rglob("*.parquet"):
        key = f"sweeps/{path.relative_to(tmp_path)}"
        boto3.client("s3").put_object(Bucket="athena-check", Key=key, Body=path.read_bytes())
    store = ("--store", "s3://athena-check/sweeps", "--database", "athena-check")
    arguments = ("apply", *store, *RESULTS, "--model", "queue")
    monkeypatch.setattr(check, "only_row", lambda *_, **__: ["1", "1"])
    assert "Athena finds 1 shard of run first (2026-02-14)" in athena(*arguments).stdout
    assert days_of("shard_outcomes") == f"{sample.RUN_DATE},NOW+1DAY"
    told = json.loads(athena(*arguments, "--json").stdout)
    assert told["check"] == {"run_id": "first", "run_date": sample.RUN_DATE, "across_runs": 1, "of_run": 1}
    monkeypatch.setattr(check, "only_row", lambda *_, **__: ["0", "1"])
    failed = athena(*arguments, "--json")
    assert (failed.exit_code, json.loads(failed.stdout)["error"]["kind"]) == (5, "catalog")
    told = json.loads(athena(*arguments, "--since", "2001-02-03", "--json").stdout)
    assert told["check"] is None
    assert days_of("shard_outcomes") == "2001-02-03,NOW+1DAY"


def days_of(table: str) -> str:
    made = boto3.client("glue").get_table(DatabaseName="athena-check", Name=table)["Table"]
    return made["Parameters"]["projection.run_date.range"]


def test_ddl_lists_days_since_a_date() -> None:
    printed = athena("ddl", *STORE, "--model", "queue", "--since", "2026-02-14").stdout
    assert printed.count("'projection.run_date.range' = '2026-02-14,NOW+1DAY'") == 2 * (2 + 3)
    assert "2000-01-01,NOW" not in printed
    assert "'projection.run_date.range' = '2000-01-01,NOW+1DAY'" in athena("ddl", *STORE, "--model", "queue").stdout
    assert athena("ddl", *STORE, "--since", "yesterday").exit_code == 2


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        ((*STORE,), 5, "catalog"),  # no place for results
        (("--store", "s3://athena-none/sweeps", *RESULTS), 5, "store"),
        (("--store", "./results", *RESULTS), 2, "usage"),
        ((*STORE, "--output", "results"), 2, "usage"),
        ((*STORE, *RESULTS, "--model", "no"), 2, "usage"),
        ((*STORE, *RESULTS, "--database", "no name"), 2, "usage"),
        ((*STORE, *RESULTS, "--engine", "/no/engine"), 4, "engine_unavailable"),
    ],
)
def test_what_goes_wrong_is_told_with_a_remedy(arguments: tuple[str, ...], code: int, kind: str) -> None:
    done = athena("apply", *arguments, "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["exit_code"], told["error"]["kind"]) == (code, code, kind)
    assert told["error"]["remedy"]
    assert told["error"]["message"] in done.stderr

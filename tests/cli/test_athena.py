"""`sweepctl athena ddl` and `apply`, as a person and a script see them."""

import json

import pytest
from athena.athenas_sql import parsed
from typer.testing import CliRunner, Result

from sweepctl.athena import apply
from sweepctl.cli import app

STORE = ("--store", "s3://bucket/sweeps")
RESULTS = ("--output", "s3://bucket/athena-results/")


@pytest.fixture
def aws(glue_and_athena: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  they answer
    monkeypatch.setattr(apply, "POLL_SECONDS", 0.01)


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
    assert {"kind": "table", "name": "trips_ridehail", "change": "created", "differences": []} in told["made"]


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        ((*STORE,), 5, "catalog"),  # no place for results
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

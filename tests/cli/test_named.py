"""Runs as command lines name them, how a shell completes them, and how commands are found in `--help`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import typer.main
from runs.test_status import RUN
from typer.testing import CliRunner, Result
from verify.runs import SPEC, make_run

import sweepctl.store
from sweepctl.cli import app, named
from sweepctl.cli.app import PANELS
from sweepctl.shard.commit import pin_run
from sweepctl.store import open_store

pytestmark = pytest.mark.usefixtures("elsewhere")
WHOLE = replace(SPEC, design={"kind": "grid", "dimensions": {"servers": [1, 2]}}, outputs=())


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def told(*arguments: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(invoke(*arguments, "--json").stdout)
    return value


@pytest.fixture
def runs(elsewhere: None) -> None:  # noqa: ARG001  in whose folder they are
    for run_id in ("first-run", "second-run"):
        make_run(open_store("sweep-results"), run_id, WHOLE)


@pytest.mark.slow
@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("command", ["status", "verify", "compact", "summary", "report", "retry"])
@pytest.mark.parametrize("name", ["second", "latest"])
def test_every_command_takes_a_short_name_and_answers_with_the_whole_one(command: str, name: str) -> None:
    assert told(command, name)["run_id"] == "second-run"
    said = [line for line in invoke(command, name, "--json").stderr.splitlines() if line.startswith(f"{name} is")]
    assert said == [f"{name} is run second-run"]
    assert "is run" not in invoke(command, "second-run").stderr


@pytest.mark.usefixtures("runs")
def test_both_runs_that_are_compared_may_have_short_names() -> None:
    compared = invoke("compare", "first", "latest")
    assert compared.exit_code == 0
    assert [line for line in compared.stderr.splitlines() if " is run " in line] == [
        "first is run first-run",
        "latest is run second-run",
    ]
    assert invoke("report", "second", "--against", "first").stderr.count(" is run ") == 2


@pytest.mark.usefixtures("runs")
def test_a_query_takes_a_short_name() -> None:
    answer = invoke("query", "first", "SELECT DISTINCT run_id FROM points", "--format", "csv")
    assert answer.stdout.splitlines() == ['"run_id"', '"first-run"']
    assert "first is run first-run" in answer.stderr


@pytest.mark.usefixtures("runs")
def test_a_beginning_of_several_runs_ends_as_an_unknown_run_does() -> None:
    make_run(open_store("sweep-results"), "second-run-2", WHOLE)
    for name in ("sec", "nothing"):
        shown = invoke("status", name, "--json")
        assert shown.exit_code == 1
        assert json.loads(shown.stdout)["error"]["kind"] == "unknown_run"
    assert "Name one of them: second-run, second-run-2." in invoke("status", "sec").stderr
    assert "Did you mean `first-run`?" in invoke("verify", "first-rum").stderr
    assert told("status", "second-run")["run_id"] == "second-run"


def test_reuse_takes_a_short_name(tmp_path: Path) -> None:
    from fakes.sweep_files import queue_sweep  # noqa: PLC0415  it looks for an engine

    file = str(queue_sweep(tmp_path))
    assert invoke("run", file, "--run-id", "before").exit_code == 0
    again = invoke("run", file, "--run-id", "after", "--reuse", "bef", "--json")
    assert json.loads(again.stdout)["reused"] == 12
    assert "bef is run before" in again.stderr


def complete(words: str, **variables: str) -> list[str]:
    """Return what a shell is offered after some words; it asks for the last one, which may be empty."""
    line = words.split(" ")
    environment = {
        **os.environ, **variables,
        "_SWEEPCTL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(line) - 1),
    }  # fmt: skip
    script = "import sys; sys.argv[0] = 'sweepctl'; from sweepctl.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
def test_a_shell_completes_runs_of_the_store_that_the_line_or_the_environment_names(tmp_path: Path) -> None:
    for place in (Path("sweep-results"), tmp_path / "other"):
        pin_run(open_store(str(place)), replace(RUN, run_id=f"r-{place.name}"))
    assert complete("sweepctl verify ") == ["r-sweep-results", "latest"]
    assert complete("sweepctl compare r-sweep-results r") == ["r-sweep-results"]
    assert complete(f"sweepctl verify --store {tmp_path}/other r") == ["r-other"]
    assert complete("sweepctl report latest --against r", SWEEPCTL_STORE=f"{tmp_path}/other") == ["r-other"]
    assert complete("sweepctl query r") == ["r-sweep-results"]
    assert complete("sweepctl query r-sweep-results ") == []
    assert complete("sweepctl ver") == ["verify"]


@pytest.mark.slow
def test_a_store_that_cannot_be_listed_completes_nothing_and_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for store in ("s3://", f"{tmp_path}/file", f"{tmp_path}/missing"):
        assert complete("sweepctl verify r", SWEEPCTL_STORE=store) == []


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have no store answer before the test has ended."""
    ended = Event()
    monkeypatch.setattr(sweepctl.store, "open_store", lambda *_arguments, **_options: ended.wait())
    monkeypatch.setattr(named, "COMPLETION_SECONDS", 0.05)
    yield
    ended.set()


@pytest.mark.usefixtures("silent")
def test_a_store_that_does_not_answer_is_not_waited_for() -> None:
    context = typer.Context(typer.main.get_command(app))
    context.params = {"store": "s3://bucket"}
    began_at = time.monotonic()
    assert named.complete_run(context, "") == []
    assert time.monotonic() - began_at < 60


def test_every_command_is_in_a_panel_of_help() -> None:
    commands = vars(typer.main.get_command(app))["commands"]
    assert sorted(commands) == sorted(name for names in PANELS.values() for name in names)
    shown = invoke("--help").stdout
    places = [shown.index(f"─ {panel} ─") for panel in PANELS]
    assert places == sorted(places)
    for names in PANELS.values():
        places = [shown.index(f"│ {name} ") for name in names]
        assert places == sorted(places)


@pytest.mark.parametrize("command", [[], ["verify"], ["athena"], ["athena", "ddl"]])
def test_h_is_help(command: list[str]) -> None:
    shown = invoke(*command, "-h")
    assert (shown.exit_code, shown.stdout) == (0, invoke(*command, "--help").stdout)
    assert "Usage:" in shown.stdout


@pytest.mark.parametrize(
    ("words", "meant"),
    [(["verfy", "r"], "'verify'"), (["verify", "r", "--acept-failures"], "Did you mean '--accept-failures'?")],
)
def test_a_mistyped_command_or_option_gets_the_nearest(words: list[str], meant: str) -> None:
    shown = invoke(*words)
    assert shown.exit_code == 2
    assert meant in shown.stderr


def test_a_mistyped_model_gets_the_nearest() -> None:
    shown = invoke("models", "quee")
    assert (shown.exit_code, "Did you mean `queue`?" in shown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "query r x --format cvs",
            "'cvs' is not one of 'table', 'csv', 'json', 'parquet', 'arrow'. Did you mean 'csv'?",
        ),
        ("query r x --format zzz", "'zzz' is not one of 'table', 'csv', 'json', 'parquet', 'arrow'."),
        ("ui --port x", "must be a valid integer"),
        ("ui --port 65536", "must be less than or equal to 65535"),
        ("plan s.toml --point-seconds x", "must be a valid number"),
    ],
)
def test_a_bad_value_is_told_in_few_words(words: str, said: str) -> None:
    error = told(*words.split())["error"]
    assert error["message"].partition(": ")[2] == said

"""`sweepctl verify` at a terminal and in a script: what it prints, what it writes and sends, and its exit codes."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.servers import SETTINGS, Server
from typer.testing import CliRunner, Result
from verify.runs import RUN_DATE, SPEC, make_run, messages

from sweepctl.cli import app
from sweepctl.messages import decode
from sweepctl.queue.sqs import open_queue
from sweepctl.shard.run import utc_now
from sweepctl.store import open_store

WHOLE = replace(SPEC, design={"kind": "grid", "dimensions": {"servers": [*range(1, 13)]}}, outputs=())


@pytest.fixture(autouse=True)
def a_whole_run(elsewhere: None) -> None:  # noqa: ARG001  the run is made there
    make_run(open_store("sweep-results"), "r", WHOLE)


def verify(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["verify", "r", *arguments])


def told(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.stdout)
    return value


def drop(table: str, shard: int) -> None:
    (path,) = Path("sweep-results", table).rglob(f"run=r/shard-{shard:08d}.parquet")
    path.unlink()


def test_a_whole_run_is_told_first_and_exits_with_0() -> None:
    result = verify("--reexecute", "2")
    assert result.exit_code == 0
    assert result.stdout.startswith("WHOLE  run r, 24 points in 4 shards: every point exists exactly once")
    assert "reexecution   2 points" in result.stdout


def test_json_has_everything() -> None:
    report = told(verify("--json", "--reexecute", "all"))
    assert (report["run_id"], report["verdict"], report["total_points"], report["shards"]) == ("r", "whole", 24, 4)
    assert {check["check"]: check["state"] for check in report["checks"]} == dict.fromkeys(
        ("run_record", "outcomes", "artifacts", "points", "identity", "failures", "reexecution"), "passed"
    )
    assert report["attempts"] == {str(shard): 1 for shard in range(4)}
    drop("point_outcomes", 1)
    report = told(verify("--json"))
    (artifacts,) = [check for check in report["checks"] if check["check"] == "artifacts"]
    assert artifacts["state"] == "failed"
    (finding,) = artifacts["findings"]
    assert finding["code"] == "artifacts.missing"
    assert (finding["severity"], finding["shard_id"]) == ("damage", 1)
    assert finding["key"] == f"point_outcomes/queue/run_date={RUN_DATE}/run=r/shard-00000001.parquet"


def test_damage_is_shown_with_an_example_and_what_to_do() -> None:
    drop("point_outcomes", 1)
    result = verify()
    assert result.exit_code == 1
    assert result.stdout.startswith("CORRUPT")
    assert (
        "artifacts.missing shard 1: its outcome names it, but it does not exist\n      point_outcomes/" in result.stdout
    )
    assert "not checked: 6 points, whose files are damaged or missing" in result.stdout
    assert "run-shard --force" in result.stdout


def test_at_most_ten_examples_a_check_are_shown() -> None:
    make_run(open_store("sweep-results"), "many", replace(WHOLE, replications=8))
    for path in Path("sweep-results").glob("point_outcomes/*/*/run=many/*"):
        path.unlink()
    shown = CliRunner().invoke(app, ["verify", "many"]).stdout
    assert shown.count("  artifacts.missing") == 10
    assert "… and 6 more; --json has all" in shown


def test_failures_for_good_are_accepted_on_request() -> None:
    make_run(open_store("sweep-results"), "failing")
    result = CliRunner().invoke(app, ["verify", "failing"])
    assert result.exit_code == 1
    assert result.stdout.startswith("FAILURES")
    assert "point_failed" in result.stdout
    assert CliRunner().invoke(app, ["verify", "failing", "--accept-failures"]).exit_code == 0
    drop("shard_outcomes", 0)
    assert verify("--accept-failures").exit_code == 1


def test_missing_messages_are_written_one_a_line() -> None:
    for shard in (1, 3):
        drop("shard_outcomes", shard)
    result = verify("--missing", "missing.jsonl")
    assert result.exit_code == 1
    assert result.stdout.startswith("INCOMPLETE")
    assert "messages written to missing.jsonl: 2" in result.stdout
    bodies = Path("missing.jsonl").read_bytes().splitlines()
    assert [decode(body, utc_now().date()) for body in bodies] == [messages("r", WHOLE)[shard] for shard in (1, 3)]
    assert [path.name for path in Path().iterdir() if "missing" in path.name] == ["missing.jsonl"]


def test_missing_messages_of_a_whole_run_are_an_empty_file() -> None:
    assert verify("--missing", "missing.jsonl").exit_code == 0
    assert Path("missing.jsonl").read_bytes() == b""


def test_requeue_sends_what_is_missing_and_nothing_else(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    url = moto_server.queue("requeue")
    drop("shard_outcomes", 2)
    result = verify("--requeue", "--queue-url", url, "--yes")
    assert result.exit_code == 1
    assert "messages sent: 1" in result.stdout
    received = open_queue(url).receive(10, wait=0, visibility=30)
    assert [decode(each.body, utc_now().date()) for each in received] == [messages("r", WHOLE)[2]]
    make_run(open_store("sweep-results"), "r", WHOLE)
    assert told(verify("--requeue", "--queue-url", url, "--yes", "--json"))["sent"] == 0
    assert open_queue(url).receive(10, wait=0, visibility=30) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--requeue",), "Give --queue-url."),
        (("--requeue", "--queue-url", "http://127.0.0.1:1/0/q"), "Give --yes."),
        (("--reexecute", "0"), "Give a number above 0, or all."),
        (("--reexecute", "some"), "Give a number above 0, or all."),
        (("--missing", "nowhere/missing.jsonl"), "Choose a file that can be written."),
    ],
)
def test_wrong_usage_is_told_before_anything_is_read(arguments: tuple[str, ...], words: str) -> None:
    result = verify(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stdout == ""


def test_a_run_that_is_not_there_exits_with_1() -> None:
    result = CliRunner().invoke(app, ["verify", "absent", "--json"])
    assert result.exit_code == 1
    assert told(result)["error"]["kind"] == "unknown_run"
    assert CliRunner().invoke(app, ["verify", "../r"]).exit_code == 2


def test_an_engine_that_is_named_must_be_there() -> None:
    assert verify("--engine", "absent").exit_code == 4

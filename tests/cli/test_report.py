"""`sweepctl summary` and `sweepctl report` on real runs: whole, failed, half-written, empty, unknown."""

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import duckdb
import pytest
import typer
from fakes.servers import BUCKET, Server
from typer.testing import CliRunner, Result
from verify.runs import ENGINE, SPEC, make_run, messages

from sweepctl.cli import app
from sweepctl.cli.report import METRICS, MOST_METRICS
from sweepctl.engine.client import Engine
from sweepctl.records.run import require_run
from sweepctl.shard.commit import pin_run
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store

ROOT = Path(__file__).resolve().parents[2]
WHOLE = replace(
    SPEC, design={"kind": "grid", "dimensions": {"servers": [1, 2, 3], "service_rate": [0.9, 1.2]}}, outputs=()
)


pytestmark = pytest.mark.usefixtures("elsewhere")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def told(*arguments: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(invoke(*arguments, "--json").stdout)
    return value


def test_a_summary_tells_means_indices_and_ends() -> None:
    make_run(open_store("sweep-results"), "r", WHOLE)
    result = invoke("summary", "r", "--top", "2")
    assert result.exit_code == 0
    assert result.stdout.startswith("run r of queue: 12 of 12 points recorded\n")
    assert "different numbers of points" not in result.stdout
    for word in ("mean_wait", "95 % interval over replicates", "lowest mean_wait", "functional analysis of variance"):
        assert word in result.stdout
    assert "--metric NAME shows another metric: utilisation, p_wait, mean_queue_length" in result.stdout


def test_headlines_of_the_model_come_first() -> None:
    make_run(open_store("sweep-results"), "r", WHOLE)
    summary = told("summary", "r")
    assert [metric["metric"] for metric in summary["metrics"]] == ["mean_wait"]
    assert summary["other_metrics"] == ["utilisation", "p_wait", "mean_queue_length"]
    assert invoke("report", "r").exit_code == 0
    choices = re.findall(r'name="metric" value="(\w+)"', Path("report.html").read_text())
    assert choices == ["mean_wait", "utilisation", "p_wait", "mean_queue_length"]


def test_a_run_that_an_engine_without_headlines_began_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "before"
    without = "sed 's/,\"headline\":true//g'"
    path.write_text(f'#!/bin/sh\n[ $1 = describe ] || exec {ENGINE.path} "$@"\n{ENGINE.path} describe | {without}\n')
    path.chmod(0o755)
    before = Engine(path)
    assert not any(metric.headline for metric in before.model("queue").metrics)
    store = open_store("sweep-results")
    first, second = messages("r", WHOLE)
    assert run_shard(first, before, store).outcome.status == "success"
    assert run_shard(second, ENGINE, store).outcome.status == "success"
    assert told("verify", "r", "--reexecute", "all")["verdict"] == "whole"  # of two builds
    assert told("summary", "r")["other_metrics"] == ["p_wait", "utilisation", "mean_queue_length"]
    make_run(store, "now", WHOLE)
    assert told("compare", "r", "now", "--exact")["exact"]


def test_a_summary_in_json_has_everything_of_each_metric() -> None:
    make_run(open_store("sweep-results"), "r", WHOLE)
    summary = told("summary", "r", "--metric", "utilisation", "--metric", "p_wait", "--top", "1")
    assert [metric["metric"] for metric in summary["metrics"]] == ["utilisation", "p_wait"]
    (utilisation, _) = summary["metrics"]
    assert [each["dimension"] for each in utilisation["marginal_means"]] == ["servers", "service_rate"]
    assert [level["low"] for level in utilisation["marginal_means"][0]["levels"]] == [1, 2, 3]
    assert all(level["half_width"] > 0 for level in utilisation["marginal_means"][0]["levels"])
    assert len(utilisation["sensitivity"]["indices"]) == 2
    assert len(utilisation["lowest"]) == len(utilisation["highest"]) == 1


def test_failures_are_told_by_code() -> None:
    make_run(open_store("sweep-results"), "r", SPEC)
    result = invoke("summary", "r")
    assert "24 of 24 points recorded, 2 failed" in result.stdout
    assert "2 points   warmup_too_long   point 14" in result.stdout
    assert told("summary", "r")["failures"][0]["count"] == 2


def test_a_half_written_run_is_told_as_far_as_it_is() -> None:
    store = open_store("sweep-results")
    for message in messages("r", WHOLE)[:1]:
        run_shard(message, ENGINE, store)
    result = invoke("summary", "r")
    assert result.exit_code == 0
    assert "6 of 12 points recorded" in result.stdout
    assert "! Levels have different numbers of points" in result.stdout
    assert not told("summary", "r")["metrics"][0]["balanced"]
    assert "sweepctl status r shows the run's progress" in result.stdout
    report = told("report", "r")
    assert report["verdict"] == "incomplete"
    assert "Levels have different numbers of points" in Path("report.html").read_text()
    assert "1 no outcome yet" not in Path("report.html").read_text()  # the run was not planned


def test_an_empty_run_has_a_page_that_says_so() -> None:
    make_run(open_store("sweep-results"), "other", WHOLE)
    store = open_store("sweep-results")
    pin_run(store, replace(require_run(store, "other"), run_id="r", shard_points=6))
    assert "0 of 12 points recorded" in invoke("summary", "r").stdout
    report = told("report", "r")
    assert (report["verdict"], report["points"]) == ("incomplete", 0)
    assert "2 no outcome yet" in Path("report.html").read_text()


@pytest.mark.parametrize("command", ["summary", "report"])
def test_what_cannot_be_told_is_refused(command: str) -> None:
    unknown = invoke(command, "nothing")
    assert (unknown.exit_code, "has no run 'nothing'" in unknown.stderr) == (1, True)
    make_run(open_store("sweep-results"), "r", WHOLE)
    metric = invoke(command, "r", "--metric", "mean_wiat")
    assert (metric.exit_code, "Did you mean `mean_wait`?" in metric.stderr) == (2, True)
    (path,) = Path("sweep-results/point_outcomes").rglob("shard-00000001.parquet")
    path.write_bytes(b"spoiled")
    damaged = invoke(command, "r")
    assert (damaged.exit_code, "sweepctl verify r" in damaged.stderr) == (5, True)
    assert not Path("report.html").exists()


def test_more_metrics_than_a_page_holds_are_refused() -> None:
    result = invoke("report", "r", *(word for place in range(13) for word in ("--metric", f"m{place}")))
    assert (result.exit_code, "at most 12 metrics, not 13" in result.stderr) == (2, True)


def test_help_and_docs_say_the_same_numbers_of_metrics() -> None:
    words = {6: "six", 12: "twelve"}
    docs = " ".join((ROOT / "docs" / "report.md").read_text().split())
    assert f"the report the first {words[METRICS]}, or up to {words[MOST_METRICS]} that `--metric` names" in docs
    options = {
        each.name: each
        for each in typer.main.get_command(app).commands["report"].params  # type: ignore[attr-defined]
    }
    assert f"up to {MOST_METRICS}" in options["metric"].help
    assert options["metric"].show_default == f"the first {METRICS}"


@pytest.mark.parametrize(
    ("error", "exit_code", "said"),
    [
        (duckdb.OutOfMemoryException("full"), 5, "needs more memory"),
        (duckdb.IOException("gone"), 5, "files of run r cannot be read"),
        (duckdb.BinderException("a fault of ours"), 1, ""),
    ],
    ids=["memory", "file", "fault"],
)
def test_only_what_is_the_files_fault_is_told_as_theirs(
    monkeypatch: pytest.MonkeyPatch, error: Exception, exit_code: int, said: str
) -> None:
    make_run(open_store("sweep-results"), "r", WHOLE)
    monkeypatch.setattr("sweepctl.results.analysis.summary.summarize", Mock(side_effect=error))
    result = invoke("summary", "r")
    assert result.exit_code == exit_code
    assert said in result.stderr
    assert (result.exception is error) is (not said)


def test_ctrl_c_ends_a_query_of_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(database: duckdb.DuckDBPyConnection, *_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        database.execute("SELECT sum(hash(a.range + b.range)) FROM range(10_000_000) a, range(100_000) b").fetchall()

    make_run(open_store("sweep-results"), "r", WHOLE)
    monkeypatch.setattr("sweepctl.results.analysis.summary.summarize", interrupted)
    result = invoke("summary", "r")
    assert (result.exit_code, "stopped by a signal" in result.stderr) == (130, True)


def test_a_report_is_one_file_with_verdict_units_and_points() -> None:
    make_run(open_store("sweep-results"), "r", SPEC)
    result = invoke("report", "r", "--out", "page.html", "--engine", str(ENGINE.path))
    assert result.exit_code == 0
    assert result.stdout.startswith("FAILURES  run r, 24 points in 4 shards")
    page = Path("page.html").read_text()
    assert f"report written to page.html: {len(page.encode()):,} bytes" in result.stdout
    for word in (
        'class="verdict failures"',
        "mean_wait [time]",
        "warmup_too_long",
        "point_index",
        "4 shards in point order",
    ):
        assert (word in page) is (word != "point_index"), word
    assert [path.name for path in Path().glob("*page.html*")] == ["page.html"]


def test_a_report_replaces_its_file_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(open_store("sweep-results"), "r", WHOLE)
    Path("report.html").write_text("older")
    with monkeypatch.context() as full:
        full.setattr(Path, "replace", Mock(side_effect=OSError(28, "No space left on device")))
        result = invoke("report", "r")
    assert (result.exit_code, "No space left" in result.stderr) == (2, True)
    assert Path("report.html").read_text() == "older"
    assert not list(Path().glob(".report.html.*"))
    assert invoke("report", "r", "--out", "nowhere/report.html").exit_code == 2


def test_a_comparison_tells_what_differs_and_exact_makes_it_a_regression_test() -> None:
    store = open_store("sweep-results")
    make_run(store, "old", WHOLE)
    make_run(store, "copy", WHOLE)
    make_run(store, "new", replace(WHOLE, seed=WHOLE.seed + 1))
    same = invoke("compare", "old", "copy", "--exact")
    assert (same.exit_code, "equal to the bit" in same.stdout) == (0, True)
    assert invoke("compare", "old", "new").exit_code == 0
    other = invoke("compare", "old", "new", "--exact", "--metric", "p_wait")
    assert other.exit_code == 1
    for word in ("different seeds", "paired t test over replicates", "largest differences of p_wait"):
        assert word in other.stdout
    largest = other.stdout.partition("largest differences of p_wait")[2].splitlines()
    assert next(line for line in largest if line.split())[:9].split() == ["A"]
    assert told("compare", "old", "copy")["exact"] is True
    assert [metric["name"] for metric in told("compare", "old", "new", "--metric", "p_wait")["metrics"]] == ["p_wait"]


def test_a_comparison_with_a_run_of_another_model_is_refused() -> None:
    store = open_store("sweep-results")
    make_run(store, "q", WHOLE)
    make_run(
        store, "e", replace(SPEC, model="epidemic", design={"kind": "grid", "dimensions": {}}, base={}, outputs=())
    )
    for command in (("compare", "q", "e"), ("report", "q", "--against", "e")):
        result = invoke(*command)
        assert (result.exit_code, "run of one model" in result.stderr.replace("runs", "run")) == (2, True)
    assert not Path("report.html").exists()


def test_a_report_against_another_run_has_what_differs() -> None:
    store = open_store("sweep-results")
    make_run(store, "old", WHOLE)
    make_run(store, "new", replace(WHOLE, seed=WHOLE.seed + 1))
    assert invoke("report", "new", "--against", "old").exit_code == 0
    page = Path("report.html").read_text()
    for word in ("Against run old", "different seeds", "Largest differences of mean_wait"):
        assert word in page
    assert '<th scope="col" class="n">mean_wait here</th><th scope="col" class="n">mean_wait there</th>' in page


def make_many(run_id: str) -> None:
    """Run as many points as a box needs, in one shard."""
    (message,) = messages(run_id, replace(WHOLE, replications=40), 240)
    run_shard(message, ENGINE, open_store("sweep-results"))


def test_a_summary_tells_where_a_condition_holds() -> None:
    make_many("r")
    result = invoke("summary", "r", "--where", "servers = 1 AND mean_wait >= 0")
    assert result.exit_code == 0
    assert "where servers = 1 AND mean_wait >= 0  holds at 80 of 240 points" in result.stdout
    assert "box 1: holds at 80 of 80 points: coverage 100 %" in result.stdout
    discovery = told("summary", "r", "--where", "servers = 1")["discovery"]
    assert [each["dimension"] for each in discovery["boxes"][0]["restrictions"]] == ["servers"]
    assert "discovery" not in told("summary", "r")


def test_a_report_shows_where_a_condition_holds() -> None:
    make_many("r")
    assert invoke("report", "r", "--where", "servers = 1").exit_code == 0
    page = Path("report.html").read_text()
    for word in (
        "<h2>Where servers = 1</h2>",
        "Box 1: holds at 80 of 80 points",
        "Points where servers = 1 by servers",
    ):
        assert word in page


@pytest.mark.parametrize("command", ["summary", "report"])
@pytest.mark.parametrize(
    ("where", "word"), [("mean_wiat > 5", '"mean_wait"'), ("mean_wait", "DOUBLE"), ("", "SELECT clause")]
)
def test_a_condition_that_is_none_is_refused_before_anything_is_verified(command: str, where: str, word: str) -> None:
    make_run(open_store("sweep-results"), "r", WHOLE)
    result = invoke(command, "r", "--where", where)
    assert (result.exit_code, word in result.stderr, "WHOLE" in result.stdout) == (2, True, False)
    assert "A condition is one expression" in result.stderr
    assert not Path("report.html").exists()


def rounded(value: Any) -> Any:  # noqa: ANN401  JSON
    """Return it without the last digits of floats, which differ by the order of sums."""
    match value:
        case dict():
            return {key: rounded(each) for key, each in value.items()}
        case list():
            return [rounded(each) for each in value]
        case float():
            return float(f"{value:.12g}")
    return value


@pytest.mark.slow
def test_in_a_bucket_it_is_the_same(moto_server: Server) -> None:
    bucket = f"s3://{BUCKET}/summary"
    make_run(open_store("sweep-results"), "r", SPEC)
    make_run(open_store(bucket, endpoint_url=moto_server.endpoint_url), "r", SPEC)
    where = ("--store", bucket, "--endpoint-url", moto_server.endpoint_url)
    assert rounded(told("summary", "r", *where)) == rounded(told("summary", "r"))
    assert told("report", "r", *where)["verdict"] == "failures"


@pytest.mark.parametrize("name", ["r.pdf", "r.PNG", "r.html.gz"])
def test_a_report_is_no_other_kind_of_file(name: str) -> None:
    refused = invoke("report", "r", "--out", name)
    assert refused.exit_code == 2
    assert f"{name}: a report is an HTML page" in refused.stderr

"""Replications by precision: rounds of `sweepctl run` and `submit`, from the command line."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes.sweep_files import ENGINE, TEST_ENGINE, failing_engine, faulty_sweep, held_engine, queue_sweep
from typer.testing import CliRunner, Result
from waiting import wait_until

from sweepctl.cli import app
from sweepctl.engine.client import Engine
from sweepctl.engine.run import EngineRun
from sweepctl.errors import QueueRefusedError
from sweepctl.messages import decode
from sweepctl.queue import sqs
from sweepctl.queue.contract import QueueFacts
from sweepctl.queue.sqs import Queue
from sweepctl.records import layout
from sweepctl.results.run import open_run
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

pytestmark = pytest.mark.usefixtures("elsewhere")

CELLS = 6


def sweepctl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told_by(*arguments: object) -> dict[str, Any]:
    result = sweepctl(*arguments, "--json")
    told: dict[str, Any] = json.loads(result.stdout)
    assert told.get("exit_code", result.exit_code) == result.exit_code, told
    return told


def precise(file: Path, half_width: object = 0.6, *, least: int = 4, most: int = 400, of: str = "cells") -> Path:
    """Have the sweep of a file choose its replications by the precision of a metric."""
    text = file.read_text().replace("replications = 2\n", "").partition("[replications]")[0]
    metric = "half" if "faulty" in text else "mean_wait"
    limits = f'min = {least}\nmax = {most}\nmetric = "{metric}"\nhalf_width = {json.dumps(half_width)}\nof = "{of}"\n'
    file.write_text(f"{text}[replications]\n{limits}")
    return file


def fixed(file: Path, replications: int) -> Path:
    text = file.read_text().partition("[replications]")[0]
    file.write_text(f"replications = {replications}\n{text}")
    return file


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return precise(queue_sweep(tmp_path, 60))


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Cell and replicate of each point that an engine ran without getting its metrics."""
    found: list[tuple[int, int]] = []
    start = Engine.start

    def noting(engine: Engine, request: bytes, **options: Any) -> EngineRun:  # noqa: ANN401  as they are
        if options.get("command", "run") == "run":
            asked = json.loads(request)
            known = {each["point_index"] for each in asked.get("known", ())}
            indices = range(asked["start_index"], asked["end_index_exclusive"])
            found.extend(divmod(index, asked["replications"]) for index in indices if index not in known)
        return start(engine, request, **options)

    monkeypatch.setattr(Engine, "start", noting)
    return found


def once(replications: range) -> list[tuple[int, int]]:
    """Return each cell with each of some replicates."""
    return [(cell, replicate) for cell in range(CELLS) for replicate in replications]


def replications(told: Mapping[str, Any]) -> list[int]:
    return [each["replications"] for each in told["rounds"]]


def waits(run_id: str, store: str = "sweep-results") -> list[float]:
    rows = open_run(run_id, store).points(columns=["point_index", "mean_wait"]).arrow().sort_by("point_index")
    found: list[float] = rows["mean_wait"].to_pylist()
    return found


def test_rounds_go_on_until_every_cell_is_precise_and_simulate_no_point_twice(
    sweep: Path, simulated: list[tuple[int, int]]
) -> None:
    told = told_by("run", sweep)
    rounds = replications(told)
    assert (told["exit_code"], told["is_precise"], told["verdict"]) == (0, True, "whole")
    assert rounds == sorted(set(rounds))
    assert (rounds[0], len(rounds) > 2) == (4, True)
    assert [each["precision"]["is_enough"] for each in told["rounds"]] == [False] * (len(rounds) - 1) + [True]
    assert told["run_id"] == told["rounds"][-1]["run_id"]
    assert told["total_points"] == CELLS * rounds[-1]
    assert sorted(simulated) == once(range(rounds[-1]))


@pytest.mark.slow
def test_the_result_is_that_of_a_sweep_with_as_many_replications(sweep: Path) -> None:
    told = told_by("run", sweep)
    number = replications(told)[-1]
    alone = told_by("run", fixed(sweep, number), "--store", "other")
    assert alone["run_id"] == told["run_id"]
    assert waits(told["run_id"]) == waits(told["run_id"], "other")
    again = told_by("run", sweep)
    assert (again["run_id"], again["succeeded"], "rounds" in again) == (told["run_id"], 0, False)


def test_the_same_command_measures_what_there_is_and_proves_the_last_run(sweep: Path) -> None:
    first, again = sweepctl("run", sweep), sweepctl("run", sweep)
    assert again.exit_code == 0
    assert again.stdout.count("nothing was run") == again.stdout.count("WHOLE") == 1
    judged = [line for line in first.stdout.splitlines() if "replications" in line]
    assert [line for line in again.stdout.splitlines() if "replications" in line] == judged
    assert judged[0].startswith("4 replications: ")
    assert judged[-2].endswith("replications: all is precise enough")
    assert "✓ mean_wait is known to ± 0.6 in every cell: run q-" in judged[-1]


def test_a_first_round_that_is_precise_is_the_only_one(sweep: Path) -> None:
    told = told_by("run", precise(sweep, 1e6))
    assert (replications(told), told["is_precise"], told["exit_code"]) == ([4], True, 0)


@pytest.mark.slow
def test_rounds_end_at_most_and_go_on_when_that_is_raised(sweep: Path, simulated: list[tuple[int, int]]) -> None:
    result = sweepctl("run", precise(sweep, 0.01, most=9))
    assert result.exit_code == 1
    assert "! mean_wait is not known to ± 0.01 in every cell: stopped at `max`; run q-" in result.stdout
    assert "has the result, with 9 replications" in result.stdout
    told = told_by("run", precise(sweep, 0.01, most=9))
    assert (replications(told), told["is_precise"], told["exit_code"]) == ([4, 9], False, 1)
    told = told_by("run", precise(sweep, 0.01, most=20))
    assert (replications(told), told["is_precise"]) == ([4, 9, 20], False)
    assert sorted(simulated) == once(range(20))


@pytest.mark.parametrize("of", ["cells", "mean"])
def test_a_half_width_can_be_a_share_of_the_mean(sweep: Path, of: str) -> None:
    told = told_by("run", precise(sweep, "90 %", of=of))
    assert told["is_precise"]
    found = [each["precision"] for each in told["rounds"]]
    assert {each["means"] for each in found} == {CELLS if of == "cells" else 1}
    for each in found:
        assert each["widest"]["target"] == pytest.approx(0.9 * abs(each["widest"]["mean"]))
        assert (each["widest"]["cell"] is None) == (of == "mean")
    assert "90%" in sweepctl("run", sweep).stdout


def test_a_smaller_min_than_before_and_a_narrower_width_take_over_what_there_is(
    sweep: Path, simulated: list[tuple[int, int]]
) -> None:
    first = replications(told_by("run", precise(sweep, 1.5)))
    told = told_by("run", precise(sweep, 0.6, least=3))
    assert replications(told)[: len(first)] == first
    assert sorted(simulated) == once(range(replications(told)[-1]))


def test_a_run_id_is_what_the_rounds_begin_with(sweep: Path) -> None:
    told = told_by("run", sweep, "--run-id", "demo")
    assert [each["run_id"] for each in told["rounds"]] == [f"demo-r{number}" for number in replications(told)]
    assert replications(told_by("run", sweep, "--run-id", "demo")) == replications(told)
    conflict = told_by("run", fixed(sweep, 2), "--run-id", "demo-r4")
    assert conflict["error"]["kind"] == "conflict"


@pytest.mark.slow
def test_what_another_run_knows_is_taken_over_in_each_round(sweep: Path, simulated: list[tuple[int, int]]) -> None:
    known = told_by("run", precise(sweep, 0.9))
    simulated.clear()
    told = told_by("run", precise(sweep, 0.6), "--run-id", "demo", "--reuse", known["run_id"])
    before, after = replications(known)[-1], replications(told)[-1]
    assert before < after
    assert sorted(simulated) == once(range(before, after))


@pytest.mark.slow
def test_an_interrupted_round_is_continued(tmp_path: Path) -> None:
    sweep = precise(queue_sweep(tmp_path, 10), 0.9)
    engine = held_engine(tmp_path, 4)  # the first round has three shards
    command = ["run", str(sweep), "--engine", str(engine)]
    program = [sys.executable, "-P", "-c", "from sweepctl.cli import main; main()", *command, "--json"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            wait_until(lambda: len(list(tmp_path.glob("begun-*"))) > 4)
            os.kill(process.pid, signal.SIGINT)
            told = json.loads(process.communicate()[0])
        finally:
            process.kill()
    assert (told["exit_code"], told["error"]["kind"], told["is_precise"]) == (130, "interrupted", False)
    assert [each["precision"] is None for each in told["rounds"]] == [False, True]
    (tmp_path / "free").touch()
    resumed = told_by(*command)
    assert resumed["rounds"][1]["run_id"] == told["run_id"]
    assert resumed["is_precise"]
    assert replications(resumed) == replications(told_by("run", sweep, "--store", "other"))


def test_a_cell_that_always_fails_holds_up_no_round(tmp_path: Path) -> None:
    file = precise(faulty_sweep(tmp_path, "domain_error"), least=3)
    told = told_by("run", file, "--engine", TEST_ENGINE)
    assert (told["exit_code"], told["is_precise"], told["verdict"]) == (1, True, "failures")
    (only,) = told["rounds"]
    assert (only["precision"]["without"], only["precision"]["without_first"]) == (1, [5])
    accepted = sweepctl("run", file, "--engine", TEST_ENGINE, "--accept-failures")
    assert accepted.exit_code == 0
    assert "left out, since no point has a value: 1 cell: points 15 to 17" in accepted.stdout


def test_cells_that_a_constraint_excludes_are_no_cells_of_a_round(sweep: Path) -> None:
    sweep.write_text('constraints = ["servers < 2"]\n' + sweep.read_text())
    told = told_by("run", sweep)
    assert (told["is_precise"], told["verdict"], len(told["rounds"]) > 1) == (True, "whole", True)
    assert {(each["precision"]["means"], each["precision"]["without"]) for each in told["rounds"]} == {(3, 0)}


def test_without_any_value_rounds_end(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "domain_error")
    file.write_text(file.read_text().replace("stop = 20", "stop = 6").replace("start = 0", "start = 5"))
    result = sweepctl("run", precise(file, least=3), "--engine", TEST_ENGINE, "--accept-failures")
    assert result.exit_code == 1
    assert "half is not known to ± 0.6 in every cell: stopped since no point has a value" in result.stdout
    assert replications(told_by("run", file, "--engine", TEST_ENGINE)) == [3], "more would fail, too"


def test_a_round_that_can_be_retried_is_no_result(tmp_path: Path, sweep: Path) -> None:
    told = told_by("run", sweep, "--engine", failing_engine(tmp_path))
    assert (told["exit_code"], told["verdict"], told["is_precise"]) == (1, "incomplete", False)
    assert [each["precision"] for each in told["rounds"]] == [None]


def test_what_is_refused_leaves_nothing(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 to 64 letters" in sweepctl("run", sweep, "--run-id", "r" * 60).stderr
    sweep.write_text(sweep.read_text().replace("points = 60", "points = 1").replace("max = 400", "max = 2000000000"))
    refused = sweepctl("run", sweep)
    assert (refused.exit_code, "shards: 12,000,000,000 shards of 1 point" in refused.stderr) == (3, True)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    refused = sweepctl("run", precise(sweep))
    assert (refused.exit_code, "Install duckdb" in refused.stderr) == (2, True)
    assert not Path("sweep-results").exists()


def test_a_damaged_run_of_the_same_name_is_no_round(sweep: Path) -> None:
    key = layout.run_record("q-2026-02-14-00000000")
    open_store("sweep-results").create(key, b"damaged")
    assert told_by("run", sweep)["is_precise"]


def test_a_plan_says_what_the_rounds_are(sweep: Path) -> None:
    shown = sweepctl("plan", precise(sweep, "5%"))
    assert "6 cells x 4 replications = 24 points" in shown.stdout
    rounds = "until mean_wait is known to ± 5% in every cell: this is the first; at most 400 replications, 2,400 points"
    assert rounds in shown.stdout
    rule = {"min": 4, "max": 400, "metric": "mean_wait", "half_width": "5%", "of": "cells", "most_points": 2400}
    planned = told_by("plan", sweep, "--run-id", "demo")
    assert (planned["precision"], planned["run_id"]) == (rule, "demo-r4")
    assert told_by("plan", fixed(sweep, 2))["precision"] is None


class HeldQueue(Queue):
    """Keeps the messages that are sent to it."""

    def __init__(self) -> None:
        self.url = "memory://queue"
        self.bodies: list[str] = []

    def send_batch(self, batch: Mapping[int, str]) -> dict[int, Any]:
        self.bodies += batch.values()
        return {}

    def facts(self) -> QueueFacts:
        return QueueFacts(0, 0, 0, 30, None, None, fifo=False)

    def work_off(self, most: int | None = None) -> None:
        """Run the shards of the first messages, as a worker does."""
        some, self.bodies = self.bodies[:most], self.bodies[len(self.bodies) if most is None else most :]
        for body in some:
            run_shard(
                decode(body.encode(), dt.datetime.now(dt.UTC).date()),
                Engine(ENGINE),
                open_store("sweep-results"),
                Conditions(1, 60),
            )


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldQueue]:
    queue = HeldQueue()
    monkeypatch.setattr(sqs, "open_queue", lambda *_, **__: queue)
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", queue.url)
    yield queue
    assert not queue.bodies


@pytest.mark.slow
def test_each_submission_sends_a_round_once_the_one_before_is_settled(tmp_path: Path, queue: HeldQueue) -> None:
    sweep = precise(queue_sweep(tmp_path, 10), 0.9)
    first = told_by("submit", sweep)
    assert (first["sent"], first["rounds"], first["is_precise"]) == (3, [], False)
    queue.work_off(2)
    missing = sweepctl("submit", sweep)
    assert (missing.exit_code, len(queue.bodies)) == (0, 2), "what has no outcome is sent again, as ever"
    assert "4 replications: 20 of 24 points are settled; the next round follows when all are" in missing.stdout
    queue.work_off()
    second = told_by("submit", sweep)
    assert replications(second) == [4]
    assert second["run_id"] != first["run_id"]
    assert len(queue.bodies) == second["sent"] == second["shards"] > 3
    done = second
    while queue.bodies:
        queue.work_off()
        done = told_by("submit", sweep)
    assert (done["sent"], done["stood"], done["is_precise"]) == (0, done["shards"], True)
    assert replications(done) == replications(told_by("run", sweep, "--store", "other"))
    shown = sweepctl("submit", sweep)
    assert (shown.exit_code, "✓ mean_wait is known to ± 0.9" in shown.stdout) == (0, True)
    assert told_by("run", sweep)["succeeded"] == 0


def test_a_submission_at_max_that_is_not_precise_exits_with_1(sweep: Path, queue: HeldQueue) -> None:
    precise(sweep, 0.001, most=4)
    assert sweepctl("submit", sweep, "--run-id", "demo").exit_code == 0
    queue.work_off()
    shown = sweepctl("submit", sweep, "--run-id", "demo")
    assert shown.exit_code == 1
    assert "stopped at `max`; run demo-r4 has the result, with 4 replications" in shown.stdout


def test_a_round_whose_sending_is_interrupted_names_no_run_id(
    tmp_path: Path, queue: HeldQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: HeldQueue, _batch: Mapping[int, str]) -> dict[int, Any]:
        raise QueueRefusedError("gone", remedy="Create the queue.")

    sweep = precise(queue_sweep(tmp_path, 10), 0.9)
    with monkeypatch.context() as patched:
        patched.setattr(HeldQueue, "send_batch", refuse)
        refused = sweepctl("submit", sweep, "--run-id", "demo")
    assert "Create the queue. To resume, run the same command with --from-shard 0." in refused.stderr
    assert told_by("submit", sweep, "--run-id", "demo", "--from-shard", 1)["sent"] == 2
    queue.work_off()

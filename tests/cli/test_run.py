"""`sweepctl run` and `sweepctl retry`, as a person and a script see them; with deaths and signals, as processes."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.servers import Server
from fakes.sweep_files import ENGINE, TEST_ENGINE, failing_engine, faulty_sweep, held_engine, queue_sweep
from typer.testing import CliRunner, Result
from waiting import LIMIT, wait_until
from worker.processes import SWEEPCTL

from sweepctl.cli import app
from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessageV1
from sweepctl.queue.sqs import open_queue
from sweepctl.records.outcome import UNKNOWN_CALLER
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

pytestmark = pytest.mark.usefixtures("elsewhere")


def sweepctl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def told_by(*arguments: object) -> dict[str, Any]:
    result = sweepctl(*arguments, "--json")
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code, told
    return told


def started(*arguments: object, prefix: Sequence[str] = ()) -> "subprocess.Popen[str]":
    command = [*prefix, *SWEEPCTL, *map(str, arguments), "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def outcomes(folder: Path) -> dict[str, bytes]:
    """The outcomes that stand in the store of this folder."""
    return {path.name: path.read_bytes() for path in folder.glob("sweep-results/shard_outcomes/*/*/*.parquet")}


def test_a_whole_run_and_the_same_again(tmp_path: Path) -> None:
    first = sweepctl("run", queue_sweep(tmp_path, 5))
    assert first.exit_code == 0, first.output
    assert "12 points in 3 shards of 5 points" in first.stdout
    assert "3 shards succeeded: 12 points in" in first.stdout
    assert "WHOLE" in first.stdout
    assert [json.loads(line)["event"] for line in first.stderr.splitlines()] == ["shard_finished"] * 3
    again = sweepctl("run", queue_sweep(tmp_path, 5))
    assert again.exit_code == 0
    assert "continued" in again.stdout
    assert "3 of 3 shards, 12 points, are already complete" in again.stdout
    assert "nothing was run" in again.stdout


@pytest.mark.slow
@pytest.mark.parametrize("points", [30, 80])
def test_a_classical_design_is_run_and_proved(tmp_path: Path, points: int) -> None:
    file = tmp_path / "classical.toml"
    file.write_text(
        f'name = "far"\nmodel = "queue"\nseed = 1\nbase.customers = 10\nshards.points = 20\n'
        f'[design]\nkind = "maximin_latin_hypercube"\nsamples = {points}\n[design.dimensions]\n'
        "arrival_rate = { uniform = { low = 0.1, high = 0.9 } }\nservice_rate = { uniform = { low = 1, high = 2 } }\n"
    )
    told = told_by("run", file)
    assert (told["verdict"], told["points"], told["exit_code"]) == ("whole", points, 0)
    assert "WHOLE" in sweepctl("verify", told["run_id"]).stdout
    assert len(list((tmp_path / "sweep-results" / "specs").glob("*"))) == (points == 80)
    again = told_by("run", file)
    assert (again["run_id"], again["continued"], again["skipped"]) == (told["run_id"], True, told["shards"])


def test_a_number_of_samples_that_is_no_power_of_two_is_noted_and_no_error(tmp_path: Path) -> None:
    file = tmp_path / "sobol.toml"
    text = queue_sweep(tmp_path).read_text().partition("[design]")[0]
    rate = "arrival_rate.uniform = { low = 0.1, high = 0.9 }"
    file.write_text(
        f'{text}[design]\nkind = "sobol"\nsamples = 6\n[design.dimensions]\n{rate}\n[shards]\npoints = 12\n'
    )
    done = sweepctl("run", file)
    note = "note: samples = 6: a power of two (8) spreads a Sobol sequence more evenly\n"
    assert (done.exit_code, done.stdout.startswith(note)) == (0, True), done.output
    assert told_by("run", file)["verdict"] == "whole"


def test_json_is_all_of_standard_output(tmp_path: Path) -> None:
    told = told_by("run", queue_sweep(tmp_path, 5), "--run-id", "r")
    expected = {"run_id": "r", "continued": False, "total_points": 12, "shards": 3, "skipped": 0, "succeeded": 3}
    assert told | expected == told
    assert (told["failed"], told["points"], told["reused"], told["verdict"], told["error"]) == (0, 12, 0, "whole", None)
    assert told["points_per_second"] > 0
    again = told_by("run", queue_sweep(tmp_path, 5), "--run-id", "r")
    assert (again["continued"], again["skipped"], again["succeeded"], again["points"]) == (True, 3, 0, 0)


def test_a_pilot_cuts_a_run_that_does_not_say_how(tmp_path: Path) -> None:
    file = queue_sweep(tmp_path)
    file.write_text(file.read_text().partition("[shards]")[0])
    told = told_by("run", file)
    assert (told["shards"], told["verdict"]) == (1, "whole")
    assert told_by("run", file)["skipped"] == 1


def test_a_pilot_steps_over_points_that_crash(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "abort")
    file.write_text(file.read_text().partition("[shards]")[0].replace("at = 5", "at = 0"))
    planned = sweepctl("plan", file, "--pilot", 20, "--engine", TEST_ENGINE)
    assert planned.exit_code == 0
    bad = "1 point crashed or did not end in the pilot, and would fail in the run; the first: point 0: point_crashed"
    assert planned.stdout.count(bad) == 2  # for the shard size, too
    assert "of these points failed" not in planned.stdout
    result = sweepctl("run", file, "--run-id", "r", "--engine", TEST_ENGINE)
    assert result.exit_code == 1
    assert bad in result.stdout
    assert "FAILURES" in result.stdout
    assert "1 failed point: point_crashed at 0" in result.stdout


def test_point_seconds_are_for_both_pilots_of_a_plan(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "hang")
    file.write_text(file.read_text().partition("[shards]")[0].replace("at = 5", "at = 0"))
    planned = sweepctl("plan", file, "--pilot", 20, "--engine", TEST_ENGINE, "--point-seconds", 0.2)
    assert planned.stdout.count("point 0: point_timeout: it ran for more than 0.2 s") == 2


def test_a_failing_point_fails_its_shard_alone(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "domain_error")
    told = told_by("run", file, "--run-id", "r", "--engine", TEST_ENGINE)
    assert (told["exit_code"], told["verdict"], told["succeeded"], told["failed"]) == (1, "failures", 4, 1)
    assert [failure["error_code"] for failure in told["failures"]] == ["point_failed"]
    result = sweepctl("run", file, "--run-id", "r", "--engine", TEST_ENGINE)
    assert "5 of 5 shards" in result.stdout
    assert result.exit_code == 1
    retried = sweepctl("retry", "r", "--engine", TEST_ENGINE)
    assert retried.exit_code == 1
    assert "no failed shard to retry" in retried.stdout
    assert "point_failed (permanent), shard 1" in retried.stdout
    again = f"`sweepctl run FILE --run-id r-again --reuse r --engine {TEST_ENGINE}`"
    assert again in retried.stdout


def test_too_many_failed_points_stop_the_run(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "domain_error")
    file.write_text(file.read_text() + "[limits]\nfailed_points = 0\n")
    run = ("run", file, "--run-id", "r", "--engine", TEST_ENGINE, "--concurrency", 1)
    told = told_by(*run)
    assert (told["exit_code"], told["succeeded"], told["failed"], told["verdict"]) == (1, 1, 1, None)
    assert told["error"]["kind"] == "failed_points"
    assert told["error"]["message"] == "stopped: 1 of 20 points failed, more than the limit of 0 (failed_points)"
    for command in (f"retry r --engine {TEST_ENGINE}`", f"{file} --run-id r-again --reuse r --engine {TEST_ENGINE}`"):
        assert command in told["error"]["remedy"]
    again = told_by(*run)
    assert (again["exit_code"], again["skipped"], again["points"]) == (1, 2, 0)
    assert again["error"] == told["error"]
    shown = sweepctl("status", "r")
    assert "including 1 failed, more than the limit of 0 (failed_points)" in shown.stdout.replace("\n", " ")
    status = json.loads(sweepctl("status", "r", "--json").stdout)
    assert (status["points_failed"], status["points_failed_limit"], status["has_too_many_failed"]) == (1, 0, True)


def test_too_many_failed_points_stop_a_retry(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "domain_error")
    file.write_text(file.read_text() + "[limits]\nfailed_points = 0\n")
    options = ("--engine", TEST_ENGINE, "--concurrency", 1)
    assert told_by("run", file, "--run-id", "r", *options, "--timeout", 0.001)["failed"] == 5
    told = told_by("retry", "r", *options)
    assert (told["exit_code"], told["succeeded"], told["failed"]) == (1, 1, 1)
    assert told["error"]["kind"] == "failed_points"
    # Nothing is run in vain: the limit is passed already.
    again = told_by("retry", "r", *options)
    assert (again["points"], again["error"]) == (0, told["error"])


@pytest.mark.parametrize(("timeout", "warns"), [(120, True), (121, False)])
def test_a_limit_of_points_that_a_shards_time_cannot_keep_is_told(tmp_path: Path, timeout: int, *, warns: bool) -> None:
    file = faulty_sweep(tmp_path, "ok")
    file.write_text(file.read_text() + "[limits]\npoint_seconds = 60\n")
    shown = sweepctl("run", file, "--run-id", "r", "--engine", TEST_ENGINE, "--timeout", timeout).stdout
    assert ("→ Give --timeout 180 or more" in shown) == warns


def test_a_plan_tells_of_a_limit_beyond_the_time_that_workers_have_by_default(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "ok")
    file.write_text(file.read_text() + "[limits]\npoint_seconds = 50_000\n")
    assert "→ Give --timeout 150000 or more" in sweepctl("plan", file, "--engine", TEST_ENGINE).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "limit", "code"),
    [
        ("loop", "point_seconds = 1", "point_timeout"),
        pytest.param(
            "memory",
            'point_memory = "200 MiB"',
            "point_out_of_memory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only"),
        ),
    ],
)
def test_a_point_beyond_its_limits_fails_alone(tmp_path: Path, mode: str, limit: str, code: str) -> None:
    file = faulty_sweep(tmp_path, mode)
    file.write_text(f"{file.read_text()}[limits]\n{limit}\n")
    told = told_by("run", file, "--run-id", "r", "--engine", TEST_ENGINE)
    assert (told["verdict"], told["points"], told["succeeded"], told["failed"]) == ("failures", 20, 4, 1)
    (failure,) = told["failures"]
    assert (failure["shard_id"], failure["error_code"]) == (1, "point_failed")
    assert failure["error"].startswith(code)
    status = json.loads(sweepctl("status", "r", "--json").stdout)
    assert (status["points_succeeded"], status["points_failed"]) == (19, 1)


def test_a_point_that_crashed_is_had_after_all(tmp_path: Path) -> None:
    """It fails where there is such a folder, as on a machine with too little memory."""
    (tmp_path / "folder").mkdir()
    file = faulty_sweep(tmp_path, "abort_in")
    text = file.read_text().replace("at = 5", f'at = 5\nmarker = "{tmp_path / "folder"}"')
    file.write_text(f"{text}[limits]\npoint_seconds = 300\n")
    place = ("--store", tmp_path / "a store", "--engine", TEST_ENGINE)
    shown = sweepctl("run", file, "--run-id", "r", *place)
    (command,) = set(re.findall("`(sweepctl run [^`]*)`", shown.stdout))
    assert (shown.exit_code, shown.stdout.count(command)) == (1, 2), "run itself and its verification"
    assert "point_crashed" in shown.stdout
    for others in (("retry", "r"), ("verify", "r")):
        assert command.replace(str(file), "FILE") in sweepctl(*others, *place).stdout
    examined = sweepctl("verify", "r", "--reexecute", "all", *place).stdout
    for said in ("19 points", "1 point left out, whose failure depends on the machine", "not by retry"):
        assert said in examined
    assert "would fail again" not in examined
    assert re.search("point_failed +1 +point_crashed +not by retry", examined), "the code alone: messages are long"
    (tmp_path / "folder").rmdir()
    file.write_text(f"{text}[limits]\npoint_seconds = 400\n")
    told = told_by(*shlex.split(command)[1:])
    assert (told["verdict"], told["points"], told["reused"]) == ("whole", 20, 19)
    assert sweepctl("verify", "r-again", "--reexecute", "all", *place).exit_code == 0


def test_a_run_with_outputs_is_not_told_to_reuse() -> None:
    for has_outputs in (False, True):
        assert ("--reuse" in UNKNOWN_CALLER.machine_advice("r", has_outputs=has_outputs)) != has_outputs
    for run_id, again in (("r" * 64, f" {'r' * 58}-again"), (f"{'r' * 58}-again", f" {'r' * 57}-again")):
        assert f"{again}`" in UNKNOWN_CALLER.machine_advice(run_id, has_outputs=True)


def test_failures_for_good_are_accepted_on_request(tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "domain_error")
    assert sweepctl("run", file, "--run-id", "r", "--engine", TEST_ENGINE, "--accept-failures").exit_code == 0
    assert sweepctl("run", file, "--run-id", "r", "--engine", TEST_ENGINE).exit_code == 1
    assert sweepctl("retry", "r", "--engine", TEST_ENGINE, "--accept-failures").exit_code == 0


def test_a_retry_accepts_only_what_fails_for_good(tmp_path: Path) -> None:
    file, engine = faulty_sweep(tmp_path, "domain_error"), failing_engine(tmp_path, TEST_ENGINE)
    assert sweepctl("run", file, "--run-id", "r", "--engine", engine, "--accept-failures").exit_code == 1
    assert sweepctl("retry", "r", "--engine", engine, "--accept-failures").exit_code == 1
    (tmp_path / "healed").touch()
    assert sweepctl("retry", "r", "--engine", engine, "--accept-failures").exit_code == 0
    assert sweepctl("retry", "r", "--engine", engine).exit_code == 1


def test_a_crash_is_retried(tmp_path: Path) -> None:
    engine, file = failing_engine(tmp_path), queue_sweep(tmp_path)
    told = told_by("run", file, "--run-id", "r", "--engine", engine)
    assert (told["exit_code"], told["verdict"], told["failed"]) == (1, "incomplete", 2)
    assert {failure["retryable"] for failure in told["failures"]} == {True}
    shown = sweepctl("run", file, "--run-id", "r", "--engine", engine)
    assert shown.exit_code == 1
    assert f"`sweepctl retry r --engine {engine}`: another attempt may succeed" in shown.stdout
    assert re.search("2 +engine_crashed +0 +may succeed", shown.stdout), "the messages are above"
    again = told_by("retry", "r", "--engine", engine)
    assert (again["exit_code"], again["retryable"], again["failed"]) == (1, 2, 2)
    (tmp_path / "healed").touch()
    healed = told_by("retry", "r", "--engine", engine)
    assert (healed["exit_code"], healed["succeeded"], healed["failed_for_good"]) == (0, 2, [])
    nothing = told_by("retry", "r", "--engine", tmp_path / "none")  # which is not asked for then
    assert (nothing["exit_code"], nothing["retryable"]) == (0, 0)
    assert told_by("run", file, "--run-id", "r")["verdict"] == "whole"


def test_a_crash_is_healed_by_running_again(tmp_path: Path) -> None:
    engine = f"./{failing_engine(tmp_path).name}"  # as a person writes what lies here
    assert told_by("run", queue_sweep(tmp_path), "--engine", engine)["failed"] == 2
    (tmp_path / "healed").touch()
    told = told_by("run", queue_sweep(tmp_path), "--engine", engine)
    assert (told["exit_code"], told["skipped"], told["succeeded"], told["verdict"]) == (0, 0, 2, "whole")


def test_an_injected_failure_is_not_retried(tmp_path: Path) -> None:
    message = ShardMessageV1.model_validate_json(
        json.dumps({
            "run_id": "r", "model": "queue", "dimensions": {"servers": [1, 2]}, "total_points": 2, "shard_id": 0,
            "start_index": 0, "end_index_exclusive": 2, "seed": 1, "failure_injection_shards": [0],
        })
    )  # fmt: skip
    store = open_store(str(tmp_path / "sweep-results"))
    run_shard(message, Engine(ENGINE), store, Conditions(allow_failure_injection=True))
    told = told_by("retry", "r")
    (group,) = told["failed_for_good"]
    assert (told["exit_code"], group["error_code"]) == (1, "injected_failure")
    assert "without failure_injection_shards" in group["advice"]


def test_failed_shards_go_to_a_queue(tmp_path: Path, moto_server: Server) -> None:
    url = moto_server.queue("retry", max_receive_count=10)
    sweepctl("run", queue_sweep(tmp_path), "--run-id", "r", "--engine", failing_engine(tmp_path))
    told = told_by("retry", "r", "--queue-url", url)
    assert (told["exit_code"], told["sent"]) == (0, 2)
    bodies = [json.loads(each.body) for each in open_queue(url).receive(10, wait=0, visibility=60)]
    assert sorted((body["shard_id"], body["start_index"], body["end_index_exclusive"]) for body in bodies) == [
        (0, 0, 7),
        (1, 7, 12),
    ]
    assert "2 messages sent" in sweepctl("retry", "r", "--queue-url", url).stdout


def test_an_outcome_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    sweepctl("run", queue_sweep(tmp_path), "--run-id", "r")
    path = next(tmp_path.glob("sweep-results/shard_outcomes/*/*/*.parquet"))
    path.write_bytes(b"none")
    result = sweepctl("retry", "r")
    assert result.exit_code == 1
    assert "cannot be read: 1 outcome" in result.stdout


def test_points_of_another_run_are_taken_over(tmp_path: Path) -> None:
    assert told_by("run", queue_sweep(tmp_path, 5), "--run-id", "old")["succeeded"] == 3
    told = told_by("run", queue_sweep(tmp_path, 12), "--run-id", "new", "--reuse", "old")
    assert (told["exit_code"], told["points"], told["reused"], told["verdict"]) == (0, 12, 12, "whole")
    assert told["reuse"] == {"run_id": "old", "nothing": None, "unsound": [], "left_out": 0, "known": 12}
    assert sweepctl("verify", "new", "--reexecute", "all").exit_code == 0
    shown = sweepctl("run", queue_sweep(tmp_path, 6), "--run-id", "newer", "--reuse", "old")
    assert "12 points of run old can be reused" in shown.stdout
    assert "12 of these points were reused, not simulated" in shown.stdout
    other = sweepctl("run", queue_sweep(tmp_path, seed=2), "--reuse", "old")
    assert "nothing can be reused from run old: it has seed 1, but this run has 2" in other.stdout
    assert other.exit_code == 0


def test_reuse_beside_outputs_is_refused(tmp_path: Path) -> None:
    file = queue_sweep(tmp_path)
    file.write_text(file.read_text().replace("seed = 1", 'seed = 1\noutputs = ["customers"]'))
    result = sweepctl("run", file, "--reuse", "old")
    assert result.exit_code == 2
    assert "also writes outputs: customers" in result.stderr
    assert not (tmp_path / "sweep-results").exists()


def test_what_is_refused_leaves_nothing(tmp_path: Path) -> None:
    file = queue_sweep(tmp_path)
    assert sweepctl("run", file, "--engine", tmp_path / "none").exit_code == 4
    assert sweepctl("run", tmp_path / "none.toml").exit_code == 2
    assert sweepctl("run", file, "--reuse", "none").exit_code == 1
    assert sweepctl("run", file, "--reuse", "../x").exit_code == 2
    assert sweepctl("retry", "none").exit_code == 1
    file.write_text(file.read_text().replace("servers", "server"))
    assert sweepctl("run", file).exit_code == 3
    assert not (tmp_path / "sweep-results").exists()


def test_a_store_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = told_by("run", queue_sweep(tmp_path), "--store", tmp_path / "file")
    assert (told["exit_code"], told["error"]["kind"]) == (5, "store")


def test_another_sweep_under_the_run_id(tmp_path: Path) -> None:
    sweepctl("run", queue_sweep(tmp_path), "--run-id", "r")
    told = told_by("run", queue_sweep(tmp_path, seed=2), "--run-id", "r")
    assert (told["exit_code"], told["error"]["kind"]) == (3, "conflict")


def test_an_engine_that_vanishes_ends_the_run_in_order(tmp_path: Path) -> None:
    # It takes itself away when it is first asked to run.
    engine = tmp_path / "engine"
    engine.write_text(f'#!/bin/sh\n[ "$1" = run ] && mv {engine} {tmp_path}/away\nexec {ENGINE} "$@"\n')
    engine.chmod(0o755)
    told = told_by("run", queue_sweep(tmp_path, 1), "--engine", engine, "--concurrency", "1")
    assert (told["exit_code"], told["succeeded"], told["verdict"]) == (4, 1, None)
    assert told["error"]["kind"] == "engine_unavailable"
    resumed = told_by("run", queue_sweep(tmp_path, 1))
    assert (resumed["skipped"], resumed["succeeded"], resumed["verdict"]) == (1, 11, "unproven")  # by two builds


@pytest.mark.slow
def test_a_full_store_ends_the_run_in_order(tmp_path: Path) -> None:
    rates = ", ".join(str(0.1 + number / 1000) for number in range(400))
    file = queue_sweep(tmp_path, 400, rates=f"[{rates}]")
    # No file beyond twenty kilobytes: an outcome fits, the data of a shard does not.
    process = started("run", file, prefix=("/bin/sh", "-c", 'ulimit -f 40; exec "$@"', "sh"))
    told = json.loads(process.communicate()[0])
    assert (process.returncode, told["error"]["kind"], told["succeeded"]) == (5, "scratch", 0)
    resumed = told_by("run", file)
    assert (resumed["exit_code"], resumed["succeeded"], resumed["verdict"]) == (0, 4, "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_loses_its_running_shards_at_most(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ("run", queue_sweep(tmp_path, 1), "--engine", held_engine(tmp_path, 5))
    process = started(*arguments)
    wait_until(lambda: len(outcomes(tmp_path)) >= 3)
    os.kill(process.pid, number)
    output, _ = process.communicate()
    stood = outcomes(tmp_path)
    if number is signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        told = json.loads(output)
        assert (process.returncode, told["exit_code"], told["error"]["kind"]) == (130, 130, "interrupted")
        assert (told["succeeded"], told["verdict"]) == (len(stood), None)
    assert 3 <= len(stood) < 12
    (tmp_path / "free").touch()
    resumed = told_by(*arguments)
    assert (resumed["skipped"], resumed["succeeded"], resumed["verdict"]) == (len(stood), 12 - len(stood), "whole")
    assert outcomes(tmp_path) | stood == outcomes(tmp_path)


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(LIMIT)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with started("run", queue_sweep(tmp_path), "--store", "s3://bucket/p", "--concurrency", "1") as process:
            connection, _ = silent.accept()  # a store that does not answer
            process.terminate()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            while process.poll() is None:
                process.terminate()  # again and again: two signals at once are one
                time.sleep(0.01)
            assert process.returncode == 128 + signal.SIGTERM
            connection.close()

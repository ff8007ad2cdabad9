"""What a person and a script see of each command: output, exit codes, errors with a remedy."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fakes.engines import scripted
from fakes.toy_model import line
from paths import ROOT
from typer.testing import CliRunner, Result
from waiting import LIMIT, wait_until
from worker.processes import SWEEPCTL

from sweepctl.cli import app, main
from sweepctl.design import DESIGN
from sweepctl.records.design import encode, put
from sweepctl.store import open_store

EXAMPLES = ROOT / "examples"
SHARD = EXAMPLES / "queue" / "shard-0.json"
REFUSED = line(record="refused", error_code="invalid_parameters", message="x = 0: must be > 0", parameter="x")
TOY = {
    "run_id": "r",
    "model": "toy",
    "dimensions": {"x": list(range(10))},
    "total_points": 10,
    "shard_id": 0,
    "start_index": 0,
    "end_index_exclusive": 10,
    "seed": 1,
}


pytestmark = pytest.mark.usefixtures("elsewhere")


def sweepctl(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def toy(folder: Path, behaviour: str = "for p in points: say(p)", **changes: object) -> Sequence[object]:
    """Return the arguments that run the toy model's shard in an engine with this behaviour."""
    message = folder / "message.json"
    message.write_text(json.dumps({**TOY, **changes}))
    return ("run-shard", message, "--engine", scripted(folder, behaviour))


def error_of(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(result.stdout)
    assert told["exit_code"] == result.exit_code
    error: dict[str, Any] = told["error"]
    return error


def test_a_shard_of_the_real_engine_and_its_repetition() -> None:
    first = sweepctl("run-shard", SHARD)
    assert first.exit_code == 0
    assert "success shard 0 of run queue-demo: committed" in first.stdout
    assert "50 succeeded" in first.stdout
    again = sweepctl("run-shard", SHARD)
    assert again.exit_code == 0
    assert "already complete: nothing was run" in again.stdout
    rows = pq.read_table("sweep-results/point_outcomes/queue/run_date=2026-02-14/run=queue-demo/shard-00000000.parquet")
    assert rows["point_index"].to_pylist() == list(range(50))


def test_json_is_all_of_standard_output() -> None:
    result = sweepctl("run-shard", SHARD, "--json")
    told = json.loads(result.stdout)
    assert told["disposition"] == "committed"
    assert told["outcome"]["status"] == "success"
    assert {artifact["dataset"] for artifact in told["outcome"]["artifacts"]} == {
        "effective_parameters",
        "point_outcomes",
    }


@pytest.mark.slow
def test_a_message_from_standard_input() -> None:
    assert sweepctl("run-shard", "-", stdin=SHARD.read_text()).exit_code == 0


def test_options_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *_, engine = toy(tmp_path)
    monkeypatch.setenv("SWEEPCTL_ENGINE", str(engine))
    monkeypatch.setenv("SWEEPCTL_STORE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("SWEEPCTL_JSON", "1")
    assert json.loads(sweepctl("run-shard", tmp_path / "message.json").stdout)["outcome"]["run_id"] == "r"
    assert (tmp_path / "elsewhere" / "runs").is_dir()


def test_log_lines_are_text_in_a_build_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert "shard_finished disposition=committed" in sweepctl("run-shard", SHARD).stderr


def test_log_lines_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = sweepctl("run-shard", SHARD)  # standard error is no terminal here
    (told,) = result.stderr.splitlines()
    event = json.loads(told)
    assert (event["event"], event["run_id"], event["shard_id"]) == ("shard_finished", "queue-demo", 0)
    assert (event["status"], event["disposition"]) == ("success", "committed")


def test_log_lines_as_text() -> None:
    assert (
        "shard_finished disposition=committed run_id=queue-demo"
        in sweepctl("run-shard", SHARD, "--log-format", "text").stderr
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "error", "behaviour"),
    [
        (4, "engine_crashed", "sys.exit(3)"),
        (4, "engine_timeout", "time.sleep(1e6)"),
        (1, "invalid_parameters", f"say({REFUSED!r})"),
    ],
)
def test_a_failed_shard_is_told_and_has_its_exit_code(tmp_path: Path, code: int, error: str, behaviour: str) -> None:
    arguments = (*toy(tmp_path, behaviour), "--timeout", 1 if error == "engine_timeout" else int(LIMIT))
    result = sweepctl(*arguments)
    assert result.exit_code == code
    assert "failure shard 0 of run r" in result.stdout
    assert error in result.stdout
    told = json.loads(sweepctl(*arguments, "--json").stdout)
    assert told["outcome"]["error_code"] == error


def test_usage_errors() -> None:
    assert sweepctl("run-shard").exit_code == 2
    assert sweepctl("run-shard", SHARD, "--threads", "0").exit_code == 2
    assert sweepctl("run-shard", SHARD, "--threads", "5000").exit_code == 2
    missing = sweepctl("run-shard", "missing.json")
    assert missing.exit_code == 2
    assert "missing.json: No such file or directory" in missing.stderr
    assert "→" in missing.stderr
    assert sweepctl("run-shard", SHARD, "--store", "gs://bucket").exit_code == 2


def test_a_bad_message_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    result = sweepctl(*toy(tmp_path, seed="1"))
    assert result.exit_code == 3
    assert (
        result.stderr.splitlines()[0] == f"bad message: {tmp_path}/message.json: seed: Input should be a valid integer"
    )
    assert not (tmp_path / "sweep-results").exists()
    error = error_of(sweepctl(*toy(tmp_path, seed="1"), "--json"))
    assert error["kind"] == "bad_message"
    assert error["remedy"]


def test_a_conflict(tmp_path: Path) -> None:
    sweepctl(*toy(tmp_path))
    error = error_of(sweepctl(*toy(tmp_path, seed=2), "--json"))
    assert error["kind"] == "conflict"
    assert "was created with spec" in error["message"]
    assert error["message"].endswith("; they differ in seed 1 and 2")


def test_the_earlier_simulators_message_runs_as_written(tmp_path: Path) -> None:
    message = ROOT / "examples" / "ridehail" / "shard-1.json"
    result = sweepctl("run-shard", message, "--store", tmp_path / "store")
    assert result.exit_code == 0
    key = "point_outcomes/ridehail/run_date=2026-02-14/run=demo-001/shard-00000001.parquet"
    rows = pq.read_table(tmp_path / "store" / key, partitioning=None).to_pylist()
    assert [(row["point_index"], row["status"]) for row in rows] == [(2, "success"), (3, "success")]
    assert all(row["completed_riders"] <= row["total_riders"] for row in rows)


@pytest.mark.parametrize("form", ["word", "value", "variable"])
def test_a_path_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "message.json").write_bytes(Path(SHARD).read_bytes())
    if form == "variable":
        monkeypatch.setenv("SWEEPCTL_STORE", "~/store")
    store = {"word": ["--store", "~/store"], "value": ["--store=~/store"], "variable": []}[form]
    assert sweepctl("run-shard", "~/message.json", *store).exit_code == 0
    assert {each.name for each in tmp_path.iterdir()} == {"message.json", "store"}


def test_no_engine(tmp_path: Path) -> None:
    result = sweepctl("run-shard", SHARD, "--engine", tmp_path / "none")
    assert result.exit_code == 4
    assert "no such program" in result.stderr


def test_a_store_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = sweepctl("run-shard", SHARD, "--store", tmp_path / "file")
    assert result.exit_code == 5
    assert "→" in result.stderr


def test_force(tmp_path: Path) -> None:
    sweepctl(*toy(tmp_path))
    result = sweepctl(*toy(tmp_path), "--force")
    assert result.exit_code == 0
    assert "re-run; the committed outcome is unchanged" in result.stdout
    assert "same content as the committed outcome" in result.stdout


def test_a_forced_attempt_that_fails_is_no_success(tmp_path: Path) -> None:
    sweepctl(*toy(tmp_path))
    result = sweepctl(*toy(tmp_path, "sys.exit(3)"), "--force")
    assert result.exit_code == 4
    assert "failed and was not compared: engine_crashed" in result.stdout
    told = json.loads(sweepctl(*toy(tmp_path, "sys.exit(3)"), "--force", "--json").stdout)
    assert (told["outcome"]["status"], told["attempt"]["error_code"]) == ("success", "engine_crashed")


@pytest.mark.slow
def test_a_second_failure_of_another_kind_is_told(tmp_path: Path) -> None:
    sweepctl(*toy(tmp_path, "sys.exit(3)"))
    result = sweepctl(*toy(tmp_path, "time.sleep(1e6)"), "--timeout", "1")
    assert result.exit_code == 4
    assert "engine_timeout" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["models"], ["models", "queue", "--json"], ["run-shard", str(SHARD)]])
def test_a_reader_that_leaves_changes_no_exit_code(arguments: list[str]) -> None:
    program = subprocess.list2cmdline([*SWEEPCTL[:-1]]) + f" '{SWEEPCTL[-1]}' " + " ".join(arguments)
    done = subprocess.run(
        ["/bin/bash", "-c", f"{program} | true; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.slow
@pytest.mark.parametrize(("redirect", "code"), [("<&-", 2), ("2>&-", 0)])
def test_closed_streams(redirect: str, code: int) -> None:
    source = "-" if redirect == "<&-" else str(SHARD)
    program = subprocess.list2cmdline([*SWEEPCTL[:-1]]) + f" '{SWEEPCTL[-1]}' run-shard {source} {redirect}"
    assert subprocess.run(["/bin/sh", "-c", program], capture_output=True, check=False).returncode == code


def test_a_defect_is_told_as_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sweepctl.cli.app", lambda: 1 // 0)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 70
    told = capsys.readouterr().err
    assert "sweepctl: unexpected ZeroDivisionError: " in told
    assert "→ This is a bug in sweepctl" in told


def test_a_defect_has_its_cause_and_its_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        try:
            os.environ["MISSING"]
        except KeyError as error:
            raise RuntimeError("cannot go on") from error

    monkeypatch.setattr("sweepctl.cli.app", fail)
    monkeypatch.setattr("sys.argv", ["sweepctl", "runs", "--json"])
    with pytest.raises(SystemExit):
        main()
    out, told = capsys.readouterr()
    assert "  KeyError: 'MISSING', which led to\n" in told
    assert "sweepctl: unexpected RuntimeError: cannot go on" in told
    assert json.loads(out)["error"]["message"] == "RuntimeError: cannot go on"
    assert json.loads(out)["exit_code"] == 70


def test_what_a_defect_quotes_is_plain_and_short(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(depth: int) -> None:
        if depth:
            fail(depth - 1)
        raise ValueError("\x1b[2J\u2028\nforged: all is well\n" + "x" * 100_000)

    monkeypatch.setattr("sweepctl.cli.app", lambda: fail(100))
    with pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().err
    assert not set(told) & {"\x1b", "\u2028"}
    assert r"\x1b[2J\u2028\nforged: all is well\n" in told
    assert len(told) < 5_000
    assert len(told.splitlines()) == 11


def test_a_refused_message_leaves_no_trace(tmp_path: Path) -> None:
    assert sweepctl(*toy(tmp_path, failure_injection_shards=[0])).exit_code == 3
    assert sweepctl(*toy(tmp_path, model="ridehail")).exit_code == 4
    assert not (tmp_path / "sweep-results").exists()


def test_an_injected_failure(tmp_path: Path) -> None:
    arguments = toy(tmp_path, failure_injection_shards=[0])
    assert sweepctl(*arguments).exit_code == 3
    assert sweepctl(*arguments, "--allow-failure-injection").exit_code == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_engine_and_is_recorded(tmp_path: Path, number: signal.Signals) -> None:
    arguments = toy(tmp_path, f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(1e6)")
    process = subprocess.Popen([*SWEEPCTL, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.send_signal(number)
    _, stderr = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert len(list((tmp_path / "sweep-results" / "shard_attempts").rglob("*.parquet"))) == 1


def test_models() -> None:
    result = sweepctl("models")
    assert result.exit_code == 0
    assert "queue" in result.stdout
    assert "epidemic" in result.stdout
    one = sweepctl("models", "queue")
    assert "arrival_rate" in one.stdout
    assert "mean_wait" in one.stdout
    assert json.loads(sweepctl("models", "queue", "--json").stdout)["name"] == "queue"
    assert "float, headline" in one.stdout
    models = json.loads(sweepctl("models", "--json").stdout)["models"]
    headlines = {
        model["name"]: [metric["name"] for metric in model["metrics"] if metric.get("headline")] for model in models
    }
    assert headlines.pop("ridehail")[:2] == ["conversion_rate", "platform_revenue"]
    assert headlines == {"epidemic": ["attack_rate", "peak_infected"], "queue": ["mean_wait", "utilisation"]}
    assert sweepctl("models", "none").exit_code == 2


def test_point() -> None:
    result = sweepctl("point", SHARD, 57)
    assert result.exit_code == 0
    assert "replicate 7 of 10 (in another shard)" in result.stdout
    told = json.loads(sweepctl("point", SHARD, 57, "--json").stdout)
    assert told["parameters"] == {
        "arrival_rate": 0.6,
        "customers": 20000,
        "servers": 2,
        "service_rate": 1,
        "warmup": 2000,
    }
    assert sweepctl("point", SHARD, 200).exit_code == 2
    rejected = sweepctl("point", "-", 0, stdin=SHARD.read_text().replace('"servers": [1, 2]', '"server": [1, 2]'))
    assert rejected.exit_code == 1
    assert "servers" in rejected.stderr


def test_a_points_identity_is_the_one_that_its_run_records(tmp_path: Path) -> None:
    sweepctl("run-shard", SHARD, "--store", tmp_path / "store")
    key = "effective_parameters/queue/run_date=2026-02-14/run=queue-demo/shard-00000000.parquet"
    assert open_store(str(tmp_path / "store")).read(key)
    row = pq.read_table(tmp_path / "store" / key, partitioning=None).slice(23, 1).to_pylist()[0]
    told = json.loads(sweepctl("point", SHARD, 23, "--json").stdout)
    assert {name: row[name] for name in told if name in row} == {name: told[name] for name in told if name in row}
    assert row["point_fingerprint"] == told["point_fingerprint"]
    assert {name: row[name] for name in told["parameters"]} == told["parameters"]


def test_a_message_of_a_sampled_design() -> None:
    told = json.loads(sweepctl("run-shard", EXAMPLES / "ridehail-sobol" / "shard-0.json", "--json").stdout)
    assert (told["outcome"]["status"], told["outcome"]["points_succeeded"]) == ("success", 128)
    assert json.loads(sweepctl("verify", "ridehail-sobol", "--json", "--reexecute", "3").stdout)["verdict"] == "whole"
    shown = sweepctl("point", EXAMPLES / "ridehail-sobol" / "shard-0.json", 5).stdout
    assert sum("dimension" in line for line in shown.splitlines()) == 4


def stored(folder: Path) -> Path:
    """Return the file of the first shard's message with its design stored in the usual store."""
    first = json.loads(SHARD.read_text())
    design = DESIGN.validate_python({"kind": "grid", "dimensions": first.pop("dimensions")})
    digest = put(open_store("sweep-results"), encode(design))
    message = folder / "message.json"
    message.write_text(json.dumps({**first, "schema_version": "v2", "design_sha256": digest}))
    return message


def test_a_stored_design_is_found_in_the_store(tmp_path: Path) -> None:
    message = stored(tmp_path)
    points = [json.loads(sweepctl("point", asked, 7, "--json").stdout) for asked in (message, SHARD)]
    assert points[0] == points[1]
    assert sweepctl("point", message, 7).stdout == sweepctl("point", SHARD, 7).stdout
    assert sweepctl("run-shard", message).exit_code == 0


@pytest.mark.parametrize("command", [("point", 7), ("run-shard",)], ids=lambda command: command[0])
def test_a_design_that_is_elsewhere_is_a_bad_message_and_writes_nothing(
    tmp_path: Path, command: tuple[object, ...]
) -> None:
    name, *rest = command
    result = sweepctl(name, stored(tmp_path), *rest, "--store", "elsewhere", "--json")
    assert (result.exit_code, error_of(result)["kind"]) == (3, "missing_design")
    assert not Path("elsewhere").exists()


def test_version() -> None:
    assert sweepctl("--version").stdout.startswith("sweepctl ")


def test_starting_up_imports_nothing_heavy() -> None:
    program = "import sys, sweepctl.cli; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True, text=True).stdout
    assert not {"pyarrow", "boto3", "botocore", "pydantic", "numpy", "pandas", "duckdb"} & set(modules.split())

"""Programs as models: how commands find them, what their manifests may say wrong, and what they get to know."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fakes import toy_model
from fakes.programs import DOUBLE, write_program, write_sweep
from fakes.sweep_files import ENGINE
from typer.testing import CliRunner
from waiting import LIMIT, wait_until

from sweepctl.cli import app
from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError, EngineUnavailableError, ProgramError, WrongEngineError
from sweepctl.messages import ShardMessage, ShardMessageV1
from sweepctl.protocol import Program
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

RUNNER = CliRunner()
WRONG = 'nam = "x"\nversion = 1\nserve = ["cat"]\n[metrics]\ny = "number"\n'


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPCTL_ENGINE", str(ENGINE))


def models(*options: str) -> set[str]:
    done = RUNNER.invoke(app, ["models", *options, "--json"])
    assert done.exit_code == 0, done.output
    return {model["name"] for model in json.loads(done.stdout)["models"]}


def shard(**changes: object) -> ShardMessage:
    fields = {
        "run_id": "r", "model": "double", "dimensions": {"x": [1.0, 2.0]}, "total_points": 2, "shard_id": 0,
        "start_index": 0, "end_index_exclusive": 2, "seed": 1, **changes,
    }  # fmt: skip
    return ShardMessageV1.model_validate(fields)


def test_programs_are_beside_the_engines_own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = write_program(tmp_path / "a"), write_program(tmp_path / "b", name="other")
    monkeypatch.chdir(tmp_path / "a")
    assert models("--program", "double.toml", "--program", str(one)) >= {"double", "queue"}
    monkeypatch.setenv("SWEEPCTL_PROGRAMS", f"double.toml{os.pathsep}{other}")
    assert models() >= {"double", "other", "queue"}
    monkeypatch.setenv("SWEEPCTL_PROGRAMS", "")  # as in an image without a program
    assert not models() & {"double", "other"}


def test_a_results_class_may_have_rows_and_needs_types_of_its_metrics(tmp_path: Path) -> None:
    source = "class Out(NamedTuple):\n  y: float\n  path: list\ndef simulate(x: float = 1) -> Out: pass\n"
    manifest = write_program(tmp_path, source)
    text = manifest.read_text().partition("[metrics]")[0]
    manifest.write_text(text)
    with pytest.raises(ProgramError, match=r"metrics\.path: has no type; annotate it .* or name the metrics in"):
        _ = Engine(ENGINE, [manifest]).description
    manifest.write_text(text + '[datasets.path.columns]\nat = "float"\n')
    (model,) = (each for each in Engine(ENGINE, [manifest]).description.models if each.name == "double")
    assert [each.name for each in model.metrics] == ["y"]


def test_models_shows_what_a_program_is_made_of(tmp_path: Path) -> None:
    manifest = write_program(tmp_path, needs=["LICENSE"])
    (tmp_path / "data.csv").write_text("")
    manifest.write_text(f'files = ["data.csv"]\n{manifest.read_text()}')
    listed = RUNNER.invoke(app, ["models", "--program", str(manifest)], env={"COLUMNS": "200"}).output
    assert "data.csv and 2 more" in listed
    assert "engine" in next(line for line in listed.splitlines() if " queue " in line)
    shown = RUNNER.invoke(app, ["models", "double", "--program", str(manifest)], env={"COLUMNS": "200"}).output
    assert sha256(b"").hexdigest() in shown
    assert "environment: LICENSE" in shown
    assert "steps" in shown


def test_all_problems_of_a_manifest_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    done = RUNNER.invoke(app, ["models", "--program", str(path), "--json"])
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "bad_program"
    assert " errors\n" in error["message"]
    for place in ("", ":1", ":2", ":5"):
        assert f"\n{path}{place}: " in error["message"]
    assert "docs/programs.md" in error["remedy"]


def test_problems_are_reported_in_full(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('serve = ["cat"]\n' + "".join(f"key_{number} = 1\n" for number in range(200)))
    with pytest.raises(ProgramError) as caught:
        _ = Engine(ENGINE, [path]).description
    assert sum("unknown key" in problem for problem in caught.value.problems) == 200


def test_verify_reports_a_wrong_manifest(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(WRONG)
    assert RUNNER.invoke(app, ["verify", "r", "--store", str(tmp_path), "--program", str(path)]).exit_code == 2


@pytest.mark.slow
def test_a_sweep_file_names_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_program(tmp_path / "model")
    sweep = write_sweep(tmp_path, "model/double.toml")
    monkeypatch.chdir("/")
    store = ["--store", str(tmp_path / "store")]
    planned = RUNNER.invoke(app, ["plan", str(sweep)])
    assert planned.exit_code == 0, planned.output
    done = RUNNER.invoke(app, ["run", str(sweep), "--run-id", "r", *store])
    assert done.exit_code == 0, done.output
    again = RUNNER.invoke(app, ["run", str(sweep), "--run-id", "r2", "--reuse", "r", *store, "--json"])
    assert json.loads(again.stdout)["reused"] == 4
    proof = ["verify", "r", "--reexecute", "all", *store]
    assert RUNNER.invoke(app, [*proof, "--program", str(manifest)]).exit_code == 0
    (tmp_path / "model" / "double.py").write_text((tmp_path / "model" / "double.py").read_text() + "\n")
    edited = RUNNER.invoke(app, [*proof, "--program", str(manifest), "--json"])
    assert json.loads(edited.stdout)["verdict"] != "WHOLE", "another version cannot run its points again"


def test_a_sweep_of_an_unnamed_program_says_how_to_name_it(tmp_path: Path) -> None:
    write_program(tmp_path)
    done = RUNNER.invoke(app, ["plan", str(write_sweep(tmp_path, None))])
    assert done.exit_code == 3
    assert 'needs `program = "FILE"`' in done.output.replace("\n", " ")


def test_a_program_that_the_sweep_file_names_and_is_missing(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["plan", str(write_sweep(tmp_path))])
    assert done.exit_code == 2
    assert "double.toml: no such file" in done.output.replace("\n", " ")


def test_a_message_never_names_a_program(tmp_path: Path) -> None:
    fields = {**json.loads(shard().to_json()), "program": str(write_program(tmp_path))}
    (tmp_path / "message.json").write_text(json.dumps(fields))
    done = RUNNER.invoke(app, ["run-shard", str(tmp_path / "message.json"), "--store", str(tmp_path / "store")])
    assert done.exit_code == 3
    assert not (tmp_path / "store").exists()


ECHO = """\
import os
import subprocess
import sys

def simulate(x: float = 1.0):
    names = [name for name in os.environ if name.startswith(("AWS_", "SWEEPCTL_")) or name == "OTHER"]
    return {"given": os.environ.get("LICENSE", ""), "secrets": len(names)}
"""


def encoded(**changes: object) -> bytes:
    """Return a request for one point."""
    fields = {
        "protocol": "v1", "design": {"kind": "grid", "dimensions": {}}, "base": {}, "seed": 1,
        "start_index": 0, "end_index_exclusive": 1, **changes,
    }  # fmt: skip
    return json.dumps(fields).encode() + b"\n"


def test_a_program_gets_the_variables_that_it_names_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LICENSE", "OTHER", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "here")
    manifest = write_program(tmp_path, ECHO, 'given = "string"\nsecrets = "int"', name="echo", needs=["LICENSE"])
    with Engine(ENGINE, [manifest]).start(encoded(model="echo"), timeout=LIMIT) as run:
        run.begin()
        (line,) = b"".join(run.blocks()).splitlines()
    assert json.loads(line)["metrics"] == {"given": "here", "secrets": 0}


HANGS = """\
import os, time

def simulate(folder: str = "."):
    with open(f"{folder}/pid.part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(f"{folder}/pid.part", f"{folder}/pid")
    time.sleep(1e6)
"""


def test_the_end_of_an_engine_is_that_of_its_programs(tmp_path: Path) -> None:
    engine = Engine(ENGINE, [write_program(tmp_path, HANGS, name="hangs")])
    fields = {"model": "hangs", "base": {"folder": str(tmp_path)}}
    with engine.start(encoded(**fields), timeout=LIMIT) as run:
        run.begin()
        wait_until((tmp_path / "pid").exists)
        pid = int((tmp_path / "pid").read_text())

    def is_gone() -> bool:
        """Return whether it has ended; whoever adopted it may not have asked for its status yet."""
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        return state == "Z"

    wait_until(is_gone)


def test_no_engine_asks_for_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped engine refuses such a manifest itself; another one is not trusted to."""
    names = ["LICENSE", "AWS_SECRET_ACCESS_KEY", "SWEEPCTL_STORE"]
    for name in (*names, "OTHER"):
        monkeypatch.setenv(name, "here")
    toy: dict[str, Any] = toy_model.DESCRIPTION
    (model,) = toy["models"]
    described = {**toy, "models": [{**model, "program": {"files": {}, "environment": names}}]}
    (tmp_path / "described.json").write_text(json.dumps(described))
    engine = tmp_path / "engine"
    engine.write_text(f'#!/bin/sh\n[ "$3" = describe ] && exec cat {tmp_path}/described.json\nenv > {tmp_path}/seen\n')
    engine.chmod(0o755)
    with Engine(engine, [tmp_path / "p.toml"]).start(b"", timeout=LIMIT) as run, pytest.raises(EngineFaultError):
        run.begin()
    seen = {line.partition("=")[0] for line in (tmp_path / "seen").read_text().splitlines()}
    assert seen.intersection((*names, "OTHER")) == {"LICENSE"}


def require_unrecorded(engine: Engine, folder: Path, says: str) -> None:
    store = folder / "store"
    with pytest.raises(EngineUnavailableError, match=says) as caught:
        run_shard(shard(), engine, open_store(str(store)), Conditions(threads=1))
    assert caught.value.exit_code == 4
    assert not list(store.glob("shard_*/**/*.parquet"))


def test_what_a_program_says_as_it_dies_is_told_once_with_what_to_do(tmp_path: Path) -> None:
    source = "import no_such_module\ndef simulate(x: float = 1.0, steps: int = 3): return {'y': x}\n"
    engine, store = Engine(ENGINE, [write_program(tmp_path, source)]), open_store(str(tmp_path / "store"))
    with pytest.raises(EngineUnavailableError) as told:
        run_shard(shard(), engine, store)
    assert told.value.message.count("No module named 'no_such_module'") == 1
    assert "interpreter" in (told.value.remedy or "")


def test_a_program_that_lacks_a_variable_is_the_workers_fault(tmp_path: Path) -> None:
    engine = Engine(ENGINE, [write_program(tmp_path, needs=["NOT_SET_ANYWHERE"])])
    require_unrecorded(engine, tmp_path, "NOT_SET_ANYWHERE is not set")


def test_a_program_that_is_killed_at_both_its_starts_is_the_workers_fault(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    source = f"""\
import os
with open({str(starts)!r}, "a") as file:
    file.write("started\\n")
os.kill(os.getpid(), 9)
def simulate(x: float = 1.0, steps: int = 3): return {{'y': x}}
"""
    engine = Engine(ENGINE, [write_program(tmp_path, source)])
    require_unrecorded(engine, tmp_path, "ended by signal 9 .*before its first line")
    assert starts.read_text() == "started\n" * 2


def test_a_program_that_changed_runs_nothing_until_it_is_restored(tmp_path: Path) -> None:
    engine, store = Engine(ENGINE, [write_program(tmp_path)]), open_store(str(tmp_path / "store"))
    _ = engine.description
    (tmp_path / "double.py").write_text("def simulate(x: float = 1.0, steps: int = 3): return {'y': 1.0}\n")
    for run_id in ("r", "other"):
        with pytest.raises(EngineUnavailableError, match=r"(?m)no longer what it was .*: double\.py changed$"):
            run_shard(shard(run_id=run_id), engine, store)
    assert not list(tmp_path.glob("store/shard_*/**/*.parquet"))
    write_program(tmp_path)
    assert run_shard(shard(), engine, store).outcome.status == "success"


def test_a_program_that_has_lost_a_file_is_told_and_works_again_once_that_is_back(tmp_path: Path) -> None:
    engine, store = Engine(ENGINE, [write_program(tmp_path)]), open_store(str(tmp_path / "store"))
    _ = engine.description
    (tmp_path / "double.py").unlink()
    outcome = run_shard(shard(), engine, store).outcome
    assert (outcome.error_code, outcome.retryable) == ("engine_program_changed", True)
    assert "double.py" in (outcome.error_message or "")
    write_program(tmp_path)
    assert run_shard(shard(), engine, store).outcome.status == "success"


def test_a_manifest_that_changed_is_told(tmp_path: Path) -> None:
    manifest = write_program(tmp_path)
    engine, store = Engine(ENGINE, [manifest]), open_store(str(tmp_path / "store"))
    _ = engine.description
    manifest.write_text(manifest.read_text().replace('"double"', '"triple"'))
    with pytest.raises(EngineUnavailableError, match="its manifest changed"):
        run_shard(shard(), engine, store)


def test_a_run_of_another_version_says_which_file_changed(tmp_path: Path) -> None:
    store, manifest = open_store(str(tmp_path / "store")), write_program(tmp_path)
    half = {"x": [1.0, 2.0, 3.0, 4.0]}
    first = shard(dimensions=half, total_points=4)
    assert run_shard(first, Engine(ENGINE, [manifest]), store).outcome.status == "success"
    (tmp_path / "double.py").write_text(DOUBLE.replace("2 * x", "3 * x"))
    second = shard(dimensions=half, total_points=4, shard_id=1, start_index=2, end_index_exclusive=4)
    with pytest.raises(WrongEngineError, match=r"has double version 1\+[0-9a-f]{12}: double\.py changed(\n|$)"):
        run_shard(second, Engine(ENGINE, [manifest]), store)


def test_status_says_which_file_changed(tmp_path: Path) -> None:
    store, manifest = open_store(str(tmp_path / "store")), write_program(tmp_path)
    command = ["status", "r", "--store", store.url, "--program", str(manifest), "--engine", str(ENGINE)]
    run_shard(shard(), Engine(ENGINE, [manifest]), store)
    shown = RUNNER.invoke(app, command, env={"COLUMNS": "200"})
    assert "as in the run" in shown.output
    (tmp_path / "double.py").write_text(DOUBLE.replace("2 * x", "3 * x"))
    manifest.write_text(manifest.read_text() + "\n")
    shown = RUNNER.invoke(app, command, env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "in the run: double.py changed, double.toml changed\n" in shown.output
    told = json.loads(RUNNER.invoke(app, [*command, "--json"]).stdout)["program"]
    assert told["changes"] == ["double.py changed", "double.toml changed"]
    assert told["version"] != told["run_version"]
    plain = RUNNER.invoke(app, [*command[:4], "--json"])
    assert json.loads(plain.stdout)["program"] is None


def test_two_versions_differ_in_files() -> None:
    before = Program(files={"a": "0" * 64, "b": "1" * 64, "c": "2" * 64}, environment=[])
    after = Program(files={"b": "3" * 64, "c": "2" * 64, "d": "4" * 64}, environment=[])
    assert before.changes(after) == ["a removed", "b changed", "d added"]
    assert before.changes(before) == []


def test_the_function_on_lambda_has_programs_too(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SWEEPCTL_STORE": str(tmp_path / "store"),
        "SWEEPCTL_PROGRAMS": str(write_program(tmp_path)),
    }
    names = "print(*(model.name for model in worker.engine.description.models))"
    command = [sys.executable, "-c", f"from sweepctl.aws_lambda import worker\n{names}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "double" in done.stdout.split()

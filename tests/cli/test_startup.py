"""What a command imports before it answers, and how often it starts the engine to ask what it is."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes.sweep_files import ENGINE, QUEUE

HEAVY = {"pyarrow", "boto3", "botocore", "numpy", "pandas"}
COMMAND = """
import sys
from sweepctl.cli import main
try:
    main()
finally:
    print("", *sys.modules, file=sys.stderr)
"""
# Speaks for the real engine, and keeps count.
COUNTING = '#!/bin/sh\necho "$1" >> {log}\nexec {engine} "$@"\n'

SAMPLE = """\
name = "sample"
model = "queue"
seed = 1
[base]
customers = 10
[design]
kind = "latin_hypercube"
samples = 120
[design.dimensions]
arrival_rate = { uniform = { low = 0.1, high = 0.9 } }
[shards]
count = 1
"""

AT_ONCE: Mapping[str, tuple[int, Sequence[str]]] = {
    "help": (0, ["--help"]),
    "help of a command": (0, ["run-shard", "--help"]),
    "unknown command": (2, ["nope"]),
    "unknown option": (2, ["run-shard", "--nope"]),
    "missing argument": (2, ["run-shard"]),
    "missing message": (2, ["run-shard", "nope.json"]),
    "missing message of a point": (2, ["point", "nope.json", "0"]),
    "missing sweep file": (2, ["plan", "nope.toml"]),
    "missing sweep file to run": (2, ["run", "nope.toml"]),
    "missing message to send": (2, ["send", "nope.json", "--queue-url", "http://localhost/1/q"]),
    "no run_id to verify": (2, ["verify", "a/b"]),
    "no run_id to ask": (2, ["query", "a/b", "SELECT 1"]),
    "no run_id to look at": (2, ["status", "a/b"]),
    "unknown model": (2, ["models", "nope"]),
    "models": (0, ["models"]),
    "a model": (0, ["models", "queue"]),
}

# In this order: each finds what those before it left.
ON_A_STORE: Mapping[str, Sequence[str]] = {
    "plan": ["plan", "sweep.toml"],
    "plan with a pilot": ["plan", "sweep.toml", "--pilot", "4"],
    "run": ["run", "sweep.toml", "--run-id", "r"],
    "run again": ["run", "sweep.toml", "--run-id", "r"],
    "run with reuse": ["run", "finer.toml", "--run-id", "finer", "--reuse", "r"],
    "run-shard": ["run-shard", "message.json"],
    "run-shard again": ["run-shard", "message.json"],
    "run-shard --force": ["run-shard", "message.json", "--force"],
    "point": ["point", "message.json", "1"],
    "verify": ["verify", "r"],
    "verify and run again": ["verify", "r", "--reexecute", "2"],
    "status": ["status", "r"],
    "runs": ["runs"],
    "retry": ["retry", "r"],
    "query": ["query", "r", "SELECT * FROM points"],
    "query to JSON": ["query", "r", "SELECT started_at FROM shard_outcomes", "--format", "json"],
    "query to Parquet": ["query", "r", "SELECT * FROM points", "--out", "points.parquet"],
    "summary": ["summary", "r"],
    "report": ["report", "r"],
    "compare": ["compare", "r", "r"],
}


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code, what it wrote, what it had imported, and why it started engines."""

    exit_code: int
    output: str
    errors: str
    modules: set[str]
    engines: Sequence[str]


def sweepctl(folder: Path, *arguments: str) -> Ended:
    log, engine = folder / "engines", folder / "engine"
    engine.write_text(COUNTING.format(log=log, engine=ENGINE))
    engine.chmod(0o755)
    log.write_text("")
    environment = {**os.environ, "SWEEPCTL_ENGINE": str(engine), "SWEEPCTL_STORE": str(folder / "store")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", COMMAND, *arguments],
        check=False, capture_output=True, text=True, cwd=folder, env=environment,
    )  # fmt: skip
    errors, _, modules = done.stderr.rstrip("\n").rpartition("\n")
    return Ended(done.returncode, done.stdout, errors, set(modules.split()), log.read_text().split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("startup")


@pytest.fixture(scope="module")
def ended(folder: Path) -> Mapping[str, Ended]:
    """Every command on a tiny store."""
    (folder / "sweep.toml").write_text(QUEUE.format(seed=1, rates=[0.5], points=2))
    (folder / "finer.toml").write_text(QUEUE.format(seed=1, rates=[0.5, 0.6], points=8))
    message = {
        "run_id": "shard", "model": "queue", "dimensions": {"arrival_rate": [0.5]}, "base": {"customers": 1},
        "replications": 2, "total_points": 2, "shard_id": 0, "start_index": 0, "end_index_exclusive": 2, "seed": 1,
    }  # fmt: skip
    (folder / "message.json").write_text(json.dumps(message))
    return {name: sweepctl(folder, *arguments) for name, arguments in ON_A_STORE.items()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sample."""
    folder = tmp_path_factory.mktemp("sample")
    (folder / "sample.toml").write_text(SAMPLE)
    assert sweepctl(folder, "run", "sample.toml", "--run-id", "sample").exit_code == 0
    return folder


def test_there_is_something_to_leave_out() -> None:
    assert all(importlib.util.find_spec(name) for name in HEAVY)


@pytest.mark.slow
@pytest.mark.parametrize("name", AT_ONCE)
def test_help_errors_and_models_import_nothing_heavy(name: str, tmp_path: Path) -> None:
    exit_code, arguments = AT_ONCE[name]
    done = sweepctl(tmp_path, *arguments)
    assert done.exit_code == exit_code, done.errors
    assert "sweepctl.cli" in done.modules
    assert not HEAVY & done.modules


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_A_STORE)
def test_no_command_imports_pandas_or_on_a_local_store_boto3(name: str, ended: Mapping[str, Ended]) -> None:
    done = ended[name]
    assert done.exit_code == 0, done.errors
    assert "pyarrow" in done.modules
    assert not (HEAVY - {"pyarrow"}) & done.modules


@pytest.mark.parametrize("name", ON_A_STORE)
def test_the_engine_describes_itself_once(name: str, ended: Mapping[str, Ended]) -> None:
    assert ended[name].engines.count("describe") <= 1


def test_a_model_is_told_by_one_start_of_the_engine(tmp_path: Path) -> None:
    assert sweepctl(tmp_path, "models").engines == ["describe"]


def test_nothing_complains_of_what_is_left_in_place_at_the_end(ended: Mapping[str, Ended]) -> None:
    for name in ("query", "query to JSON", "query to Parquet", "summary", "report", "compare"):
        assert "leak" not in ended[name].errors


@pytest.mark.slow
def test_sensitivity_of_a_sample_needs_both_and_gets_them(sample: Path) -> None:
    done = sweepctl(sample, "summary", "sample")
    assert "RBD-FAST, 120 cells" in done.output
    assert {"numpy", "pandas"} <= done.modules


@pytest.mark.slow
def test_a_condition_needs_numpy_and_gets_it(sample: Path) -> None:
    done = sweepctl(sample, "summary", "sample", "--where", "arrival_rate > 0.8")
    assert "box 1: " in done.output
    assert "numpy" in done.modules


def python(script: str, *arguments: object) -> str:
    command = [sys.executable, "-P", "-c", script, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("imports", ["import pandas, sweepctl", "import sweepctl, pyarrow, pandas"])
def test_the_library_leaves_pandas_to_its_user(imports: str, ended: Mapping[str, Ended], folder: Path) -> None:
    assert ended["run"].exit_code == 0
    script = f"""
import sys
{imports}
import pyarrow
frame = sweepctl.open_run("r", store=sys.argv[1]).points().pandas()
print(len(frame), type(frame).__module__, pyarrow.array(pandas.Series([1.0, float("nan")])).null_count)
"""
    assert python(script, folder / "store").split() == ["4", "pandas", "1"]


def test_pandas_that_was_there_before_stays() -> None:
    script = """
import pandas, pyarrow
from sweepctl import numpy_gate
with numpy_gate.shut():
    import pandas as again
    assert again is pandas
    print(pyarrow.array(pandas.Series([1.0, float("nan")])).null_count, len(pyarrow.table({"a": [1]}).to_pandas()))
"""
    assert python(script).split() == ["1", "1"]


def test_pandas_can_be_had_when_the_gate_is_open_again() -> None:
    script = """
import sys
from sweepctl import numpy_gate
for way in ("after", "within"):
    with numpy_gate.shut():
        try:
            import pandas
        except ModuleNotFoundError as error:
            print(error.name)
        if way == "within":
            numpy_gate.reopen()
            import pandas
import pandas
print(pandas.DataFrame({"a": [1]}).shape)
"""
    assert python(script).splitlines() == ["pandas", "pandas", "(1, 1)"]

"""`init` for one's own model: what it writes is what the next commands take."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fakes.sweep_files import ENGINE, TEST_ENGINE
from paths import ROOT
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.engine.client import Engine
from sweepctl.protocol import Model
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep.plan import draft
from sweepctl.sweep.starter.function import Function, read_function

RUNNER = CliRunner()

pytestmark = pytest.mark.usefixtures("elsewhere")

FUNCTION = """\
def simulate(prey: int, birth: float = 1.0, *, death, fixed: bool = True, random=None):
    def inner():
        return {"not": 1}
    if not prey:
        return {"peak": 0, "left": 0.5, "over": prey > 3, "path": {"t": [], "x": []}}
    return {"peak": int(birth * 10), "left": birth, "over": prey > 3, "path": {"t": [0.5], "x": [1.5]}}
"""


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPCTL_ENGINE", str(ENGINE))


def init(*arguments: str, exit_code: int = 0) -> dict[str, list[str]]:
    done = RUNNER.invoke(app, ["init", *arguments, "--json"])
    assert done.exit_code == exit_code, done.output
    told: dict[str, list[str]] = json.loads(done.stdout)
    return told


def model_of(manifest: str, name: str) -> Model:
    return Engine(ENGINE, [Path(manifest)]).model(name)


def require_plannable(sweep: Path) -> sweep_file.SweepFile:
    read = sweep_file.read(sweep)
    assert draft(read, Engine(ENGINE, read.programs)).total_points > 1
    schema = json.loads((sweep.parent / "sweep.schema.json").read_text())
    assert tomllib.loads(sweep.read_text()).keys() <= schema["properties"].keys()
    return read


def test_a_function(tmp_path: Path) -> None:
    Path("Lotka-Volterra.py").write_text(FUNCTION)
    told = init("sweeps/first", "--python", "Lotka-Volterra.py:simulate")
    manifest = "Lotka-Volterra.toml"
    assert told["written"] == [
        manifest, "sweeps/first/sweep.toml", "sweeps/first/sweep.schema.json", "program.schema.json",
    ]  # fmt: skip
    assert told["next"] == [f"sweepctl check-model --program {manifest}", "sweepctl plan sweeps/first/sweep.toml"]
    assert Path(manifest).read_text().startswith("#:schema ./program.schema.json\n")
    model = model_of(manifest, "lotka_volterra")
    assert {metric.name: metric.type for metric in model.metrics} == {"peak": "int", "left": "float", "over": "bool"}
    assert [dataset.name for dataset in model.datasets] == ["path"]
    read = require_plannable(tmp_path / "sweeps/first/sweep.toml")
    assert read.sweep.program == "../../Lotka-Volterra.toml"
    assert set(read.space.parameters) == {"prey", "birth"}


def test_a_function_in_the_folder_of_the_sweep(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/lv.py").write_text("def run(a: float = 0.0, b: int = 0):\n    return {'y': a + b}\n")
    assert init("mine", "--python", "lv.py:run", "--model", "other")["written"][0] == "mine/lv.toml"
    read = require_plannable(tmp_path / "mine/sweep.toml")
    assert (read.sweep.model, read.sweep.program) == ("other", "lv.toml")
    again = RUNNER.invoke(app, ["init", "mine", "--python", "lv.py:run"])
    assert again.exit_code == 2
    assert "already exists" in again.output


def test_metrics_of_an_annotation_are_left_to_the_engine(tmp_path: Path) -> None:
    result = "from typing import NamedTuple\nclass R(NamedTuple):\n    y: int\n"
    Path("typed.py").write_text(f"{result}def f(x: float = 1.0) -> R:\n    return R(1)\n")
    init("s", "--python", "typed.py:f")
    assert "metrics" not in tomllib.loads(Path("typed.toml").read_text())
    assert [metric.type for metric in model_of("typed.toml", "typed").metrics] == ["int"]
    require_plannable(tmp_path / "s/sweep.toml")


def test_metrics_that_nobody_can_know_are_asked_for(tmp_path: Path) -> None:
    Path("plain.py").write_text("def f(x=1.0):\n    found = dict(y=x)\n    return found\n")
    told = init("s", "--python", "plain.py:f")
    assert told["next"][0] == "edit plain.toml: [metrics] must name what the program returns"
    assert tomllib.loads(Path("plain.toml").read_text())["metrics"] == {}
    manifest = Path("plain.toml").read_text().replace('# peak = "float"', 'y = "float"')
    Path("plain.toml").write_text(manifest)
    require_plannable(tmp_path / "s/sweep.toml")


def test_a_function_that_cannot_be_read_leaves_a_manifest_to_complete(tmp_path: Path) -> None:
    Path("odd.py").write_text("import math\ndef f(x: float = math.pi):\n    return {'y': x}\n")
    error = init("s", "--python", "odd.py:f", exit_code=2)["error"]
    assert "has no default" in error["message"]  # type: ignore[call-overload]
    assert error["remedy"] == "Complete odd.toml, then: sweepctl init s --program odd.toml"  # type: ignore[call-overload]
    Path("odd.toml").write_text(Path("odd.toml").read_text().replace("[parameters]", "[parameters]\nx = 3.0"))
    init("s", "--program", "odd.toml")
    require_plannable(tmp_path / "s/sweep.toml")


@pytest.mark.parametrize(
    ("given", "message", "remedy"),
    [
        ("m.py:simulat", "there is no function simulat at the top", "Did you mean `simulate`?"),
        ("m.py:g", "there is no function g at the top", "Functions: simulate, later."),
        ("m.py", "m.py: which function?", "Give m.py:FUNCTION. Functions: simulate, later."),
        ("m.py:", "m.py: which function?", "Give m.py:FUNCTION. Functions: simulate, later."),
        ("none.py", "none.py: no such file", "Give file.py:function."),
    ],
)
def test_a_function_that_is_not_there_leaves_nothing(given: str, message: str, remedy: str) -> None:
    Path("m.py").write_text("def simulate(x=1.0):\n    return {'y': x}\nasync def later():\n    pass\n")
    error = init("s", "--python", given, exit_code=2)["error"]
    assert message in error["message"]  # type: ignore[call-overload]
    assert error["remedy"] == remedy  # type: ignore[call-overload]
    assert list(Path().iterdir()) == [Path("m.py")]
    init("s", "--python", "m.py:simulate")


def test_a_command(tmp_path: Path) -> None:
    Path("cannon").write_text('#!/bin/sh\necho "result: $1"\n')
    Path("cannon").chmod(0o755)
    told = init("s", "--command", "./cannon '${speed:.3f}'")
    assert told["written"][0] == "cannon.toml"
    assert '# keep = ["run.log"]' in Path("cannon.toml").read_text()
    assert [each.name for each in model_of("cannon.toml", "cannon").parameters] == ["speed"]
    require_plannable(tmp_path / "s/sweep.toml")
    files = init("t", "--command", "./cannon {in} {out}", "--model", "files")
    assert files["written"] == ["files.toml", "t/sweep.toml", "t/sweep.schema.json"], "the schema is there already"
    require_plannable(tmp_path / "t/sweep.toml")


def test_a_process(tmp_path: Path) -> None:
    Path("model.js").write_text("")
    init("s", "--serve", "sh model.js")
    manifest = tomllib.loads(Path("my_model.toml").read_text())
    assert (manifest["name"], manifest["serve"]) == ("my_model", ["sh", "model.js"]), "model is a column of all tables"
    assert model_of("my_model.toml", "my_model").program is not None
    require_plannable(tmp_path / "s/sweep.toml")


@pytest.mark.parametrize("name", ["queue", "epidemic", "ridehail"])
def test_a_model_of_the_engine(tmp_path: Path, name: str) -> None:
    told = init("s", "--model", name, "--engine", str(ENGINE))
    assert told["next"] == [f"sweepctl plan s/sweep.toml --engine {ENGINE}"]
    assert require_plannable(tmp_path / "s/sweep.toml").sweep.model == name


def test_an_engine_without_the_starters_model_gives_its_only_one(tmp_path: Path) -> None:
    lone = tmp_path / "lone"
    only = "import json, sys; it = json.load(sys.stdin); it['models'] = it['models'][:1]; print(json.dumps(it))"
    lone.write_text(f'#!/bin/sh\n{TEST_ENGINE} "$@" | {sys.executable} -c "{only}"\n')
    lone.chmod(0o755)
    told = init("s", "--engine", str(lone))
    assert told["next"] == [f"sweepctl plan s/sweep.toml --engine {lone}"]
    done = RUNNER.invoke(app, ["init", "t", "--engine", str(TEST_ENGINE)])
    assert (done.exit_code, "has several models: " in done.output, "--model" in done.output) == (2, True, True)
    assert not Path("t").exists()


def test_a_manifest_has_its_models_name() -> None:
    done = RUNNER.invoke(app, ["init", "s", "--program", "p.toml", "--model", "m"])
    assert (done.exit_code, "the manifest has the model's name already" in done.output) == (2, True)


def test_what_cannot_be() -> None:
    assert RUNNER.invoke(app, ["init", "s", "--python", "none.py:f"]).exit_code == 2
    assert RUNNER.invoke(app, ["init", "s", "--command", "'"]).exit_code == 2
    assert RUNNER.invoke(app, ["init", "s", "--serve", ""]).exit_code == 2
    Path("od\td.py").write_text("def f(x=1.0): return {'y': x}")
    assert RUNNER.invoke(app, ["init", "s", "--python", "od\td.py:f"]).exit_code == 2
    both = RUNNER.invoke(app, ["init", "s", "--rust", "--serve", "x"])
    assert both.exit_code == 2
    assert "--serve and --rust exclude each other" in both.output
    assert RUNNER.invoke(app, ["init", "s", "--model", "none"]).exit_code == 4
    assert not Path("s").exists()


def test_what_is_read_of_a_function(tmp_path: Path) -> None:
    path = tmp_path / "f.py"
    path.write_text(FUNCTION)
    found = read_function(path, "simulate")
    assert found.defaults == {"prey": "1", "death": "1.0"}
    assert found.datasets == {"path": ["t", "x"]}
    assert read_function(path, "none") == Function()
    path.write_text("def f(:")
    assert read_function(path, "f") == Function()


@pytest.mark.slow
def test_the_crate_builds_and_passes_its_checks() -> None:
    told = init("my-engine", "--rust")
    assert told["next"][0] == "cargo build --release --manifest-path my-engine/Cargo.toml"
    # An installed sweepctl asks for the published crate, and this one for the sources' own.
    manifest = Path("my-engine/Cargo.toml")
    own = f'sweep-runtime = {{ path = "{ROOT}/rust/runtime" }}'
    assert manifest.read_text().count("sweep-runtime = ") == 1
    manifest.write_text(re.sub("sweep-runtime = .*", own, manifest.read_text()))
    # The versions that the project has, so that nothing is fetched.
    shutil.copy(ROOT / "Cargo.lock", "my-engine/Cargo.lock")
    build = ["cargo", "build", "--offline", "--manifest-path", "my-engine/Cargo.toml"]
    # A folder that is kept, so that what the crate depends on is built once.
    target = ROOT / "target" / "my-engine"
    done = subprocess.run(
        build, capture_output=True, text=True, check=False, env={**os.environ, "CARGO_TARGET_DIR": str(target)}
    )
    assert done.returncode == 0, done.stderr
    built = target / "debug" / "my_engine"
    checked = RUNNER.invoke(app, ["check-model", "--engine", str(built), "--json"])
    assert checked.exit_code == 0, checked.output
    read = sweep_file.read(Path("my-engine/sweep.toml"))
    assert draft(read, Engine(built)).total_points == 9

"""A program that is a model, as the function's package and the image have it: what is there, and that it runs."""

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import lambda_package
import program_package
import pytest
from fakes.aws_runtime import Function, Sandbox, event, extract, python_of_function
from fakes.programs import write_program
from fakes.sweep_files import ENGINE
from worker import whole

from sweepctl.engine.client import Engine
from sweepctl.messages import decode
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store
from sweepctl.verify import Verdict, verify

USES_A_PACKAGE = """\
import json, os
import factor
FACTOR = json.load(open(os.path.join(os.path.dirname(__file__), "data", "factor.json")))
def simulate(x: float = 1.0):
    return {"y": x * factor.FACTOR * FACTOR}
"""


def write(folder: Path, interpreter: str | None = ".venv/bin/python", files: str = "data/*.json") -> Path:
    """Write a program with data, and a virtual environment of its own that has a package."""
    manifest = write_program(folder, USES_A_PACKAGE)
    (folder / "data").mkdir()
    (folder / "data" / "factor.json").write_text("3")
    (folder / "left.out").touch()
    if interpreter is not None:
        place = folder / interpreter
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/site exec {sys.executable} "$@"\n')
        place.chmod(0o755)
    (folder / "site").mkdir()
    (folder / "site" / "factor.py").write_text("FACTOR = 2\n")
    line = f'interpreter = "{sys.executable}"\n'
    given = "" if interpreter is None else f'interpreter = "{interpreter}"\n'
    manifest.write_text(f'files = ["{files}"]\n' + manifest.read_text().replace(line, given))
    return manifest


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lock the one package of an index in a folder: it has a module that no Python compiles, as templates are."""
    wheel = tmp_path / "index" / "factor-1-py3-none-any.whl"
    wheel.parent.mkdir()
    notes = "factor-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("factor.py", "FACTOR = 2\n")
        archive.writestr("template.py", "{{ name }} =\n")
        archive.writestr(f"{notes}/METADATA", "Metadata-Version: 2.1\nName: factor\nVersion: 1\n")
        archive.writestr(f"{notes}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{notes}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"factor==1 --hash=sha256:{sha256(wheel.read_bytes()).hexdigest()}\n")
    return lock


def assemble(manifest: Path, folder: Path, requirements: Path | None = None) -> str:
    return program_package.assemble(ENGINE, manifest, folder, python_of_function(), requirements)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in lambda_package.files(folder)}


def test_the_folder_has_the_files_of_the_program_and_its_packages(tmp_path: Path, requirements: Path) -> None:
    manifest = write(tmp_path / "author")
    said = assemble(manifest, tmp_path / "program", requirements)
    (model,) = (each for each in Engine(ENGINE, [manifest]).description.models if each.program)
    assert said == f"double {model.version}"
    assert names(tmp_path / "program" / "files") == {
        "double.toml", "double.py", "data/factor.json", ".venv/bin/python",
    }  # fmt: skip
    assert {"factor.py", "template.py"} <= names(tmp_path / "program" / "packages")
    assert list((tmp_path / "program" / "packages").glob("__pycache__/factor.*"))
    for name in ("double.toml", "double.py", "data/factor.json"):
        assert (tmp_path / "program" / "files" / name).read_bytes() == (manifest.parent / name).read_bytes()


def test_packages_that_are_not_locked_are_refused(tmp_path: Path, requirements: Path) -> None:
    requirements.write_text("factor==1\n")
    with pytest.raises(subprocess.CalledProcessError):
        assemble(write(tmp_path / "author"), tmp_path / "program", requirements)


@pytest.mark.parametrize("interpreter", [sys.executable, "../../.venv/bin/python"])
def test_an_interpreter_of_this_machine_alone_is_refused(interpreter: str, tmp_path: Path) -> None:
    manifest = write(tmp_path / "author", None)
    manifest.write_text(f'interpreter = "{interpreter}"\n{manifest.read_text()}')
    with pytest.raises(SystemExit, match=r"interpreter: .* is a place that only this machine has"):
        program_package.write_interpreter(manifest, tmp_path / "program", "3.13")


def test_a_pattern_that_makes_another_version_there_is_refused(tmp_path: Path) -> None:
    manifest = write(tmp_path / "author", files=".venv/bin/*")
    with pytest.raises(SystemExit, match=r"a pattern of `files` matches its own interpreter, \.venv/bin/python"):
        assemble(manifest, tmp_path / "program")


def test_what_is_wrong_with_a_program_is_said(tmp_path: Path) -> None:
    manifest = write(tmp_path / "author")
    (tmp_path / "author" / "double.py").unlink()
    with pytest.raises(SystemExit, match=r"double\.toml:\d+: python: .*double\.py"):
        assemble(manifest, tmp_path / "program")


def install_engine(tree: Path, *_: object) -> None:
    """Stand in for the wheel and its dependencies, which the unpacked package has already."""
    (tree / "bin").mkdir(exist_ok=True)
    shutil.copy2(ENGINE, tree / lambda_package.ENGINE)


def with_program(function: Function, folder: Path, manifest: Path, requirements: Path | None) -> Function:
    """Add to a package what `make lambda PROGRAM=` adds, through the zip file; all else is linked."""
    lambda_package.build(
        folder / "x.whl", folder / "package.zip", function.python, program=manifest, requirements=requirements
    )
    task = folder / "task"
    shutil.copytree(function.task, task, copy_function=os.link, ignore=shutil.ignore_patterns("sweep-engine"))
    shutil.rmtree(task / "sweepctl")  # its place says where the program is
    shutil.copytree(function.task / "sweepctl", task / "sweepctl")
    extract(folder / "package.zip", task)
    return Function(function.python, task, function.runtime)


@pytest.mark.servers
@pytest.mark.parametrize("interpreter", [".venv/bin/python", "../.venv/bin/python", None])
def test_the_function_and_the_authors_machine_share_a_run(
    interpreter: str | None,
    function: Function,
    tmp_path: Path,
    requirements: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two shards, each runs one: they have the same model version, and the function has the package, too."""
    monkeypatch.setattr(lambda_package, "install", install_engine)
    manifest = write(tmp_path / "author", interpreter)
    packaged = with_program(function, tmp_path, manifest, requirements)
    store = open_store(str(tmp_path / "store"))
    run = {"run_id": "r", "model": "double", "dimensions": {"x": [1.0, 2.0]}, "total_points": 2, "seed": 1}
    here, there = (
        json.dumps({**run, "shard_id": shard, "start_index": shard, "end_index_exclusive": shard + 1}).encode()
        for shard in (0, 1)
    )
    if interpreter is None:
        monkeypatch.setenv("PATH", f"{python_on_path(tmp_path)}:{os.environ['PATH']}")
    engine = Engine(ENGINE, [manifest])
    assert run_shard(decode(here, dt.datetime.now(dt.UTC).date()), engine, store).outcome.status == "success"
    with Sandbox(packaged, {"SWEEPCTL_STORE": str(tmp_path / "store")}) as sandbox:
        assert sandbox.invoke(event([there])).failed == [], sandbox.output
        (line,) = sandbox.lines()
        assert line["ending"] == "succeeded"
    assert [each.points_succeeded for each in whole.outcomes(whole.objects(store)).values()] == [1, 1]
    assert verify(store, "r", engine).verdict is Verdict.WHOLE


def python_on_path(folder: Path) -> Path:
    """Make a `python3` that has the package."""
    place = folder / "scripts" / "python3"
    place.parent.mkdir()
    place.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/author/site exec {sys.executable} "$@"\n')
    place.chmod(0o755)
    return place.parent


def test_only_a_folder_that_was_made_here_is_emptied(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.txt").write_text("years of work")
    (tmp_path / "link").symlink_to(theirs)
    (tmp_path / "file").touch()
    for name in ("theirs", "link", "file"):
        with pytest.raises(SystemExit, match=name):
            program_package.empty(tmp_path / name)
    assert (theirs / "thesis.txt").read_text() == "years of work"
    made = tmp_path / "dist/program"
    program_package.empty(made)
    (made / "files").mkdir()
    program_package.empty(made)
    assert [path.name for path in made.iterdir()] == [program_package.MARK]
    (tmp_path / "void").mkdir()
    program_package.empty(tmp_path / "void")

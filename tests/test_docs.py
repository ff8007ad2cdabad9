"""The README's examples run, and no command, option or exit code goes unmentioned."""

import doctest
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import commands_page
import pytest
import typer.main
from paths import ROOT

from sweepctl import errors
from sweepctl.cli import app
from sweepctl.engine.client import find_engine

README = (ROOT / "README.md").read_text()
EXAMPLES = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


def commands_of(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  Typer's own
    """Yield every command by its full name, those of groups too."""
    for name, command in vars(group)["commands"].items():
        if "commands" in vars(command):
            yield from commands_of(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def test_every_command_and_option_is_in_the_readme() -> None:
    for name, command in commands_of(typer.main.get_command(app)):
        assert f"sweepctl {name}" in README
        assert command.epilog
        assert "Examples:" in command.epilog
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        variables = [parameter.envvar for parameter in command.params if getattr(parameter, "envvar", None)]
        for word in [*options, *variables]:
            assert f"`{word}`" in README, f"{name} {word}"


def test_the_page_of_commands_is_that_of_the_code() -> None:
    assert commands_page.PATH.read_text() == commands_page.page()


def test_every_exit_code_is_in_the_readme() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    table = README.partition("| exit code |")[2]
    assert all(f"\n| {code} |" in table for code in codes | {0})


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Return a shell in an empty folder with the project's examples and a `sweepctl` to activate."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "activate").write_text("")
    (scripts / "sweepctl").write_text(
        f'#!/bin/sh\nexec {sys.executable} -P -c "from sweepctl.cli import main; main()" "$@"\n'
    )
    (scripts / "sweepctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{scripts}:{find_engine().parent}:/usr/bin:/bin")

    def run(command: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done

    return run


@pytest.mark.slow
def test_the_examples_of_the_readme_run(shell: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    assert len(EXAMPLES) > 5
    for example in EXAMPLES:
        shell(example)


# What an example of help needs and this repository does not have: a queue, a bucket, one's own files.
PLACEHOLDERS = re.compile(r"\./cannon|\$URL|s3://|my-engine|my_model|message\.json")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_of_help_run_after_the_demo(shell: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    for run_id in ("ridehail-surge", "ridehail-surge-2"):
        shell(f"sweepctl run examples/ridehail-surge/sweep.toml --run-id {run_id}")
    shell("sweepctl init my-sweep")
    for name, command in commands_of(typer.main.get_command(app)):
        examples = [line.strip() for line in command.epilog.splitlines() if line.strip().startswith("sweepctl ")]
        assert examples, name
        for example in examples:
            if not PLACEHOLDERS.search(example) and example != "sweepctl init my-sweep":
                shell(example)


@pytest.mark.slow
def test_queries_print_what_their_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    page = (ROOT / "docs" / "queries.md").read_text()
    for shard in range(4):
        shell(f"sweepctl run-shard examples/queue/shard-{shard}.json")
    examples = re.findall(r"^\$ (.*)\n((?:(?!\$ |```).*\n)*)", page, re.MULTILINE)
    assert len(examples) > 3
    for command, printed in examples:
        assert shell(command).stdout == printed, command
    monkeypatch.chdir(tmp_path)
    assert run_examples("queries.md") == 15


def run_examples(page: str) -> int:
    """Run the Python of a page of the docs, as one session, and return how many examples it has."""
    blocks = re.findall(r"```pycon\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page, None, None)
    failed, tried = doctest.DocTestRunner().run(examples)
    assert not failed
    return tried


@pytest.mark.usefixtures("elsewhere")
def test_python_prints_what_its_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{find_engine().parent}:/usr/bin:/bin")
    assert run_examples("python.md") == 13

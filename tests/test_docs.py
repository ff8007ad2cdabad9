"""The README is short; its examples run, and so do those of pages and of `--help`."""

import doctest
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.servers import BUCKET, Server
from paths import ROOT
from reference.commands import commands
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.engine.client import find_engine

README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"


def examples_of(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page's console blocks, each with what the page says it prints."""
    blocks = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    found = [re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE) for block in blocks]
    return [example for block in found for example in block]


# All that is between spaces, as `wc -w` counts it.
MOST_WORDS = 700


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_the_readmes_cloud_has_a_store_of_its_own_and_a_run_that_no_local_one_is_taken_for() -> None:
    local, _, cloud = README.partition("## The cloud")
    variables, sweepctl, commands = cloud.partition("sweepctl doctor")
    assert sweepctl
    assert re.findall(r"^export (\w+)=", variables, re.MULTILINE) == ["SWEEPCTL_STORE", "SWEEPCTL_QUEUE_URL"]
    named = re.compile(r"--run-id ([\w-]+)")
    assert len(named.findall(commands)) == 1
    assert not {*named.findall(local)} & {*named.findall(commands)}


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
@pytest.mark.parametrize("name", ["README.md", "docs/index.md", "docs/first-sweep.md", "docs/shards.md"])
def test_the_examples_of_a_page_run(
    name: str, tmp_path: Path, shell: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    page = (ROOT / name).read_text()
    for function in re.findall(r"in `lv.py`:\n\n```python\n(.*?)```", page, re.DOTALL):
        (tmp_path / "lv.py").write_text(function)
    examples = examples_of(page)
    assert len(examples) > 2
    for command, printed in examples:
        assert shell(command).stdout.startswith(printed), command


@pytest.mark.slow
@pytest.mark.usefixtures("elsewhere")
def test_the_queue_of_the_tutorial_is_worked_off(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPCTL_ENDPOINT_URL", moto_server.endpoint_url)
    monkeypatch.setenv("SWEEPCTL_STORE", f"s3://{BUCKET}/tutorial")
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", moto_server.queue("tutorial"))
    examples = examples_of((DOCS / "first-queue.md").read_text())
    assert len(examples) > 5
    for command, _ in examples:
        no_long_poll = ["--max-shards", "1"] if command.startswith("sweepctl drain") else []
        done = CliRunner().invoke(app, [*shlex.split(command)[1:], *no_long_poll])
        assert done.exit_code == 0, f"{command}: {done.output}"
    assert "WHOLE" in done.output


@pytest.mark.slow
def test_the_demo_ends_with_a_report(
    tmp_path: Path, shell: Callable[[str], subprocess.CompletedProcess[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPCTL_STORE", "elsewhere")
    shown = shell(f"{sys.executable} examples/demo.py").stdout
    assert '"surge_enabled","num_drivers","conversion"' in shown
    assert shown.splitlines()[-2] == f"Open it in a browser: {tmp_path / 'report.html'}"
    assert "180 of 180 points" in (tmp_path / "report.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {".venv", "examples", "report.html", "sweep-results"}


# What an example of help needs and this repository does not have: a queue, a bucket, one's own files; and what serves
# until it is stopped.
PLACEHOLDERS = re.compile(r"sweepctl ui|\./cannon|\$URL|s3://|my-engine|my_model|message\.json")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_examples_of_help_run_after_the_demo(shell: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    for run_id in ("ridehail-surge", "ridehail-surge-2"):
        shell(f"sweepctl run examples/ridehail-surge/sweep.toml --run-id {run_id}")
    shell("sweepctl init my-sweep")
    for each in commands():
        lines = map(str.strip, each.command.epilog.splitlines())
        examples = [line for line in lines if line.startswith("sweepctl ")]
        assert examples, each.name
        for example in examples:
            if not PLACEHOLDERS.search(example) and example != "sweepctl init my-sweep":
                shell(example + (" --point-seconds 1" if example == "sweepctl check-model queue" else ""))


@pytest.mark.slow
def test_queries_print_what_their_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    page = (DOCS / "queries.md").read_text()
    for shard in range(4):
        shell(f"sweepctl run-shard examples/queue/shard-{shard}.json")
    examples = examples_of(page)
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

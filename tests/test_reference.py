"""docs/reference is what the code gives: `make reference` writes it."""

import os
import subprocess
import sys

import pytest
from reference.__main__ import FOLDER, PAGES, written
from reference.answers import CALLS
from reference.commands import commands

from sweepctl import errors


def test_every_page_is_made_from_the_code() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == PAGES.keys()


@pytest.mark.parametrize("name", [name for name in PAGES if name != "json"])
def test_a_page_is_what_the_code_gives(name: str) -> None:
    assert (FOLDER / f"{name}.md").read_text() == written(name), "`make reference`"


@pytest.mark.slow
def test_the_fields_of_json_are_those_of_real_answers() -> None:
    """In a process of its own: what the calls leave in moto stays in its process, where other tests would find it."""
    script = "from reference.__main__ import written; print(written('json'), end='')"
    path = os.pathsep.join(each for each in sys.path if each)
    told = subprocess.run(
        [sys.executable, "-P", "-c", script], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True
    )
    assert (FOLDER / "json.md").read_text() == told.stdout.decode(), "`make reference`"


def test_every_command_has_its_section_and_every_option_its_line() -> None:
    sections = {part.partition("\n")[0]: part for part in (FOLDER / "commands.md").read_text().split("\n## ")}
    assert len(list(commands())) > 20
    for each in commands():
        section = sections[f"sweepctl {each.name}"]
        assert each.command.epilog, each.name
        assert "Examples:" in each.command.epilog
        for option in each.parameters("option"):
            assert f"\n| `{option.opts[0]}`" in section, f"{each.name} {option.opts}"


def test_a_variables_meaning_is_that_of_most_commands() -> None:
    rows = (FOLDER / "environment.md").read_text()
    assert "| `SWEEPCTL_STORE` | `--store` | Result store: a directory or s3://bucket/prefix. |" in rows
    assert "| `SWEEPCTL_QUEUE_URL` | `--queue-url` | SQS queue URL. |" in rows


def test_every_command_with_json_is_called_for_its_fields() -> None:
    called = [call for _, call in CALLS]
    with_json = [each.name for each in commands() if any("--json" in one.opts for one in each.parameters("option"))]
    assert "ui" in with_json
    assert [name for name in with_json if not any(f"{call} ".startswith(f"{name} ") for call in called)] == []


def test_every_exit_code_is_explained() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    table = (FOLDER / "exit-codes.md").read_text().partition("| exit code |")[2].partition("## Kinds")[0]
    assert all(f"\n| {code} |" in table for code in codes | {0})

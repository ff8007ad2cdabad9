"""Standard output of every kind, and JSON for every ending."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
import typer
from paths import ROOT

from sweepctl.cli import app

MAIN = (sys.executable, "-P", "-c", "from sweepctl.cli import main; main()")
MESSAGE = ROOT / "examples" / "queue" / "shard-0.json"
# Of commands that end well, print much, and print little.
GOOD = (("models",), ("models", "--json"), ("run-shard", str(MESSAGE)), ("--help",), ("--version",))
# The JSON of the endings of each command: what cannot be understood, and what cannot be found.
ENDINGS = (("--no-such-option",), ("one", "two", "three", "four"), ("none-such",), ())


def commands(group: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401  Typer's own
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*prefix, name))
        else:
            yield *prefix, name


def ended(
    arguments: Sequence[str],
    folder: Path,
    stdout: IO[bytes] | int = subprocess.PIPE,
    **environment: str,
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        (*MAIN, *arguments),
        cwd=folder,
        env={**os.environ, "SWEEPCTL_STORE": "st", **environment},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )


def parsed(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return JSON objects, as Node reads them where there is one: it takes no NaN."""
    if node := shutil.which("node"):
        script = "JSON.parse(require('fs').readFileSync(0, 'utf8')).forEach((text) => JSON.parse(text))"
        subprocess.run([node, "-e", script], input=json.dumps(texts), text=True, check=True)

    def fail(constant: str) -> None:
        raise AssertionError(constant)

    return [json.loads(text, parse_constant=fail) for text in texts]


@pytest.mark.slow
@pytest.mark.parametrize("arguments", GOOD, ids=" ".join)
def test_a_full_disk_is_an_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        result = ended(arguments, tmp_path, full)
    assert result.returncode == 2
    assert b"output: standard output: No space left on device" in result.stderr
    assert b"Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", GOOD, ids=" ".join)
def test_a_closed_standard_output_is_an_error_before_anything_is_done(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command = ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *MAIN, *arguments]
    result = subprocess.run(command, cwd=tmp_path, stderr=subprocess.PIPE, check=False)
    assert (result.returncode, result.stderr.splitlines()[0]) == (2, b"output: standard output is closed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("redirected", ["2>&-", "2>/dev/full"])
def test_messages_that_cannot_be_written_stop_nothing(tmp_path: Path, redirected: str) -> None:
    command = ["/bin/sh", "-c", f'exec "$@" {redirected}', "sh", *MAIN, "run-shard", str(MESSAGE), "--json"]
    result = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, check=True)
    assert parsed([result.stdout.decode()])[0]["outcome"]["status"] == "success"


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@pytest.mark.parametrize("arguments", [*GOOD, ("status", "none"), ("nothing",)], ids=" ".join)
def test_what_an_encoding_lacks_is_replaced(tmp_path: Path, arguments: tuple[str, ...], encoding: str) -> None:
    result = ended(arguments, tmp_path, PYTHONIOENCODING=encoding)
    assert result.returncode in (0, 1, 2)
    assert b"Error" not in result.stderr.replace(b"Error \xe2\x94\x80", b"").replace(b"- Error -", b"")


@pytest.mark.slow
def test_every_ending_is_one_json_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner  # noqa: PLC0415  beside its use

    monkeypatch.chdir(tmp_path)
    endings = [
        (*command, "--json", *arguments)
        for command in [("none-such",), *commands(typer.main.get_command(app))]
        for arguments in ENDINGS
        if command != ("ui",) or arguments  # alone it would go on
    ]
    results = [CliRunner().invoke(app, ending) for ending in endings]
    for ending, each, value in zip(endings, results, parsed([each.stdout for each in results]), strict=True):
        assert each.exit_code in (*range(7), 130), ending
        assert value.get("exit_code", each.exit_code) == each.exit_code, ending
        assert each.exit_code == 0 or value["error"]["message"], ending

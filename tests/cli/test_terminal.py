"""Signals while the main thread is inside a library, where Python runs no handler."""

import io
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LIMIT

from sweepctl.cli.terminal import open_console
from sweepctl.view.console import new_table, show_table

STUCK = """
import hashlib, sys
from pathlib import Path
from sweepctl.cli import terminal

def heard():
    print("heard", flush=True)

with terminal.written_whole(Path(sys.argv[1])), terminal.{manager}(heard):
    print("stuck", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""


def stuck(manager: str, out: Path) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", STUCK.replace("{manager}", manager), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert said(child) == b"stuck\n"
    return child


def said(child: subprocess.Popen[bytes]) -> bytes:
    assert child.stdout is not None
    return child.stdout.readline()


@pytest.mark.slow
@pytest.mark.parametrize("manager", ["on_signals", "interrupted_by_signals"])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process(
    tmp_path: Path, manager: str, first: signal.Signals, second: signal.Signals
) -> None:
    with stuck(manager, tmp_path / "out") as child:
        child.send_signal(first)
        assert said(child) == b"heard\n"
        child.send_signal(second)
        assert child.wait(LIMIT) == 128 + second
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_does_not_heed_an_interruption_is_ended(tmp_path: Path) -> None:
    with stuck("interrupted_by_signals", tmp_path / "out") as child:
        child.send_signal(signal.SIGTERM)
        assert child.communicate(timeout=LIMIT)[1] == b"interrupted: the query was ended\n"
        assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_line_of_a_pipe_ends_in_blanks(monkeypatch: pytest.MonkeyPatch, *, is_terminal: bool) -> None:
    output = io.StringIO()
    monkeypatch.setattr(output, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setenv("COLUMNS", "80")
    table = new_table("run", "state")
    table.add_row("first", "done")
    show_table(open_console(stderr=False), table)
    lines = output.getvalue().splitlines()
    assert any(line.endswith(" ") for line in lines) == is_terminal
    assert any("first   done" in line for line in lines)

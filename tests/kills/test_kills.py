"""Steps that are drawn anew in each run, and mutants that must be caught; `make kills` plays all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kills import mutants, play
from paths import TESTS

pytestmark = pytest.mark.slow

STEPS = 30
SEED = "1"  # of the steps at which mutants are caught: how many that takes differs with it


RARE_CALLS = """
import ctypes, os, sys
from pathlib import Path
from kills import play, tracer

def work():
    name = os.fsencode(sys.argv[1] + "/file")
    file = os.open(name, os.O_RDWR | os.O_CREAT)
    os.truncate(name, 9)
    reader, writer = os.pipe()
    os.write(writer, b"x")
    os.splice(reader, file, 1)
    ctypes.CDLL(None).syscall(437, -100, name, bytes(24), 24)
    return 0

if why := tracer.why_not():
    print(why)
    sys.exit(play.NOT_HERE)
calls = [call.split()[0] for call in tracer.trace(work, [Path(sys.argv[1])]).calls]
assert calls == ["openat", "truncate", "write", "splice", "openat2"], calls
"""


def run(script: str | None, folder: Path, *arguments: str) -> None:
    """In a process of its own, which has one thread and may fork."""
    assert script is not None
    paths = os.pathsep.join([os.environ["PYTHONPATH"], str(TESTS)])
    command = [sys.executable, "-P", script, str(folder), *arguments]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode()
    if done.returncode == play.NOT_HERE:
        (pytest.fail if os.environ.get("SWEEPCTL_TEST_EVERYTHING") else pytest.skip)(said)
    assert done.returncode == 0, said


def test_commands_that_are_killed_lose_and_repeat_nothing(tmp_path: Path) -> None:
    run(play.__file__, tmp_path / "steps", "--draw", str(STEPS), "--jobs", "1")


def test_calls_that_few_programs_make_are_met(tmp_path: Path) -> None:
    (tmp_path / "rare.py").write_text(RARE_CALLS)
    run(str(tmp_path / "rare.py"), tmp_path)


def test_orders_that_are_swapped_are_caught(tmp_path: Path) -> None:
    run(mutants.__file__, tmp_path / "mutants", "--seed", SEED)

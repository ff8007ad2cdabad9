"""Steps that are drawn anew in each run, and what must be caught; `make kills` plays all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kills import mutants, play
from paths import TESTS

pytestmark = pytest.mark.slow

STEPS = 30


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


def test_orders_that_are_swapped_are_caught(tmp_path: Path) -> None:
    run(mutants.__file__, tmp_path / "mutants")

"""The scripts for Slurm without Slurm: which messages a task takes, and what stops it before it begins."""

import os
import subprocess
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import pytest
from paths import ROOT

SCRIPTS = ROOT / "examples" / "slurm"
BASH = "/bin/bash"  # as the scripts name it
LAST_WORD = """#!/bin/sh
printf '%s\\n' "$*" > arguments
[ "$1" != run-shard ] || cat "$2"
"""


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder with seven messages, and with a program `sweepctl` that shows what it is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SWEEPCTL_STORE", "/shared/store")
    (tmp_path / "sweepctl").write_text(LAST_WORD)
    (tmp_path / "sweepctl").chmod(0o755)
    (tmp_path / "messages.jsonl").write_text("".join(f'{{"shard_id": {shard}}}\n' for shard in range(7)))


def task(number: int, tasks: int, *, first: int = 0, **changes: str) -> Mapping[str, str]:
    numbers = {"TASK_ID": first + number, "TASK_MIN": first, "TASK_MAX": first + tasks - 1, "TASK_COUNT": tasks}
    array = {f"SLURM_ARRAY_{name}": str(value) for name, value in numbers.items()}
    return os.environ | array | {"SLURM_JOB_ID": str(90 + number), "SLURM_CPUS_PER_TASK": "3"} | changes


def script(name: str, *arguments: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([BASH, SCRIPTS / name, *arguments], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("tasks", [1, 2, 3, 7, 9])
def test_tasks_share_the_messages(tasks: int, first: int, tmp_path: Path) -> None:
    done = [script("sweep.sbatch", "messages.jsonl", env=task(number, tasks, first=first)) for number in range(tasks)]
    assert [each.returncode for each in done] == [0] * tasks, done
    of_tasks = [[line for line in each.stdout.splitlines() if line.startswith("{")] for each in done]
    assert sorted(chain(*of_tasks)) == (tmp_path / "messages.jsonl").read_text().splitlines()
    assert max(map(len, of_tasks)) - min(map(len, of_tasks)) <= 1


def test_it_takes_the_cores_of_its_task(tmp_path: Path) -> None:
    script("sweep.sbatch", "messages.jsonl", env=task(0, 2))
    assert (tmp_path / "arguments").read_text() == "run-shard messages.0-of-2.jsonl --threads 3\n"


def test_nothing_but_its_part_is_left_after_it_was_queued_again(tmp_path: Path) -> None:
    for _ in range(2):
        script("sweep.sbatch", "messages.jsonl", env=task(1, 2))
    assert {path.name for path in tmp_path.glob("*.jsonl*")} == {"messages.jsonl", "messages.1-of-2.jsonl"}


@pytest.mark.parametrize(
    ("arguments", "changes", "said"),
    [
        (["messages.jsonl"], {"SLURM_ARRAY_TASK_MAX": "5"}, "has gaps"),
        (["messages.jsonl"], {"SLURM_ARRAY_TASK_COUNT": ""}, "--array"),
        (["messages.jsonl"], {"SWEEPCTL_STORE": ""}, "shared file system"),
        (["none.jsonl"], {}, "none.jsonl"),
        (["empty.jsonl"], {}, "no message"),
        ([], {}, "give the file of messages"),
    ],
)
def test_what_would_lose_messages_stops_it(
    arguments: list[str], changes: Mapping[str, str], said: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.jsonl").touch()
    done = script("sweep.sbatch", *arguments, env={**task(0, 2), **changes})
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "arguments").exists()


def test_verify_keeps_the_messages_that_are_missing(tmp_path: Path) -> None:
    assert script("verify.sbatch", "r", env=os.environ).returncode == 0
    assert (tmp_path / "arguments").read_text() == "verify r --missing missing-r.jsonl\n"
    assert script("verify.sbatch", env=os.environ).returncode == 2


@pytest.mark.parametrize("path", sorted(SCRIPTS.iterdir()), ids=lambda path: path.name)
def test_scripts_are_valid(path: Path) -> None:
    assert subprocess.run([BASH, "-n", path], check=False).returncode == 0

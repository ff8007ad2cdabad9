"""Every command on a store with one damaged or hostile file: an end, its documented exit code, and the file's name."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from cli import forked
from fakes.damaged_stores import DESIGNS, FILES, OUTCOMES, PINS, RECORDS, ROWS, STORED, TABLES, Damage

RUN = "q"
OTHER = "p"  # of the same sweep, and whole
# The design of a table is stored in a file of its own.
SWEEP = """
name = "q"
model = "queue"
seed = 1
replications = 8
[base]
customers = 50
[design]
kind = "table"
file = "points.csv"
[shards]
points = 20
"""
MOST_MEMORY = 600 << 20  # of a command, with all that it imports; the files would take gigabytes
POINTS = "SELECT count(*), max(mean_wait), max(effective_parameters_json), max(parameter_fingerprint) FROM points"
SHARDS = """
    SELECT max(run_id), max(cpu_seconds), max(error_message), max(artifacts), max(epoch_ms(started_at))
    FROM (FROM shard_outcomes UNION ALL FROM shard_attempts)"""

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "status": ("status", RUN),
    "runs": ("runs",),
    "verify": ("verify", RUN, "--reexecute", "all"),
    "query": ("query", RUN, POINTS),
    "query shards": ("query", RUN, SHARDS),
    "query all": ("query", "--all", POINTS),
    "summary": ("summary", RUN),
    "report": ("report", RUN),
    "summary --where": ("summary", RUN, "--where", "mean_wait > 0.5"),
    "compare": ("compare", RUN, OTHER),
    "compare with it": ("compare", OTHER, RUN),
    "report --against": ("report", OTHER, "--against", RUN),
    "retry": ("retry", RUN),
    "run-shard": ("run-shard", "message.json"),
    "run-shard --force": ("run-shard", "message.json", "--force"),
    "run": ("run", "sweep.toml", "--run-id", RUN),
    "run --reuse": ("run", "sweep.toml", "--run-id", "other", "--reuse", RUN),
}
# Commands that write, in this order: the outcome of one depends on those before it.
WRITERS = frozenset({"retry", "run-shard", "run-shard --force", "run", "run --reuse"})
SHARE = 1 if "SWEEPCTL_TEST_DAMAGES" in os.environ else 6  # of the others each file meets one in so many
Exits = tuple[int, ...]  # of each command, in that order
# What a damaged file of each place makes it exit with. 0: it does not read the file, or not what is damaged in it.
EXITS: Mapping[str, Exits] = {
    "run record": (5, 0, 1, *[5] * 14),
    "design": (0, 0, 1, 0, 0, 0, 5, 5, 5, 5, 0, 5, 0, 0, 0, 1, 0),
    "engine pin": (0, 0, 1, *[0] * 11, 5, 1, 5),
    "stored design": (0, 0, 1, 0, 0, 0, 3, 3, 3, 3, 3, 3, 0, 3, 3, 1, 3),
    "attempt": (0, 0, 1, 0, 5, 0, 5, 5, 5, 5, 5, 5, 0, 0, 0, 1, 0),
    "outcome": (0, 0, 1, 0, 5, 0, 5, 5, 5, 5, 5, 5, 1, 5, 5, 1, 0),
    "parameters": (0, 0, 1, 5, 0, 5, 5, 5, 5, 5, 5, 5, 0, 0, 3, 1, 0),
    "points": (0, 0, 1, 5, 0, 5, 5, 5, 5, 5, 5, 5, 0, 0, 3, 1, 0),
}
# Where there is no regular file, other than a folder. No reader of any table goes on.
WITHOUT_FILE: Mapping[str, Exits] = {
    "stored design": (0, 0, 1, 0, 0, 0, 5, 5, 5, 5, 5, 5, 0, 5, 5, 1, 5),
    "attempt": (0, 0, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 0, 1, 0),
    "outcome": (0, 0, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1, 5, 5, 1, 0),
    "parameters": (0, 0, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 5, 1, 0),
    "points": (0, 0, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 5, 1, 0),
}
IS_NO_FILE = {name for name in FILES if name.startswith("a link")} | {"a pipe", "a socket", "a device"}
# A record in which only a value is wrong: who reads rows reads on, who needs the record itself does not.
FALSE_VALUE: Mapping[str, Exits] = {
    "attempt": (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
    "outcome": (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 5, 5, 1, 0),
}
IS_FALSE_VALUE = {"a value that is missing", "a run_id with a path", *OUTCOMES} - {
    "an error of megabytes",
    "artifacts by the million",
}
OTHERS: Mapping[tuple[str, str], Exits] = {
    ("stored design", "a folder"): WITHOUT_FILE["stored design"],
    ("outcome", "a folder"): (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 1, 0),
    ("points", "a folder"): (0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0),
    ("points", "a tebibyte"): (0, 0, 1, 5, 0, 5, 5, 5, 5, 5, 5, 5, 0, 0, 5, 1, 0),
    # Found by who reads the column.
    ("attempt", "pages that are damaged"): (0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
    ("attempt", "a text that is not UTF-8"): (0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
    ("attempt", "a start beyond all years"): (0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0),
    ("outcome", "pages that are damaged"): (0, 0, 1, 0, 5, 0, 0, 5, 0, 0, 0, 0, 1, 5, 5, 1, 0),
    ("outcome", "a text that is not UTF-8"): (0, 0, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 5, 5, 1, 0),
    ("outcome", "a start beyond all years"): (0, 0, 1, 0, 5, 0, 0, 5, 0, 0, 0, 0, 1, 5, 5, 1, 0),
}


def exits(place: str, name: str) -> Exits:
    """Return what each command exits with where a file is damaged in a certain way."""
    kinds = ((IS_NO_FILE, WITHOUT_FILE), (IS_FALSE_VALUE, FALSE_VALUE))
    of_kind = next((codes[place] for names, codes in kinds if name in names and place in codes), EXITS[place])
    return OTHERS.get((place, name), of_kind)


FILE_OF = {
    "run record": f"runs/run={RUN}/run.parquet",
    "design": f"runs/run={RUN}/run.parquet",
    "engine pin": f"runs/run={RUN}/engine.parquet",
    "stored design": "specs/*",
    "attempt": f"shard_attempts/*/run={RUN}/shard-00000001-*.parquet",
    "outcome": f"shard_outcomes/*/run={RUN}/shard-00000001.parquet",
    "parameters": f"effective_parameters/queue/*/run={RUN}/shard-00000001.parquet",
    "points": f"point_outcomes/queue/*/run={RUN}/shard-00000001.parquet",
}
CASES: Mapping[str, Mapping[str, Damage]] = {
    "run record": {**FILES, **ROWS, **RECORDS},
    "design": DESIGNS,
    "engine pin": {**{name: FILES[name] for name in ("a pipe", "a tebibyte")}, **PINS},
    "stored design": {**FILES, **STORED},
    "attempt": {**{name: FILES[name] for name in FILES if name != "a folder"}, **ROWS, **OUTCOMES},
    "outcome": {**FILES, **ROWS, **OUTCOMES},
    "parameters": {"a pipe": FILES["a pipe"], **TABLES},
    "points": {**FILES, **TABLES},
}


class Commands:
    """A process that runs commands."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", str(Path(forked.__file__))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, folder: Path, *commands: tuple[str, ...]) -> tuple[list[dict[str, Any]], int]:
        """Return the results of the commands, and the memory that they took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"folder": str(folder), "commands": commands}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert len(answer["results"]) == len(commands), commands[len(answer["results"])]
        return answer["results"], answer["memory"]

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    found = Commands()
    yield found
    found.close()


@pytest.fixture(scope="module")
def whole(commands: Commands, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run of three shards, its sweep file, and the message of its second shard."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "points.csv").write_text("arrival_rate\n" + "".join(f"0.{tenth}\n" for tenth in range(1, 7)))
    (folder / "sweep.toml").write_text(SWEEP)
    plan = ("plan", "sweep.toml", "--run-id", RUN, "--out", "messages")
    runs = [("run", "sweep.toml", "--run-id", run_id) for run_id in (RUN, OTHER)]
    results, _ = commands.run(folder, *runs, plan)
    assert [each["code"] for each in results] == [0, 0, 0], results
    message = (folder / "messages/messages.jsonl").read_text().splitlines()[1]
    (folder / "message.json").write_text(message)
    # A conflict is recorded as an attempt.
    (folder / "other.json").write_text(json.dumps(json.loads(message) | {"seed": 2}))
    results, _ = commands.run(folder, ("run-shard", "other.json"))
    assert results[0]["code"] == 3, results
    return folder


def test_a_whole_store_is_taken_for_one(commands: Commands, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    results, _ = commands.run(tmp_path, *COMMANDS.values())
    assert [each["code"] for each in results] == [0] * len(COMMANDS), results


def cases() -> Iterator[ParameterSet]:
    """Yield a place and a name for each case; all but the first of each place are slow."""
    for place, damages in CASES.items():
        for number, name in enumerate(damages):
            yield pytest.param(place, name, marks=pytest.mark.slow if number else ())


def taken(place: str, name: str) -> list[str]:
    """Return the commands of a case: all that write, and those of the others whose turn it is."""
    turn = list(CASES[place]).index(name)
    return [each for number, each in enumerate(COMMANDS) if each in WRITERS or (number + turn) % SHARE == 0]


@pytest.mark.parametrize(("place", "name"), list(cases()))
def test_a_damaged_file_ends_each_command_by_name(
    commands: Commands, whole: Path, tmp_path: Path, place: str, name: str
) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / "sweep-results").glob(FILE_OF[place])
    CASES[place][name](path)
    names = taken(place, name)
    results, memory = commands.run(tmp_path, *(COMMANDS[each] for each in names))
    expected = dict(zip(COMMANDS, exits(place, name), strict=True))
    for command, result in zip(names, results, strict=True):
        code = expected[command]
        told = (command, result["code"], result["output"][-2_000:])
        assert result["code"] == code, told
        assert result["code"] == 0 or path.name in result["output"], told
        assert "Traceback" not in result["output"], told
    assert memory < MOST_MEMORY

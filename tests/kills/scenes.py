"""The commands that are killed, and where each of them is run: a small sweep, its store and its temporary folder."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

_QUEUE = """
name = "r"
model = "queue"
seed = 1
[base]
customers = 50
warmup = 5
[design]
kind = "grid"
[design.dimensions]
arrival_rate = [0.5, 0.6]
servers = [1, 2]
[shards]
points = 2
"""
_MESSAGE = {
    "schema_version": "v1",
    "run_id": "r",
    "run_date": "2026-02-14",
    "model": "queue",
    "dimensions": {"arrival_rate": [0.5, 0.6]},
    "base": {"customers": 50, "warmup": 5},
    "total_points": 2,
    "shard_id": 0,
    "start_index": 0,
    "end_index_exclusive": 2,
    "seed": 1,
}
# One process a point: what ends it while it writes ends no other point.
_MANIFEST = """
name = "twice"
version = "1"
command = ["./twice", "${x}", "{out}"]
keep = ["log"]
keep_of = "all"
[parameters]
x = 1
[metrics]
y = "int"
"""
_PROGRAM = """#!/bin/sh
echo "twice $1" > log
echo "{\\"y\\": $(($1 * 2))}" > "$2"
"""
_TWICE = """
name = "r"
model = "twice"
program = "twice.toml"
seed = 1
[design]
kind = "grid"
[design.dimensions]
x = [1, 2]
[shards]
points = 2
"""
FILES = {
    "queue.toml": _QUEUE,
    "host.toml": f"{_QUEUE}[limits]\npoint_seconds = 600\n",
    "message.json": json.dumps(_MESSAGE),
    "twice.toml": _MANIFEST,
    "twice": _PROGRAM,
    "twice-sweep.toml": _TWICE,
}


@dataclass(frozen=True)
class Scene:
    """A command, and the one that has to run before it."""

    name: str
    command: tuple[str, ...]
    first: tuple[str, ...] = ()
    program: str | None = None  # which `verify` needs


SCENES = (
    Scene("run-shard", ("run-shard", "message.json")),
    Scene("run", ("run", "queue.toml", "--run-id", "r")),
    Scene("compact", ("compact", "r"), first=("run", "queue.toml", "--run-id", "r")),
    Scene("host", ("run", "host.toml", "--run-id", "r")),
    Scene("program", ("run", "twice-sweep.toml", "--run-id", "r"), program="twice.toml"),
)


@dataclass(frozen=True)
class Place:
    """Where one command runs: `given` has its files; what it writes is in the other folders."""

    root: Path

    @property
    def given(self) -> Path:
        """Its current folder."""
        return self.root / "given"

    @property
    def written(self) -> Path:
        """Where its writes count: the store, and temporary files."""
        return self.root / "written"

    @property
    def store(self) -> Path:
        """The store."""
        return self.written / "store"

    @property
    def temporary(self) -> Path:
        """What TMPDIR says."""
        return self.written / "temporary"

    @property
    def said(self) -> Path:
        """What the last command wrote to its standard output and standard error."""
        return self.root / "said"

    def prepare(self) -> None:
        """Write the files that commands take."""
        self.given.mkdir(parents=True)
        for name, text in FILES.items():
            (self.given / name).write_text(text)
        (self.given / "twice").chmod(0o755)
        self.temporary.mkdir(parents=True)

    def begin_from(self, folder: Path) -> None:
        """Have written what `folder` has, and nothing else."""
        shutil.rmtree(self.written)
        shutil.copytree(folder, self.written)

"""What a soak computes: models of Rust and programs, whose points wait more than they compute."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fakes.programs import write_program
from fakes.sweep_files import TEST_ENGINE
from paths import ROOT

ENGINE = ROOT / "target" / "release" / "sweep-engine"
POINTS = 3  # of a shard

FUNCTION = """\
import time


def simulate(x: float = 2.0, seconds: float = 0.0):
    time.sleep(seconds)
    return {"y": 2 * x}
"""
# Writes no file: a program that a full disk fails has failed its point, and not for this attempt alone.
COMMAND = """\
name = "command"
version = "1"
command = ["sh", "-c", "sleep ${seconds}; echo y: ${x}"]

[parameters]
x = 2.0
seconds = 0.0

[metrics]
y = { type = "float", pattern = 'y: (.*)' }
"""
SWEEP = """\
name = "{name}"
model = "{model}"
seed = {seed}
replications = {points}

[base]
{base}

[design]
kind = "grid"

[shards]
points = {shard_points}
"""


@dataclass(frozen=True)
class Work:
    """What one drain does: its engine, its programs, and the models of its runs with their parameters."""

    name: str
    engine: Path
    bases: Mapping[str, str]
    programs: tuple[Path, ...] = ()

    def options(self) -> list[str]:
        return [f"--engine={self.engine}", *(f"--program={path}" for path in self.programs)]

    def write_sweep(self, folder: Path, number: int, shards: int) -> tuple[str, Path]:
        """Write the sweep file of run `number`; return the run's ID, too."""
        model = list(self.bases)[number % len(self.bases)]
        run_id = f"{self.name}-{model}-{number}"
        path = folder / f"{run_id}.toml"
        path.write_text(
            SWEEP.format(
                name=self.name,
                model=model,
                seed=number,
                points=shards * POINTS,
                base=self.bases[model],
                shard_points=POINTS,
            )
        )
        return run_id, path


def works(folder: Path, seconds: float) -> list[Work]:
    """Return both kinds; a point of theirs takes so many seconds.

    A drain with programs starts its engine for each shard; one without asks an engine that waits, again and again.
    """
    function = write_program(folder, FUNCTION, name="function")
    command = folder / "command.toml"
    command.write_text(COMMAND)
    waits = f"x = 1.5\nseconds = {seconds}"
    mixed = {"function": waits, "queue": "customers = 100", "command": waits}
    milliseconds = f'mode = "sleep"\nmilliseconds = {round(seconds * 1000)}'
    return [
        Work("programs", ENGINE, mixed, (function, command)),
        Work("rust", TEST_ENGINE, {"faulty": milliseconds}),
    ]

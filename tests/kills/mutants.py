"""The kills proved: each mutant breaks an order, or what cleans up, and must be caught.

    python tests/kills/mutants.py FOLDER [--seed S]

Steps of the mutant's scene are drawn until one fails. FOLDER, which must not exist, takes the stores.
"""

import argparse
import random
import sys
from functools import partial
from pathlib import Path

from kills.forks import in_fork
from kills.play import all_steps, played, require_tracing
from kills.player import rehearse
from kills.scenes import SCENES

from sweepctl import numpy_gate

with numpy_gate.shut():  # it would start threads
    from simulation.mutants import MUTANTS as SIMULATED
    from simulation.mutants import Mutant

    from sweepctl.compact import run as compaction
    from sweepctl.store import files, local

MOST_STEPS = 150

_IN_PLACE = """descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
        os.write(descriptor, source.read_bytes())
        os.close(descriptor)"""
_PARTS = "parts = _make_parts(store, run, report.committed, observe, stop)"
_DRY = """dry = {"__getattr__": lambda _, name: getattr(store, name), "create": lambda *_: Put.WRITTEN}
        _publish(store, run, _make_parts(type("Dry", (), dry)(), run, report.committed, observe, stop))
        """

# Each with the scene in which it shows.
MUTANTS = (
    ("run-shard", next(each for each in SIMULATED if each.name == "the outcome before its data")),
    ("compact", Mutant("the manifest before its files", (compaction,), "compact", _PARTS, _DRY + _PARTS)),
    ("run-shard", Mutant("an object written under its name", (local,), "_link",
                         "os.link(source, name, dst_dir_fd=folder)", _IN_PLACE)),
    ("run", Mutant("abandoned work kept", (files,), "_sweep",
                   "if name.startswith(PART) and _is_abandoned(name, area, now):", "if False:")),
)  # fmt: skip


def caught(folder: Path, scene: str, mutant: Mutant, seed: int) -> int:
    """Play a mutant; return 0 if a step failed."""
    with mutant.applied():
        rehearsal = rehearse(next(each for each in SCENES if each.name == scene), folder / "rehearsed")
        steps = all_steps([rehearsal])
        random.Random(seed).shuffle(steps)
        for number, line in enumerate(played(folder, steps[:MOST_STEPS]), 1):
            if line.startswith("FAILED"):
                print(f"{mutant.name}: caught by step {number}: {line[:200]}")
                return 0
    print(f"{mutant.name}: not caught")
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=lambda name: Path(name).resolve())  # as the kernel names it
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    require_tracing()
    print(f"--seed {given.seed}", flush=True)
    codes = [
        in_fork(partial(caught, given.folder / str(at), scene, mutant, given.seed))
        for at, (scene, mutant) in enumerate(MUTANTS)
    ]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())

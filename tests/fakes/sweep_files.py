"""Sweep files of small runs, and engines that go wrong between good ones: what tests of whole runs share."""

from pathlib import Path

from paths import ROOT

from sweepctl.engine.client import find_engine

ENGINE = find_engine()
# Models that misbehave on request, or take their time.
TEST_ENGINE = ROOT / "target" / "release" / "sweep-test-engine"

QUEUE = """\
name = "q"
model = "queue"
seed = {seed}
replications = 2
[base]
customers = 50
[design]
kind = "grid"
[design.dimensions]
arrival_rate = {rates}
servers = [1, 2]
[shards]
points = {points}
"""

FAULTY = """\
name = "f"
model = "faulty"
seed = 1
[base]
mode = "{mode}"
at = 5
[design]
kind = "grid"
[design.dimensions]
x = {{ range = {{ start = 0, stop = 20, step = 1 }} }}
[shards]
points = 4
"""


def queue_sweep(folder: Path, points: int = 7, *, seed: int = 1, rates: str = "[0.25, 0.5, 0.75]") -> Path:
    """Write a sweep of twelve points of `queue`, or of four a rate."""
    path = folder / f"queue-{points}-{seed}-{len(rates)}.toml"
    path.write_text(QUEUE.format(points=points, seed=seed, rates=rates))
    return path


def faulty_sweep(folder: Path, mode: str) -> Path:
    """Write a sweep of five shards, of which the second has a point that goes wrong."""
    path = folder / f"faulty-{mode}.toml"
    path.write_text(FAULTY.format(mode=mode))
    return path


def held_engine(folder: Path, shards: int) -> Path:
    """Write an engine that runs so many shards; of further ones, nothing comes until there is a file `free`."""
    path = folder / "held-engine"
    path.write_text(f"""#!/bin/sh
# A process for each shard.
if [ "$1" = describe ]; then {ENGINE} describe | sed s/.again.:true,//; exit; fi
if [ "$1" = run ]; then
    touch {folder}/begun-$$
    # It ends with its parent, as engines do. Its output stays open: an engine without one would be ended after a while.
    [ -e {folder}/free ] || [ "$(ls {folder} | grep -c begun-)" -le {shards} ] || {{ cat > /dev/null; exit 1; }}
fi
exec {ENGINE} "$@"
""")
    path.chmod(0o755)
    return path


def failing_engine(folder: Path, engine: Path = ENGINE) -> Path:
    """Write an engine that crashes on every request to run, its host too, until there is a file `healed`."""
    path = folder / "failing-engine"
    path.write_text(f'#!/bin/sh\ncase "$1" in run|host) [ -e {folder}/healed ] || exit 3;; esac\nexec {engine} "$@"\n')
    path.chmod(0o755)
    return path

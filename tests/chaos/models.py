"""The two programs of these runs, a Python function and a command of one process a point, and their sweeps.

Both take some hundredths of a second for a point, so that kills hit points; their results depend on nothing else than
parameters and random numbers.
"""

import sys
from pathlib import Path

REPLICATIONS = 2  # of each value, which has a shard of its own

FUNCTION = """\
import time


def simulate(x: int = 1, *, random):
    draw = random.python()
    time.sleep(0.02 + 0.02 * draw.random())
    return {"y": x + draw.random(), "z": draw.getrandbits(60)}
"""
FUNCTION_MANIFEST = f"""\
name = "chaos"
version = "1"
python = "chaos.py:simulate"
interpreter = "{sys.executable}"

[metrics]
y = "float"
z = "int"
"""
COMMAND = """\
#!/bin/sh
sleep 0.04
echo "y $1.$2"
echo "z $(($1 * $2))" > z.txt
"""
COMMAND_MANIFEST = """\
name = "chaos"
version = "1"
command = ["./chaos.sh", "${x}", "${random}"]

[parameters]
x = 1

[metrics]
y = { type = "float", pattern = 'y (\\S+)' }
z = { type = "int", file = "z.txt", pattern = 'z (\\d+)' }
"""
SWEEP = """\
name = "chaos"
model = "chaos"
program = "chaos.toml"
seed = 7
replications = {replications}

[design]
kind = "grid"

[design.dimensions]
x = {values}

[shards]
points = {points}
"""


def write(folder: Path, kind: str, shards: int) -> None:
    """Write the program `kind`, a `function` or a `command`, with three sweeps of it.

    `sweep.toml` has this many shards, `undisturbed.toml` the same points in one, and `after.toml` one small shard.
    """
    folder.mkdir()
    if kind == "function":
        (folder / "chaos.py").write_text(FUNCTION)
        (folder / "chaos.toml").write_text(FUNCTION_MANIFEST)
    else:
        (folder / "chaos.sh").write_text(COMMAND)
        (folder / "chaos.sh").chmod(0o755)
        (folder / "chaos.toml").write_text(COMMAND_MANIFEST)
    values = list(range(1, shards + 1))
    sweeps = {"sweep": (values, 1), "undisturbed": (values, shards), "after": ([0], 1)}
    for name, (chosen, per_shard) in sweeps.items():
        text = SWEEP.format(replications=REPLICATIONS, values=chosen, points=per_shard * REPLICATIONS)
        (folder / f"{name}.toml").write_text(text)

"""What commands take to start, in one table: `make bench-startup` (ROUNDS=… for more or fewer).

Everything is measured in turn, round after round, and medians are compared: absolute times on a shared machine drift.
Wall time is what a person waits; CPU time, of all processes that a command starts, is steadier where others work too.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import find_engine
from sweepctl.messages import ShardMessageV1
from sweepctl.protocol import encode_request

ROUNDS = int(os.environ.get("ROUNDS", "15"))
SWEEPCTL = ("-c", "from sweepctl.cli import main; main()")
AT_ONCE = (
    "--help",
    "nope",
    "run-shard",
    "run-shard nope.json",
    "plan nope.toml",
    "models nope",
    "models",
    "models queue",
)
NOTHING, PARQUET = "python -c pass", "python -c 'import pyarrow.parquet'"
DESCRIBE, RUN = "sweep-engine describe", "sweep-engine run"
SHARD = "run-shard of 4 points"
STANDING = "run-shard of a shard that is complete"


@dataclass(frozen=True)
class Seconds:
    """What one start took."""

    wall: float
    cpu: float


def started(command: Sequence[str | Path], stdin: bytes = b"") -> Seconds:
    """Run a command to its end; how it ends is the tests' concern."""
    before, began_at = _cpu_of_children(), time.perf_counter()
    subprocess.run(command, check=False, input=stdin, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Seconds(time.perf_counter() - began_at, _cpu_of_children() - before)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(folder: Path) -> Mapping[str, Seconds]:
    """Return the medians of all commands."""
    engine = find_engine()
    fields = {
        "run_id": "bench", "run_date": "2026-02-14", "model": "queue", "dimensions": {"arrival_rate": [0.5]},
        "base": {"customers": 1}, "replications": 4, "total_points": 4, "shard_id": 0, "start_index": 0,
        "end_index_exclusive": 4, "seed": 1,
    }  # fmt: skip
    message = folder / "message.json"
    message.write_text(json.dumps(fields))
    shard = ShardMessageV1.model_validate(fields)
    request = encode_request(shard.spec, shard.space, 0, 4, None)
    python = (sys.executable, "-P")
    run = (*python, *SWEEPCTL, "run-shard", message, "--engine", engine, "--store")
    started([*run, folder / "standing"])

    def one_round(number: int) -> Mapping[str, Seconds]:
        return {
            NOTHING: started([*python, "-c", "pass"]),
            PARQUET: started([*python, "-c", "import pyarrow.parquet"]),
            DESCRIBE: started([engine, "describe"]),
            RUN: started([engine, "run"], request),
            SHARD: started([*run, folder / f"store-{number}"]),
            STANDING: started([*run, folder / "standing"]),
            **{each: started([*python, *SWEEPCTL, *each.split()]) for each in AT_ONCE},
        }

    rounds = [one_round(number) for number in range(ROUNDS)]
    return {
        each: Seconds(*(statistics.median(getattr(one[each], kind) for one in rounds) for kind in ("wall", "cpu")))
        for each in rounds[0]
    }


def main() -> None:
    """Measure and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    title = f"start-up on {os.cpu_count()} cores, medians of {ROUNDS}"
    table = Table("what", "wall", "CPU", "target (wall)", title=title, title_justify="left")
    nothing, parquet = found[NOTHING], found[PARQUET]
    for each in (NOTHING, PARQUET, DESCRIBE, RUN):
        table.add_row(each, f"{found[each].wall * 1000:.0f} ms", f"{found[each].cpu * 1000:.0f} ms", "")
    for each in AT_ONCE:
        wall, cpu = found[each].wall - nothing.wall, found[each].cpu - nothing.cpu
        table.add_row(f"sweepctl {each}, beside pass", f"+{wall * 1000:.0f} ms", f"+{cpu * 1000:.0f} ms", "<= +200 ms")
    for each, engines in ((SHARD, (DESCRIBE, RUN)), (STANDING, (DESCRIBE,))):
        wall = (found[each].wall - sum(found[engine].wall for engine in engines)) / parquet.wall
        cpu = (found[each].cpu - sum(found[engine].cpu for engine in engines)) / parquet.cpu
        told = f"{each}, engine apart, beside the import of pyarrow.parquet"
        table.add_row(told, f"{wall:.2f} x", f"{cpu:.2f} x", "<= 1.5 x")
    Console().print(table)


if __name__ == "__main__":
    main()

"""Speed, memory and page size of summaries and reports: `make bench-report` (POINTS=… for runs of another size).

Runs of cheap points are made first, two of each design: a full grid with ten replicates, Saltelli's sample and a Latin
hypercube, of four parameters and four metrics. Then the commands run as a user runs them, with all that they can show.
The second run of the grid has another seed, so that all its results differ from the first one's.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from sweepctl.design import DESIGN, total_points
from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessageV2
from sweepctl.shard.run import run_shard
from sweepctl.spec import Spec
from sweepctl.store import open_store

POINTS = int(os.environ.get("POINTS", "1000000"))
SHARD_POINTS, REPLICATES = 10_000, 10
RUN_DATE = "2026-02-14"
SWEEPCTL = (sys.executable, "-P", "-c", "from sweepctl.cli import main; main()")
WHERE = ("--where", "mean_wait > 1 AND utilisation < 0.9")


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    cpu_seconds: float  # its engine's included
    peak: int  # bytes of memory
    result: Mapping[str, Any]


def designs() -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Yield a name, a design and replications for each kind of run."""
    shares = [0.1 * place for place in range(1, 11)]
    customers = [*range(1, 1 + POINTS // REPLICATES // 1000)]
    axes = {
        "arrival_rate": shares,
        "customers": customers,
        "servers": [*range(1, 11)],
        "service_rate": [1 + each for each in shares],
    }
    yield "grid", {"kind": "grid", "dimensions": axes}, REPLICATES
    drawn = {
        "arrival_rate": {"uniform": {"low": 0.1, "high": 1}},
        "customers": {"integer": {"low": 1, "high": len(customers)}},
        "servers": {"integer": {"low": 1, "high": 10}},
        "service_rate": {"uniform": {"low": 1.1, "high": 2}},
    }
    yield "saltelli", {"kind": "saltelli", "base_samples": -(-POINTS // (len(drawn) + 2)), "dimensions": drawn}, 1
    yield "latin hypercube", {"kind": "latin_hypercube", "samples": POINTS, "dimensions": drawn}, 1


def make_run(folder: str, run_id: str, spec: Spec) -> None:
    """Run every shard."""
    store, engine = open_store(folder), Engine(find_engine())
    points = total_points(DESIGN.validate_python(spec.design), spec.replications)
    for shard, start in enumerate(range(0, points, SHARD_POINTS)):
        end = min(start + SHARD_POINTS, points)
        bounds = {"shard_id": shard, "start_index": start, "end_index_exclusive": end}
        run_shard(ShardMessageV2.of(spec, run_id, RUN_DATE, total_points=points, **bounds), engine, store)


def cost(folder: str, *arguments: str) -> Cost:
    """Return what a command took."""
    with tempfile.TemporaryFile() as output:
        started_at = time.perf_counter()
        words = [*SWEEPCTL, *arguments, "--store", folder, "--json"]
        with subprocess.Popen(words, stdout=output, stderr=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            seconds, process.returncode = time.perf_counter() - started_at, os.waitstatus_to_exitcode(status)
        output.seek(0)
        result = json.load(output)
    if process.returncode:
        raise SystemExit(f"{arguments}: {result}")
    return Cost(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss << 10, result)


def measure(name: str, spec: Spec, table: Table) -> None:
    """Write two runs, and summarise and report on them."""
    with tempfile.TemporaryDirectory() as folder:
        make_run(folder, "a", spec)
        other = spec.seed + 1 if spec.replications > 1 else spec.seed  # draws of another seed would not be comparable
        make_run(folder, "b", Spec(spec.model, spec.design, spec.base, spec.replications, other, spec.outputs))
        page = ("--out", str(Path(folder) / "page.html"))
        rows = {
            "summary": cost(folder, "summary", "b"),
            "summary --where": cost(folder, "summary", "b", *WHERE),
            "report": cost(folder, "report", "b", *page),
            "report --where --against": cost(folder, "report", "b", *WHERE, "--against", "a", *page),
        }
    for command, each in rows.items():
        before = f"{each.result['seconds']['verify']:.1f} s" if command.startswith("report") else ""
        size = f"{each.result['bytes'] / 1e3:,.0f} kB" if command.startswith("report") else ""
        memory = f"{each.peak / 1e6:,.0f} MB"
        table.add_row(name, command, f"{each.seconds:.1f} s", f"{each.cpu_seconds:.1f} s", memory, before, size)


def main() -> None:
    """Measure and print the table."""
    title = f"{POINTS:,} points on {os.cpu_count()} cores: asked are 20 s, 1 GB of memory and 1 MB of page"
    columns = ("design", "command", "wall", "CPU", "peak memory", "of which before the page", "page")
    table = Table(*columns, title=title, title_justify="left")
    for name, design, replications in designs():
        measure(name, Spec("queue", design, {}, replications, 42, ()), table)
    Console().print(table)


if __name__ == "__main__":
    main()

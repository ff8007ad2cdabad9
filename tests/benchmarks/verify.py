"""Speed and memory of verify: `make bench-verify` (POINTS=… SHARDS=… for another run; STORE=… keeps it).

A run of the cheapest points is made first. Ratios are taken within one pass: to one full scan of the run's tables in
DuckDB plus `sha256sum` of its files, which is what reading every byte and every value once costs.
"""

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from sweepctl.engine import Engine, find_engine
from sweepctl.errors import SweepctlError
from sweepctl.messages import ShardMessage
from sweepctl.shard import run_shard
from sweepctl.spec import Spec
from sweepctl.store import open_store
from sweepctl.verify import Verdict, verify

POINTS = int(os.environ.get("POINTS", "10000000"))
SHARDS = int(os.environ.get("SHARDS", "1000"))
RUN_ID, RUN_DATE = "bench", "2026-02-14"
CELLS = 1_000


def make_run(store: str, engine: Engine) -> None:
    """Run every shard into `store`."""
    rates = [0.5 + cell / 2 / CELLS for cell in range(CELLS)]
    design = {"kind": "grid", "dimensions": {"arrival_rate": rates}}
    spec = Spec("queue", design, {"customers": 1}, POINTS // CELLS, 42, ())
    size = POINTS // SHARDS
    for shard in range(SHARDS):
        bounds = {"shard_id": shard, "start_index": shard * size, "end_index_exclusive": (shard + 1) * size}
        run_shard(ShardMessage.of(spec, RUN_ID, RUN_DATE, **bounds), engine, open_store(store))


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes."""
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def scan(store: str) -> None:
    """Decode every column of every table once."""
    connection = duckdb.connect()
    for table in ("effective_parameters/queue", "point_outcomes/queue", "shard_outcomes"):
        connection.sql(f"SELECT count(COLUMNS(*)) FROM '{store}/{table}/*/*/*.parquet'").fetchall()


def digest(store: str) -> None:
    """Hash every file once."""
    files = [path for path in Path(store).rglob("*.parquet") if path.is_file()]
    subprocess.run(["/usr/bin/sha256sum", *files], check=True, stdout=subprocess.DEVNULL)


def examine(store: str, engine: Engine | None, expected: Verdict) -> None:
    """Verify, and insist on the verdict."""
    report = verify(open_store(store), RUN_ID, engine)
    if report.verdict is not expected:
        raise SweepctlError(f"the verdict is {report.verdict}: {report.findings[:3]}")


def main() -> None:
    """Measure and print the table."""
    engine = Engine(find_engine())
    with tempfile.TemporaryDirectory() as folder:
        store = os.environ.get("STORE", f"{folder}/store")
        if not Path(store).exists():
            make_run(store, engine)
        scan(store)  # the files are in memory from here on, for all
        base = timed(lambda: scan(store)) + timed(lambda: digest(store))
        fewer = timed(lambda: examine(store, None, Verdict.UNPROVEN))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        whole = timed(lambda: examine(store, engine, Verdict.WHOLE))
    title = f"verify: {POINTS:,} points in {SHARDS:,} shards on {os.cpu_count()} cores"
    table = Table("what", "measured", "target", title=title, title_justify="left")
    table.add_row("one scan in DuckDB and sha256sum", f"{base:.1f} s", "")
    table.add_row("checks 0 to 3", f"{fewer:.1f} s = {fewer / base:.2f} x", "<= 2 x")
    table.add_row("with check 4", f"{whole:.1f} s", "<= 60 s")
    table.add_row("peak memory, DuckDB's scan included", f"{memory:.0f} MB", "")
    Console().print(table)


if __name__ == "__main__":
    main()

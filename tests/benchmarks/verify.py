"""Speed and memory of verify: `make bench-verify` (POINTS=… SHARDS=… for another run; STORE=… keeps it).

MANY_SHARDS=… and MANY_STORE=… are of many small shards, which queries read, too; 0 shards leave a part out. A run of
the cheapest points is made first. Ratios are taken within one pass: to one full scan of the run's tables in
DuckDB plus `sha256sum` of its files, which is what reading every byte and every value once costs.
"""

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
from benchmarks import compact, shards
from fakes import servers
from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import SweepctlError
from sweepctl.messages import ShardMessageV2
from sweepctl.shard.run import run_shard
from sweepctl.spec import Spec
from sweepctl.store import open_store
from sweepctl.verify import Verdict, verify
from sweepctl.verify.proof import IN_FLIGHT

POINTS = int(os.environ.get("POINTS", "10000000"))
SHARDS = int(os.environ.get("SHARDS", "1000"))
S3_POINTS = int(os.environ.get("S3_POINTS", "1000000"))
S3_SHARDS = int(os.environ.get("S3_SHARDS", "10000"))
MANY_SHARDS = int(os.environ.get("MANY_SHARDS", "100000"))
SMALL_POINTS = 100
RUN_ID, RUN_DATE = "bench", "2026-02-14"
CHECKS = f"""
import sys
from sweepctl.store import open_store
from sweepctl.verify import Check, verify
report = verify(open_store(sys.argv[1]), {RUN_ID!r}, None)
sys.exit(bool(report.findings) or report.coverage[Check.POINTS].checked["points"] != {MANY_SHARDS * SMALL_POINTS})
"""
BY_STATUS = "SELECT status, count(*) FROM shard_outcomes GROUP BY status"
MEAN = "SELECT avg(mean_wait) FROM point_outcomes"
CELLS = 1_000


def make_run(store: str, engine: Engine, points: int, shards: int) -> None:
    """Run every shard into `store`."""
    rates = [0.5 + cell / 2 / CELLS for cell in range(CELLS)]
    design = {"kind": "grid", "dimensions": {"arrival_rate": rates}}
    spec = Spec("queue", design, {"customers": 1}, points // CELLS, 42, ())
    size = points // shards
    for shard in range(shards):
        bounds = {"shard_id": shard, "start_index": shard * size, "end_index_exclusive": (shard + 1) * size}
        run_shard(ShardMessageV2.of(spec, RUN_ID, RUN_DATE, total_points=points, **bounds), engine, open_store(store))


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


def examine(store: str, engine: Engine | None, expected: Verdict, endpoint_url: str | None = None) -> None:
    """Verify, and insist on the verdict."""
    report = verify(open_store(store, endpoint_url=endpoint_url), RUN_ID, engine)
    if report.verdict is not expected:
        raise SweepctlError(f"the verdict is {report.verdict}: {report.findings[:3]}")


def on_disk(engine: Engine, table: Table) -> None:
    """Measure a few large shards in a directory."""
    with tempfile.TemporaryDirectory() as folder:
        store = os.environ.get("STORE", f"{folder}/store")
        if not Path(store).exists():
            make_run(store, engine, POINTS, SHARDS)
        scan(store)  # the files are in memory from here on, for all
        base = timed(lambda: scan(store)) + timed(lambda: digest(store))
        fewer = timed(lambda: examine(store, None, Verdict.UNPROVEN))
        whole = timed(lambda: examine(store, engine, Verdict.WHOLE))
    what = f"{POINTS:,} points in {SHARDS:,} shards on disk"
    table.add_row(f"{what}: a scan in DuckDB and sha256sum", f"{base:.1f} s", "")
    table.add_row("  checks 0 to 3", f"{fewer:.1f} s = {fewer / base:.2f} x", "<= 2 x")
    table.add_row("  with check 4", f"{whole:.1f} s", "<= 60 s")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    table.add_row("  peak memory, DuckDB's scan included", f"{memory:.0f} MB", "bounded")


def many_small(table: Table) -> None:
    """Measure many small shards in a directory, each command in a process of its own; checks 0 to 3 need no engine."""
    with tempfile.TemporaryDirectory() as folder:
        store = os.environ.get("MANY_STORE", f"{folder}/store")
        if not Path(store).exists():
            compact.make_run(Path(store), MANY_SHARDS * SMALL_POINTS, MANY_SHARDS)
        for what, target, ask in (
            ("checks 0 to 3", f"{MANY_SHARDS / 1e3:.0f} s, 1 GB", (CHECKS, store)),
            ("query: shards by status", "", (shards.COMMAND, "query", RUN_ID, BY_STATUS, "--store", store)),
            ("query: a mean over all points", "", (shards.COMMAND, "query", RUN_ID, MEAN, "--store", store)),
        ):
            took = shards.took(*ask)
            found = f"{took.seconds:.1f} s, {took.cpu:.1f} s of CPU, {took.megabytes:.0f} MB"
            table.add_row(f"{MANY_SHARDS:,} shards of {SMALL_POINTS} points on disk, {what}", found, target)


def in_s3(engine: Engine, table: Table) -> None:
    """Measure many small shards in a bucket of SeaweedFS, beside reading all their objects as fast as can be."""
    os.environ |= servers.SETTINGS
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(IN_FLIGHT) as pool:
        local = Path(folder, "local")
        make_run(str(local), engine, S3_POINTS, S3_SHARDS)
        Path(folder, "weed").mkdir()
        with servers.weed(Path(folder, "weed")) as server:
            bucket = open_store(f"s3://{servers.BUCKET}", endpoint_url=server.endpoint_url)
            keys = [str(path.relative_to(local)) for path in local.rglob("*.parquet")]
            list(pool.map(lambda key: bucket.create(key, local / key), keys))
            base = timed(lambda: list(pool.map(bucket.read, keys)))
            where = (f"s3://{servers.BUCKET}", engine, Verdict.WHOLE, server.endpoint_url)
            whole = timed(lambda: examine(*where))
    table.add_row(f"{S3_SHARDS:,} shards of {S3_POINTS // S3_SHARDS} points in S3: GET of all", f"{base:.1f} s", "")
    table.add_row("  all checks", f"{whole:.1f} s = {whole / base:.2f} x", "bound by the GETs")


def main() -> None:
    """Measure and print the table."""
    engine = Engine(find_engine())
    table = Table("what", "measured", "target", title=f"verify on {os.cpu_count()} cores", title_justify="left")
    if SHARDS:
        on_disk(engine, table)
    if MANY_SHARDS:
        many_small(table)
    if S3_SHARDS:
        in_s3(engine, table)
    Console().print(table)


if __name__ == "__main__":
    main()

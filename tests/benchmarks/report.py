"""Speed and page size of reports: `make bench-report` (POINTS=… for a run of another size).

A run of cheap points is made first: a full grid of four dimensions with ten replicates, and four metrics.
"""

import os
import resource
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from sweepctl.cli.report import METRICS
from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessageV2
from sweepctl.records.design import resolve
from sweepctl.records.run import require_run
from sweepctl.results import views
from sweepctl.results.analysis.overview import Overview, make_overview
from sweepctl.results.analysis.subject import Subject
from sweepctl.shard.run import run_shard
from sweepctl.spec import Spec
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.verify import verify
from sweepctl.view.page.page import render

POINTS = int(os.environ.get("POINTS", "1000000"))
SHARD_POINTS, REPLICATES = 10_000, 10
RUN_ID, RUN_DATE = "bench", "2026-02-14"
T = TypeVar("T")


def make_run(store: Store, engine: Engine, points: int) -> None:
    """Run every shard of a grid of four dimensions with ten replicates."""
    shares = [0.1 * place for place in range(1, 11)]
    design = {
        "kind": "grid",
        "dimensions": {
            "arrival_rate": shares,
            "customers": [*range(1, 1 + points // REPLICATES // 1000)],
            "servers": [*range(1, 11)],
            "service_rate": [1.0 + share for share in shares],
        },
    }
    spec = Spec("queue", design, {}, REPLICATES, 42, ())
    for shard, start in enumerate(range(0, points, SHARD_POINTS)):
        bounds = {"shard_id": shard, "start_index": start, "end_index_exclusive": start + SHARD_POINTS}
        run_shard(ShardMessageV2.of(spec, RUN_ID, RUN_DATE, total_points=points, **bounds), engine, store)


def timed(action: Callable[[], T]) -> tuple[T, float]:
    """Return what `action` gives, and the seconds that it takes."""
    started_at = time.perf_counter()
    return action(), time.perf_counter() - started_at


def measure(engine: Engine, points: int, table: Table) -> None:
    """Write a run, and report on it."""
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(folder)
        make_run(store, engine, points)
        report, proof_seconds = timed(lambda: verify(store, RUN_ID, engine))

        def look() -> Overview:
            record = require_run(store, RUN_ID)
            with views.connect(store, [require_run(store, RUN_ID)]) as connection:
                space = resolve(store, record)
                return make_overview(connection, Subject.of(connection, record, space, most=METRICS))

        overview, seconds = timed(look)
        page, drawing_seconds = timed(lambda: render(report, overview, {}))
    table.add_row(f"{points:,} points: the page's values", f"{seconds:.1f} s", "")
    table.add_row("  the page", f"{drawing_seconds:.2f} s", "")
    table.add_row("  verify", f"{proof_seconds:.1f} s", "")
    table.add_row("  in all", f"{seconds + drawing_seconds + proof_seconds:.1f} s", "<= 20 s" * (points >= POINTS))
    table.add_row("  size of the page", f"{len(page.encode()) / 1e3:,.0f} kB", "< 1,000 kB")


def main() -> None:
    """Measure and print the table."""
    table = Table("what", "measured", "target", title=f"report on {os.cpu_count()} cores", title_justify="left")
    engine = Engine(find_engine())
    measure(engine, POINTS // 10, table)
    measure(engine, POINTS, table)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    table.add_row("peak memory", f"{memory:,.0f} MB", "bounded")
    Console().print(table)


if __name__ == "__main__":
    main()

"""Speed of compacting: `make bench-compact` (POINTS=… SHARDS=… for another run; STORE=… keeps it).

The project's own writers make a run of many small shards first, without an engine: verify's checks 0 to 3 need none.
Ratios are taken within one pass: of `compact` to DuckDB's COPY of the same files, and of a question to a compact run to
the same one to DuckDB over those copies. Where other programs run, that of CPU time says more.
"""

import dataclasses
import hashlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import process_memory
import pyarrow as pa
import pyarrow.compute as pc
from benchmarks.query import MODEL, NOW, REPLICATIONS, RUN_DATE, RUN_ID, outcome_of, place, rows_of, timed
from rich.console import Console
from rich.table import Table

from sweepctl.compact.run import compact
from sweepctl.errors import SweepctlError
from sweepctl.records import layout, table
from sweepctl.records.outcome import Artifact, EnginePin, RunRecord
from sweepctl.records.run import require_run
from sweepctl.results import views
from sweepctl.spec import Spec
from sweepctl.store import open_store

POINTS = int(os.environ.get("POINTS", "1000000"))
SHARDS = int(os.environ.get("SHARDS", "10000"))
ROUNDS = 5
TABLES = ("effective_parameters", "point_outcomes", "shard_outcomes")
QUESTION = """
    SELECT count(*), round(avg(mean_wait), 9) FROM {0}
    WHERE arrival_rate > 0.75 AND status = 'success' GROUP BY arrival_rate ORDER BY ALL
"""
JOINED = "(SELECT * FROM '{0}/effective_parameters.parquet' p JOIN '{0}/point_outcomes.parquet' o USING (point_index))"


def make_run(root: Path, points: int, shards: int) -> None:
    """Write a run that is whole, not through a store, which syncs each of its files."""
    spec = Spec(
        MODEL, {"kind": "grid", "dimensions": {"cell": list(range(points // REPLICATIONS))}}, {}, REPLICATIONS, 42, ()
    )
    size = points // shards
    record = RunRecord(RUN_ID, RUN_DATE, spec.to_json(), spec.fingerprint, points, size, NOW)
    place(root, layout.run_record(RUN_ID)).write_bytes(table.encode(record))
    pin = EnginePin(RUN_ID, MODEL, "1", "1", NOW)
    place(root, layout.engine_pin(RUN_ID)).write_bytes(table.encode(pin))
    for shard in range(shards):
        keys, artifacts = layout.ShardKeys(RUN_ID, RUN_DATE, shard), []
        for name, rows in rows_of(shard, size).items():
            with table.DatasetWriter(name, rows.schema, root) as writer:
                writer.add(succeeded(rows))
                path = writer.finish().path.rename(place(root, keys.dataset(name, MODEL)))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            artifacts.append(Artifact(name, keys.dataset(name, MODEL), path.stat().st_size, size, digest))
        outcome = dataclasses.replace(outcome_of(shard, size, points, spec), artifacts=tuple(artifacts))
        place(root, keys.outcome).write_bytes(table.encode(outcome))


def succeeded(rows: pa.Table) -> pa.Table:
    """Return rows in which no point failed."""
    for number, field in enumerate(rows.schema):
        if field.name == "status":
            rows = rows.set_column(number, field, pa.array(["success"] * rows.num_rows))
        elif field.name.startswith("error_"):
            rows = rows.set_column(number, field, pa.nulls(rows.num_rows, field.type))
        elif field.type == table.FLOAT:
            rows = rows.set_column(number, field, pc.fill_null(rows[field.name], 0.5))
    return rows


def copy(store: str, folder: str) -> None:
    """Copy the files of each table into one, with DuckDB."""
    with duckdb.connect() as database:
        for name in TABLES:
            database.execute(
                f"COPY (FROM read_parquet('{store}/{name}/**/*.parquet', hive_partitioning = false)) "
                f"TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)"
            )


def ask_views(store: str) -> list[tuple[object, ...]]:
    """Ask the run's views, from opening the run on."""
    opened, sql = open_store(store), QUESTION.format("points")
    with views.connect(opened, [require_run(opened, RUN_ID)], sql) as database:
        return views.ask(database, sql).fetchall()


def ask_copies(folder: str) -> list[tuple[object, ...]]:
    """Ask DuckDB over the copies."""
    with duckdb.connect() as database:
        return database.sql(QUESTION.format(JOINED.format(folder))).fetchall()


def with_cpu(action: Callable[[], object]) -> tuple[float, float]:
    """Return how long an action takes, and its CPU time."""
    before = time.process_time()
    taken = timed(action)
    return taken, time.process_time() - before


def main() -> None:
    """Measure and print the table."""
    shown = Table("what", "measured", "target", title=f"compact on {os.cpu_count()} cores", title_justify="left")
    with tempfile.TemporaryDirectory() as folder:
        store = os.environ.get("STORE", f"{folder}/store")
        if not Path(store, "runs").exists():
            make_run(Path(store), POINTS, SHARDS)
        shutil.rmtree(Path(store, layout.COMPACT), ignore_errors=True)
        copied, copying = with_cpu(lambda: copy(store, folder))  # the files are in memory from here on, for both
        before = process_memory.begin()
        compacted, compacting = with_cpu(lambda: compact(open_store(store), RUN_ID))
        peak = (process_memory.peak() - before) / 2**20
        shown.add_row(f"{POINTS:,} points in {SHARDS:,} shards, DuckDB's COPY", f"{copied:.1f} s", "")
        shown.add_row("  compact, its proofs included", f"{compacted:.1f} s = {compacted / copied:.2f} x", "<= 1.5 x")
        shown.add_row("  CPU of both", f"{copying:.1f} s, {compacting:.1f} s = {compacting / copying:.2f} x", "")
        if ask_views(store) != ask_copies(folder):
            raise SweepctlError("the views give another answer than the copies")
        rounds = [(timed(lambda: ask_views(store)), timed(lambda: ask_copies(folder))) for _ in range(ROUNDS)]
        ratio = statistics.median(ours / theirs for ours, theirs in rounds)
        ours, theirs = (statistics.median(each) for each in zip(*rounds, strict=True))
        shown.add_row("  a filtered aggregate, DuckDB over its copies", f"{theirs:.2f} s", "")
        shown.add_row("  the same of the compact run, opened anew", f"{ours:.2f} s = {ratio:.2f} x", "<= 1.5 x")
        shown.add_row("  memory of compact", f"{peak:,.0f} MB", "")
    Console().print(shown)


if __name__ == "__main__":
    main()

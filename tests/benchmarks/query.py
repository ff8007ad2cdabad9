"""Speed of queries: `make bench-query` (POINTS=… SHARDS=… for another run; STORE=… keeps it).

The project's own writers make a run's files, without an engine: who reads them need not know.
Ratios are taken within one pass, round by round in turn: to DuckDB alone over the same files.
"""

import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from sweepctl import open_run
from sweepctl.errors import SweepctlError
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.run import require_run
from sweepctl.results import views
from sweepctl.spec import Spec
from sweepctl.store import open_store
from sweepctl.store.contract import Store

POINTS = int(os.environ.get("POINTS", "10000000"))
SHARDS = int(os.environ.get("SHARDS", "100"))
MANY_SHARDS = 10_000  # of ten points each
ROUNDS = 5
RUN_ID, RUN_DATE, MODEL = "bench", "2026-02-14", "queue"
NOW = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
SERVERS, RATES = 8, 125
REPLICATIONS = 10

# The same question of both: a filter on a parameter and on the status, an aggregate of a metric by another parameter.
QUESTION = """
    SELECT servers, count(*), round(avg(mean_wait), 9) FROM {points}
    WHERE arrival_rate > 0.75 AND status = 'success' GROUP BY servers ORDER BY servers
"""
# As somebody would write it who knows the files.
PLAIN = """(
    SELECT * FROM read_parquet('{0}/effective_parameters/queue/*/*/*.parquet', hive_partitioning = false) p
    JOIN read_parquet('{0}/point_outcomes/queue/*/*/*.parquet', hive_partitioning = false) o USING ({1})
)"""


def make_run(root: Path, points: int, shards: int) -> None:
    """Write a run that is whole: its record, and each shard's rows and outcome.

    Not through a store, which syncs each of its files: that takes minutes, and is not what is measured.
    """
    spec = Spec(MODEL, {"kind": "grid", "dimensions": {}}, {}, REPLICATIONS, 42, ())
    size = points // shards
    record = RunRecord(RUN_ID, RUN_DATE, spec.to_json(), spec.fingerprint, points, size, NOW)
    place(root, layout.run_record(RUN_ID)).write_bytes(table.encode(record))
    for shard in range(shards):
        keys = layout.ShardKeys(RUN_ID, RUN_DATE, shard)
        for name, rows in rows_of(shard, size).items():
            with table.DatasetWriter(name, rows.schema, root) as writer:
                writer.add(rows)
                writer.finish().path.rename(place(root, keys.dataset(name, MODEL)))
        place(root, keys.outcome).write_bytes(table.encode(outcome_of(shard, size, points, spec)))


def place(root: Path, key: str) -> Path:
    """Return where an object lies, in a folder that is there."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def rows_of(shard: int, size: int) -> dict[str, pa.Table]:
    """Return the rows of both tables for a shard of a grid, with metrics drawn at random; one point in 1,000 failed."""
    index = np.arange(shard * size, (shard + 1) * size)
    cell = index // REPLICATIONS
    drawn = np.random.default_rng(shard)
    fails = index % 1_000 == 0
    fingerprints = [f"{each:064x}" for each in drawn.integers(1 << 62, size=size)]
    own = {
        "run_id": np.full(size, RUN_ID),
        "shard_id": np.full(size, shard),
        "point_index": index,
        "replicate": index % REPLICATIONS,
        "point_fingerprint": fingerprints,
    }
    parameters = own | {
        "seed": np.full(size, 42),
        "model": np.full(size, MODEL),
        "model_version": np.full(size, "1"),
        "parameter_fingerprint": fingerprints,
        "effective_parameters_json": [f'{{"arrival_rate":0.5,"customers":1000,"servers":{each}}}' for each in cell],
        "arrival_rate": 0.5 + cell % RATES / (2 * RATES),
        "customers": np.full(size, 1_000),
        "servers": 1 + cell // RATES % SERVERS,
    }
    metrics = own | {
        "status": np.where(fails, "failure", "success"),
        "error_code": pa.array(np.where(fails, "too_many_events", ""), mask=~fails),
        "error_message": pa.array(np.full(size, "more than it may"), mask=~fails),
        **{name: pa.array(drawn.random(size), mask=fails) for name in ("mean_wait", "p_wait", "utilisation")},
    }
    typed = {
        table.EFFECTIVE_PARAMETERS: (
            parameters,
            [("arrival_rate", table.FLOAT), ("customers", table.INT), ("servers", table.INT)],
        ),
        table.POINT_OUTCOMES: (metrics, [(name, table.FLOAT) for name in ("mean_wait", "p_wait", "utilisation")]),
    }
    return {name: pa.table(values, schema=table.schema_of(name, columns)) for name, (values, columns) in typed.items()}


def outcome_of(shard: int, size: int, points: int, spec: Spec) -> Outcome:
    """Return the success of a shard."""
    return Outcome(
        run_id=RUN_ID,
        shard_id=shard,
        start_index=shard * size,
        end_index_exclusive=(shard + 1) * size,
        total_points=points,
        status="success",
        attempt_id=f"{shard:032x}",
        attempt_number=1,
        points_succeeded=size,
        points_failed=0,
        error_code=None,
        error_message=None,
        error_point_index=None,
        retryable=False,
        started_at=NOW,
        finished_at=NOW,
        cpu_seconds=1.0,
        engine_version="1",
        model=MODEL,
        model_version="1",
        spec_fingerprint=spec.fingerprint,
        content_sha256=f"{shard:064x}",
        artifacts=(),
    )


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes."""
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def by_views(store: Store) -> list[tuple[object, ...]]:
    """Ask the views, from opening the run on."""
    with views.connect(store, [require_run(store, RUN_ID)]) as database:
        return views.ask(database, QUESTION.format(points="points")).fetchall()


def by_duckdb(folder: str, key: str) -> list[tuple[object, ...]]:
    """Ask DuckDB alone, joining on `key`."""
    with duckdb.connect() as database:
        return database.sql(QUESTION.format(points=PLAIN.format(folder, key))).fetchall()


def ask_many_points(folder: str, shown: Table) -> None:
    """Measure a filtered aggregate over a few large shards."""
    store = open_store(folder)
    if not Path(folder, "runs").exists():
        make_run(Path(folder), POINTS, SHARDS)
    if by_views(store) != by_duckdb(folder, "run_id, point_index"):  # the files are in memory from here on, for all
        raise SweepctlError("the views give another answer than the files")
    ways = {
        "plain DuckDB, joined on point_index": lambda: by_duckdb(folder, "point_index"),
        "plain DuckDB, joined on run_id and point_index": lambda: by_duckdb(folder, "run_id, point_index"),
        "sweepctl's views, opened anew": lambda: by_views(store),
    }
    rounds = [{way: timed(ask) for way, ask in ways.items()} for _ in range(ROUNDS)]
    first, _, views = ways
    shown.add_row(f"{POINTS:,} points in {SHARDS:,} shards, a filtered aggregate, median of {ROUNDS}", "", "")
    for way in ways:
        seconds = statistics.median(each[way] for each in rounds)
        ratio = statistics.median(each[way] / each[first] for each in rounds)
        shown.add_row(f"  {way}", f"{seconds:.2f} s = {ratio:.2f} x", "<= 1.5 x" if way == views else "")


def open_many_shards(folder: str, shown: Table) -> None:
    """Measure opening a run of many small shards, from the library and from the shell."""
    store = open_store(folder)
    make_run(Path(folder), MANY_SHARDS * 10, MANY_SHARDS)

    def connect() -> None:
        with views.connect(store, [require_run(store, RUN_ID)]):
            pass

    def count() -> None:
        if open_run(RUN_ID, folder).points(columns=["point_index"]).arrow().num_rows != MANY_SHARDS * 10:
            raise SweepctlError("not every point is there")

    command = (sys.executable, "-c", "from sweepctl.cli import main; main()", "query", RUN_ID, "FROM runs")
    shown.add_row(f"{MANY_SHARDS:,} shards of 10 points, opened", f"{best(connect):.2f} s", "<= 1 s")
    shown.add_row("  and one column of all points read", f"{best(count):.2f} s", "")
    by_shell = best(lambda: subprocess.run([*command, "--store", folder], check=True, stdout=subprocess.DEVNULL))
    shown.add_row("  opened by the command, its start included", f"{by_shell:.2f} s", "")


def best(action: Callable[[], object]) -> float:
    """Return the least seconds of some rounds."""
    return min(timed(action) for _ in range(ROUNDS))


def main() -> None:
    """Measure and print the table."""
    shown = Table("what", "measured", "target", title=f"queries on {os.cpu_count()} cores", title_justify="left")
    with tempfile.TemporaryDirectory() as folder:
        ask_many_points(os.environ.get("STORE", f"{folder}/points"), shown)
        open_many_shards(f"{folder}/shards", shown)
    Console().print(shown)


if __name__ == "__main__":
    main()

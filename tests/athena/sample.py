"""A small store as analysts meet it, and Athena's tables over it as views of DuckDB.

Run `waits` of `queue`: four shards of ten points. Half of the points fail, shard 0 crashed once, shard 1 is missing.
Run `spread` of `epidemic`: two shards, the second of which crashed and was not tried again.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlglot
from fakes.sweep_files import failing_engine

from sweepctl.athena.catalog import Catalog
from sweepctl.athena.tables import GlueTable
from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessageV1
from sweepctl.records import table
from sweepctl.records.outcome import Outcome
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

RUN_DATE = "2026-02-14"
CPU_SECONDS = 90.0  # of every attempt: what an engine really takes, no page could print


def make_store(root: Path, scratch: Path) -> None:
    """Run what the store holds."""
    sound, crashing = Engine(find_engine()), Engine(failing_engine(scratch))
    waits = {
        "run_id": "waits",
        "model": "queue",
        "dimensions": {"arrival_rate": [0.5, 0.9], "servers": [1, 2], "warmup": [200, 2000]},
        "base": {"customers": 2000},
        "total_points": 40,
    }
    spread = {
        "run_id": "spread",
        "model": "epidemic",
        "dimensions": {"population": [50, 100, 200, 400]},
        "base": {},
        "total_points": 20,
    }
    run(root, crashing, waits, 0)
    for shard_id in (0, 2, 3):
        run(root, sound, waits, shard_id)
    run(root, sound, spread, 0)
    run(root, crashing, spread, 1)
    for path in (*root.glob("shard_outcomes/*/*/*"), *root.glob("shard_attempts/*/*/*")):
        outcome = table.decode(Outcome, path.read_bytes(), str(path))
        path.write_bytes(table.encode(dataclasses.replace(outcome, cpu_seconds=CPU_SECONDS)))


def run(root: Path, engine: Engine, fields: dict[str, Any], shard_id: int, outputs: Sequence[str] = ()) -> None:
    """Run one shard of ten points."""
    message = ShardMessageV1(
        run_date=RUN_DATE,
        replications=5,
        shard_id=shard_id,
        start_index=10 * shard_id,
        end_index_exclusive=10 * shard_id + 10,
        seed=42,
        outputs=list(outputs),
        **fields,
    )
    run_shard(message, engine, open_store(str(root)), Conditions())


def over(root: Path, catalog: Catalog) -> duckdb.DuckDBPyConnection:
    """Open a database that has Athena's tables over the files below `root`, and its views."""
    database = duckdb.connect()
    database.execute(f"CREATE SCHEMA {catalog.database}; USE {catalog.database}")
    for each in catalog.tables:
        _put(database, root, each)
    for view in catalog.views:
        database.execute(f'CREATE VIEW "{view.name}" AS {in_duckdb(view.query)}')
    return database


def in_duckdb(query: str) -> str:
    """Return a query of Athena's as DuckDB takes it."""
    (statement,) = sqlglot.transpile(query, read="athena", write="duckdb")
    return statement


def _put(database: duckdb.DuckDBPyConnection, root: Path, each: GlueTable) -> None:
    # A partition names a folder; whatever lies further down is found by itself.
    pattern = f"{each.folder}/{''.join(f'{name}=*/' for name in each.partitions)}**/*.parquet"
    if list(root.glob(pattern)):
        in_paths = ("run",) if each.folder == "runs" else ("run_date", "run")
        types = ", ".join(f"{name}: VARCHAR" for name in in_paths)
        columns = ", ".join(f'"{name}"' for name in (*each.schema.names, *each.partitions))
        database.execute(
            f'CREATE VIEW "{each.name}" AS SELECT {columns} FROM read_parquet('
            f"'{root}/{pattern}', union_by_name = true, hive_partitioning = true, hive_types = {{{types}}})"
        )
    else:
        partitions = [pa.field(name, table.TEXT) for name in each.partitions]
        database.register("nothing", pa.schema([*each.schema, *partitions]).empty_table())
        database.execute(f'CREATE TABLE "{each.name}" AS FROM nothing')

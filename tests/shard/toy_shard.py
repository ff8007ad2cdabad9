"""One shard of the toy model on a local store, and what a test reads of it afterwards."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessage, ShardMessageV1
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome
from sweepctl.shard.run import Conditions, Result, run_shard
from sweepctl.store.contract import Store

POINTS = 10
GOOD = "for p in points: say(p)"
TODAY = dt.datetime(2026, 2, 14, 12, tzinfo=dt.UTC)
FILES = ("effective_parameters", "point_outcomes")
DATE = "2026-02-14"
RUN_KEYS = {layout.run_record("r"), layout.engine_pin("r")}
SHARD = layout.ShardKeys("r", DATE, 0)
OUTCOME_KEY = SHARD.outcome
DATA_KEYS = {SHARD.dataset(name, "toy") for name in FILES}


def message(**changes: object) -> ShardMessage:
    fields = {
        "run_id": "r",
        "model": "toy",
        "dimensions": {"x": list(range(POINTS))},
        "total_points": POINTS,
        "shard_id": 0,
        "start_index": 0,
        "end_index_exclusive": POINTS,
        "seed": 1,
        **changes,
    }
    return ShardMessageV1.model_validate(fields)


def keys(store: Store) -> set[str]:
    root = Path(store.url)
    return {
        str(path.relative_to(root)) for path in root.rglob("*.parquet") if not path.is_relative_to(root / ".sweepctl")
    }


def read(store: Store, key: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(stored_body(store, key)))


def stored_body(store: Store, key: str) -> bytes:
    stored = store.read(key)
    assert stored is not None
    return stored.body


def attempts(store: Store) -> list[Outcome]:
    found = sorted(key for key in keys(store) if key.startswith("shard_attempts/"))
    return [table.decode(Outcome, stored_body(store, key), key) for key in found]


def run(message: ShardMessage, engine: Engine, store: Store, **conditions: object) -> Result:
    return run_shard(message, engine, store, Conditions(**conditions), now=lambda: TODAY)  # type: ignore[arg-type]

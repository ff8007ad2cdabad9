"""Runs to ask, and how a test asks them."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessageV1
from sweepctl.records.run import require_run
from sweepctl.results import formats, views
from sweepctl.shard.run import run_shard
from sweepctl.store import Store, open_store

DESIGNS: dict[str, tuple[dict[str, list[Any]], dict[str, Any]]] = {
    "queue": ({"servers": [1, 2], "arrival_rate": [0.5, 0.75]}, {"customers": 10}),
    "epidemic": ({"population": [10, 20], "r0": [1.5, 2.0]}, {}),
}


def run(store: Store, run_id: str, model: str, shard_id: int = 0, shards: int = 1, *, replications: int = 3) -> None:
    (dimensions, base), points = DESIGNS[model], 4 * replications
    message = ShardMessageV1(
        run_id=run_id,
        model=model,
        dimensions=dimensions,
        base=base,
        replications=replications,
        total_points=points,
        shard_id=shard_id,
        start_index=points * shard_id // shards,
        end_index_exclusive=points * (shard_id + 1) // shards,
        seed=1,
    )
    assert run_shard(message, Engine(find_engine()), store).outcome.status == "success"


def connect(store: Store, run_id: str | None) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    return views.connect(store, None if run_id is None else [require_run(store, run_id)])


def asked(store: Store, run_id: str | None, sql: str) -> list[dict[str, Any]]:
    with connect(store, run_id) as database, formats.record_batches(views.ask(database, sql)) as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
        return rows


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store under an awkward name: two runs of one model, one of another."""
    root = tmp_path_factory.mktemp("it's a store")
    for shard_id in range(3):
        run(open_store(str(root)), "a", "queue", shard_id, 3)
    run(open_store(str(root)), "b", "queue")
    run(open_store(str(root)), "e", "epidemic")
    return root

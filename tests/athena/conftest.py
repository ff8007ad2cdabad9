"""A store of two runs: one whole, one with an injected failure and shards that are missing."""

from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import PropertyMock, patch

import pytest

from sweepctl.engine import Engine, EngineRun, find_engine
from sweepctl.messages import ShardMessageV1
from sweepctl.shard import Conditions, run_shard
from sweepctl.store import open_store

if TYPE_CHECKING:
    from sweepctl.spec import Value

RUN_DATE = "2026-02-14"


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(find_engine())


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Path:
    root = tmp_path_factory.mktemp("athena")
    store = open_store(str(root))
    # Two machines never take the same time, and what is printed shall be compared.
    with patch.object(EngineRun, "cpu_seconds", PropertyMock(return_value=0.25)):
        for run_id, rates, failing in (("queue-demo", [0.5, 0.7, 0.9], []), ("queue-partly", [0.5, 0.7], [1])):
            dimensions: dict[str, list[Value]] = {"arrival_rate": [*rates], "servers": [1, 2]}
            total = len(rates) * 2 * 10
            for shard_id in (0, 1):
                message = ShardMessageV1(
                    run_id=run_id,
                    run_date=RUN_DATE,
                    model="queue",
                    dimensions=dimensions,
                    base={"service_rate": 1.0, "customers": 2000, "warmup": 200},
                    replications=10,
                    total_points=total,
                    shard_id=shard_id,
                    start_index=shard_id * 20,
                    end_index_exclusive=shard_id * 20 + 20,
                    seed=42,
                    failure_injection_shards=failing,
                )
                run_shard(message, engine, store, Conditions(allow_failure_injection=True))
    return root

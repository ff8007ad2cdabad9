"""What analysts use reads the store as it lies: DuckDB, pandas, Arrow, with hive partitions."""

import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessageV1
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

POINTS = 12
RUN_IDS = ("20260214", "99999999999999", "007", "a.b-c_d")  # digits within and beyond 32 bits, leading zeros, text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of several runs, each in two shards."""
    root = tmp_path_factory.mktemp("store")
    engine = Engine(find_engine())
    for run_id in RUN_IDS:
        for shard_id, start in enumerate((0, 7)):
            message = ShardMessageV1(
                run_id=run_id,
                model="queue",
                dimensions={"servers": [1, 2], "arrival_rate": [0.5, 0.75]},
                base={"customers": 10},
                replications=3,
                total_points=POINTS,
                shard_id=shard_id,
                start_index=start,
                end_index_exclusive=(7, POINTS)[shard_id],
                seed=2**60 + 1,
            )
            assert run_shard(message, engine, open_store(str(root))).outcome.status == "success"
    return root


def answer(query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("options", ["", ", hive_partitioning = true", ", hive_types_autocast = false"])
def test_duckdb_joins_both_datasets_one_to_one(store: Path, options: str) -> None:
    def scan(dataset: str) -> str:
        return f"read_parquet('{store}/{dataset}/queue/*/*/*.parquet'{options})"

    joined = answer(
        f"""
        SELECT p.run_id, count(*), count(DISTINCT p.point_index), bool_and(p.point_fingerprint = o.point_fingerprint)
        FROM {scan("effective_parameters")} p FULL JOIN {scan("point_outcomes")} o
        USING (run_id, point_index) GROUP BY p.run_id ORDER BY p.run_id
        """
    )
    assert joined == [(run_id, POINTS, POINTS, True) for run_id in sorted(RUN_IDS)]


def test_duckdb_prunes_to_one_run_by_its_partition(store: Path) -> None:
    query = f"SELECT count(*) FROM read_parquet('{store}/point_outcomes/queue/*/*/*.parquet', hive_partitioning = true)"
    assert answer(f"{query} WHERE run = '20260214'") == [(POINTS,)]


@pytest.mark.parametrize(
    "folder",
    ["effective_parameters/queue", "point_outcomes/queue", "shard_outcomes"],
)
def test_pandas_reads_the_folder_of_a_dataset(store: Path, folder: str) -> None:
    frame = pd.read_parquet(store / folder)
    assert set(frame["run_id"]) == set(RUN_IDS)
    assert len(frame) == len(RUN_IDS) * (2 if folder == "shard_outcomes" else POINTS)


@pytest.mark.parametrize("run_id", RUN_IDS)
def test_pandas_reads_the_folder_of_one_run(store: Path, run_id: str) -> None:
    (folder,) = (store / "effective_parameters" / "queue").glob(f"run_date=*/run={run_id}")
    frame = pd.read_parquet(folder)
    assert sorted(frame["point_index"]) == list(range(POINTS))
    assert set(frame["seed"]) == {2**60 + 1}


def test_typed_columns_equal_the_canonical_json(store: Path) -> None:
    frame = pd.read_parquet(store / "effective_parameters" / "queue")
    for row in frame.to_dict("records"):
        parameters = json.loads(row["effective_parameters_json"])
        assert {name: row[name] for name in parameters} == parameters


def test_an_extra_dataset_of_many_rows_a_point_joins_its_points(tmp_path: Path) -> None:
    customers = 150_000  # several megabytes on one line of the protocol
    message = ShardMessageV1(
        run_id="r",
        model="queue",
        dimensions={},
        base={"customers": customers, "warmup": 10},
        outputs=["customers"],
        total_points=1,
        shard_id=0,
        start_index=0,
        end_index_exclusive=1,
        seed=1,
    )
    result = run_shard(message, Engine(find_engine()), open_store(str(tmp_path)), Conditions(timeout=60))
    assert result.outcome.status == "success"
    joined = answer(
        f"""
        SELECT count(*), abs(avg(wait) - any_value(mean_wait)) < 1e-9
        FROM '{tmp_path}/customers/queue/*/*/*.parquet' JOIN '{tmp_path}/point_outcomes/queue/*/*/*.parquet'
        USING (run_id, point_index)
        """
    )
    assert joined == [(customers - 10, True)]

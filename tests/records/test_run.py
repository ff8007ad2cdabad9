"""What a listing tells of a run, and what it passes over."""

import datetime as dt
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fakes.toy_model import DESCRIPTION
from runs.test_status import RUN

from sweepctl.errors import WrongEngineError
from sweepctl.protocol import Model
from sweepctl.records import layout, table
from sweepctl.records.outcome import EnginePin
from sweepctl.records.run import headlines, list_attempts, list_outcomes
from sweepctl.shard import commit
from sweepctl.store import open_store

PIN = EnginePin(RUN.run_id, "queue", "1", "0.1.0", dt.datetime(2026, 3, 1, tzinfo=dt.UTC), None, None)


def test_outcomes_and_attempts_are_found_and_strays_are_passed_over(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    keys = [layout.ShardKeys("r", "2026-03-01", shard_id) for shard_id in (0, 7, 123_456_789)]
    for each in keys:
        store.create(each.outcome, b"outcome")
        store.create(each.attempt("a"), b"attempt")
    outcomes, attempts = layout.outcomes_folder("r", "2026-03-01"), layout.attempts_folder("r", "2026-03-01")
    for stray in ("notes.txt", "shard-00000008-a.parquet", "deep/shard-00000009.parquet", "shard-000000010.parquet"):
        store.create(outcomes + stray, b"")
    store.create(f"{attempts}notes.txt", b"")
    store.create(f"{attempts}deep/shard-00000008-a.parquet", b"")
    store.create(layout.ShardKeys("other", "2026-03-01", 1).outcome, b"")
    found = {shard_id: entry.key for shard_id, entry in list_outcomes(store, "r", "2026-03-01")}
    assert found == {each.shard_id: each.outcome for each in keys}
    assert sorted(shard_id for shard_id, _ in list_attempts(store, "r", "2026-03-01")) == [0, 7, 123_456_789]


def test_headlines_are_those_of_the_declaration_that_the_run_keeps(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    column = {"type": "float", "nullable": False, "unit": "", "doc": ""}
    names: dict[str, dict[str, Any]] = {"a": {}, "b": {"headline": True}, "c": {"headline": False}}
    metrics = [{"name": name, **column, **more} for name, more in names.items()]
    models: Any = DESCRIPTION["models"]
    model = Model.model_validate({**models[0], "metrics": metrics})
    text = model.to_json()
    assert text is not None
    assert text.count("headline") == 1, "declarations without one stay as they were"
    for run_id, declared in (("kept", text), ("none", None), ("bad", text.replace("float", "real"))):
        pin = EnginePin(run_id, "toy", "1", "0.1.0", dt.datetime(2026, 3, 1, tzinfo=dt.UTC), None, declared)
        store.create(layout.engine_pin(run_id), table.encode(pin))
    store.create(layout.engine_pin("damaged"), b"junk")
    found = {run_id: list(headlines(store, run_id)) for run_id in ("kept", "none", "bad", "damaged", "absent")}
    assert found == {"kept": ["b"], "none": [], "bad": [], "damaged": [], "absent": []}


def test_readers_of_the_folder_of_runs_have_the_columns_of_both_files(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    commit.pin_run(store, RUN)
    commit.agree_engine(store, PIN)
    found = ds.dataset(tmp_path / "runs", format="parquet", partitioning="hive").to_table().sort_by("model")
    assert found["spec_fingerprint"].to_pylist() == [None, RUN.spec_fingerprint]
    assert found["model_version"].to_pylist() == ["1", None]


def test_an_engine_pin_of_earlier_releases_is_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    sink = pa.BufferOutputStream()
    rows = pa.Table.from_pylist([asdict(PIN)], schema=table.ENGINE_PIN)
    pq.write_table(rows, sink, compression="none", use_dictionary=False, store_schema=False)
    store.create(layout.engine_pin(PIN.run_id), bytes(sink.getvalue()))
    commit.agree_engine(store, PIN)
    with pytest.raises(WrongEngineError, match="pinned to queue version 1"):
        commit.agree_engine(store, replace(PIN, model_version="2"))

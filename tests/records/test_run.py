"""What a listing tells of a run, and what it passes over."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
from sweepctl.records.outcome import EnginePin, RunRecord
from sweepctl.records.run import headlines, list_attempts, list_outcomes
from sweepctl.runs.index import list_runs
from sweepctl.runs.retry import failed_shards
from sweepctl.runs.status import StatusReader
from sweepctl.shard import commit
from sweepctl.spec import Spec
from sweepctl.store import open_store
from sweepctl.store.contract import Entry
from sweepctl.store.local import LocalStore
from sweepctl.verify.inventory import take_inventory

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
    found = {shard_id: entry.key for shard_id, entry in list_outcomes(store, "r", "2026-03-01", None)}
    assert found == {each.shard_id: each.outcome for each in keys}
    assert sorted(shard_id for shard_id, _ in list_attempts(store, "r", "2026-03-01", None)) == [0, 7, 123_456_789]


class CutsSeen(LocalStore):
    """Remembers where listings were cut."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.cuts: dict[str, list[str]] = {}

    def objects(self, prefix: str, cuts: Sequence[str] = ()) -> Iterator[Entry]:
        self.cuts[prefix] = list(cuts)
        return super().objects(prefix)


@pytest.mark.parametrize(
    ("shards", "last"),
    [(None, []), (4_999, []), (5_000, [999, 1_999, 2_999, 3_999]), (5_001, [999, 1_999, 2_999, 3_999, 4_999])],
)
def test_a_listing_of_many_shards_is_cut_into_pages(tmp_path: Path, shards: int | None, last: list[int]) -> None:
    store = CutsSeen(tmp_path)
    assert [*list_outcomes(store, "r", "2026-03-01", shards), *list_attempts(store, "r", "2026-03-01", shards)] == []
    folders = (layout.outcomes_folder("r", "2026-03-01"), layout.attempts_folder("r", "2026-03-01"))
    assert store.cuts == {folder: [f"{folder}shard-{number:08}.parquet" for number in last] for folder in folders}


def test_cuts_are_in_the_order_of_keys_however_many_shards_there_are() -> None:
    cuts = layout.listing_cuts("a/", 10**18)
    assert cuts == sorted(cuts)
    assert (len(cuts), cuts[-1]) == (9_999, "a/shard-09998999.parquet")


def test_verify_cuts_by_the_outcomes_that_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "CUT_FROM", 3)
    monkeypatch.setattr(layout, "PAGE", 2)
    store = CutsSeen(tmp_path)
    keys = [layout.ShardKeys("r", "2026-03-01", shard_id) for shard_id in range(5)]
    for each in keys:
        store.create(each.outcome, b"")
        store.create(each.dataset("point_outcomes", "m"), b"")
        store.create(each.attempt("a"), b"")
    with ThreadPoolExecutor(1) as pool:
        found = take_inventory(store, "r", pool)
    assert {len(found.outcomes), len(found.attempts), len(found.data)} == {5}
    folder = layout.dataset_folder("point_outcomes", "m", "r", "2026-03-01")
    assert store.cuts[folder] == [f"{folder}shard-00000001.parquet", f"{folder}shard-00000003.parquet"]
    assert len(store.cuts[layout.attempts_folder("r", "2026-03-01")]) == 2
    assert store.cuts[layout.outcomes_folder("r", "2026-03-01")] == []


def test_who_reads_many_outcomes_lists_them_in_parts(tmp_path: Path) -> None:
    store = CutsSeen(tmp_path)
    spec = Spec("toy", {"kind": "grid", "dimensions": {}}, {}, 5_000, 1, ())
    at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    run = RunRecord("r", "2026-03-01", spec.to_json(), spec.fingerprint, 5_000, 1, at)
    store.create(layout.run_record("r"), table.encode(run))
    asks: list[Callable[[], object]] = [
        lambda: StatusReader.of(store, "r").read(at),
        lambda: failed_shards(store, "r"),
        lambda: list(list_runs(store, at)),
    ]
    for ask in asks:
        store.cuts.clear()
        ask()
        assert len(store.cuts[layout.outcomes_folder("r", "2026-03-01")]) == 4


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

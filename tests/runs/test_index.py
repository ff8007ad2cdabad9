"""Which runs a store holds: counted by listing, and whatever else lies among them told and passed over."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.faulty import FaultyStore
from runs.test_status import RUN, after, file, key, outcome
from typer.testing import CliRunner, Result

from sweepctl.cli import app
from sweepctl.records import layout, table
from sweepctl.runs.index import list_runs
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.store.contract import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "store").mkdir()
    return open_store(str(tmp_path / "store"))


def runs(store: Store, *options: str) -> Result:
    return CliRunner().invoke(app, ["runs", "--store", store.url, *options])


def test_an_empty_store_says_how_to_begin(store: Store) -> None:
    shown = runs(store)
    assert shown.exit_code == 0
    assert "has no runs" in shown.stdout
    assert "sweepctl submit FILE" in shown.stdout
    assert json.loads(runs(store, "--json").stdout) == {"runs": [], "odd": []}


def test_a_store_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name, problem in (("file", "is a file, not a folder"), ("nope", "does not exist")):
        shown = CliRunner().invoke(app, ["runs", "--store", str(tmp_path / name)])
        assert shown.exit_code == 5
        assert f"{name} {problem}" in shown.stderr


def test_runs_are_listed_the_newest_first_and_outcomes_are_read_once(store: Store) -> None:
    commit.pin_run(store, RUN)
    commit.pin_run(store, replace(RUN, run_id="newer", created_at=after(3_600), shard_points=None))
    file(store, outcome(0), outcome(1, "retryable"))
    commit.record_attempt(store, RUN, outcome(1, "retryable"))
    for reads in (1, 0):
        faulty = FaultyStore(store)
        found, odd = list_runs(faulty, after(60))
        assert [call.key for call in faulty.calls if call.method == "read"].count(key(0)) == reads
    assert odd == []
    newer, older = found
    assert (newer.run_id, newer.shards, newer.outcomes, newer.last_activity) == ("newer", None, 0, after(3_600))
    assert (older.run_id, older.shards, older.outcomes, older.attempts) == ("r", 10, 2, 1)
    assert (older.last_activity, older.state, newer.state) == (after(10), "under_way", "not_begun")
    assert (older.shards_retryable, older.points_failed) == (1, 0)
    shown = runs(store).stdout
    assert "standing still" in shown
    assert "1 shard" in shown
    assert shown.index("newer") < shown.index("2 of 10")


def test_what_is_no_run_is_told_and_is_no_error(store: Store) -> None:
    commit.pin_run(store, RUN)
    record = table.encode(RUN)
    store.create("runs/run=garbled/run.parquet", b"no Parquet")
    store.create("runs/run=other/run.parquet", record)
    store.create("runs/run=dated/run.parquet", table.encode(replace(RUN, run_id="dated", run_date="../..")))
    store.create("runs/run=specless/run.parquet", table.encode(replace(RUN, run_id="specless", spec_json="[]")))
    store.create("runs/run=empty/engine.parquet", b"")
    store.create("runs/stray/run.parquet", record)
    Path(store.url, "runs", "run=a b").mkdir()
    found, odd = list_runs(store, after(60))
    assert [run.run_id for run in found] == ["r"]
    problems = {each.folder: each.problem for each in odd}
    assert "is not a sweepctl record" in problems.pop("run=garbled")
    assert 'run_date: "../.." must match' in problems.pop("run=dated")
    assert "spec_json: Input should be a valid dictionary" in problems.pop("run=specless")
    assert problems == {
        "run=a b": "has no valid run_id in its name",
        "run=empty": "has no run record",
        "run=other": "has the record of run r",
        "stray": "is not named run=RUN_ID",
    }
    shown = runs(store)
    assert shown.exit_code == 0
    assert "runs/stray: is not named run=RUN_ID" in shown.stdout
    assert len(json.loads(runs(store, "--json").stdout)["odd"]) == 7


def test_a_store_of_nothing_but_oddities_is_not_called_empty(store: Store) -> None:
    store.create(f"{layout.run_folder('empty')}engine.parquet", b"")
    assert "has no runs" not in runs(store).stdout

"""A run at one moment: its map is the report's, and reading follows the store."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.faulty import FaultyStore
from results.runs import connect
from runs.test_status import RUN, after, file, key, outcome

from sweepctl.errors import UnknownRunError
from sweepctl.records import layout
from sweepctl.records.run import require_run
from sweepctl.results.analysis import shards
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.ui.live import BARS, LiveReader


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store that holds the run record alone."""
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    return store


KINDS = ("success", "points", "retryable", "permanent")


def reader(of: Store, seconds: float = 60) -> LiveReader:
    return LiveReader(of, "r", lambda: after(seconds))


@pytest.mark.parametrize("most", [1_500, 4])
@pytest.mark.parametrize("ids", [[], [0, 1, 2, 3], [9, 8, 3, 2, 1], [7]])
def test_the_map_is_the_one_of_the_report(
    store: Store,
    most: int,
    ids: Sequence[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("sweepctl.results.analysis.shards", "sweepctl.ui.live"):
        monkeypatch.setattr(f"{module}.MAX_CELLS", most)
    file(store, *(outcome(shard_id, KINDS[place % 4]) for place, shard_id in enumerate(ids)))
    with connect(store, "r") as database:
        wanted = shards.shard_map(database, require_run(store, "r"))
    assert reader(store).read().shard_map == wanted


def test_the_pace_has_the_points_of_each_part_of_the_time(store: Store) -> None:
    file(store, outcome(0, ended=10), outcome(1, ended=40), outcome(2, "retryable", ended=40))
    pace = reader(store, 60).read().pace
    assert pace is not None
    assert (pace.since, pace.until, len(pace.bars)) == (after(0), after(60), BARS)
    assert [(place, value) for place, value in enumerate(pace.bars) if value] == [(10, 4.0), (40, 4.0)]


def test_without_an_outcome_there_is_no_pace(store: Store) -> None:
    snapshot = reader(store).read()
    assert snapshot.pace is None
    assert snapshot.status.state == "not_begun"


def test_a_run_that_vanishes_is_unknown_and_another_of_its_name_is_read_anew(store: Store) -> None:
    file(store, outcome(0))
    watching = reader(store)
    assert watching.read().status.points_done == 4
    record = Path(store.url) / layout.run_record("r")
    body = record.read_bytes()
    record.unlink()
    with pytest.raises(UnknownRunError):
        watching.read()
    shutil.rmtree((Path(store.url) / key(0)).parent)
    record.write_bytes(body)
    assert watching.read().status.points_done == 0


def test_an_outcome_that_cannot_be_read_is_counted(store: Store) -> None:
    store.create(key(1), b"no file")
    file(store, outcome(0))
    snapshot = reader(store).read()
    assert snapshot.status.shards_unreadable == 1
    assert sum(cell.missing for cell in snapshot.shard_map.cells) == 9


def test_what_was_read_is_not_read_twice(store: Store) -> None:
    file(store, outcome(0), outcome(1))
    faulty = FaultyStore(store)
    watching = reader(faulty)
    for reads in ([layout.run_record("r"), key(0), key(1)], [layout.run_record("r")]):
        watching.read()
        assert [call.key for call in faulty.calls if call.method == "read"] == reads
        faulty.calls.clear()

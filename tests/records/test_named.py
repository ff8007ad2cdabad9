"""How a run is found by what a person calls it, and what that costs."""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.faulty import FaultyStore
from runs.test_status import RUN, after

from sweepctl.errors import UnknownRunError
from sweepctl.records import layout
from sweepctl.records.named import find_run_id
from sweepctl.records.run import require_run
from sweepctl.shard.commit import pin_run
from sweepctl.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Runs of which one's id is the beginning of another's, created in this order."""
    store = open_store(str(tmp_path / "store"))
    for seconds, run_id in enumerate(("surge-3", "surge", "surge-2", "demo")):
        pin_run(store, replace(RUN, run_id=run_id, created_at=after(seconds)))
    return store


@pytest.mark.parametrize(
    ("name", "run_id"), [("surge", "surge"), ("surge-2", "surge-2"), ("d", "demo"), ("latest", "demo"), ("x", "x")]
)
def test_a_run_is_named_by_its_id_the_beginning_of_it_or_as_the_latest(store: Store, name: str, run_id: str) -> None:
    assert find_run_id(store, name) == run_id


def test_an_exact_id_costs_one_read_and_no_listing(store: Store) -> None:
    counted = FaultyStore(store)
    assert find_run_id(counted, "surge") == "surge"
    assert [(call.method, call.key) for call in counted.calls] == [("read", layout.run_record("surge"))]


def test_a_run_called_latest_is_that_run(store: Store) -> None:
    pin_run(store, replace(RUN, run_id="latest", created_at=after(-60)))
    assert find_run_id(store, "latest") == "latest"


def test_a_beginning_of_several_runs_names_them(store: Store) -> None:
    with pytest.raises(UnknownRunError, match="'sur' is the beginning of 3 runs of the store") as caught:
        find_run_id(store, "sur")
    assert caught.value.remedy == "Name one of them: surge, surge-2, surge-3."


def test_a_run_without_its_record_is_still_itself(store: Store) -> None:
    Path(store.url, layout.run_record("surge")).unlink()
    assert find_run_id(store, "surge") == "surge"


def test_what_cannot_be_read_is_not_the_latest(store: Store) -> None:
    Path(store.url, layout.run_record("demo")).write_bytes(b"PAR1")
    assert find_run_id(store, "latest") == "surge-2"


def test_latest_of_an_empty_store_is_an_unknown_run(tmp_path: Path) -> None:
    empty = open_store(str(tmp_path / "empty"))
    assert find_run_id(empty, "latest") == "latest"
    with pytest.raises(UnknownRunError):
        require_run(empty, "latest")


def test_an_unknown_run_gets_the_nearest_name(store: Store) -> None:
    with pytest.raises(UnknownRunError) as caught:
        require_run(store, "dem0")
    assert caught.value.remedy is not None
    assert caught.value.remedy.startswith("Did you mean `demo`? `sweepctl runs` (`list_runs` in Python) lists")
    assert "--" not in caught.value.remedy

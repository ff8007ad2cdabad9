"""Many outcomes, read: each file by itself, in order, a bounded number at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.faulty import FaultyStore
from records.test_template import outcome

from sweepctl.errors import DamagedError, StoreError
from sweepctl.records import outcomes, table
from sweepctl.records.outcome import Outcome
from sweepctl.records.outcomes import OutcomeReader
from sweepctl.store import open_store
from sweepctl.store.contract import MAX_BODY, Store


def key(shard: int) -> str:
    return f"shard_outcomes/shard-{shard:08d}.parquet"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


class Counting(FaultyStore):
    """Counts the files of each request, and does something before it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.sizes: list[int] = []

    def bodies(self, keys: Sequence[str], most: int = MAX_BODY) -> Iterator[bytes | DamagedError | None]:
        self.sizes.append(len(keys))
        return self.inner.bodies(keys, most)


def test_damaged_foreign_and_missing_files_are_told_among_the_others(store: Store, tmp_path: Path) -> None:
    for shard in range(20):
        store.create(key(shard), table.encode(outcome(shard)))
    folder = tmp_path / "store/shard_outcomes"
    names = [folder / Path(key(shard)).name for shard in range(20)]
    names[3].write_bytes(names[3].read_bytes()[:-100])
    names[5].write_bytes(b"no Parquet")
    names[7].unlink()
    names[9].unlink()
    names[9].symlink_to(names[8])
    names[11].unlink()
    names[11].mkdir()
    with names[13].open("wb") as sparse:
        sparse.truncate(1 << 40)
    other = replace(outcome(15), run_id="other")
    names[15].write_bytes(table.encode(other))
    found = dict(OutcomeReader(store).read(key(shard) for shard in range(20)))
    assert list(found) == [key(shard) for shard in range(20)]
    assert found[key(7)] is None
    assert {k for k, each in found.items() if isinstance(each, DamagedError)} == {key(n) for n in (3, 5, 9, 11, 13)}
    assert found[key(15)] == other
    rest = {shard for shard in range(20) if shard not in {3, 5, 7, 9, 11, 13, 15}}
    assert all(found[key(shard)] == outcome(shard) for shard in rest)


def test_a_damaged_file_has_the_error_that_it_has_alone(store: Store) -> None:
    store.create(key(0), table.encode(outcome(0)))
    store.create(key(1), b"no Parquet")
    (_, error) = list(OutcomeReader(store).read([key(0), key(1)]))[1]
    assert isinstance(error, DamagedError)
    assert error.message.startswith(f"{store.locate(key(1))} is not a sweepctl record")


def test_a_bounded_number_of_files_is_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "AT_ONCE", 4)
    for shard in range(10):
        store.create(key(shard), table.encode(outcome(shard)))
    counting = Counting(store)
    reading = OutcomeReader(counting).read(key(shard) for shard in range(10))
    next(reading)
    assert counting.sizes == [4], "the others are read when they are wanted"
    assert len(list(reading)) == 9
    assert counting.sizes == [4, 4, 2]


def test_what_is_replaced_between_two_requests_is_read_as_it_is_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcomes, "AT_ONCE", 1)
    for shard in range(2):
        store.create(key(shard), table.encode(outcome(shard)))
    reading = OutcomeReader(store).read([key(0), key(1)])
    assert next(reading) == (key(0), outcome(0))
    stored = store.read(key(1))
    assert stored is not None
    later = replace(outcome(1), attempt_id="b" * 32)
    store.replace(key(1), table.encode(later), stored.etag)
    assert next(reading) == (key(1), later)


def test_a_store_that_does_not_answer_is_no_damaged_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(key(0), table.encode(outcome(0)))

    def read(_key: str) -> Outcome:
        raise StoreError("it does not answer")

    faulty = FaultyStore(store)
    monkeypatch.setattr(faulty, "read", read)
    with pytest.raises(StoreError, match="does not answer") as caught:
        list(OutcomeReader(faulty).read([key(0)]))
    assert not isinstance(caught.value, DamagedError)

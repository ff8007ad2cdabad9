"""The commit rules of docs/architecture.md: crashes, lost replies and rivals between any two calls to the store.

Each schedule ends with a retry, after which the shard must be whole: one outcome, files as it names them, every point
once, nothing unnamed in the tables, and no success ever lost.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import toys
from fakes.engines import scripted
from fakes.faulty import Call, Crash, FaultyStore, StoreFault, T
from fakes.toy_model import STARTED, failed_point, finished, point

from sweepctl.engine.client import Engine
from sweepctl.errors import ConflictError, StoreError
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome, Rank, rank
from sweepctl.shard import commit
from sweepctl.shard.run import Disposition, Result, run_shard
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.store.local import LocalStore

POINTS = 4
SHARD = layout.ShardKeys("r", "2026-02-14", 0)
DATA_KEYS = [SHARD.dataset(name, "toy") for name in (table.EFFECTIVE_PARAMETERS, table.POINT_OUTCOMES)]
CLAIM = "shard_claims/run=r/every-4-from-0/shard-00000000-0-4.json"
MESSAGE = toys.one_shard(POINTS)
SOME_FAIL = [STARTED, point(0), failed_point(1), *map(point, range(2, POINTS)), finished(POINTS, 1)]
BEHAVIOURS = {
    "good": "for p in points: say(p)",
    "crash": "for p in points[:2]: say(p)\nsys.exit(3)",
    "some_fail": f"for p in {SOME_FAIL!r}: say(p)",
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    """Return one engine a behaviour."""
    return {
        name: Engine(scripted(tmp_path_factory.mktemp(name), behaviour, POINTS))
        for name, behaviour in BEHAVIOURS.items()
    }


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Store]:
    """Return a maker of empty stores."""
    numbers = iter(range(1_000))
    return lambda: open_store(str(tmp_path / str(next(numbers))))


def standing(store: Store) -> Outcome | None:
    stored = store.read(SHARD.outcome)
    return None if stored is None else table.decode(Outcome, stored.body, SHARD.outcome)


def require_whole(store: Store) -> Outcome:
    """Assert every promise about a shard whose outcome stands; return that outcome."""
    outcome = standing(store)
    assert outcome is not None
    for artifact in outcome.artifacts:
        stored = store.read(artifact.key)
        assert stored is not None, artifact.key
        assert (artifact.bytes, artifact.sha256) == (len(stored.body), hashlib.sha256(stored.body).hexdigest())
        rows = pq.read_table(pa.BufferReader(stored.body))
        assert artifact.rows == rows.num_rows
        assert rows["point_index"].to_pylist() == list(range(rows.num_rows))
    if outcome.complete:
        assert [artifact.key for artifact in outcome.artifacts] == DATA_KEYS
        assert all(artifact.rows == POINTS for artifact in outcome.artifacts)
    return outcome


CALLS = 16  # more than any attempt makes


def schedules() -> Iterator[tuple[int, StoreFault]]:
    for call in range(CALLS):
        for fault in StoreFault:
            yield call, fault


@pytest.mark.slow
@pytest.mark.parametrize("first", BEHAVIOURS)
def test_a_fault_at_any_call_is_healed_by_a_retry(
    fresh: Callable[[], Store],
    engines: dict[str, Engine],
    first: str,
) -> None:
    hit = set()
    for call, fault in schedules():
        inner = fresh()
        store = FaultyStore(inner, {call: fault})
        with suppress(Crash, StoreError):
            run_shard(MESSAGE, engines[first], store)
        if len(store.calls) > call:
            hit.add(call)
        before = standing(inner)
        if before is not None:
            require_whole(inner)
        retry = run_shard(MESSAGE, engines["some_fail" if first == "some_fail" else "good"], inner)
        after = require_whole(inner)
        assert after == retry.outcome
        assert after.complete
        if before is not None and before.complete:
            assert after == before
    assert len(hit) >= 6, "the schedule reaches every call of an attempt"


def test_a_lost_reply_to_the_outcome_is_settled_by_reading_back(
    fresh: Callable[[], Store],
    engines: dict[str, Engine],
) -> None:
    """Rule 6: an outcome with my attempt_id is mine."""
    counted = FaultyStore(fresh())
    run_shard(MESSAGE, engines["good"], counted)
    last = max(number for number, call in enumerate(counted.calls) if call.method == "create")
    assert counted.calls[last].key == SHARD.outcome
    store = FaultyStore(fresh(), {last: StoreFault.ERROR_AFTER})
    result = run_shard(MESSAGE, engines["good"], store)
    assert result.disposition is Disposition.COMMITTED
    with pytest.raises(StoreError):
        run_shard(MESSAGE, engines["good"], FaultyStore(fresh(), {last: StoreFault.ERROR_BEFORE}))


@dataclass
class RivalStore(FaultyStore):
    """A store in which a rival acts just before one call, counted from 1."""

    at: int = 0
    rival: Callable[[], object] = lambda: None

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        if len(self.calls) + 1 == self.at:
            self.rival()
        return super()._call(method, key, action)


@pytest.mark.slow
@pytest.mark.parametrize("before", [None, "crash"])
@pytest.mark.parametrize("theirs", ["good", "crash"])
@pytest.mark.parametrize("mine", ["good", "crash"])
def test_a_rival_between_any_two_calls_changes_nothing_that_was_promised(
    fresh: Callable[[], Store],
    engines: dict[str, Engine],
    mine: str,
    theirs: str,
    before: str | None,
) -> None:
    for at in range(1, CALLS):
        inner = fresh()
        if before is not None:
            run_shard(MESSAGE, engines[before], inner)
        seen: list[Outcome] = []

        def rival(inner: Store = inner, seen: list[Outcome] = seen) -> None:
            seen.append(run_shard(MESSAGE, engines[theirs], inner).outcome)

        store = RivalStore(inner, at=at, rival=rival)
        result = run_shard(MESSAGE, engines[mine], store)
        after = require_whole(inner)
        assert result.outcome == after
        assert all(rank(outcome) <= rank(after) for outcome in seen)
        if "good" in {mine, theirs} and (seen or mine == "good"):
            assert rank(after) is Rank.SUCCESS
        # A success is never replaced, not even by an equal one.
        assert all(outcome == after for outcome in seen if rank(outcome) is Rank.SUCCESS)


def test_another_result_at_the_data_keys_is_a_conflict_and_stays(
    fresh: Callable[[], Store],
    engines: dict[str, Engine],
) -> None:
    """Rule 3: data is never replaced, even where no outcome stands yet."""
    store = fresh()
    crashed = FaultyStore(store, {})
    run_shard(MESSAGE, engines["some_fail"], crashed)
    at_outcome = next(n for n, call in enumerate(crashed.calls) if call == ("create", SHARD.outcome))
    store = fresh()
    with pytest.raises(Crash):
        run_shard(MESSAGE, engines["some_fail"], FaultyStore(store, {at_outcome: StoreFault.CRASH_BEFORE}))
    bodies = [store.read(key) for key in DATA_KEYS]
    assert None not in bodies
    with pytest.raises(ConflictError, match="holds a different result"):
        run_shard(MESSAGE, engines["good"], store)
    assert [store.read(key) for key in DATA_KEYS] == bodies
    assert standing(store) is None


def test_the_order_of_a_complete_attempt(fresh: Callable[[], Store], engines: dict[str, Engine]) -> None:
    """Rule 3: run record, engine pin, the shard's claim, both data objects, outcome."""
    store = FaultyStore(fresh())
    run_shard(MESSAGE, engines["good"], store)
    created = [call.key for call in store.calls if call.method == "create"]
    assert created == [layout.run_record("r"), layout.engine_pin("r"), CLAIM, *DATA_KEYS, SHARD.outcome]


def test_the_order_of_an_incomplete_attempt(fresh: Callable[[], Store], engines: dict[str, Engine]) -> None:
    """Rule 4: partial data, the attempt's row, failure outcome."""
    store = FaultyStore(fresh())
    result = run_shard(MESSAGE, engines["crash"], store)
    attempt_id = result.outcome.attempt_id
    created = [call.key for call in store.calls if call.method == "create"]
    assert created[2:] == [
        CLAIM,
        *(SHARD.partial(name, "toy", attempt_id) for name in (table.EFFECTIVE_PARAMETERS, table.POINT_OUTCOMES)),
        SHARD.attempt(attempt_id),
        SHARD.outcome,
    ]


def test_what_is_read_is_durable_before_anything_builds_on_it(
    fresh: Callable[[], Store], engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's records before its shards, an outcome before its message is acknowledged."""
    made: list[str] = []
    monkeypatch.setattr(LocalStore, "make_durable", lambda _, key: made.append(key))
    store, record, pin = fresh(), layout.run_record("r"), layout.engine_pin("r")
    expected = {"crash": [record, SHARD.outcome, pin, SHARD.outcome], "good": [record, SHARD.outcome, pin]}
    run_shard(MESSAGE, engines["crash"], store)
    assert made == []
    for behaviour, keys in expected.items():
        made.clear()
        run_shard(MESSAGE, engines[behaviour], store)
        assert made == keys
    made.clear()
    assert run_shard(MESSAGE, engines["good"], store).disposition is Disposition.SKIPPED
    assert made == [record, SHARD.outcome]


def test_an_attempt_that_ran_nothing_leaves_no_partial_data(
    fresh: Callable[[], Store],
    tmp_path: Path,
) -> None:
    store = FaultyStore(fresh())
    run_shard(MESSAGE, Engine(scripted(tmp_path, "sys.exit(3)")), store)
    assert not any(call.key.startswith("partial/") for call in store.calls)


def test_many_workers_on_one_shard_at_once(fresh: Callable[[], Store], engines: dict[str, Engine]) -> None:
    store = fresh()
    workers = 6
    barrier = Barrier(workers)
    results: list[Result] = []

    def work(number: int) -> None:
        barrier.wait()
        results.append(run_shard(MESSAGE, engines["crash" if number % 3 == 2 else "good"], store))

    threads = [Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == workers
    after = require_whole(store)
    assert rank(after) is Rank.SUCCESS
    committed = [result for result in results if result.disposition is Disposition.COMMITTED]
    assert [result.outcome for result in committed if result.outcome.status == "success"] == [after]


def test_a_store_that_contradicts_itself_is_told(fresh: Callable[[], Store]) -> None:
    class Amnesiac(FaultyStore):
        def read(self, key: str) -> None:
            self.calls.append(Call("read", key))

    store = Amnesiac(fresh())
    now = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
    commit.agree_run(store, MESSAGE, now)
    with pytest.raises(StoreError, match="exists on create but cannot be read"):
        commit.agree_run(store, MESSAGE, now)


def test_a_foreign_object_under_a_record_is_told_not_replaced(
    fresh: Callable[[], Store],
    engines: dict[str, Engine],
) -> None:
    store = fresh()
    store.create(SHARD.outcome, b"something else")
    with pytest.raises(StoreError, match="is not a sweepctl record"):
        run_shard(MESSAGE, engines["good"], store)
    stored = store.read(SHARD.outcome)
    assert stored is not None
    assert stored.body == b"something else"

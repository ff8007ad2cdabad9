"""Runs on this machine: what is missing, what runs beside what, and what ends them."""

import datetime as dt
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from fakes import toys
from fakes.faulty import Crash, FaultyStore, StoreFault
from fakes.sweep_files import TEST_ENGINE, failing_engine, faulty_sweep, queue_sweep
from waiting import LIMIT, wait_until

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import ConflictError, EngineUnavailableError, FailedPointsError, StoreError
from sweepctl.messages import ShardMessage, ShardMessageV2
from sweepctl.records import table
from sweepctl.records.outcome import Caller, Outcome
from sweepctl.records.run import list_attempts
from sweepctl.runs.local import Begun, RunProgress, begin_run, run_shards
from sweepctl.shard.run import Result, run_shard
from sweepctl.shard.slow_point import Progress, SlowPoint
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.verify import Verdict, verify

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ENGINE = Engine(find_engine())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def toy_messages(shards: int) -> list[ShardMessage]:
    return [toys.decoded(body) for body in toys.messages(shards)]


def run_toys(store: Store, engine: Engine, shards: int = 5, slots: int = 2) -> RunProgress:
    def run_one(message: ShardMessage, tell: Progress) -> Result:
        return run_shard(message, engine, store, progress=tell)

    return run_shards(toy_messages(shards), run_one, slots=slots, stop=Event())


def begun(
    store: Store, file: Path, run_id: str | None = None, *, engine: Engine = ENGINE, now: dt.datetime = NOW
) -> Begun:
    return begin_run(plan.draft(sweep_file.read(file), engine), engine, store, run_id, now=now)


def complete(store: Store, run: Begun, engine: Engine = ENGINE) -> RunProgress:
    return run_shards(run.missing(Event()), lambda message, _: run_shard(message, engine, store), slots=2, stop=Event())


def test_shards_run_and_are_counted(store: Store, tmp_path: Path) -> None:
    done = run_toys(store, toys.engine(tmp_path))
    assert (done.succeeded, done.failed, done.points, done.error) == (5, 0, 20, None)
    again = run_toys(store, toys.engine(tmp_path))
    assert (again.succeeded, again.skipped, again.points, again.skipped_points) == (0, 5, 0, 20)


def test_as_many_run_at_a_time_as_there_are_slots(store: Store, tmp_path: Path) -> None:
    # Each of the first two waits for the other: alone, it would wait for good.
    behaviour = "tell(str(shard)); wait_for(str(1 - shard)) if shard < 2 else None"
    assert run_toys(store, toys.engine(tmp_path, behaviour)).succeeded == 5


def test_two_runs_at_once_share_the_shards_and_count_each_once(store: Store, tmp_path: Path) -> None:
    run = begun(store, queue_sweep(tmp_path, 1, rates=str([0.05 * rate for rate in range(1, 16)])))
    done, executed = list[RunProgress](), list[int]()

    def work() -> None:
        def run_one(message: ShardMessage, _: Progress) -> Result:
            result = run_shard(message, ENGINE, store)
            executed.extend([message.shard_id] * (result.attempt is not None))
            return result

        shared = Event()
        done.append(run_shards(run.missing(shared), run_one, slots=2, stop=Event(), shared=shared))

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.succeeded for each in done) == 60
    assert all(each.succeeded + each.skipped == 60 for each in done)
    assert len(executed) < 90, "in the same order it would be nearly 120"


def test_once_another_works_on_the_run_the_order_is_any(store: Store, tmp_path: Path) -> None:
    run, shared = begun(store, queue_sweep(tmp_path, 1, rates=str([0.05 * rate for rate in range(1, 16)]))), Event()
    messages = run.missing(shared)
    assert [next(messages).shard_id for _ in range(3)] == [0, 1, 2]
    shared.set()
    rest = [message.shard_id for message in messages]
    assert sorted(rest) == list(range(3, 60))
    assert rest != sorted(rest)


def test_a_shard_that_fails_does_not_stop_the_others(store: Store, tmp_path: Path) -> None:
    behaviour = "if shard == 1: run(failing=(5,))\nif shard == 2: sys.exit(3)"
    done = run_toys(store, toys.engine(tmp_path, behaviour))
    assert (done.succeeded, done.failed, done.points) == (3, 2, 16)
    told = {failure.shard_id: (failure.error_code, failure.retryable) for failure in done.failures}
    assert told == {1: ("point_failed", False), 2: ("engine_crashed", True)}


def test_a_conflict_fails_its_shard_alone(store: Store, tmp_path: Path) -> None:
    other = toys.decoded(toys.message(0, 5, end_index_exclusive=3))
    assert run_shard(other, toys.engine(tmp_path), store).outcome.status == "success"
    done = run_toys(store, toys.engine(tmp_path))
    assert (done.succeeded, done.failed, done.error) == (4, 1, None)
    assert (done.failures[0].shard_id, done.failures[0].error_code) == (0, "conflict")


@pytest.mark.parametrize("error", [EngineUnavailableError("gone"), StoreError("full")])
def test_an_error_of_engine_or_store_ends_it_in_order(store: Store, tmp_path: Path, error: Exception) -> None:
    engine, began = toys.engine(tmp_path), list[int]()
    failed = Event()

    def run_one(message: ShardMessage, tell: Progress) -> Result:
        began.append(message.shard_id)
        if message.shard_id == 1:
            failed.set()
            raise error
        failed.wait(LIMIT)
        return run_shard(message, engine, store, progress=tell)

    done = run_shards(toy_messages(5), run_one, slots=2, stop=Event())
    # What ran beside it came to its end, and nothing was begun after it.
    assert (done.error, done.succeeded, sorted(began)) == (error, 1, [0, 1])


def test_a_stop_begins_nothing_more(store: Store, tmp_path: Path) -> None:
    engine, stop = toys.engine(tmp_path), Event()

    def run_one(message: ShardMessage, _: Progress) -> Result:
        stop.set()
        return run_shard(message, engine, store, stop=stop)

    done = run_shards(toy_messages(5), run_one, slots=1, stop=stop)
    assert done.error is not None
    assert (done.error.kind, done.error.exit_code, done.succeeded) == ("interrupted", 130, 0)


def test_a_stop_that_came_before_begins_nothing(store: Store, tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    engine = toys.engine(tmp_path)
    done = run_shards(toy_messages(2), lambda message, _: run_shard(message, engine, store), slots=2, stop=stop)
    assert done.error is not None
    assert (done.error.kind, done.succeeded) == ("interrupted", 0)


def test_too_many_failed_points_stop_it_in_order(store: Store, tmp_path: Path) -> None:
    engine, stop, asked = toys.engine(tmp_path, "run(failing=(shard * 4,))"), Event(), list[int]()
    error = FailedPointsError("enough")

    def exceeded(failed: int, _: Caller) -> FailedPointsError | None:
        asked.append(failed)
        return error if failed > 1 else None

    def run_one(message: ShardMessage, _: Progress) -> Result:
        if message.shard_id == 2:
            # As if it ran for long: it ends with the stop, as after a signal.
            stop.wait(LIMIT)
        return run_shard(message, engine, store, stop=stop)

    done = run_shards(toy_messages(5), run_one, slots=2, stop=stop, exceeded=exceeded)
    assert (done.error, done.failed, done.points) == (error, 2, 8)
    assert asked[-1] == 2
    statuses = [
        table.decode(Outcome, store_body(store, entry.key), "").status
        for _, entry in list_attempts(store, "r", toys.RUN_DATE, None)
    ]
    assert statuses == ["interrupted"]


def store_body(store: Store, key: str) -> bytes:
    found = store.read(key)
    assert found is not None
    return found.body


def test_what_nobody_foresaw_is_raised(store: Store) -> None:
    del store

    def run_one(_message: ShardMessage, _tell: Progress) -> Result:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_shards(toy_messages(1), run_one, slots=1, stop=Event())


def test_progress_is_told_while_a_shard_runs(store: Store, tmp_path: Path) -> None:
    engine, told, slow = toys.engine(tmp_path), list[RunProgress](), SlowPoint(0, 3, 61.0)

    def run_one(message: ShardMessage, tell: Progress) -> Result:
        tell(3, slow)
        wait_until(lambda: told and (told[-1].points, told[-1].slow) == (3, slow))
        return run_shard(message, engine, store)

    ticks: Iterator[float] = iter(range(10**6))
    done = run_shards(
        toy_messages(1), run_one, slots=1, stop=Event(), observe=told.append, monotonic=lambda: next(ticks)
    )
    assert (done.points, done.points_per_second, done.slow) == (4, 4 / done.seconds, None)
    assert told[-1] is done


def test_a_run_is_continued_and_only_what_is_missing_is_run(store: Store, tmp_path: Path) -> None:
    first = begun(store, queue_sweep(tmp_path, 5))
    assert (first.is_new, first.complete, first.plan.shards) == (True, frozenset(), 3)
    run_shard(first.plan.message(1), ENGINE, store)
    # Another size in the file changes nothing: the record says how the run is cut.
    again = begun(store, queue_sweep(tmp_path, 3), now=NOW + dt.timedelta(days=1))
    assert (again.is_new, again.plan.run_id, again.plan.shard_points) == (False, first.plan.run_id, 5)
    assert (set(again.complete), again.complete_points) == ({1}, 5)
    assert [message.shard_id for message in again.missing(Event())] == [0, 2]
    assert complete(store, again).succeeded == 2


def test_what_is_missing_is_found_without_reading_outcomes(store: Store, tmp_path: Path) -> None:
    complete(store, begun(store, queue_sweep(tmp_path, 1)))
    watched = FaultyStore(store)
    assert len(begun(watched, queue_sweep(tmp_path, 1)).complete) == 12
    assert not [call for call in watched.calls if call.method == "read" and call.key.startswith("shard_outcomes/")]


def test_an_outcome_without_all_records_is_missing(store: Store, tmp_path: Path) -> None:
    file, engine = queue_sweep(tmp_path), Engine(failing_engine(tmp_path))
    assert complete(store, begun(store, file), engine).failed == 2
    assert begun(store, file).complete == frozenset()
    (tmp_path / "healed").touch()
    assert complete(store, begun(store, file), engine).succeeded == 2
    assert begun(store, file).complete == {0, 1}


def through(store: Store, file: Path) -> None:
    """Begin a run and complete it, one call of the store after another."""
    run = begun(store, file)
    run_shards(run.missing(Event()), lambda message, _: run_shard(message, ENGINE, store), slots=1, stop=Event())


@pytest.mark.slow
def test_a_death_at_any_call_of_the_store_is_healed_by_the_same_command(tmp_path: Path) -> None:
    file = queue_sweep(tmp_path)
    watched = FaultyStore(open_store(str(tmp_path / "watched")))
    through(watched, file)
    assert len(watched.calls) >= 20
    # Before a call is after the one before it.
    for call in range(len(watched.calls)):
        store = open_store(str(tmp_path / str(call)))
        with pytest.raises(Crash):
            through(FaultyStore(store, {call: StoreFault.CRASH_AFTER}), file)
        through(store, file)
        (run_id,) = (name.removeprefix("run=") for name in store.folders("runs/"))
        assert verify(store, run_id, ENGINE).verdict is Verdict.WHOLE


def test_a_run_that_is_sharded_differently_is_refused(store: Store, tmp_path: Path) -> None:
    planned = begun(open_store(str(tmp_path / "other")), queue_sweep(tmp_path, 6), "r").plan
    # Messages that somebody wrote by hand: the run record does not say how it is cut.
    fields = {"total_points": 12, "shard_id": 1, "start_index": 5, "end_index_exclusive": 10}
    run_shard(ShardMessageV2.of(planned.spec, "r", "2026-03-01", **fields), ENGINE, store)
    with pytest.raises(ConflictError, match=r"shard 1 covers \[5, 10\) in the store and \[6, 12\) in this sweep"):
        begun(store, queue_sweep(tmp_path, 6), "r")
    alike = begun(store, queue_sweep(tmp_path, 5), "r")
    assert alike.complete == {1}
    assert complete(store, alike).succeeded == 2


def test_failed_points_of_earlier_commands_count(store: Store, tmp_path: Path) -> None:
    file = faulty_sweep(tmp_path, "domain_error")
    file.write_text(file.read_text() + "[limits]\nfailed_points = 0.05\n")
    engine = Engine(TEST_ENGINE)
    assert (
        begun(store, file, engine=engine).failed_points,
        complete(store, begun(store, file, engine=engine), engine).failed,
    ) == (0, 1)
    again = begun(store, file, engine=engine)
    assert (again.failed_points, again.failure_limit.exceeded(0)) == (1, None)
    error = again.failure_limit.exceeded(1)
    assert error is not None
    assert error.message == "stopped: 2 of 20 points failed, more than the limit of 1 (failed_points)"
    assert f"--reuse {again.plan.run_id}" in str(error.remedy)
    with_outputs = replace(again.failure_limit, has_outputs=True).exceeded(1)
    assert "--reuse" not in str(with_outputs and with_outputs.remedy)


def test_a_sweep_of_another_spec_is_refused(store: Store, tmp_path: Path) -> None:
    begun(store, queue_sweep(tmp_path), "r")
    with pytest.raises(ConflictError):
        begun(store, queue_sweep(tmp_path, seed=2), "r")


def test_points_do_not_depend_on_how_a_run_is_cut(tmp_path: Path) -> None:
    found = []
    for points in (1, 5, 12):
        store = open_store(str(tmp_path / str(points)))
        complete(store, begun(store, queue_sweep(tmp_path, points)))
        found.append([rows(store, name) for name in ("effective_parameters", "point_outcomes")])
    assert found[0] == found[1] == found[2]
    assert [len(table) for table in found[0]] == [12, 12]


def rows(store: Store, dataset: str) -> list[dict[str, object]]:
    """All rows of a dataset in order of their points, but for what names the shard."""
    paths = sorted(Path(store.url).glob(f"{dataset}/**/*.parquet"))
    return [
        row for path in paths for row in pq.read_table(path, partitioning=None).drop_columns(["shard_id"]).to_pylist()
    ]


def test_a_failing_point_leaves_its_shard_complete(store: Store, tmp_path: Path) -> None:
    engine = Engine(TEST_ENGINE)
    file = faulty_sweep(tmp_path, "domain_error")
    done = complete(store, begun(store, file, engine=engine), engine)
    assert (done.succeeded, done.failed, done.points) == (4, 1, 20)
    assert len(begun(store, file, engine=engine).complete) == 5

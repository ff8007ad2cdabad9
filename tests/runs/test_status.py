"""How far a run is, in every state that a run can be in; what did not change is not read twice."""

import datetime as dt
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.faulty import FaultyStore
from records.test_outcome import SUCCESS
from typer.testing import CliRunner, Result

from sweepctl.cli import app
from sweepctl.errors import InterruptedRunError, UnknownRunError
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.runs.status import (
    RECENT_SECONDS,
    STILL_SECONDS,
    OutcomeSummary,
    Status,
    StatusReader,
    summarize_outcomes,
    watch,
)
from sweepctl.shard import commit
from sweepctl.spec import Limits, Spec
from sweepctl.store import open_store
from sweepctl.store.contract import Store

START = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SPEC = Spec("queue", {"kind": "grid", "dimensions": {}}, {}, 40, 1, ())
RUN = RunRecord("r", "2026-03-01", SPEC.to_json(), SPEC.fingerprint, 40, 4, START)


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


def outcome(shard_id: int, kind: str = "success", ended: float = 10) -> Outcome:
    """Return the outcome of a shard of four points that took ten seconds."""
    run = replace(
        SUCCESS,
        shard_id=shard_id,
        start_index=4 * shard_id,
        end_index_exclusive=4 * shard_id + 4,
        points_succeeded=4,
        started_at=after(ended - 10),
        finished_at=after(ended),
    )
    failure = replace(run, status="failure", error_message="why")
    return {
        "success": run,
        "points": replace(failure, error_code="point_failed", points_succeeded=3, points_failed=1),
        "retryable": replace(
            failure, error_code="engine_crashed", retryable=True, points_succeeded=1, content_sha256=None
        ),
        "permanent": replace(failure, error_code="invalid_parameters", points_succeeded=0, content_sha256=None),
    }[kind]


def key(shard_id: int) -> str:
    return layout.ShardKeys("r", "2026-03-01", shard_id).outcome


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store that holds the run record alone."""
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    return store


def file(store: Store, *outcomes: Outcome) -> None:
    for each in outcomes:
        store.create(key(each.shard_id), table.encode(each))


def status(store: Store, seconds: float = 60) -> Status:
    return StatusReader.of(store, "r").read(after(seconds))


def test_an_unknown_run_says_where_runs_are_listed(store: Store) -> None:
    with pytest.raises(UnknownRunError) as caught:
        StatusReader.of(store, "other")
    assert "`sweepctl runs`" in str(caught.value.remedy)


def test_a_run_with_its_record_alone_has_nothing_done(store: Store) -> None:
    found = status(store)
    assert (found.shards, found.shards_missing, found.points_done, found.total_points) == (10, 10, 0, 40)
    assert (found.first_activity, found.points_per_second, found.seconds_left) == (None, None, None)
    assert not found.is_done


def test_each_kind_of_outcome_is_counted_as_what_it_is(store: Store) -> None:
    file(
        store,
        *(outcome(shard_id, kind) for shard_id, kind in enumerate(("success", "points", "retryable", "permanent"))),
    )
    store.create(key(4), b"no Parquet")
    store.create(f"{layout.outcomes_folder('r', '2026-03-01')}notes.txt", b"stray")
    commit.record_attempt(store, RUN, replace(outcome(2, "retryable"), attempt_id="b"))
    found = status(store)
    assert (found.shards_succeeded, found.shards_retryable, found.shards_failed, found.shards_unreadable) == (
        1,
        1,
        2,
        1,
    )
    assert (found.shards_missing, found.attempts) == (5, 1)
    assert (found.points_succeeded, found.points_failed) == (7, 1), "an incomplete attempt has no records in the tables"
    assert found.points_settled == 12
    assert found.failures == {"point_failed": 1, "engine_crashed": 1, "invalid_parameters": 1}
    assert (found.first_activity, found.last_activity) == (after(0), after(10))


@pytest.mark.parametrize(("limit", "most", "too_many"), [(None, None, False), (0.025, 1, False), (0, 0, True)])
def test_a_limit_of_failed_points_is_told(
    tmp_path: Path, limit: float | None, most: int | None, *, too_many: bool
) -> None:
    store = open_store(str(tmp_path / "store"))
    spec = replace(SPEC, limits=Limits(failed_points=limit))
    commit.pin_run(store, replace(RUN, spec_json=spec.to_json()))
    file(store, outcome(0), outcome(1, "points"))
    assert (status(store).points_failed_limit, status(store).has_too_many_failed) == (most, too_many)


def test_a_run_that_nobody_planned_is_told_in_points(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, replace(RUN, shard_points=None))
    file(store, outcome(0))
    found = status(store)
    assert (found.shards, found.shards_missing, found.points_done) == (None, None, 4)


def seen(ends: Sequence[float], seconds: float = 10) -> list[OutcomeSummary]:
    kept = (True, False, 4, 4, 0, 0)
    return [OutcomeSummary("v", *kept, after(each - seconds), after(each), None) for each in ends]


@pytest.mark.parametrize(
    ("ends", "seconds", "at", "pace"),
    [
        ([10, 20, 30], 10, 60, 12 / 60),  # since the first began
        ([10, 20, 900, 910], 10, 1_000, 8 / RECENT_SECONDS),  # what was long ago is no measure
        ([10, 20], 10, 2_000, None),
        ([1_000, 2_000], 1_000, 2_100, 8 / 2_000),  # shards that take long are looked at for longer
    ],
)
def test_the_pace_is_that_of_lately(ends: list[float], seconds: float, at: float, pace: float | None) -> None:
    found = summarize_outcomes(RUN, seen(ends, seconds), 0, 0, after(at))
    assert found.points_per_second == (None if pace is None else pytest.approx(pace))
    left = 40 - 4 * len(ends)
    assert found.seconds_left == (None if pace is None or found.still_since else pytest.approx(left / pace))


def test_a_run_that_is_done_has_the_pace_of_all_of_it() -> None:
    found = summarize_outcomes(RUN, seen(range(10, 110, 10)), 0, 0, after(10**6))
    assert (found.is_done, found.points_per_second, found.seconds_left) == (True, 0.4, 0)


def test_only_what_is_new_or_was_replaced_is_read(store: Store) -> None:
    file(store, outcome(0), outcome(1, "retryable"))
    faulty = FaultyStore(store)
    reader = StatusReader.of(faulty, "r")

    def reads() -> list[str]:
        found = [call.key for call in faulty.calls if call.method == "read"]
        faulty.calls.clear()
        return found

    reader.read(after(60))
    assert reads() == [layout.run_record("r"), key(0), key(1)]
    reader.read(after(60))
    assert reads() == []
    standing = store.read(key(1))
    assert standing is not None
    store.replace(key(1), table.encode(outcome(1)), standing.etag)
    file(store, outcome(2))
    found = reader.read(after(60))
    assert reads() == [key(1), key(2)]
    assert (found.shards_succeeded, found.shards_retryable) == (3, 0)


def test_a_reader_that_is_stopped_says_so(store: Store) -> None:
    file(store, outcome(0))
    reader = StatusReader.of(store, "r")
    reader.stop.set()
    with pytest.raises(InterruptedRunError):
        reader.read(after(60))
    again = StatusReader.of(store, "r")
    again.stop.set()
    assert list(watch(again, lambda: after(60))) == []


def test_a_watch_ends_when_the_run_is_done(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweepctl.runs.status.WATCH_SECONDS", 0.0)
    told = []
    for found in watch(StatusReader.of(store, "r"), lambda: after(60)):
        told.append(found.shards_succeeded)
        file(store, *(outcome(shard_id) for shard_id in range(5 * len(told) - 5, 5 * len(told))))
    assert told == [0, 5, 10]


def test_a_watch_ends_when_it_is_stopped(store: Store) -> None:
    reader = StatusReader.of(store, "r")
    timer = threading.Timer(0.2, reader.stop.set)
    for _ in watch(reader, lambda: after(60)):
        timer.start()  # which it can once
    timer.join()


def sweepctl(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_person_sees_all_of_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    file(store, outcome(0), outcome(1, "points"), outcome(2, "retryable"))
    shown = sweepctl("status", "r", "--store", store.url)
    assert shown.exit_code == 0
    for words in (
        "run r of queue, 2026-03-01: standing still",
        "1 succeeded, 1 failed, may succeed on retry, 1 failed permanently, 7 missing, of 10",
        "8 of 40 done (20.0%), including 1 failed",
        "no shard ended recently",
        "1 point_failed",
        "2026-03-01 12:00:00Z to 2026-03-01 12:00:10Z",
        "nothing has happened since",
        f"sweepctl run FILE --run-id r --store {store.url} goes on here",
        f"sweepctl retry r --store {store.url} runs",
        f"sweepctl retry r --store {store.url} explains",
    ):
        assert words in shown.stdout


def test_a_run_in_which_no_shard_ends_for_longer_than_shards_take_stands_still(store: Store) -> None:
    assert (status(store).state, status(store).still_since) == ("not_begun", None)
    assert (status(store, STILL_SECONDS + 1).state, status(store, STILL_SECONDS + 1).still_since) == (
        "not_begun",
        START,
    )
    file(store, outcome(0))
    assert status(store, STILL_SECONDS + 10).state == "under_way"
    still = status(store, STILL_SECONDS + 11)
    assert (still.state, still.still_since) == ("standing_still", after(10))
    # A shard of an hour: the next one may take that long, too.
    store.create(key(1), table.encode(replace(outcome(1, ended=3_610), started_at=after(10))))
    assert status(store, 3_610 + 7_200).state == "under_way"
    assert status(store, 3_610 + 7_201).state == "standing_still"
    file(store, *(outcome(shard_id) for shard_id in range(2, 10)))
    done = status(store, 1e6)
    assert (done.state, done.still_since) == ("done", None)


def test_a_script_gets_one_object_and_a_watch_a_line_a_change(store: Store) -> None:
    file(store, *(outcome(shard_id) for shard_id in range(10)))
    told = json.loads(sweepctl("status", "r", "--store", store.url, "--json").stdout)
    assert (told["is_done"], told["shards_missing"], told["points_done"], told["queue"]) == (True, 0, 40, None)
    shown = sweepctl("status", "r", "--store", store.url, "--watch")
    assert (shown.exit_code, shown.stdout.count("10 succeeded")) == (0, 1)
    assert f"sweepctl verify r --store {store.url} checks" in sweepctl("status", "r", "--store", store.url).stdout
    both = sweepctl("status", "r", "--store", store.url, "--watch", "--json")
    assert json.loads(both.stdout)["is_done"]
    assert "10 succeeded" in both.stderr


def test_an_unknown_run_has_exit_code_1(store: Store) -> None:
    shown = sweepctl("status", "other", "--store", store.url)
    assert (shown.exit_code, "sweepctl runs" in shown.stderr) == (1, True)

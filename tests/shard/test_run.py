"""A shard from message to outcome, on a local store: what each kind of ending leaves behind, and what a retry does."""

import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from fakes.engines import REFUSED, REFUSING, clock_until, scripted
from fakes.toy_model import STARTED, failed_point, finished, line, point
from shard.toy_shard import (
    DATA_KEYS,
    DATE,
    FILES,
    GOOD,
    OUTCOME_KEY,
    POINTS,
    RUN_KEYS,
    SHARD,
    TODAY,
    attempts,
    keys,
    message,
    read,
    run,
    stored_body,
)

from sweepctl.engine.client import Engine
from sweepctl.errors import (
    ConflictError,
    EngineUnavailableError,
    InterruptedRunError,
    MessageError,
)
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.shard.run import Disposition, run_shard
from sweepctl.store.contract import Store


def test_a_clock_that_is_set_back_ends_no_attempt_before_it_began(store: Store, engine: Callable[..., Engine]) -> None:
    hours = iter(range(9, 0, -1))
    outcome = run_shard(message(), engine(), store, now=lambda: TODAY.replace(hour=next(hours))).outcome
    assert outcome is not None
    assert outcome.finished_at == outcome.started_at < TODAY.replace(hour=9)


def test_a_success_leaves_its_rows_and_one_outcome_that_names_them(
    store: Store,
    engine: Callable[..., Engine],
) -> None:
    done: list[int] = []
    result = run_shard(
        message(), engine(), store, progress=lambda points, _: done.append(points), now=lambda: TODAY, attempt_number=3
    )
    assert result.disposition is Disposition.COMMITTED
    assert keys(store) == RUN_KEYS | DATA_KEYS | {OUTCOME_KEY}
    outcome = table.decode(Outcome, stored_body(store, OUTCOME_KEY), OUTCOME_KEY)
    assert outcome == result.outcome
    assert (outcome.status, outcome.points_succeeded, outcome.attempt_number) == ("success", POINTS, 3)
    assert {artifact.key for artifact in outcome.artifacts} == DATA_KEYS
    for artifact in outcome.artifacts:
        body = stored_body(store, artifact.key)
        assert (artifact.bytes, artifact.sha256) == (len(body), hashlib.sha256(body).hexdigest())
        assert artifact.rows == read(store, artifact.key).num_rows == POINTS
    assert done[-1] == POINTS


def test_the_run_record_holds_a_spec_that_reads_back(store: Store, engine: Callable[..., Engine]) -> None:
    asked = message(base={}, dimensions={"x": [2**53 + 1, -1]}, total_points=2, end_index_exclusive=2)
    behaviour = f"for p in [{STARTED!r}, {point(0)!r}, {point(1)!r}, {finished(2)!r}]: say(p)"
    run(asked, engine(behaviour), store)
    record = table.decode(RunRecord, stored_body(store, layout.run_record("r")), "run")
    assert (record.run_date, record.total_points) == (DATE, 2)
    assert record.spec == asked.spec
    assert record.spec_fingerprint == asked.spec.fingerprint


def test_the_same_message_simulates_nothing_when_its_success_stands(
    store: Store,
    engine: Callable[..., Engine],
) -> None:
    first = run(message(), engine(), store)
    before = {key: stored_body(store, key) for key in keys(store)}
    again = run(message(), engine("sys.exit(3)"), store)
    assert (again.disposition, again.outcome, again.attempt) == (Disposition.SKIPPED, first.outcome, None)
    assert {key: stored_body(store, key) for key in keys(store)} == before


def test_the_same_message_on_another_day_lands_in_the_same_place(store: Store, engine: Callable[..., Engine]) -> None:
    run(message(), engine("sys.exit(3)"), store)
    later = run_shard(message(), engine(), store, now=lambda: TODAY + dt.timedelta(days=3))
    assert later.outcome.status == "success"
    assert DATA_KEYS | {OUTCOME_KEY} < keys(store)


def test_force_runs_again_and_compares(store: Store, engine: Callable[..., Engine]) -> None:
    first = run(message(), engine(), store)
    again = run(message(), engine(), store, force=True)
    assert again.disposition is Disposition.KEPT
    assert again.outcome == first.outcome
    assert again.attempt is not None
    assert again.attempt.content_sha256 == first.outcome.content_sha256
    assert attempts(store) == []


def test_force_tells_of_another_result_and_overwrites_nothing(store: Store, engine: Callable[..., Engine]) -> None:
    run(message(), engine(), store)
    before = {key: stored_body(store, key) for key in keys(store)}
    other = GOOD.replace("say(p)", "say(p.replace('\"m\":2.0', '\"m\":2.5'))")
    with pytest.raises(ConflictError, match="a different result"):
        run(message(), engine(other), store, force=True)
    assert {key: stored_body(store, key) for key in before} == before
    (conflict,) = attempts(store)
    assert (conflict.status, conflict.error_code, conflict.retryable) == ("conflict", "conflict", False)


@pytest.mark.parametrize(
    "changes",
    [{"seed": 2}, {"dimensions": {"x": list(range(1, POINTS + 1))}}, {"outputs": ["parts"]}, {"base": {"y": 1}}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_run_id_never_means_two_sweeps(
    store: Store,
    engine: Callable[..., Engine],
    changes: dict[str, object],
) -> None:
    run(message(), engine(), store)
    before = {key: stored_body(store, key) for key in keys(store)}
    other = message(**changes)
    with pytest.raises(ConflictError) as caught:
        run(other, engine(), store)
    assert message().spec.fingerprint in caught.value.message
    assert other.spec.fingerprint in caught.value.message
    assert {key: stored_body(store, key) for key in before} == before
    assert [attempt.status for attempt in attempts(store)] == ["conflict"]


def test_only_an_engine_that_runs_is_hashed(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = engine()
    first = run(message(), sound, store)
    assert first.outcome.engine_sha256 == hashlib.sha256(sound.path.read_bytes()).hexdigest()

    def read(_engine: Engine) -> str:
        raise AssertionError

    monkeypatch.setattr(Engine, "sha256", property(read))
    assert run(message(), sound, store).disposition is Disposition.SKIPPED


def test_an_engine_whose_file_is_replaced_while_a_shard_runs_is_an_unknown_build(
    store: Store, engine: Callable[..., Engine]
) -> None:
    replace_it = "text = open(sys.argv[0]).read(); os.unlink(sys.argv[0]); open(sys.argv[0], 'w').write(text + '#')"
    result = run(message(), engine(f"{replace_it}; os.chmod(sys.argv[0], 0o755)\n{GOOD}"), store)
    assert result.outcome.status == "success"
    assert result.outcome.engine_sha256 is None


def test_another_date_than_the_runs_is_a_conflict(store: Store, engine: Callable[..., Engine]) -> None:
    run(message(run_date="2026-02-01"), engine(), store)
    with pytest.raises(ConflictError, match="2026-02-01"):
        run(message(run_date="2026-02-02"), engine(), store)
    assert run(message(), engine(), store).disposition is Disposition.SKIPPED


def test_other_bounds_under_a_shard_are_a_conflict(store: Store, engine: Callable[..., Engine]) -> None:
    run(message(), engine(), store)
    with pytest.raises(ConflictError, match=r"\[0, 10\) in the store and \[0, 9\) in this message"):
        run(message(end_index_exclusive=9), engine(), store)


@pytest.mark.parametrize(("left", "index"), [(2, None), (1, POINTS - 1)])
def test_a_point_that_failed_before_is_not_why_an_engine_crashed(
    store: Store, tmp_path: Path, left: int, index: int | None
) -> None:
    behaviour = f"start(); [point(each, failing={{0}}) for each in range({POINTS - left})]; sys.exit(3)"
    outcome = run(message(), Engine(scripted(tmp_path, behaviour)), store).outcome
    assert (outcome.error_code, outcome.error_point_index) == ("engine_crashed", index)


@pytest.mark.parametrize(("behaviour", "index"), [("sys.exit(3)", None), ("start(); sys.exit(3)", 0)])
def test_an_engine_that_dies_before_it_begins_has_no_point_to_blame(
    store: Store, tmp_path: Path, behaviour: str, index: int | None
) -> None:
    outcome = run(message(end_index_exclusive=1), Engine(scripted(tmp_path, behaviour)), store).outcome
    assert (outcome.error_code, outcome.error_point_index) == ("engine_crashed", index)


def test_failed_points_are_recorded_with_all_others_and_stand(store: Store, engine: Callable[..., Engine]) -> None:
    lines = [STARTED, *(failed_point(i) if i in {3, 5} else point(i) for i in range(POINTS)), finished(POINTS, 2)]
    behaviour = f"for p in {lines!r}: say(p)"
    result = run(message(), engine(behaviour), store)
    outcome = result.outcome
    assert (outcome.status, outcome.error_code, outcome.error_point_index) == ("failure", "point_failed", 3)
    assert (outcome.points_succeeded, outcome.points_failed, outcome.retryable) == (POINTS - 2, 2, False)
    assert keys(store) == RUN_KEYS | DATA_KEYS | {OUTCOME_KEY}
    assert run(message(), engine("sys.exit(3)"), store).disposition is Disposition.SKIPPED
    assert run(message(), engine(behaviour), store, force=True).disposition is Disposition.KEPT


FAULTS = {
    "engine_crashed": ("for p in points[:5]: say(p)\nsys.exit(3)", 4),
    "engine_incomplete": ("for p in points[:5]: say(p)", 4),
    "engine_timeout": ("for p in points[:5]: say(p)\ntime.sleep(1e6)", 4),
    "engine_invalid_output": ("for p in [*points[:5], points[5].replace('2.0', 'NaN'), *points[6:]]: say(p)", 4),
    "engine_wrong_index": ("for p in [*points[:5], *points[6:]]: say(p)", 4),
    "engine_wrong_count": (f"for p in [*points[:5], {finished(POINTS)!r}]: say(p)", 4),
}


@pytest.mark.parametrize(("code", "behaviour", "ran"), [(code, *fault) for code, fault in FAULTS.items()], ids=FAULTS)
def test_an_engine_fault_is_recorded_with_what_ran_and_a_success_replaces_it(
    store: Store,
    engine: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
    *,
    code: str,
    behaviour: str,
    ran: int,
) -> None:
    clock = clock_until(monkeypatch, b'"point_index":3' if code == "engine_timeout" else b"never")
    slow = Engine(engine(behaviour).path, monotonic=clock)
    outcome = run(message(), slow, store, timeout=1.0).outcome
    assert (outcome.status, outcome.error_code, outcome.retryable) == ("failure", code, True)
    assert (outcome.points_succeeded, outcome.error_point_index, outcome.content_sha256) == (ran, None, None)
    partial = {SHARD.partial(name, "toy", outcome.attempt_id) for name in FILES}
    assert {artifact.key for artifact in outcome.artifacts} == partial
    assert all(read(store, key)["point_index"].to_pylist() == list(range(ran)) for key in partial)
    assert not DATA_KEYS & keys(store)
    assert attempts(store) == [outcome]
    again = run(message(), engine(), store)
    assert (again.disposition, again.outcome.status) == (Disposition.COMMITTED, "success")
    assert attempts(store) == [outcome]


def test_a_second_failure_leaves_the_first_outcome_and_both_attempts(
    store: Store,
    engine: Callable[..., Engine],
) -> None:
    first = run(message(), engine("sys.exit(3)"), store)
    second = run(message(), engine("sys.exit(4)"), store)
    assert second.disposition is Disposition.KEPT
    assert second.outcome == first.outcome
    assert {attempt.attempt_id for attempt in attempts(store)} == {
        first.outcome.attempt_id,
        second.attempt.attempt_id if second.attempt else "",
    }


def test_invalid_parameters_fail_for_good_without_a_point(store: Store, engine: Callable[..., Engine]) -> None:
    refused = line(record="refused", error_code="invalid_parameters", message="x = -1: must be >= 0", parameter="x")
    outcome = run(message(), engine(f"say({refused!r})"), store).outcome
    assert (outcome.error_code, outcome.error_message) == ("invalid_parameters", "x = -1: must be >= 0")
    assert (outcome.retryable, outcome.points_succeeded, outcome.artifacts) == (False, 0, ())
    assert [attempt.error_code for attempt in attempts(store)] == ["invalid_parameters"]


def test_what_the_engine_refuses_is_the_messages_own_failure(store: Store, engine: Callable[..., Engine]) -> None:
    with pytest.raises(MessageError, match=r"refused .* \(bad_request\): design\.std: too large"):
        run(message(), engine(REFUSING), store)
    assert {key for key in keys(store) if not key.startswith("runs/")} == set()
    assert run(message(), engine(), store).outcome.status == "success"


def test_an_engine_that_refuses_the_defaults_too_is_at_fault(store: Store, engine: Callable[..., Engine]) -> None:
    with pytest.raises(EngineUnavailableError, match="bad_request"):
        run(message(), engine(f"say({REFUSED!r})"), store)
    assert {key for key in keys(store) if not key.startswith("runs/")} == set()


def test_an_engine_that_fails_on_the_defaults_has_failed_on_the_shard(
    store: Store, engine: Callable[..., Engine]
) -> None:
    outcome = run(message(), engine(f"sys.exit(3) if sys.argv[1] == 'points' else say({REFUSED!r})"), store).outcome
    assert (outcome.error_code, outcome.retryable) == ("engine_crashed", True)


def test_an_injected_failure_needs_the_workers_consent_and_gives_way_to_a_real_run(
    store: Store,
    engine: Callable[..., Engine],
) -> None:
    named = message(failure_injection_shards=[0])
    with pytest.raises(MessageError, match="failure_injection_shards"):
        run(named, engine(), store)
    assert keys(store) == set()
    injected = run(named, engine("sys.exit(3)"), store, allow_failure_injection=True)
    assert (injected.outcome.error_code, injected.outcome.retryable) == ("injected_failure", False)
    assert run(message(), engine(), store).outcome.status == "success"
    assert run(message(failure_injection_shards=[1]), engine(), store).disposition is Disposition.SKIPPED


def test_the_wrong_engine_writes_nothing(store: Store, engine: Callable[..., Engine], tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError):
        run(message(model="ridehail"), engine(), store)
    with pytest.raises(EngineUnavailableError):
        run(message(), Engine(tmp_path / "none"), store)
    assert keys(store) == set()


def test_a_run_stays_with_the_model_version_of_its_first_shard(
    store: Store,
    engine: Callable[..., Engine],
    tmp_path: Path,
) -> None:
    half = message(end_index_exclusive=5)
    run(half, engine(f"for p in [*points[:6], {finished(5)!r}]: say(p)"), store)
    before = keys(store)
    newer = scripted(tmp_path, GOOD)
    newer.write_text(newer.read_text().replace('"version": "1"', '"version": "2"'))
    with pytest.raises(EngineUnavailableError, match=r"pinned to toy version 1, but this engine has toy version 2"):
        run(message(shard_id=1, start_index=5), Engine(newer), store)
    assert keys(store) == before


def test_a_stop_is_recorded_and_leaves_the_shard_to_be_run(store: Store, engine: Callable[..., Engine]) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(InterruptedRunError):
        run_shard(message(), engine("time.sleep(1e6)"), store, stop=stop, now=lambda: TODAY)
    assert [attempt.status for attempt in attempts(store)] == ["interrupted"]
    assert run(message(), engine(), store).outcome.status == "success"


def test_an_output_that_the_model_does_not_have(store: Store, engine: Callable[..., Engine]) -> None:
    refused = line(record="refused", error_code="invalid_parameters", message="no output 'none'", parameter="none")
    outcome = run(message(outputs=["none"]), engine(f"say({refused!r})"), store).outcome
    assert outcome.error_code == "invalid_parameters"

"""A shard from message to outcome, on a local store: what each kind of ending leaves behind, and what a retry does."""

import datetime as dt
import errno
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.engines import REFUSED, REFUSING, clock_until, scripted
from fakes.toy_model import STARTED, failed_point, finished, line, point, rows

from sweepctl.engine.client import Engine
from sweepctl.errors import (
    ConflictError,
    EngineUnavailableError,
    InterruptedRunError,
    MessageError,
    NoRoomError,
    ScratchError,
    StoreError,
)
from sweepctl.messages import ShardMessage, ShardMessageV1
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.row_digest import ContentDigest
from sweepctl.shard import conditions
from sweepctl.shard.run import Conditions, Disposition, Result, run_shard
from sweepctl.store import open_store
from sweepctl.store.contract import Store

POINTS = 10
GOOD = "for p in points: say(p)"
TODAY = dt.datetime(2026, 2, 14, 12, tzinfo=dt.UTC)
FILES = ("effective_parameters", "point_outcomes")


def message(**changes: object) -> ShardMessage:
    fields = {
        "run_id": "r",
        "model": "toy",
        "dimensions": {"x": list(range(POINTS))},
        "total_points": POINTS,
        "shard_id": 0,
        "start_index": 0,
        "end_index_exclusive": POINTS,
        "seed": 1,
        **changes,
    }
    return ShardMessageV1.model_validate(fields)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., Engine]:
    """Return a maker of engines that behave as told, or well."""

    def make(behaviour: str = GOOD) -> Engine:
        return Engine(scripted(tmp_path, behaviour, POINTS))

    return make


def keys(store: Store) -> set[str]:
    root = Path(store.url)
    return {
        str(path.relative_to(root)) for path in root.rglob("*.parquet") if not path.is_relative_to(root / ".sweepctl")
    }


def read(store: Store, key: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(stored_body(store, key)))


def stored_body(store: Store, key: str) -> bytes:
    stored = store.read(key)
    assert stored is not None
    return stored.body


def attempts(store: Store) -> list[Outcome]:
    found = sorted(key for key in keys(store) if key.startswith("shard_attempts/"))
    return [table.decode(Outcome, stored_body(store, key), key) for key in found]


DATE = "2026-02-14"
RUN_KEYS = {layout.run_record("r"), layout.engine_pin("r")}
SHARD = layout.ShardKeys("r", DATE, 0)
OUTCOME_KEY = SHARD.outcome
DATA_KEYS = {SHARD.dataset(name, "toy") for name in FILES}


def run(message: ShardMessage, engine: Engine, store: Store, **conditions: object) -> Result:
    return run_shard(message, engine, store, Conditions(**conditions), now=lambda: TODAY)  # type: ignore[arg-type]


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


def test_both_datasets_join_one_to_one(store: Store, engine: Callable[..., Engine]) -> None:
    run(message(), engine(), store)
    parameters, outcomes = (read(store, SHARD.dataset(name, "toy")) for name in FILES)
    joined = parameters.join(outcomes, ["run_id", "point_index"], join_type="full outer", right_suffix="_o")
    assert joined.num_rows == POINTS
    assert joined["point_fingerprint"].equals(joined["point_fingerprint_o"])
    assert parameters.schema.names[:10] == [
        "run_id",
        "shard_id",
        "point_index",
        "replicate",
        "seed",
        "model",
        "model_version",
        "parameter_fingerprint",
        "point_fingerprint",
        "effective_parameters_json",
    ]


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


@pytest.mark.parametrize("is_equal", [True, False])
def test_rows_are_compared_where_the_digest_in_the_store_is_of_another_version(
    store: Store, engine: Callable[..., Engine], *, is_equal: bool
) -> None:
    first = run(message(), engine(), store).outcome
    stored = store.read(OUTCOME_KEY)
    assert stored is not None
    old = replace(first, content_sha256="0" * 64)  # as earlier releases write it
    store.replace(OUTCOME_KEY, table.encode(old), stored.etag)
    if is_equal:
        again = run(message(), engine(), store, force=True)
        assert (again.disposition, again.outcome) == (Disposition.KEPT, old)
    else:
        other = engine(GOOD.replace("say(p)", "say(p.replace('\"m\":2.0', '\"m\":2.5'))"))
        with pytest.raises(ConflictError, match="a different result"):
            run(message(), other, store, force=True)


@pytest.mark.parametrize("is_equal", [True, False])
def test_a_lost_file_of_an_earlier_release_is_recreated_only_with_its_own_bytes(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, *, is_equal: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ContentDigest, "text", "0" * 64)  # it is in the file's metadata
        first = run(message(), engine(), store).outcome
    (lost,) = (each.key for each in first.artifacts if each.dataset == "point_outcomes")
    body = stored_body(store, lost)
    Path(store.locate(lost)).unlink()
    if is_equal:
        again = run(message(), engine(), store, force=True)
        assert (again.disposition, again.outcome) == (Disposition.KEPT, first)
        assert stored_body(store, lost) == body
    else:
        other = engine(GOOD.replace("say(p)", "say(p.replace('\"m\":2.0', '\"m\":2.5'))"))
        with pytest.raises(ConflictError, match="is missing, and cannot be recreated here"):
            run(message(), other, store, force=True)
        assert store.read(lost) is None


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


def test_a_shard_of_more_points_than_a_worker_allows_leaves_nothing(
    store: Store, engine: Callable[..., Engine]
) -> None:
    with pytest.raises(MessageError, match="a shard of 10 points: this worker runs at most 9"):
        run(message(), engine("sys.exit(3)"), store, max_points=POINTS - 1)
    assert keys(store) == set()
    assert run(message(), engine(), store, max_points=POINTS).outcome.status == "success"


ENDLESS = f"""
say({STARTED!r})
index = 0
while True:
    said = {point(123)!r}.replace("123", str(index)).replace('"metrics":{{"m":61.5}}', '"metrics":{{"m":0.5}}')
    say(said.replace('"replicate":0', f'"replicate":{{index}}').replace(f'"x":{{index}}', '"x":0')
        .replace(f'\\"x\\":{{index}}', '\\"x\\":0'))
    index += 1
"""


def test_a_shard_whose_files_take_more_than_a_worker_allows_is_ended_while_they_are_written(
    store: Store, engine: Callable[..., Engine], tmp_path: Path
) -> None:
    most, reached = 100_000, [0]
    huge = message(dimensions={"x": [0]}, replications=10**9, total_points=10**9, end_index_exclusive=10**9)
    with pytest.raises(MessageError, match="its shard take more than 100,000 bytes"):
        run_shard(
            huge,
            engine(ENDLESS),
            store,
            Conditions(max_scratch_bytes=most),
            progress=lambda points, _: reached.append(points),
            now=lambda: TODAY,
        )
    assert reached[-1] < 10 * table.ROW_GROUP_ROWS
    assert keys(store) == RUN_KEYS
    assert not [path for path in (tmp_path / "store").rglob("*.parquet") if path.stat().st_size > most]


def test_what_remains_of_the_files_at_the_end_counts_too(store: Store, engine: Callable[..., Engine]) -> None:
    with pytest.raises(MessageError, match="take more than 1,000 bytes"):
        run(message(), engine(), store, max_scratch_bytes=1_000)
    assert keys(store) == RUN_KEYS
    assert run(message(), engine(), store, max_scratch_bytes=100_000).outcome.status == "success"


def free(monkeypatch: pytest.MonkeyPatch, bytes_free: int) -> None:
    monkeypatch.setattr(conditions, "disk_usage", lambda _: SimpleNamespace(free=bytes_free))


def test_a_shard_takes_at_most_its_share_of_what_is_free_when_it_starts(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 16 << 20)
    huge = message(dimensions={"x": [0]}, replications=10**9, total_points=10**9, end_index_exclusive=10**9)
    with pytest.raises(NoRoomError, match="more than 4,194,304 bytes, its share of this worker's free space"):
        run(huge, engine(ENDLESS), store, max_scratch_bytes=1 << 30, concurrency=2)
    assert keys(store) == RUN_KEYS
    with pytest.raises(MessageError, match="more than 100,000 bytes, which this worker does not allow"):
        run(huge, engine(ENDLESS), store, max_scratch_bytes=100_000, concurrency=2)
    assert run(message(run_id="s"), engine(), store, max_scratch_bytes=1 << 30, concurrency=2).outcome.complete


def test_a_worker_whose_disk_is_full_starts_no_shard(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 3 << 20)
    with pytest.raises(ScratchError, match="only 3,145,728 bytes are free for 2 shards at once") as caught:
        run(message(), engine(), store, max_scratch_bytes=1 << 30, concurrency=2)
    assert not isinstance(caught.value, NoRoomError)
    assert run(message(), engine(), store, max_scratch_bytes=1 << 30, concurrency=1).outcome.status == "success"


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


def test_a_full_disk_is_the_stores_fault_and_leaves_nothing(
    store: Store,
    engine: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(table.DatasetWriter, "finish", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run(message(), engine(), store)
    assert keys(store) == RUN_KEYS


def test_equal_content_in_other_bytes_is_adopted(store: Store, engine: Callable[..., Engine]) -> None:
    """What a crash between data and outcome leaves, found by a worker with another Parquet library."""
    first = run(message(), engine(), store).outcome
    root = Path(store.url)
    (root / OUTCOME_KEY).unlink()
    for artifact in first.artifacts:
        written = pq.read_table(pa.BufferReader(stored_body(store, artifact.key)))
        (root / artifact.key).unlink()
        pq.write_table(written, root / artifact.key, compression="none")
    second = run(message(), engine(), store)
    assert second.disposition is Disposition.COMMITTED
    assert replace(second.outcome, artifacts=(), attempt_id="") == replace(
        first,
        artifacts=(),
        attempt_id="",
        cpu_seconds=second.outcome.cpu_seconds,
    )
    for artifact in second.outcome.artifacts:
        assert hashlib.sha256((root / artifact.key).read_bytes()).hexdigest() == artifact.sha256


@pytest.mark.parametrize("with_outcome", [True, False])
def test_a_damaged_file_is_never_adopted(store: Store, engine: Callable[..., Engine], *, with_outcome: bool) -> None:
    first = run(message(), engine(), store).outcome
    root = Path(store.url)
    path = root / first.artifacts[1].key
    body = bytearray(path.read_bytes())
    metric = pq.read_metadata(path).row_group(0).column(8)
    body[metric.data_page_offset + metric.total_compressed_size - 9] ^= 1
    path.chmod(0o644)
    path.write_bytes(body)
    if not with_outcome:
        (root / OUTCOME_KEY).unlink()
    with pytest.raises(ConflictError):
        run(message(), engine(), store, force=True)
    assert path.read_bytes() == body


def test_files_that_the_outcome_does_not_name_are_told_by_force(store: Store, engine: Callable[..., Engine]) -> None:
    first = run(message(), engine(), store).outcome
    path = Path(store.url) / first.artifacts[0].key
    rows_there = pq.read_table(pa.BufferReader(path.read_bytes()))
    pq.write_table(rows_there, path, compression="none")
    with pytest.raises(ConflictError, match="do not match its outcome"):
        run(message(), engine(), store, force=True)


@pytest.mark.slow
def test_equal_work_gives_equal_bytes_however_the_engine_pauses(
    store: Store,
    engine: Callable[..., Engine],
    tmp_path: Path,
) -> None:
    whole = run(message(), engine(), store).outcome
    other = open_store(str(tmp_path / "other"))
    pieces = run(message(), engine("for p in points: say(p); time.sleep(0.05)"), other).outcome
    assert [artifact.sha256 for artifact in whole.artifacts] == [artifact.sha256 for artifact in pieces.artifacts]


def test_rows_of_an_extra_dataset_lie_beside_the_points(store: Store, engine: Callable[..., Engine]) -> None:
    started = json.dumps({**json.loads(STARTED), "datasets": {"parts": {"p": "int"}}}, separators=(",", ":"))
    lines = [started]
    for index in range(POINTS):
        lines += [rows(index, *range(index)), point(index)]
    result = run(message(outputs=["parts"]), engine(f"for p in {[*lines, finished(POINTS)]!r}: say(p)"), store)
    assert result.outcome.status == "success"
    parts = read(store, SHARD.dataset("parts", "toy"))
    assert parts["point_index"].to_pylist() == [index for index in range(POINTS) for _ in range(index)]
    assert [artifact.dataset for artifact in result.outcome.artifacts] == [*FILES, "parts"]


def test_an_output_that_the_model_does_not_have(store: Store, engine: Callable[..., Engine]) -> None:
    refused = line(record="refused", error_code="invalid_parameters", message="no output 'none'", parameter="none")
    outcome = run(message(outputs=["none"]), engine(f"say({refused!r})"), store).outcome
    assert outcome.error_code == "invalid_parameters"

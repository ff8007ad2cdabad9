"""Points taken over from another run: the same bytes as simulated ones, and only from what can be trusted."""

import datetime as dt
import hashlib
from dataclasses import replace
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.sweep_files import TEST_ENGINE, faulty_sweep, queue_sweep

from sweepctl import protocol
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import InterruptedRunError, UnknownRunError
from sweepctl.messages import ShardMessage
from sweepctl.records import table
from sweepctl.records.outcome import Outcome
from sweepctl.records.run import find_outcome
from sweepctl.runs import local, reuse
from sweepctl.runs.local import Begun, RunProgress
from sweepctl.runs.reuse import ReusingEngine, Source, read_source
from sweepctl.shard.run import Result, run_shard
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.verify import Verdict, verify

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
ENGINE = Engine(find_engine())
FAULTY = Engine(TEST_ENGINE)
MORE_RATES = "[0.125, 0.25, 0.5, 0.625, 0.75]"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a run `old` of twelve points in two shards."""
    found = open_store(str(tmp_path / "store"))
    run(found, queue_sweep(tmp_path), "old", ENGINE)
    return found


def run(store: Store, file: Path, run_id: str, engine: Engine) -> tuple[Begun, RunProgress]:
    begun = local.begin_run(plan.draft(sweep_file.read(file), engine), engine, store, run_id, now=NOW)

    def run_one(message: ShardMessage, _: object) -> Result:
        return run_shard(message, engine, store)

    taken = engine.taken if isinstance(engine, ReusingEngine) else {}
    done = local.run_shards(
        begun.missing(Event()),
        run_one,
        slots=2,
        stop=Event(),
        reused=lambda message: taken.get(message.start_index, 0),
    )
    return begun, done


def source_of(
    store: Store, run_id: str = "old", *, seed: int = 1, engine: Engine = ENGINE, model: str = "queue"
) -> Source:
    return read_source(store, run_id, engine.model(model), seed, Event())


def reusing(source: Source, engine: Engine = ENGINE) -> ReusingEngine:
    return ReusingEngine(engine, source)


def outcomes(store: Store, begun: Begun) -> list[Outcome]:
    found = [find_outcome(store, begun.record, shard) for shard in range(begun.plan.shards)]
    assert all(found)
    return [outcome for outcome in found if outcome is not None]


def require_alike(tmp_path: Path, store: Store, begun: Begun, file: Path, engine: Engine = ENGINE) -> None:
    """Compare a run with one that takes nothing over."""
    alone = open_store(str(tmp_path / "alone"))
    other, _ = run(alone, file, begun.record.run_id, engine)
    contents = [outcome.content_sha256 for outcome in outcomes(alone, other)]
    assert [outcome.content_sha256 for outcome in outcomes(store, begun)] == contents
    files = [[artifact.sha256 for artifact in each.artifacts] for each in outcomes(store, begun)]
    assert [[artifact.sha256 for artifact in each.artifacts] for each in outcomes(alone, other)] == files


def test_points_that_a_constraint_excludes_are_not_taken_over(store: Store, tmp_path: Path) -> None:
    file = queue_sweep(tmp_path)
    file.write_text('constraints = ["servers == 2"]\n' + file.read_text())
    engine = reusing(source_of(store))
    begun, done = run(store, file, "new", engine)
    assert (done.points, done.reused, done.excluded) == (begun.plan.total_points, 6, 6)
    assert verify(store, "new", engine=ENGINE).verdict is Verdict.WHOLE


@pytest.mark.parametrize("points", [1, 5, 12])
def test_a_run_that_is_cut_otherwise_takes_all_of_its_points(store: Store, tmp_path: Path, points: int) -> None:
    file = queue_sweep(tmp_path, points)
    begun, done = run(store, file, "new", reusing(source_of(store)))
    assert (done.succeeded, done.points, done.reused) == (begun.plan.shards, 12, 12)
    require_alike(tmp_path, store, begun, file)


def test_a_larger_grid_takes_the_points_that_are_alike(store: Store, tmp_path: Path) -> None:
    file = queue_sweep(tmp_path, 8, rates=MORE_RATES)
    begun, done = run(store, file, "new", reusing(source_of(store)))
    assert (done.points, done.reused) == (20, 12)
    require_alike(tmp_path, store, begun, file)


def test_another_seed_shares_no_point(store: Store, tmp_path: Path) -> None:
    source = source_of(store, seed=2)
    assert source.nothing == "it has seed 1, but this run has 2"
    _, done = run(store, queue_sweep(tmp_path, seed=2), "new", reusing(source))
    assert (done.succeeded, done.reused) == (2, 0)
    # And if the fingerprints are looked at all the same: none is alike.
    _, done = run(store, queue_sweep(tmp_path, seed=2), "newer", reusing(source_of(store)))
    assert (done.succeeded, done.reused) == (2, 0)


def test_another_model_shares_no_point(store: Store) -> None:
    assert source_of(store, model="epidemic").nothing == "it ran model queue, but this run is of epidemic"


def test_another_version_of_the_model_shares_no_point(store: Store) -> None:
    later = ENGINE.model("queue").model_copy(update={"version": "2"})
    source = read_source(store, "old", later, 1, Event())
    assert source.nothing == "it ran version 1 of the model, but this engine has 2"


def test_a_damaged_shard_is_not_used_and_told(store: Store, tmp_path: Path) -> None:
    (path,) = Path(store.url).glob("point_outcomes/queue/*/run=old/shard-00000000.parquet")
    body = bytearray(path.read_bytes())
    body[100] ^= 1
    path.write_bytes(body)
    source = source_of(store)
    assert source.unsound == [f"{path} does not match the digest in its outcome"]
    file = queue_sweep(tmp_path, 12)
    begun, done = run(store, file, "new", reusing(source))
    assert (done.points, done.reused) == (12, 5)
    require_alike(tmp_path, store, begun, file)


@pytest.mark.parametrize("folder", ["point_outcomes/queue", "shard_outcomes"])
def test_a_file_that_is_gone_or_no_parquet_is_not_used(store: Store, folder: str) -> None:
    (path,) = Path(store.url).glob(f"{folder}/*/run=old/shard-00000001.parquet")
    path.write_bytes(b"PAR1")
    assert (len(source_of(store).rows), len(source_of(store).unsound)) == (7, 1)
    path.unlink()
    assert len(source_of(store).rows) == 7


def test_failed_points_are_run_again_and_their_neighbours_taken_over(tmp_path: Path) -> None:
    store, file = open_store(str(tmp_path / "store")), faulty_sweep(tmp_path, "domain_error")
    run(store, file, "old", FAULTY)
    source = source_of(store, engine=FAULTY, model="faulty")
    begun, done = run(store, file, "new", reusing(source, FAULTY))
    assert (done.failed, done.points, done.reused) == (1, 20, 19)
    require_alike(tmp_path, store, begun, file, FAULTY)


def cut_engine(folder: Path, at: int) -> Engine:
    """Return an engine whose record of point `at` is wrong: what came before is kept in partial/."""
    path = folder / f"cut-{at}"
    wrong = f's/"point_index":{at},/"point_index":99,/'
    # It knows lines alone: of a record in columns, none of its points would be kept.
    path.write_text(
        f'#!/bin/sh\n[ "$1" = points ] && exec {ENGINE.path} points\n'
        f'{ENGINE.path} "$1" | sed \'{wrong};s/"columns":true/"columns":false/\'\n'
    )
    path.chmod(0o755)
    return Engine(path)


@pytest.fixture
def partial(tmp_path: Path) -> Store:
    """A store with a run `old` whose first shard has three points of one attempt and five of another."""
    found = open_store(str(tmp_path / "partial-store"))
    begun = local.begin_run(plan.draft(sweep_file.read(queue_sweep(tmp_path)), ENGINE), ENGINE, found, "old", now=NOW)
    for at in (3, 5):
        outcome = run_shard(begun.plan.message(0), cut_engine(tmp_path, at), found).outcome
        assert outcome.error_code == "engine_wrong_index"
    return found


def partial_files(store: Store) -> list[Path]:
    """Return the files of results in partial/, the one with fewer rows first."""
    found = Path(store.url).glob("partial/point_outcomes/queue/*/run=old/*.parquet")
    return sorted(found, key=lambda path: pq.read_metadata(path).num_rows)


def test_points_of_attempts_that_did_not_complete_are_taken_over(partial: Store, tmp_path: Path) -> None:
    source = source_of(partial)
    assert (len(source.rows), source.unsound, source.left_out) == (5, [], 0)
    assert source.metrics is not None
    assert source.metrics.num_rows == 5
    file = queue_sweep(tmp_path, 12)
    begun, done = run(partial, file, "new", reusing(source))
    assert (done.points, done.reused) == (12, 5)
    require_alike(tmp_path, partial, begun, file)


def test_of_several_attempts_the_first_one_counts(partial: Store) -> None:
    few, _ = partial_files(partial)
    rows = pq.read_table(few)
    few.chmod(0o644)
    pq.write_table(rows.set_column(rows.schema.get_field_index("mean_wait"), "mean_wait", pa.array([7.0] * 3)), few)
    reseal(partial, few)
    source = source_of(partial)
    assert source.metrics is not None
    waits = source.metrics["mean_wait"].to_pylist()
    assert (len(waits), waits[:3]) == (5, [7.0] * 3)
    assert 7.0 not in waits[3:]


def reseal(store: Store, path: Path) -> None:
    """Have the attempt promise the file that is there."""
    (attempt,) = Path(store.url).glob(f"shard_attempts/*/run=old/{path.name}")
    recorded = table.decode(Outcome, attempt.read_bytes(), "")
    key = str(path.relative_to(store.url))
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    artifacts = tuple(
        replace(each, sha256=digest, bytes=len(body)) if each.key == key else each for each in recorded.artifacts
    )
    attempt.chmod(0o644)
    attempt.write_bytes(table.encode(replace(recorded, artifacts=artifacts)))


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_a_partial_file_that_is_not_sound_is_not_used_and_told(partial: Store, harm: str) -> None:
    few, many = partial_files(partial)
    many.unlink()
    if harm == "damaged":
        many.write_bytes(b"PAR1")
    source = source_of(partial)
    assert source.unsound == [f"{many} does not match the digest in its outcome"]
    assert len(source.rows) == pq.read_metadata(few).num_rows == 3


@pytest.mark.parametrize("changed", [{"model_version": "2"}, {"spec_fingerprint": "0" * 64}, {"shard_id": 1}])
def test_an_attempt_of_another_run_is_not_used(partial: Store, changed: dict[str, object]) -> None:
    _, many = partial_files(partial)
    (attempt,) = Path(partial.url).glob(f"shard_attempts/*/run=old/{many.name}")
    recorded = table.decode(Outcome, attempt.read_bytes(), "")
    attempt.chmod(0o644)
    attempt.write_bytes(table.encode(replace(recorded, **changed)))  # type: ignore[arg-type]
    source = source_of(partial)
    assert source.unsound == [f"{attempt} is not an attempt of this run"]
    assert len(source.rows) == 3


def test_a_shard_with_its_records_needs_no_attempt(partial: Store, tmp_path: Path) -> None:
    run(partial, queue_sweep(tmp_path), "old", ENGINE)
    for path in partial_files(partial):
        path.unlink()
    source = source_of(partial)
    assert (len(source.rows), source.unsound) == (12, [])


def test_what_finds_no_room_is_simulated(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "MAX_REQUEST_BYTES", 1_000)
    monkeypatch.setattr(reuse, "AT_ONCE", 1)
    assert protocol.MAX_REQUEST_BYTES > 1_000
    file = queue_sweep(tmp_path, 12)
    begun, done = run(store, file, "new", reusing(source_of(store)))
    assert 0 < done.reused < 12
    require_alike(tmp_path, store, begun, file)


def test_memory_is_bounded(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "MAX_POINTS", 9)
    source = source_of(store)
    assert (len(source.rows), source.left_out) == (9, 3)
    _, done = run(store, queue_sweep(tmp_path, 12), "new", reusing(source))
    assert (done.succeeded, done.reused) == (1, 9)


def test_a_fault_while_points_are_named_is_the_runs_to_tell(store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "engine"
    broken.write_text(f'#!/bin/sh\n[ "$1" = points ] && exit 3\nexec {ENGINE.path} "$@"\n')
    broken.chmod(0o755)
    begun = local.begin_run(plan.draft(sweep_file.read(queue_sweep(tmp_path)), ENGINE), ENGINE, store, "new", now=NOW)
    engine = reusing(source_of(store), Engine(broken))
    assert run_shard(begun.plan.message(0), engine, store).outcome.status == "success"
    assert engine.taken == {}


def test_a_run_that_is_not_there(store: Store) -> None:
    with pytest.raises(UnknownRunError):
        source_of(store, "none")


def test_a_run_without_shards_has_nothing(store: Store, tmp_path: Path) -> None:
    local.begin_run(plan.draft(sweep_file.read(queue_sweep(tmp_path)), ENGINE), ENGINE, store, "bare", now=NOW)
    assert source_of(store, "bare").nothing == "none of its shards has been run yet"


def test_a_stop_ends_the_reading(store: Store) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(InterruptedRunError):
        read_source(store, "old", ENGINE.model("queue"), 1, stop)

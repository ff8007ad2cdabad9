"""A point that ends its engine: its neighbours have their results, and so has it."""

import datetime as dt
import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.crashing import AT, POINTS, SHARD, TEST_ENGINE, body
from rich.console import Console

from sweepctl.engine.client import Engine
from sweepctl.engine.run import EngineRun
from sweepctl.errors import ConflictError, EngineUnavailableError, WrongEngineError
from sweepctl.messages import ShardMessage, decode
from sweepctl.records.layout import ShardKeys
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES
from sweepctl.shard.run import Conditions, Disposition, Result, run_shard
from sweepctl.spec import NO_LIMITS
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.view.shard import show_result


def message(mode: str, shard: int = 2, *, limits: dict[str, Any] | None = None, **base: object) -> ShardMessage:
    return decode(body(mode, shard, limits=limits, **base), dt.date(2026, 2, 14))


@pytest.fixture
def engine() -> Engine:
    return Engine(TEST_ENGINE)


def rows(store: Store, outcome: Outcome, dataset: str) -> list[dict[str, object]]:
    (artifact,) = (each for each in outcome.artifacts if each.dataset == dataset)
    found: list[dict[str, object]] = pq.read_table(Path(store.url) / artifact.key).to_pylist()
    return found


def run(message: ShardMessage, engine: Engine, store: Store, **conditions: object) -> Result:
    return run_shard(message, engine, store, replace(Conditions(threads=2), **conditions))  # type: ignore[arg-type]


def require_one_failure(store: Store, outcome: Outcome, code: str) -> str:
    """Check that point 57 failed, and no other; return its message."""
    assert (outcome.status, outcome.error_code, outcome.error_point_index) == ("failure", "point_failed", AT)
    assert (outcome.points_succeeded, outcome.points_failed, outcome.retryable) == (SHARD - 1, 1, False)
    results = rows(store, outcome, POINT_OUTCOMES)
    assert [row["point_index"] for row in results] == list(range(50, 75))
    assert [row["half"] for row in results] == [None if index == AT else index / 2 for index in range(50, 75)]
    assert [row["point_index"] for row in rows(store, outcome, EFFECTIVE_PARAMETERS)] == list(range(50, 75))
    (failed,) = (row for row in results if row["status"] == "failure")
    assert (failed["point_index"], failed["error_code"]) == (AT, code)
    assert outcome.error_message == f"{code}: {failed['error_message']}"
    return str(failed["error_message"])


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("abort", "its process was ended by signal 6 (SIGABRT, it aborted)"),
        ("exit", "its process exited with status 7"),
        ("exit_0", "its process exited with status 0"),
        ("overflow", "its process was ended by signal 6 (SIGABRT, it aborted)"),
        ("leave", "its process was ended by signal 6 (SIGABRT, it aborted)"),
    ],
)
def test_a_point_that_crashes_fails_alone(store: Store, engine: Engine, mode: str, said: str) -> None:
    result = run(message(mode), engine, store)
    assert require_one_failure(store, result.outcome, "point_crashed").startswith(said)
    assert run(message(mode), engine, store).disposition is Disposition.SKIPPED
    assert run(message(mode, shard=3), engine, store).outcome.status == "success"


def test_what_a_point_prints_does_no_harm(store: Store, engine: Engine) -> None:
    assert run(message("print"), engine, store).outcome.status == "success"


def test_a_result_does_not_depend_on_where_a_point_ran(store: Store, engine: Engine, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    crashed = run(message("abort_once", marker=str(marker)), engine, store)
    assert not marker.exists()
    assert crashed.outcome.status == "success"
    again = run(message("abort_once", marker=str(marker)), engine, store, force=True)
    assert again.disposition is Disposition.KEPT
    assert again.attempt is not None
    assert again.attempt.content_sha256 == crashed.outcome.content_sha256


def test_an_engine_without_a_host_fails_as_a_whole(store: Store, engine: Engine) -> None:
    engine.description = engine.description.model_copy(update={"host": False})
    outcome = run(message("abort"), engine, store).outcome
    assert (outcome.error_code, outcome.retryable, outcome.error_point_index) == ("engine_crashed", True, None)


class Fragile:
    """A shard whose point 57 crashes in the attempts that are told so: on some machines, or at some times."""

    def __init__(self, folder: Path, store: Store, engine: Engine) -> None:
        self._store, self._engine = store, engine
        self._folder = folder / "crashes"

    def run(self, *, crashes: bool, **conditions: object) -> Result:
        if crashes:
            self._folder.mkdir()
        elif self._folder.exists():
            self._folder.rmdir()
        return run(message("abort_in", marker=str(self._folder)), self._engine, self._store, **conditions)

    @property
    def outcome_file(self) -> Path:
        record = RunRecord(
            "r", dt.datetime.now(dt.UTC).date().isoformat(), "", "", POINTS, None, dt.datetime.now(dt.UTC)
        )
        return Path(self._store.url) / ShardKeys.of(record, 2).outcome


@pytest.fixture
def fragile(tmp_path: Path, store: Store, engine: Engine) -> Fragile:
    return Fragile(tmp_path, store, engine)


@pytest.mark.parametrize("crashes", [True, False], ids=["crashed", "succeeded"])
@pytest.mark.parametrize("with_outcome", [True, False])
def test_what_was_committed_first_stands(store: Store, fragile: Fragile, *, crashes: bool, with_outcome: bool) -> None:
    first = fragile.run(crashes=crashes).outcome
    if not with_outcome:  # an attempt that was killed before its outcome
        fragile.outcome_file.unlink()
    second = fragile.run(crashes=not crashes, force=True)
    assert second.attempt is not None
    assert second.attempt.content_sha256 != first.content_sha256
    assert second.disposition is (Disposition.KEPT if with_outcome else Disposition.COMMITTED)
    same = {"attempt_id": "", "started_at": None, "finished_at": None, "cpu_seconds": 0.0}
    assert replace(second.outcome, **same) == replace(first, **same)  # type: ignore[arg-type]
    if crashes:
        require_one_failure(store, second.outcome, "point_crashed")
    else:
        assert second.outcome.status == "success"


def test_another_metric_is_a_conflict_still(store: Store, fragile: Fragile) -> None:
    outcome = fragile.run(crashes=True).outcome
    (artifact,) = (each for each in outcome.artifacts if each.dataset == POINT_OUTCOMES)
    path = Path(store.url) / artifact.key
    with pq.ParquetFile(path) as file:
        table, digest = file.read(), file.metadata.metadata[b"content_sha256"]
    halves = table["half"].to_pylist()
    halves[0] = 26.0
    changed = table.set_column(table.schema.get_field_index("half"), "half", pa.array(halves))
    path.chmod(0o644)
    pq.write_table(changed.replace_schema_metadata({"content_sha256": digest}), path)
    with pytest.raises(ConflictError, match="holds a different result"):
        fragile.run(crashes=False, force=True)


class Watched(Engine):
    """The test engine, and the commands and limits that it was started with."""

    def __init__(self) -> None:
        super().__init__(TEST_ENGINE)
        self.commands: list[str] = []
        self.limits: list[dict[str, Any]] = []

    def start(self, request: bytes, **options: Any) -> EngineRun:  # noqa: ANN401  as the engine's
        self.commands.append(options.get("command", "run"))
        self.limits.append(options.get("limits", NO_LIMITS).to_json())
        return super().start(request, **options)


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "limits", "code"),
    [
        ("loop", {"point_seconds": 1}, "point_timeout"),
        pytest.param("memory", {"point_memory": 200 << 20}, "point_out_of_memory", marks=on_linux),
    ],
)
def test_a_point_beyond_the_runs_limits_fails_alone(store: Store, mode: str, limits: dict[str, Any], code: str) -> None:
    engine = Watched()
    result = run(message(mode, limits=limits), engine, store)
    assert next(iter(limits)) in require_one_failure(store, result.outcome, code)
    assert engine.commands == ["host"]


def test_only_limits_of_points_need_a_host(store: Store) -> None:
    engine = Watched()
    assert run(message("ok", limits={"failed_points": 3}), engine, store).outcome.status == "success"
    assert engine.commands == ["run"]


def test_limits_change_no_result(tmp_path: Path, engine: Engine) -> None:
    stores = [open_store(str(tmp_path / name)) for name in ("a", "b")]
    limited = message("domain_error", limits={"point_seconds": 60, "point_memory": 1 << 40})
    one, other = (
        run(each, engine, store) for each, store in zip((message("domain_error"), limited), stores, strict=True)
    )
    assert one.outcome.content_sha256 == other.outcome.content_sha256
    assert one.outcome.spec_fingerprint != other.outcome.spec_fingerprint
    with pytest.raises(ConflictError, match="has spec"):
        run(limited, engine, stores[0])


@pytest.mark.parametrize(
    ("limits", "timeout", "asked"),
    [
        ({"point_seconds": 60}, 600.0, {"point_seconds": 60.0}),
        ({"point_memory": 1 << 40, "failed_points": 1}, 600.0, {"point_memory": 1 << 40}),
        ({"point_memory": 1 << 40}, None, {"point_memory": 1 << 40}),
        # A time limit that is over leaves nothing to tell, which no engine would accept.
        ({"point_memory": 1 << 40}, 0.0, {"point_memory": 1 << 40}),
    ],
)
def test_a_point_has_the_runs_limits_and_no_others(
    store: Store, limits: dict[str, Any], timeout: float | None, asked: dict[str, Any]
) -> None:
    engine = Watched()
    outcome = run(message("ok", limits=limits), engine, store, timeout=timeout).outcome
    assert engine.limits == [asked]
    assert outcome.error_code == ("engine_timeout" if timeout == 0 else None)


def test_an_engine_that_cannot_keep_the_limits_is_the_wrong_one(store: Store, engine: Engine) -> None:
    engine.description = engine.description.model_copy(update={"host": False})
    with pytest.raises(WrongEngineError, match="it has no `host`"):
        run(message("ok", limits={"point_seconds": 60}), engine, store)
    assert list(store.objects("")) == []
    assert run(message("ok"), engine, store).outcome.status == "success"


def test_a_host_that_dies_ends_the_shard(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "engine"
    path.write_text(f'#!/bin/sh\n[ "$1" = host ] && exit 3\nexec {TEST_ENGINE} "$@"\n')
    path.chmod(0o755)
    outcome = run(message("ok", limits={"point_seconds": 60}), Engine(path), store).outcome
    assert (outcome.error_code, outcome.retryable, outcome.error_point_index) == ("engine_crashed", True, None)


def test_a_child_that_cannot_start_is_the_workers_trouble(tmp_path: Path, store: Store) -> None:
    """The host's own file is gone when it is to start a child."""
    path, copy = tmp_path / "engine", tmp_path / "copy"
    run_deleted = f'cp {TEST_ENGINE} {copy}; exec 9<{copy}; rm {copy}; exec /proc/self/fd/9 "$@"'
    path.write_text(f'#!/bin/sh\nif [ "$1" = host ]; then {run_deleted}; fi\nexec {TEST_ENGINE} "$@"\n')
    path.chmod(0o755)
    with pytest.raises(EngineUnavailableError, match=r"cannot run its model in child processes: .*cannot start"):
        run(message("abort"), Engine(path), store)
    assert not [each for each in store.objects("") if each.key.startswith(("shard_outcomes", "shard_attempts"))]


def test_an_engine_that_fails_after_its_last_point_is_no_points_fault(store: Store, tmp_path: Path) -> None:
    """No point is left for the host, which would refuse a request for none."""
    path = tmp_path / "engine"
    # It cannot be asked again: it would not end.
    described = f"{TEST_ENGINE} describe | sed s/.again.:true,//"
    script = f'if [ "$1" = describe ]; then {described}; exit; fi\n{TEST_ENGINE} "$@"\n[ "$1" != run ] || exit 3\n'
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
    outcome = run(message("ok"), Engine(path), store).outcome
    assert (outcome.error_code, outcome.retryable, outcome.points_succeeded) == ("engine_crashed", True, SHARD)


def test_the_remedy_of_a_crash_is_a_command(store: Store, engine: Engine) -> None:
    console = Console(file=io.StringIO(), width=200)
    show_result(console, run(message("abort"), engine, store), store)
    assert "`sweepctl run FILE --run-id r-again --reuse r`" in console.file.getvalue()  # type: ignore[attr-defined]

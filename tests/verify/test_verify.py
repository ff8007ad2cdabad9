"""What verify says of runs as workers leave them, what it cannot check, and the messages that repair a run."""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer

import pytest
from fakes.engines import scripted
from fakes.faulty import Crash, FaultyStore, StoreFault, T
from fakes.servers import BUCKET, Server
from paths import ROOT
from verify.damage import Damaged
from verify.runs import (
    ENGINE,
    RUN_DATE,
    WHOLE,
    codes,
    crashing,
    make_run,
    messages,
    of_huge_run,
    repaired,
    total,
)

from sweepctl import open_run
from sweepctl.engine.client import Engine
from sweepctl.errors import InterruptedRunError, StoreError, UnknownRunError
from sweepctl.messages import ShardMessageV2
from sweepctl.runs.status import StatusReader
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.store import Store, open_store
from sweepctl.verify import Check, Reexecution, Severity, Verdict, proof, verify
from sweepctl.verify.reexecute import draw_sample
from sweepctl.verify.report import CODES, FailedPoints


def tree(store: Store) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path(store.url).rglob("*") if path.is_file()}


def test_a_whole_run_is_whole_and_everything_was_looked_at(store: Store) -> None:
    make_run(store, "r", WHOLE)
    before = tree(store)
    report = verify(store, "r", ENGINE, Reexecution(5))
    assert report.verdict is Verdict.WHOLE
    assert report.findings == []
    assert report.unchecked == {}
    assert {check: dict(covered.checked) for check, covered in report.coverage.items()} == {
        Check.RUN_RECORD: {"records": 2, "rows": 24},
        Check.OUTCOMES: {"shards": 2, "points": 12},
        Check.ARTIFACTS: {
            "files": 4,
            "bytes": sum(len(body) for path, body in before.items() if "queue" in path.parts),
        },
        Check.POINTS: {"points": 12},
        Check.IDENTITY: {"points": 12},
        Check.FAILURES: {"shards": 2, "attempts recorded beside": 0},
        Check.REEXECUTION: {"points": 5},
    }
    assert report.attempts == {0: 1, 1: 1}
    assert tree(store) == before


def test_a_reader_needs_no_permission_to_write(store: Store) -> None:
    make_run(store, "r", WHOLE)
    watched = FaultyStore(store)
    assert verify(watched, "r", ENGINE).verdict is Verdict.WHOLE
    assert {call.method for call in watched.calls} <= {"read", "borrow", "folders", "objects"}


def test_a_folder_as_a_store_is_verified_without_temporary_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"sweepctl-{os.getuid()}").touch()  # in the way of a folder for them
    make_run(store, "r", WHOLE)
    assert verify(store, "r", ENGINE, Reexecution(5)).verdict is Verdict.WHOLE


@pytest.mark.slow
def test_a_run_of_many_row_groups_and_uneven_shards_is_whole(store: Store) -> None:
    spec = replace(WHOLE, replications=50_000)
    for shard, (start, end) in enumerate([(0, 70_000), (70_000, 70_001), (70_001, 150_000)]):
        bounds = {"shard_id": shard, "start_index": start, "end_index_exclusive": end}
        run_shard(ShardMessageV2.of(spec, "r", RUN_DATE, total_points=total(spec), **bounds), ENGINE, store)
    report = verify(store, "r", ENGINE, Reexecution(3))
    assert (report.verdict, report.findings) == (Verdict.WHOLE, [])
    assert report.coverage[Check.IDENTITY].checked == {"points": 150_000}


@pytest.mark.slow
def test_a_run_through_every_crash_is_whole(tmp_path: Path) -> None:
    """One crash before or after each call of a shard, then a retry."""
    message = messages("r", WHOLE, 12)[0]
    counted = FaultyStore(open_store(str(tmp_path / "counted")))
    run_shard(message, ENGINE, counted)
    for call in range(len(counted.calls)):
        for fault in StoreFault:
            store = open_store(str(tmp_path / f"{call}-{fault.name}"))
            with suppress(Crash, StoreError):
                run_shard(message, ENGINE, FaultyStore(store, {call: fault}))
            if Path(store.url).exists() and store.folders(""):
                assert Severity.DAMAGE not in {finding.severity for finding in verify(store, "r", ENGINE).findings}
            run_shard(message, ENGINE, store)
            run_shard(message, ENGINE, store)
            assert (verify(store, "r", ENGINE).findings, call) == ([], call)


def test_a_run_through_retries_tells_how_many_and_is_whole(store: Store, tmp_path: Path) -> None:
    engine = crashing(tmp_path, 2)
    run = messages("r", WHOLE)
    run_shard(run[0], engine, store)
    run_shard(run[1], ENGINE, store)
    report = verify(store, "r", ENGINE)
    assert report.verdict is Verdict.INCOMPLETE
    assert codes(report) == {"outcomes.retryable", "outcomes.engine_versions"}
    (group,) = report.failures
    assert (group.error_code, group.retryable, group.shards) == ("engine_crashed", True, (0,))
    assert [each.shard_id for each in report.missing] == [0]
    run_shard(run[0], engine, store)
    report = repaired(store, report)
    assert (report.verdict, report.findings) == (Verdict.WHOLE, [])
    assert report.attempts == {0: 3, 1: 1}


def test_partial_data_that_was_damaged_is_named(store: Store, tmp_path: Path) -> None:
    run_shard(messages("r", WHOLE)[0], crashing(tmp_path, 1), store)
    (path, *_) = (Path(store.url) / "partial").rglob("*.parquet")
    path.write_bytes(path.read_bytes() + b"x")
    assert {"artifacts.wrong_size", "artifacts.wrong_sha256"} < codes(verify(store, "r", ENGINE))


def test_points_that_fail_by_themselves_are_failures_that_no_message_repairs(store: Store) -> None:
    make_run(store, "r")
    report = verify(store, "r", ENGINE)
    assert report.verdict is Verdict.FAILURES
    (finding,) = report.findings
    assert (finding.code, finding.shard_id, finding.point_index, finding.count) == ("failures.failed", 2, 14, 2)
    (group,) = report.failures
    assert (group.error_code, group.retryable, group.points_failed) == ("point_failed", False, 2)
    assert report.point_failures == {"warmup_too_long": FailedPoints(2, (14, 15))}
    assert report.missing.count == 0


def test_a_shard_of_any_number_that_a_message_may_have_is_seen(store: Store) -> None:
    last = (1 << 63) - 1
    run_shard(of_huge_run(last, 7), ENGINE, store)
    report = verify(store, "r", ENGINE)
    assert report.shards == 1
    assert not {"artifacts.stray", "artifacts.not_named"} & codes(report)
    assert StatusReader.of(store, "r").read(utc_now()).shards_succeeded == 1
    assert open_run("r", store.url).outcomes().arrow()["shard_id"].to_pylist() == [last]


def test_a_store_without_the_run_says_so(store: Store) -> None:
    make_run(store, "r", WHOLE)
    with pytest.raises(UnknownRunError, match="has no run 'rr'"):
        verify(store, "rr", ENGINE)


def test_a_run_that_only_has_a_record_is_incomplete(store: Store) -> None:
    make_run(store, "r", WHOLE)
    for folder in store.folders(""):
        if folder != "runs":
            shutil.rmtree(Path(store.url, folder))
    report = verify(store, "r", ENGINE)
    assert (report.verdict, codes(report), report.unknown_gaps) == (Verdict.INCOMPLETE, {"outcomes.gap"}, [(0, 12)])


def test_what_cannot_be_checked_is_said_and_the_run_is_not_called_whole(store: Store, tmp_path: Path) -> None:
    make_run(store, "r", WHOLE)
    report = verify(store, "r", None, Reexecution(1))
    assert (report.verdict, report.findings) == (Verdict.UNPROVEN, [])
    assert report.unchecked == dict.fromkeys((Check.IDENTITY, Check.REEXECUTION), "no engine")
    report = verify(store, "r", Engine(scripted(tmp_path, "")))
    assert report.verdict is Verdict.UNPROVEN
    assert "model 'queue' is not in this engine" in report.unchecked[Check.IDENTITY]


def test_another_version_of_the_model_proves_nothing(store: Store) -> None:
    make_run(store, "r", WHOLE)
    run = Damaged(Path(store.url))
    run.edit(run.path("runs/run=r/engine.parquet"), model_version="0")
    report = verify(store, "r", ENGINE)
    assert "version 0, this engine has version" in report.unchecked[Check.IDENTITY]


def test_an_engine_that_fails_while_it_names_points_is_said(store: Store, tmp_path: Path) -> None:
    make_run(store, "r", WHOLE)
    path = tmp_path / "engine"
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = points ]; then {ENGINE.path} "$@" | head -n 4; exit 3; fi\nexec {ENGINE.path} "$@"\n'
    )
    path.chmod(0o755)
    report = verify(store, "r", Engine(path))
    assert report.verdict is Verdict.UNPROVEN
    assert "exit status 3" in report.unchecked[Check.IDENTITY]


def test_without_an_engine_files_are_compared_with_each_other(store: Store) -> None:
    make_run(store, "r", WHOLE)
    run = Damaged(Path(store.url))
    path = run.path(f"point_outcomes/queue/run_date={RUN_DATE}/run=r/shard-00000001.parquet")
    path.write_bytes(
        run.path(f"effective_parameters/queue/run_date={RUN_DATE}/run=r/shard-00000001.parquet").read_bytes()
    )
    assert "artifacts.wrong_schema" in codes(verify(store, "r", None))


def test_a_sample_is_seeded_and_looks_into_every_shard_before_any_twice(store: Store) -> None:
    make_run(store, "r", WHOLE)
    report = verify(store, "r", ENGINE, Reexecution(100))
    assert report.coverage[Check.REEXECUTION].checked == {"points": 12}
    outcomes = [run_shard(message, ENGINE, store).outcome for message in messages("r", WHOLE)]
    sample = draw_sample(outcomes, 3, seed=7)
    assert sample == draw_sample(outcomes, 3, seed=7)
    assert sample != draw_sample(outcomes, 3, seed=8)
    assert sorted(len(ranges) for ranges in sample.values()) == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("server_name", ["moto", pytest.param("weed", marks=pytest.mark.servers)])
def test_a_run_in_s3_is_whole_and_its_damage_is_named(server_name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(f"{server_name}_server")
    store = open_store(f"s3://{BUCKET}/verify-{os.getpid()}", endpoint_url=server.endpoint_url)
    make_run(store, "r", WHOLE)
    assert verify(store, "r", ENGINE).verdict is Verdict.WHOLE
    key = f"verify-{os.getpid()}/point_outcomes/queue/run_date={RUN_DATE}/run=r/shard-00000001.parquet"
    server.s3.delete_object(Bucket=BUCKET, Key=key)
    assert codes(verify(store, "r", ENGINE)) == {"artifacts.missing"}


class Meanwhile(FaultyStore):
    """Something happens right after the listing, before anything else is read."""

    happens: Callable[[], object] = lambda: None

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        if method == "read" and not any(call.method == "read" for call in self.calls):
            self.happens()
        return super()._call(method, key, action)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_run_that_goes_on_meanwhile_is_never_called_corrupt(store: Store, tmp_path: Path, first: int) -> None:
    """A first shard, a retry of a failure, and a failure after a failure."""
    run = messages("r", WHOLE)
    crashes = crashing(tmp_path, first)
    if first:
        run_shard(run[1], crashes, store)
    else:
        run_shard(run[0], ENGINE, store)
    watched = Meanwhile(store)
    watched.happens = lambda: run_shard(run[1], crashes, store)
    report = verify(watched, "r", ENGINE)
    assert Severity.DAMAGE not in {finding.severity for finding in report.findings}
    assert report.verdict is Verdict.INCOMPLETE


def test_a_run_that_begins_meanwhile_is_not_called_corrupt(store: Store) -> None:
    run_shard(messages("r", WHOLE)[0], ENGINE, store)
    Path(store.url, "runs/run=r").rename(Path(store.url, "late"))
    watched = Meanwhile(store)
    watched.happens = lambda: Path(store.url, "late").rename(Path(store.url, "runs/run=r"))
    assert verify(watched, "r", ENGINE).verdict is Verdict.INCOMPLETE


def test_partial_data_without_an_engine_is_no_damage(store: Store, tmp_path: Path) -> None:
    run_shard(messages("r", WHOLE)[0], crashing(tmp_path, 1), store)
    assert codes(verify(store, "r", None)) == {"outcomes.retryable", "outcomes.gap"}


def test_a_pin_is_missed_after_a_failure_too(store: Store, tmp_path: Path) -> None:
    run_shard(messages("r", WHOLE)[0], crashing(tmp_path, 1), store)
    Path(store.url, "runs/run=r/engine.parquet").unlink()
    assert "run_record.pin_missing" in codes(verify(store, "r", ENGINE))


def test_points_that_could_not_be_run_again_are_said(store: Store) -> None:
    make_run(store, "r", WHOLE)
    shutil.rmtree(Path(store.url, "point_outcomes"))
    report = verify(store, "r", ENGINE, Reexecution(3))
    assert report.unchecked[Check.REEXECUTION] == "3 points of shards that are incomplete, damaged or lack files"
    assert report.unchecked[Check.POINTS] == "12 points, whose files are damaged or missing"


def test_a_stop_ends_the_reading_of_outcomes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(store, "r", WHOLE)
    monkeypatch.setattr(proof, "AT_ONCE", 1)
    stop, steps = Event(), list[tuple[str, int, int]]()

    def observe(what: str, done: int, total: int) -> None:
        steps.append((what, done, total))
        if (what, done) == ("reading outcomes", 1):
            stop.set()

    with pytest.raises(InterruptedRunError):
        verify(store, "r", ENGINE, observe=observe, stop=stop)
    what, done, shards = steps[-1]
    assert (what, done) == ("reading outcomes", 1)
    assert shards > 1


@pytest.mark.slow
def test_a_stop_ends_an_engine_that_hangs(store: Store, tmp_path: Path) -> None:
    make_run(store, "r", WHOLE)
    path = tmp_path / "engine"
    path.write_text(f'#!/bin/sh\nif [ "$1" = points ]; then sleep 600; fi\nexec {ENGINE.path} "$@"\n')
    path.chmod(0o755)
    stop = Event()
    Timer(0.5, stop.set).start()
    with pytest.raises(InterruptedRunError):
        verify(store, "r", Engine(path), stop=stop)


def test_a_store_that_does_not_answer_ends_verify(store: Store) -> None:
    make_run(store, "r", WHOLE)
    counted = FaultyStore(store)
    verify(counted, "r", ENGINE)
    for call in range(len(counted.calls)):
        with pytest.raises(StoreError):
            verify(FaultyStore(store, {call: StoreFault.ERROR_BEFORE}), "r", ENGINE)


def test_every_code_is_documented_and_none_is_invented() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+\.[a-z0-9_]+)`", (ROOT / "docs/verify.md").read_text(), re.MULTILINE))
    assert documented == set(CODES)
    used = {
        code
        for path in (ROOT / "sweepctl" / "verify").glob("*.py")
        for code in re.findall(
            r'"((?:run_record|outcomes|artifacts|points|identity|failures|reexecution|compact)\.[a-z0-9_]+)"',
            path.read_text(),
        )
    }
    assert used <= set(CODES)

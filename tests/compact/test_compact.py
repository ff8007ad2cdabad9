"""Compact files: the rows of their source, whatever happens while they are written."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Event
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.faulty import Crash, FaultyStore, StoreFault
from fakes.servers import BUCKET, Server
from results.runs import asked
from typer.testing import CliRunner
from verify.damage import RUN_ID, Damaged
from verify.damages import flip
from verify.runs import ENGINE, SPEC, make_run, messages

import sweepctl
from sweepctl.cli import app
from sweepctl.compact import parts, plan
from sweepctl.compact.run import compact
from sweepctl.errors import (
    ConflictError,
    DamagedError,
    InterruptedRunError,
    NotWholeError,
    StoreError,
    SweepctlError,
    UnknownRunError,
)
from sweepctl.records import layout
from sweepctl.records.compact import find_manifest
from sweepctl.records.row_digest import RowDigest, digest_of
from sweepctl.records.run import require_run
from sweepctl.records.table import DatasetWriter
from sweepctl.shard.conditions import Conditions
from sweepctl.shard.run import run_shard
from sweepctl.store import Store, open_store
from sweepctl.verify import Report, Verdict, verify

T = TypeVar("T")
DATASETS = ("effective_parameters", "point_outcomes", "customers", "shard_outcomes")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards of six points, one of which fails by itself."""
    root = tmp_path_factory.mktemp("whole") / "store"
    make_run(open_store(str(root)), RUN_ID)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the run's store, to be changed."""
    shutil.copytree(whole, tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """End a part after every shard."""
    monkeypatch.setattr(plan, "PART_BYTES", 1)


def examined(root: Path) -> Report:
    return verify(open_store(str(root)), RUN_ID, ENGINE, witness=ENGINE)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings} - {"failures.failed"}


def rows_of(root: Path, prefix: str, dataset: str) -> pa.Table:
    """Return the rows of all files of a dataset, in order of their names."""
    files = sorted((root / prefix / dataset / "queue" / "run_date=2026-02-14" / f"run={RUN_ID}").iterdir())
    return pa.concat_tables([pq.ParquetFile(each).read() for each in files]).combine_chunks()


@pytest.mark.parametrize("size", [1, plan.PART_BYTES])
def test_compact_files_have_the_rows_of_their_source_in_order(
    root: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PART_BYTES", size)
    manifest = compact(open_store(str(root)), RUN_ID).manifest
    assert list(manifest.datasets) == list(DATASETS)
    for dataset in DATASETS[:3]:
        assert len(manifest.of(dataset)) == (4 if size == 1 else 1)
        assert rows_of(root, layout.COMPACT, dataset).equals(rows_of(root, "", dataset))
    assert examined(root).verdict is Verdict.FAILURES
    assert codes(examined(root)) == set()


def test_readers_get_the_same_answers_from_compact_files_alone(root: Path) -> None:
    store = open_store(str(root))
    questions = {
        "points": "SELECT * FROM points ORDER BY point_index",
        "customers": "SELECT * FROM customers ORDER BY ALL",
        "shard_outcomes": "SELECT * FROM shard_outcomes ORDER BY shard_id",
    }
    before = {name: asked(store, RUN_ID, sql) for name, sql in questions.items()}
    assert not sweepctl.open_run(RUN_ID, str(root)).is_compact
    compact(store, RUN_ID)
    assert sweepctl.open_run(RUN_ID, str(root)).is_compact
    for folder in DATASETS:
        shutil.rmtree(root / folder)
    assert {name: asked(store, RUN_ID, sql) for name, sql in questions.items()} == before
    assert [row["rows"] for row in asked(store, None, "SELECT count(*) AS rows FROM points")] == [24]


def test_a_second_compaction_has_nothing_to_do(root: Path) -> None:
    store = open_store(str(root))
    first = compact(store, RUN_ID)
    again = FaultyStore(store)
    second = compact(again, RUN_ID)
    assert (first.already, second.already) == (False, True)
    assert second.manifest == first.manifest
    assert {call.method for call in again.calls} == {"read"}


@pytest.mark.usefixtures("_small_parts")
def test_the_manifest_is_written_last(root: Path) -> None:
    store = FaultyStore(open_store(str(root)))
    compact(store, RUN_ID)
    created = [call.key for call in store.calls if call.method == "create"]
    assert len(created) == 3 * 4 + 1 + 1
    assert created[-1] == layout.compact_manifest(RUN_ID)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [StoreFault.CRASH_BEFORE, StoreFault.CRASH_AFTER])
def test_a_crash_between_any_two_writes_is_mended_by_the_next_compaction(
    whole: Path, tmp_path: Path, fault: StoreFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweepctl.compact.run.os.cpu_count", lambda: 0)  # one part at a time, in one order
    monkeypatch.setattr(plan, "PART_BYTES", 1)
    for crash in range(3 * 4 + 1 + 1):
        root = tmp_path / str(crash)
        shutil.copytree(whole, root)
        store = open_store(str(root))
        with pytest.raises(Crash):
            compact(_CrashingAtWrite(store, crash, fault), RUN_ID)
        is_done = fault is StoreFault.CRASH_AFTER and crash == 13
        assert (find_manifest(store, require_run(store, RUN_ID)) is not None) == is_done
        assert codes(examined(root)) <= {"compact.unfinished"}
        assert asked(store, RUN_ID, "SELECT count(*) AS n FROM points") == [{"n": 24}]
        before = {path: path.read_bytes() for path in (root / layout.COMPACT).rglob("*.parquet")}
        compact(store, RUN_ID)
        assert all(path.read_bytes() == body for path, body in before.items())
        assert codes(examined(root)) == set()


class _CrashingAtWrite(FaultyStore):
    """Crashes before or after one write."""

    def __init__(self, inner: Store, crash: int, fault: StoreFault) -> None:
        super().__init__(inner)
        self.left, self.fault = crash, fault

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        if method != "create":
            return action()
        self.left -= 1
        if self.left < -1 or (self.left == -1 and self.fault is StoreFault.CRASH_BEFORE):
            raise Crash(key)
        result = action()
        if self.left == -1:
            raise Crash(key)
        return result


def test_two_at_once_write_one_manifest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, inner = Barrier(2), parts._require_rows

    def meet(path: Path, source: RowDigest, otherwise: SweepctlError) -> None:
        inner(path, source, otherwise)
        if "scratch" in str(path) and "point_outcomes" in str(path):
            both.wait()  # both have written the part, and neither has given it its name

    monkeypatch.setattr(parts, "_require_rows", meet)
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: compact(open_store(str(root)), RUN_ID), range(2)))
    assert done[0].manifest == done[1].manifest
    assert codes(examined(root)) == set()


def test_a_part_of_other_bytes_and_equal_rows_is_adopted(root: Path) -> None:
    store = open_store(str(root))
    manifest = compact(store, RUN_ID).manifest
    part = manifest.of("point_outcomes")[0]
    (root / layout.compact_manifest(RUN_ID)).unlink()
    rows = pq.ParquetFile(root / part.key).read()
    (root / part.key).unlink()
    pq.write_table(rows, root / part.key, compression="none", row_group_size=5)
    adopted = compact(store, RUN_ID).manifest.of("point_outcomes")[0]
    assert (adopted.rows_sha256, adopted.sha256 != part.sha256) == (part.rows_sha256, True)
    assert codes(examined(root)) == set()


def test_a_part_of_other_rows_is_a_conflict_and_stays(root: Path) -> None:
    store = open_store(str(root))
    part = compact(store, RUN_ID).manifest.of("point_outcomes")[0]
    (root / layout.compact_manifest(RUN_ID)).unlink()
    rows = pq.ParquetFile(root / part.key).read().slice(1)
    pq.write_table(rows, root / part.key)
    body = (root / part.key).read_bytes()
    with pytest.raises(ConflictError, match="does not have the rows of its shards"):
        compact(store, RUN_ID)
    assert (root / part.key).read_bytes() == body
    assert find_manifest(store, require_run(store, RUN_ID)) is None


def test_a_wrong_copy_never_gets_a_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgetful(DatasetWriter):
        def add(self, rows: pa.Table) -> None:
            super().add(rows.slice(1))

    monkeypatch.setattr(parts, "DatasetWriter", Forgetful)
    with pytest.raises(StoreError, match="other rows than its source"):
        compact(open_store(str(root)), RUN_ID)
    assert not [path for path in (root / layout.COMPACT).rglob("*.parquet") if "shard_outcomes" not in str(path)]


def test_a_run_that_lacks_points_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    for message in messages("r")[:-1]:
        run_shard(message, ENGINE, store)
    with pytest.raises(NotWholeError, match=r"outcomes\.gap") as caught:
        compact(store, "r")
    assert "sweepctl verify r" in str(caught.value.remedy)
    assert not (tmp_path / layout.COMPACT).exists()
    with pytest.raises(UnknownRunError):
        compact(store, "other")


def test_a_shard_without_records_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    make_run(store, "r", replace(SPEC, base={"nonsense": 1}))
    with pytest.raises(NotWholeError, match=r"failed without records"):
        compact(store, "r")


def test_a_damaged_source_is_refused(root: Path) -> None:
    flip(Damaged(root).data("point_outcomes", 1))
    with pytest.raises(NotWholeError, match=r"artifacts\.(wrong_sha256|unreadable)"):
        compact(open_store(str(root)), RUN_ID)
    assert not (root / layout.COMPACT).exists()


def test_a_signal_ends_it_and_leaves_no_manifest(root: Path) -> None:
    stop = Event()

    def observe(what: str, _done: int, _total: int) -> None:
        if what == "writing compact files":
            stop.set()

    store = open_store(str(root))
    with pytest.raises(InterruptedRunError):
        compact(store, RUN_ID, observe=observe, stop=stop)
    assert find_manifest(store, require_run(store, RUN_ID)) is None


def test_a_late_attempt_changes_nothing(root: Path) -> None:
    store = open_store(str(root))
    compact(store, RUN_ID)
    for message in messages(RUN_ID):
        run_shard(message, ENGINE, store, Conditions(force=True))
    assert codes(examined(root)) == set()


def test_the_command(root: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["compact", RUN_ID, "--store", str(root), "--json"])
    assert shown.exit_code == 0
    payload = json.loads(shown.stdout)
    assert payload["rows"]["effective_parameters"] == 24
    assert (payload["already_compact"], payload["files"]) == (False, 4)
    again = runner.invoke(app, ["compact", RUN_ID, "--store", str(root)])
    assert "was compact already" in again.stdout
    for command in (["query", RUN_ID, "SELECT count(*) FROM points"], ["summary", RUN_ID]):
        answered = runner.invoke(app, [*command, "--store", str(root)])
        assert answered.exit_code == 0
        assert f"run {RUN_ID} is read from its compact files" in answered.stderr


def test_a_damaged_compact_file_is_refused_by_readers_and_named(root: Path) -> None:
    store = open_store(str(root))
    part = compact(store, RUN_ID).manifest.of("point_outcomes")[0]
    with (root / part.key).open("ab") as file:
        file.write(b"x")
    with pytest.raises(DamagedError, match="not the file that the manifest names") as caught:
        asked(store, RUN_ID, "SELECT * FROM points")
    assert "manifest.json away" in str(caught.value.remedy)


def unlink(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    pq.write_table(pq.ParquetFile(path).read().slice(1), path)


def spoil(path: Path) -> None:
    path.write_bytes(b"{}")


@pytest.mark.parametrize(
    ("code", "damage", "which"),
    [
        ("compact.missing", unlink, "part"),
        ("compact.altered", flip, "part"),
        ("compact.altered", shorten, "part"),
        ("compact.manifest", spoil, "manifest"),
    ],
)
def test_verify_names_damage_to_compact_files(
    root: Path, code: str, damage: Callable[[Path], None], which: str
) -> None:
    store = open_store(str(root))
    part = compact(store, RUN_ID).manifest.of("point_outcomes")[0]
    damage(root / (part.key if which == "part" else layout.compact_manifest(RUN_ID)))
    report = examined(root)
    assert codes(report) == {code}
    assert report.verdict is Verdict.CORRUPT


@pytest.mark.parametrize("honest", [True, False])
def test_verify_compares_rows_with_their_source(root: Path, honest: bool) -> None:  # noqa: FBT001
    """A compaction that was wrong, and wrote a manifest of what it had written."""
    store = open_store(str(root))
    manifest = compact(store, RUN_ID).manifest
    part = manifest.of("point_outcomes")[0]
    path = root / part.key
    pq.write_table(pq.ParquetFile(path).read().take([1, 0, *range(2, 24)]), path)
    own = digest_of(pq.ParquetFile(path).schema_arrow.remove_metadata(), [pq.ParquetFile(path).read()])
    wrong = part.model_copy(
        update={
            "bytes": path.stat().st_size,
            "sha256": parts._sha256_of(path),
            "rows_sha256": own.hexdigest() if honest else part.rows_sha256,
        }
    )
    changed = manifest.model_copy(update={"parts": tuple(wrong if each == part else each for each in manifest.parts)})
    (root / layout.compact_manifest(RUN_ID)).write_bytes(changed.encode())
    assert codes(examined(root)) == {"compact.wrong_rows"}


def test_verify_names_a_compact_file_that_no_manifest_names(root: Path) -> None:
    part = compact(open_store(str(root)), RUN_ID).manifest.of("customers")[0]
    shutil.copy(root / part.key, (root / part.key).with_name("part-00001.parquet"))
    assert codes(examined(root)) == {"compact.orphan"}


def test_without_its_source_compact_files_are_still_examined(root: Path) -> None:
    part = compact(open_store(str(root)), RUN_ID).manifest.of("customers")[0]
    shutil.rmtree(root / "customers")
    assert codes(examined(root)) == {"artifacts.missing"}
    (root / part.key).unlink()
    assert codes(examined(root)) == {"artifacts.missing", "compact.missing"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda each: each | {"run_id": "x"}, "another run"),
        (lambda each: each | {"parts": each["parts"][1:]}, "datasets"),
        (lambda each: each | {"parts": [*each["parts"], each["parts"][0]]}, "another key"),
        (lambda each: each | {"parts": [each["parts"][0] | {"key": "../x"}, *each["parts"][1:]]}, "another key"),
        (lambda each: each | {"parts": [each["parts"][0] | {"end_index_exclusive": 9}, *each["parts"][1:]]}, "cover"),
        (lambda each: each | {"parts": [each["parts"][0] | {"start_index": 3}, *each["parts"][1:]]}, "follow"),
        (lambda each: each | {"more": 1}, "more"),
    ],
)
def test_a_hostile_manifest_leads_nowhere(
    root: Path, change: Callable[[dict[str, object]], dict[str, object]], why: str
) -> None:
    store = open_store(str(root))
    compact(store, RUN_ID)
    path = root / layout.compact_manifest(RUN_ID)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DamagedError, match=why):
        find_manifest(store, require_run(store, RUN_ID))
    with pytest.raises(DamagedError):
        asked(store, RUN_ID, "SELECT * FROM points")


def test_awkward_names(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "it's [1]*?"))
    run_id = "A.b_c-9" + "x" * 57
    make_run(store, run_id, replace(SPEC, outputs=()))
    compact(store, run_id)
    assert asked(store, run_id, "SELECT count(*) AS n FROM points") == [{"n": 24}]


@pytest.mark.servers
def test_in_s3_as_on_disk(moto_server: Server) -> None:
    store = open_store(f"s3://{BUCKET}/compact", endpoint_url=moto_server.endpoint_url)
    make_run(store, "c")
    before = asked(store, "c", "SELECT * FROM points ORDER BY point_index")
    compact(store, "c")
    assert asked(store, "c", "SELECT * FROM points ORDER BY point_index") == before
    assert codes(verify(store, "c", ENGINE, witness=ENGINE)) == set()

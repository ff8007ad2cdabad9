"""Files that sweepctl did not write: damage where a reader of a table takes them for rows, else none."""

import shutil
from pathlib import Path

import pytest
from verify.damage import MODEL, RUN_DATE, RUN_ID, Damaged
from verify.runs import ENGINE, whole_store

from sweepctl import open_run
from sweepctl.compact.run import compact
from sweepctl.records import layout
from sweepctl.records.layout import dataset_folder
from sweepctl.store import open_store
from sweepctl.verify import Report, Verdict, verify

APPLE_DOUBLE = b"\0\x05\x16\x07\0\x02\0\0Mac OS X        "
HARMLESS = {
    "._shard-00000000.parquet": APPLE_DOUBLE,
    ".DS_Store": b"\0\0\0\1Bud1",
    "Thumbs.db": b"\xd0\xcf\x11\xe0",
    "desktop.ini": b"[.ShellClassInfo]\r\n",
    "_SUCCESS": b"",
    ".shard-00000000.parquet.crc": b"crc\0",
    "shard-00000000.parquet~": b"",
    "#shard-00000000.parquet#": b"",
    ".~lock.shard-00000000.parquet#": b",me,",
    "Icon\r": b"",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_store(tmp_path_factory.mktemp("whole") / "store")


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Damaged:
    shutil.copytree(whole, tmp_path / "store")
    return Damaged(tmp_path / "store")


def examined(run: Damaged) -> Report:
    return verify(open_store(str(run.root)), RUN_ID, ENGINE, witness=ENGINE)


def folders(run: Damaged) -> list[Path]:
    return sorted({path.parent for path in run.root.rglob("*.parquet")} | {run.root, run.root / "runs"})


def test_files_of_other_programs_are_one_note_and_stop_nobody(run: Damaged) -> None:
    compact(open_store(str(run.root)), RUN_ID)
    before = examined(run)
    rows = open_run(RUN_ID, str(run.root)).points().arrow().num_rows
    for folder in folders(run):
        for name, body in HARMLESS.items():
            (folder / name).write_bytes(body)
    report = examined(run)
    (note,) = [each for each in report.findings if each not in before.findings]
    inside = [folder for folder in folders(run) if folder.name.startswith("run=")]
    assert (note.code, note.count) == ("artifacts.stray", len(HARMLESS) * len(inside))
    assert report.verdict is before.verdict is Verdict.FAILURES
    shutil.rmtree(run.root / layout.COMPACT)
    opened = open_run(RUN_ID, str(run.root))
    assert opened.points().arrow().num_rows == rows
    assert opened.outcomes().arrow().num_rows == 4


@pytest.mark.parametrize("name", [".shard-00000000.parquet", "_copy.parquet", "copy.PARQUET", ".hidden/copy.parquet"])
def test_parquet_of_any_name_is_damage(run: Damaged, name: str) -> None:
    path = run.outcome(0).parent / name
    path.parent.mkdir(exist_ok=True)
    shutil.copy(run.outcome(0), path)
    assert [each.key for each in examined(run).findings if each.code == "artifacts.orphan"] == [
        str(path.relative_to(run.root))
    ]


@pytest.mark.parametrize("place", ["archive", "archive/2026"])
def test_a_store_inside_the_store_is_another(whole: Path, run: Damaged, place: str) -> None:
    before = examined(run)
    shutil.copytree(whole, run.root / place)
    assert examined(run).findings == before.findings


def test_a_dataset_of_another_model_is_still_looked_into(run: Damaged) -> None:
    path = run.path(dataset_folder("visits", "runs", RUN_ID, RUN_DATE)) / "shard-00000000.parquet"
    path.parent.mkdir(parents=True)
    shutil.copy(run.data("point_outcomes", 0), path)
    assert "artifacts.orphan" in {each.code for each in examined(run).findings}


def test_a_checkpoint_of_an_editor_is_not_read(run: Damaged) -> None:
    before = open_run(RUN_ID, str(run.root)).points().arrow().num_rows
    for dataset in ("effective_parameters", "point_outcomes"):
        folder = run.path(dataset_folder(dataset, MODEL, RUN_ID, RUN_DATE)) / ".ipynb_checkpoints"
        folder.mkdir()
        shutil.copy(run.data(dataset, 0), folder / "shard-00000000-checkpoint.parquet")
    assert open_run(RUN_ID, str(run.root)).points().arrow().num_rows == before

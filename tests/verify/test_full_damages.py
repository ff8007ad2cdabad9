"""A run that has everything, damaged in every way of a list and in ways that are drawn: verify names it, WHOLE never.

`make damages` tries all of the list, and many that are drawn; a few of each are in every test run.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest
from fakes.sweep_files import ENGINE
from verify import full
from verify.damage import RUN_DATE, RUN_ID, Damaged, scramble_page
from verify.field_damages import FIELD_DAMAGES, uncompact
from verify.file_damages import FILE_DAMAGES, find, write
from verify.full import DATASETS, MODEL, OTHER
from verify.random_damage import damage_one
from verify.readers import Found, read_all

from sweepctl.engine.client import Engine
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome
from sweepctl.store import open_store
from sweepctl.verify import Check, Reexecution, Report, Verdict, verify

NAMED = {**FILE_DAMAGES, **FIELD_DAMAGES}
DRAWN = int(os.environ.get("SWEEPCTL_TEST_DAMAGES", "0"))  # and then all of the list
FEW = 12
USUAL = {"failures.conflict"}
WITNESS = Engine(ENGINE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    full.make(folder / "store", folder)
    return folder / "store"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Damaged:
    shutil.copytree(whole, tmp_path / "store")
    return Damaged(tmp_path / "store", MODEL)


def examined(root: Path, run_id: str = RUN_ID) -> Report:
    return verify(open_store(str(root)), run_id, None, witness=WITNESS)


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings} - USUAL


def test_the_runs_are_whole(whole: Path) -> None:
    for run_id in (RUN_ID, OTHER):
        report = examined(whole, run_id)
        assert (report.verdict, codes(report), report.points_excluded) == (Verdict.WHOLE, set(), 2)
    assert len(NAMED) > 350


# In every test run: some that verify did not see once, and one of many.
CHOSEN = dict.fromkeys(
    (
        "run record: shard_points",
        "outcome: content_sha256",
        "kept_files of another run, sealed",
        "kept_files of another shard, sealed",
        "kept_files: in another order, sealed",
        *(f"{dataset}: a text that is not UTF-8, sealed" for dataset in DATASETS),
        *list(NAMED)[:: len(NAMED) // FEW],
    )
)


@pytest.mark.parametrize("name", NAMED if DRAWN else CHOSEN)
def test_a_damage_of_the_list_is_named(run: Damaged, name: str) -> None:
    code, damage = NAMED[name]
    damage(run)
    report = examined(run.root)
    assert code in codes(report)
    assert report.verdict is not Verdict.WHOLE


@pytest.fixture(scope="module")
def before(whole: Path) -> Found:
    return read_all(whole)


@pytest.mark.parametrize("seed", range(DRAWN or FEW))
def test_a_store_is_whole_only_if_no_reader_can_tell(run: Damaged, before: Found, seed: int) -> None:
    what = damage_one(run.root, Random(seed))
    if all(examined(run.root, run_id).verdict is Verdict.WHOLE for run_id in (RUN_ID, OTHER)):
        after = read_all(run.root)
        assert not [name for name in before if _differs(name, before[name], after.get(name, []))], (seed, what)


def _differs(name: str, before: Sequence[str], after: Sequence[str]) -> bool:
    # Nothing in a store says how many attempts there were: one that is gone leaves no trace.
    lost = "shard_attempts" in name and set(after) < set(before)
    return before != after and not lost


@pytest.mark.parametrize(
    ("record", "column", "code"),
    [
        ("runs/run=RUN/run.parquet", "created_at", "run_record.unreadable"),
        ("runs/run=RUN/engine.parquet", "created_at", "run_record.pin_unreadable"),
        ("shard_outcomes/*/run=RUN/shard-00000002.parquet", "cpu_seconds", "outcomes.unreadable"),
        ("shard_attempts/*/run=RUN/shard-00000001-*", "finished_at", "failures.attempt_unreadable"),
    ],
)
def test_a_bit_of_a_value_that_nothing_else_tells_is_named(run: Damaged, record: str, column: str, code: str) -> None:
    uncompact(run)
    (path,) = find(run, record)
    body, metadata = bytearray(path.read_bytes()), pq.read_metadata(path)
    chunk = metadata.row_group(0).column(metadata.schema.names.index(column))
    body[chunk.data_page_offset + chunk.total_compressed_size - 8] ^= 1  # the lowest of the value's eight bytes
    write(path, bytes(body))
    assert pq.read_table(path).num_rows == 1
    report = examined(run.root)
    assert (report.verdict, code in codes(report)) == (Verdict.CORRUPT, True)


def _copy_run(run: Damaged, new_id: str) -> None:
    for folder in sorted(run.root.rglob(f"run={RUN_ID}")):
        shutil.copytree(folder, folder.with_name(f"run={new_id}"))


COPY = "copy"
STEPS = ("files alone", "the record too", "the pin too", "outcomes too", "keys in outcomes too")


@pytest.mark.parametrize("steps", range(len(STEPS)), ids=STEPS)
def test_a_run_under_another_run_id_is_never_whole(run: Damaged, steps: int) -> None:
    """However much of it was changed to the new run_id: at last its rows say whose they are."""
    shutil.rmtree(run.root / "shard_attempts")
    shutil.rmtree(run.root / "partial")
    uncompact(run)
    _copy_run(run, COPY)
    if steps >= 1:
        run.edit(run.path(layout.run_record(COPY)), run_id=COPY)
    if steps >= 2:
        run.edit(run.path(layout.engine_pin(COPY)), run_id=COPY)
    for shard in range(4 if steps >= 3 else 0):
        outcome = run.path(layout.ShardKeys(COPY, RUN_DATE, shard).outcome)
        run.edit(outcome, run_id=COPY)
        if steps >= 4:
            _rename_keys(run, outcome)
    report = examined(run.root, COPY)
    expected = ["run_record.wrong_run", "run_record.pin_disagrees", "outcomes.misplaced", "artifacts.not_named",
                "run_record.row_disagrees"]  # fmt: skip
    assert report.verdict is Verdict.CORRUPT
    assert expected[steps] in codes(report)
    assert examined(run.root).verdict is Verdict.WHOLE


def _rename_keys(run: Damaged, outcome: Path) -> None:
    artifacts = table.decode(Outcome, outcome.read_bytes(), "").artifacts
    renamed = (replace(each, key=each.key.replace(f"run={RUN_ID}", f"run={COPY}")) for each in artifacts)
    run.edit(outcome, artifacts=tuple(renamed))


@pytest.mark.parametrize("dataset", DATASETS)
def test_an_outcome_that_names_what_is_not_there(run: Damaged, dataset: str) -> None:
    run.data(dataset, 3).unlink()
    report = examined(run.root)
    assert (report.verdict, codes(report)) == (Verdict.CORRUPT, {"artifacts.missing"})


def test_kept_files_whose_pages_are_damaged_keep_no_point_from_being_run_again(run: Damaged, tmp_path: Path) -> None:
    def rerun() -> Report:
        engine = Engine(ENGINE, [full.program(tmp_path)])
        return verify(open_store(str(run.root)), RUN_ID, engine, Reexecution(None), witness=WITNESS)

    sound = rerun()
    scramble_page(run.data("kept_files", 3))
    report = rerun()
    assert (report.verdict, "artifacts.unreadable" in codes(report)) == (Verdict.CORRUPT, True)
    assert report.coverage[Check.REEXECUTION] == sound.coverage[Check.REEXECUTION]


def test_without_a_declaration_columns_are_compared_all_the_same(run: Damaged) -> None:
    """Files that are kept beside the tables are no reason to know nothing of these."""
    run.pin.unlink()
    write(run.data("point_outcomes", 3), run.record.read_bytes())
    assert {"run_record.pin_missing", "artifacts.wrong_schema"} <= codes(examined(run.root))
    for shard in range(4):
        write(run.data("point_outcomes", shard), run.record.read_bytes())
    assert "artifacts.wrong_schema" in codes(examined(run.root))

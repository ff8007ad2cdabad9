"""A whole run, damaged in one way after another: verify names each, and is silent where nothing is wrong."""

import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verify.damage import RUN_ID, Damaged, scramble_page
from verify.damages import CUSTOMERS, DAMAGES, OUTCOMES, PARAMETERS, Change, cell, drop_shard, flip, next_bit, swap_rows
from verify.runs import ENGINE, SPEC, codes, make_run

from sweepctl.records import table
from sweepctl.store import open_store
from sweepctl.verify import Check, Reexecution, Report, Verdict, artifacts, proof, together, verify
from sweepctl.verify.shards import ShardsExaminer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards of six points; the third has a point that fails by itself. Beside it, another run."""
    root = tmp_path_factory.mktemp("whole") / "store"
    make_run(open_store(str(root)), RUN_ID)
    make_run(open_store(str(root)), "other", replace(SPEC, seed=2))
    return root


def examined(root: Path, *, again: bool = False) -> Report:
    return verify(open_store(str(root)), RUN_ID, ENGINE, Reexecution(None) if again else None, witness=ENGINE)


def examined_one_by_one(root: Path) -> Report:
    """Examine files that are too large to be read with those of other shards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artifacts, "SMALL_BYTES", -1)
        return examined(root)


USUAL = {"failures.failed"}  # what the run has when nothing is wrong with it


def test_an_undamaged_run_has_no_finding_but_its_own_failure(whole: Path) -> None:
    report = examined(whole, again=True)
    assert report.verdict is Verdict.FAILURES
    assert codes(report) == USUAL
    assert report.missing.count == 0


def test_rows_of_small_shards_are_compared_together(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = examined(whole)
    assert usual.coverage == examined_one_by_one(whole).coverage
    assert usual.findings == examined_one_by_one(whole).findings

    def one_by_one(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ShardsExaminer, "_examine_tables", one_by_one)
    assert examined(whole) == usual
    monkeypatch.setattr(together, "ROW_GROUP_BYTES", 1)
    with pytest.raises(AssertionError):
        examined(whole)


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named(whole: Path, tmp_path: Path, name: str) -> None:
    code, damage = DAMAGES[name]
    run = Damaged(tmp_path / "store")
    shutil.copytree(whole, run.root)
    damage(run)
    report = examined(run.root)
    assert code in codes(report) - USUAL
    assert set(report.findings) == set(examined_one_by_one(run.root).findings)
    harmless = {"artifacts.uncommitted", "artifacts.stray", "outcomes.engine_versions", "failures.conflict", *USUAL}
    if codes(report) <= harmless:
        assert report.verdict is Verdict.FAILURES
    elif codes(report) <= {"outcomes.gap", "outcomes.retryable", *harmless}:
        assert report.verdict is Verdict.INCOMPLETE
    else:
        assert report.verdict is Verdict.CORRUPT


METRICS = ("mean_wait", "p_wait", "utilisation", "mean_queue_length")


@pytest.mark.parametrize("metric", METRICS)
def test_a_bit_of_a_metric_is_found_by_running_the_point_again(whole: Path, tmp_path: Path, metric: str) -> None:
    run = Damaged(tmp_path / "store")
    shutil.copytree(whole, run.root)
    run.set(OUTCOMES, 1, metric, next_bit(0.5), row=3)
    assert codes(examined(run.root)) == USUAL
    report = examined(run.root, again=True)
    assert codes(report) - USUAL == {"reexecution.metrics"}
    (finding,) = [each for each in report.findings if each.code == "reexecution.metrics"]
    assert (finding.shard_id, finding.point_index) == (1, 9)


def test_another_content_digest_is_found_by_running_all_again(whole: Path, tmp_path: Path) -> None:
    run = Damaged(tmp_path / "store")
    shutil.copytree(whole, run.root)
    other = "v2:" + "0" * 64
    run.edit(run.outcome(1), content_sha256=other)
    # The file of the points' results keeps it, too.
    assert codes(examined(run.root)) - USUAL == {"artifacts.wrong_sha256"}
    run.edit_rows(OUTCOMES, 1, lambda rows: rows.replace_schema_metadata({table.CONTENT_DIGEST: other}))
    assert codes(examined(run.root, again=True)) - USUAL == {"reexecution.digest"}


def test_a_content_digest_of_another_version_is_not_compared(whole: Path, tmp_path: Path) -> None:
    run = Damaged(tmp_path / "store")
    shutil.copytree(whole, run.root)
    run.edit(run.outcome(1), content_sha256="0" * 64)
    assert codes(examined(run.root, again=True)) - USUAL == set()


def test_values_of_extra_rows_are_compared_by_running_all_again(whole: Path, tmp_path: Path) -> None:
    changes: list[Change] = [
        lambda rows: rows.slice(0, len(rows) - 1),
        lambda rows: pa.concat_tables([rows, rows.slice(len(rows) - 1)]),
        lambda rows: rows.set_column(5, "arrival", pa.array([0.5] * len(rows))),
        lambda rows: rows.slice(0, 0),
    ]
    for number, change in enumerate(changes):
        run = Damaged(tmp_path / str(number))
        shutil.copytree(whole, run.root)
        run.edit_rows(CUSTOMERS, 1, change)
        run.reseal(CUSTOMERS, 1, rows=len(pq.read_table(run.data(CUSTOMERS, 1))))
        assert codes(examined(run.root)) == USUAL
        assert codes(examined(run.root, again=True)) - USUAL == {"reexecution.rows"}


@pytest.mark.parametrize(
    ("code", "damage"),
    [
        ("artifacts.unreadable", scramble_page),
        ("artifacts.unreadable", lambda path: path.write_bytes(b"not Parquet")),
        ("artifacts.wrong_schema", lambda path: pq.write_table(pq.read_table(path).drop_columns("arrival"), path)),
        ("artifacts.missing", Path.unlink),
    ],
    ids=["page", "file", "columns", "missing"],
)
def test_a_shard_whose_extra_rows_cannot_be_read_is_not_run_again(
    whole: Path, tmp_path: Path, code: str, damage: Callable[[Path], object]
) -> None:
    run = Damaged(tmp_path / "store")
    shutil.copytree(whole, run.root)
    damage(run.data(CUSTOMERS, 1))
    before, report = examined(run.root), examined(run.root, again=True)
    assert code in codes(report)
    assert (report.verdict, report.findings) == (Verdict.CORRUPT, before.findings)
    covered = report.coverage[Check.REEXECUTION]
    assert (covered.checked, covered.not_checked) == (
        {"points": 18},
        "6 points of shards that are incomplete, damaged or lack files",
    )


def test_rows_that_change_between_their_examination_and_their_comparison_are_told(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: object, **__: object) -> None:
        raise pa.ArrowInvalid("torn")

    monkeypatch.setattr(proof, "reexecute", torn)
    report = examined(whole, again=True)
    assert (report.verdict, codes(report) - USUAL) == (Verdict.CORRUPT, {"artifacts.unreadable"})
    assert report.coverage[Check.REEXECUTION].checked == {"points": 0}


@pytest.mark.slow
def test_a_flipped_bit_anywhere_is_a_finding_and_never_a_crash(whole: Path, tmp_path: Path) -> None:
    draw = random.Random(20261125)
    files = sorted(path.relative_to(whole) for path in whole.rglob(f"run={RUN_ID}/*.parquet"))
    for number in range(150):
        run = Damaged(tmp_path / str(number))
        shutil.copytree(whole, run.root)
        path = run.root / draw.choice(files)
        flip(path, draw.random())
        report = examined(run.root)
        # In a record of one row, a bit of Parquet's own padding or statistics can mean nothing.
        if "point_outcomes" in path.parts or PARAMETERS in path.parts or CUSTOMERS in path.parts:
            assert "artifacts.wrong_sha256" in codes(report)


def test_several_damages_are_all_named(whole: Path, tmp_path: Path) -> None:
    run = Damaged(tmp_path / "store")
    shutil.copytree(whole, run.root)
    for damage in (partial(drop_shard, shard=3), swap_rows, cell(PARAMETERS, "seed", 2, shard=1)):
        damage(run)
    assert codes(examined(run.root)) - USUAL == {"outcomes.gap", "points.order", "run_record.row_disagrees"}

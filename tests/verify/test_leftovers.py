"""Files in a table that no outcome names: what an attempt left is no damage, whatever else is there is named."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from verify.damage import RUN_ID, Damaged
from verify.damages import CUSTOMERS, OUTCOMES, PARAMETERS, Change
from verify.runs import ENGINE, POINTS, SPEC, make_run, messages

from sweepctl.shard.run import run_shard
from sweepctl.store import open_store
from sweepctl.verify import Report, Verdict, verify
from sweepctl.view.verify import show_report

SHARD = 1  # whose outcome is gone
DATASETS = (PARAMETERS, OUTCOMES, CUSTOMERS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "store"
    make_run(open_store(str(root)), RUN_ID)
    make_run(open_store(str(root)), "other", replace(SPEC, seed=2))
    return root


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Damaged:
    shutil.copytree(whole, tmp_path / "store")
    return Damaged(tmp_path / "store")


def examined(run: Damaged, engine: object = ENGINE) -> Report:
    return verify(open_store(str(run.root)), RUN_ID, engine)  # type: ignore[arg-type]


def constant(column: str, value: object) -> Change:
    def change(rows: pa.Table) -> pa.Table:
        place = rows.schema.get_field_index(column)
        return rows.set_column(place, column, pa.array([value] * len(rows), rows.schema.field(place).type))

    return change


def shifted(by: int) -> Change:
    def change(rows: pa.Table) -> pa.Table:
        index = pa.array([each + by for each in rows["point_index"].to_pylist()], pa.int64())
        return rows.set_column(rows.schema.get_field_index("point_index"), "point_index", index)

    return change


def copied(dataset: str, shard: int, *changes: Change) -> Callable[[Damaged], Path]:
    """Shard 0's rows under another shard's name."""

    def damage(run: Damaged) -> Path:
        rows = pq.read_table(run.data(dataset, 0))
        for change in changes:
            rows = change(rows)
        pq.write_table(rows, run.data(dataset, shard), store_schema=False)
        return run.data(dataset, shard)

    return damage


def left(dataset: str, change: Change) -> Callable[[Damaged], Path]:
    """A changed file of the shard that has no outcome."""

    def damage(run: Damaged) -> Path:
        run.outcome(SHARD).unlink()
        run.edit_rows(dataset, SHARD, change, reseal=False)
        return run.data(dataset, SHARD)

    return damage


def planned(damage: Callable[[Damaged], Path]) -> Callable[[Damaged], Path]:
    def both(run: Damaged) -> Path:
        run.edit(run.record, shard_points=POINTS)
        return damage(run)

    return both


def of_other_run(run: Damaged) -> Path:
    run.outcome(SHARD).unlink()
    path = run.data(PARAMETERS, SHARD)
    run.copy(Path(str(path).replace(f"run={RUN_ID}", "run=other")), path)
    return path


def junk(run: Damaged) -> Path:
    run.outcome(SHARD).unlink()
    run.data(OUTCOMES, SHARD).write_bytes(b"junk" * 99)
    return run.data(OUTCOMES, SHARD)


def other_columns(run: Damaged) -> Path:
    run.outcome(SHARD).unlink()
    run.copy(run.data(PARAMETERS, SHARD), run.data(OUTCOMES, SHARD))
    return run.data(OUTCOMES, SHARD)


def twice_left(run: Damaged) -> Path:
    run.outcome(SHARD).unlink()
    return copied(PARAMETERS, 9, constant("shard_id", 9), shifted(POINTS))(run)


def backup(run: Damaged) -> Path:
    path = run.data(PARAMETERS, 0).with_suffix(".parquet.bak")
    run.copy(run.data(PARAMETERS, 0), path)
    return path


# What happened, what verify says of the file that it returns, and whether all points are there without it.
ORPHANS: dict[str, tuple[str, Callable[[Damaged], Path], bool]] = {
    "a copy under another shard's name": ("shard_id is 0, should be 9", copied(PARAMETERS, 9), True),
    "the same of outcomes": ("shard_id is 0, should be 9", copied(OUTCOMES, 9), True),
    "the same of extra rows": ("shard_id is 0, should be 9", copied(CUSTOMERS, 9), True),
    **{
        f"{dataset} of points that another shard has": (
            "points from 0 on are committed in another shard",
            copied(dataset, 9, constant("shard_id", 9)),
            True,
        )
        for dataset in DATASETS
    },
    "a shard beyond the plan": (
        "planned with 4 shards",
        planned(copied(PARAMETERS, 9, constant("shard_id", 9), shifted(9 * POINTS))),
        True,
    ),
    "points beyond the run": ("outside of [0, 24)", copied(OUTCOMES, 9, constant("shard_id", 9), shifted(20)), True),
    "negative points": ("outside of [0, 24)", copied(OUTCOMES, 9, constant("shard_id", 9), shifted(-9)), True),
    "points without an index": ("outside of [0, 24)", left(OUTCOMES, constant("point_index", None)), False),
    "another shard's points": ("outside of [6, 12)", planned(left(PARAMETERS, shifted(1))), False),
    "extra rows of another shard's points": ("outside of [6, 12)", planned(left(CUSTOMERS, shifted(-1))), False),
    "a shard's rows without the first": ("its shard has [6, 12)", planned(left(OUTCOMES, lambda r: r.slice(1))), False),
    "no rows": ("has the points [0, 0)", left(OUTCOMES, lambda rows: rows.slice(0, 0)), False),
    "a row twice": ("once, in order", left(PARAMETERS, lambda rows: rows.take([0, 0, 2, 3, 4, 5])), False),
    "a row is missing": ("once, in order", left(PARAMETERS, lambda rows: rows.take([0, 1, 2, 4, 5])), False),
    "rows in another order": ("once, in order", left(OUTCOMES, lambda rows: rows.take([1, 0, 2, 3, 4, 5])), False),
    "rows of another run": ("run_id is 'other'", of_other_run, False),
    "another seed": ("seed is 7", left(PARAMETERS, constant("seed", 7)), False),
    "another model": ("model is 'epidemic'", left(PARAMETERS, constant("model", "epidemic")), False),
    "another model version": ("model_version is '0'", left(PARAMETERS, constant("model_version", "0")), False),
    "not Parquet": ("cannot be read", junk, False),
    "columns of another table": ("columns are not the table's", other_columns, False),
    "points that another leftover has": ("points from 6 on are in", twice_left, False),
    "Parquet of another ending": ("no outcome names it", backup, True),
}


@pytest.mark.parametrize("name", ORPHANS)
def test_a_file_that_harms_readers_is_named_and_moving_it_away_mends_the_run(
    run: Damaged, tmp_path: Path, name: str
) -> None:
    message, damage, is_all = ORPHANS[name]
    path = damage(run)
    report = examined(run)
    key = str(path.relative_to(run.root))
    assert report.verdict is Verdict.CORRUPT
    assert [each.key for each in report.findings if each.severity.value == "damage"] == [key]
    assert message in next(each.message for each in report.findings if each.key == key)
    assert report.set_aside == report.to_json()["set_aside"] == [key]

    path.rename(tmp_path / "set aside")
    report = examined(run)
    # The run has a point that fails by itself.
    assert report.verdict is (Verdict.FAILURES if is_all else Verdict.INCOMPLETE)
    assert report.set_aside == []
    run_shard(messages(RUN_ID)[SHARD], ENGINE, open_store(str(run.root)))
    assert examined(run).verdict is Verdict.FAILURES


@pytest.mark.parametrize("name", ["a copy under another shard's name", "columns of another table", "another seed"])
def test_it_is_named_without_an_engine_too(run: Damaged, name: str) -> None:
    path = ORPHANS[name][1](run)
    assert examined(run, None).set_aside == [str(path.relative_to(run.root))]


@pytest.mark.parametrize("datasets", [DATASETS[:1], DATASETS])
@pytest.mark.parametrize("is_planned", [False, True])
def test_what_an_attempt_left_is_no_damage(run: Damaged, datasets: tuple[str, ...], *, is_planned: bool) -> None:
    if is_planned:
        run.edit(run.record, shard_points=POINTS)
    run.outcome(SHARD).unlink()
    for dataset in set(DATASETS) - set(datasets):
        run.data(dataset, SHARD).unlink()
    report = examined(run)
    assert report.verdict is Verdict.INCOMPLETE
    assert {each.code for each in report.findings} == {"artifacts.uncommitted", "outcomes.gap", "failures.failed"}
    assert report.set_aside == []


def test_a_leftover_before_anything_is_committed_is_no_damage(run: Damaged) -> None:
    for shard in range(4):
        run.outcome(shard).unlink()
    for engine in (ENGINE, None):
        report = examined(run, engine)
        assert report.verdict is Verdict.INCOMPLETE
        assert {each.code for each in report.findings} == {"artifacts.uncommitted", "outcomes.gap"}


def test_the_advice_lists_the_files_and_no_backup(run: Damaged) -> None:
    keys = [str(copied(PARAMETERS, shard)(run).relative_to(run.root)) for shard in range(20, 32)]
    shown = StringIO()
    show_report(Console(file=shown, width=80), examined(run))
    advice = shown.getvalue().partition("→ ")[2]
    assert [key for key in keys if key in advice] == keys[:10]
    assert "… and 2 more" in advice
    assert "backup" not in advice

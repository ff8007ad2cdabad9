"""The source of compact files: read only if it is what the outcomes name."""

from pathlib import Path

import pytest
from verify.damage import RUN_ID, Damaged
from verify.damages import (
    CUSTOMERS,
    OUTCOMES,
    PARAMETERS,
    Damage,
    drop_row,
    drop_shard,
    flip,
    forget_artifact,
    misname_artifact,
    rename_column,
    retype_column,
    swap,
    swap_rows,
    twice_a_row,
    twice_an_artifact,
)

from sweepctl.compact import run as compact_run
from sweepctl.compact.run import compact
from sweepctl.errors import NotWholeError
from sweepctl.records import compact_source, layout
from sweepctl.store import open_store

OTHER_FILE = "its size or SHA-256 is not what its outcome says"
OTHER_COLUMNS = "other columns than the others, or not its number of rows"
NOT_A_PAGE = b"\x00" * 64


def spoil_a_page(run: Damaged) -> None:
    path = run.data(OUTCOMES, 1)
    body = path.read_bytes()
    path.write_bytes(body[:4] + NOT_A_PAGE + body[4 + len(NOT_A_PAGE) :])
    run.reseal(OUTCOMES, 1)


def swap_shards(run: Damaged) -> None:
    swap(run.data(OUTCOMES, 1), run.data(OUTCOMES, 2))
    for shard in (1, 2):
        run.reseal(OUTCOMES, shard)


@pytest.mark.parametrize("at_once", [1, compact_source.BYTES_AT_ONCE], ids=["large", "small"])
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda run: flip(run.data(OUTCOMES, 1)), OTHER_FILE),
        (lambda run: flip(run.data(CUSTOMERS, 3)), OTHER_FILE),
        (lambda run: run.edit_rows(PARAMETERS, 1, lambda rows: rows, reseal=False), OTHER_FILE),
        (lambda run: run.data(PARAMETERS, 2).unlink(), "it is missing"),
        (spoil_a_page, "cannot be read"),
        (rename_column, OTHER_COLUMNS),
        (retype_column, OTHER_COLUMNS),
        (drop_row, OTHER_COLUMNS),
        (lambda run: run.edit_rows(CUSTOMERS, 1, lambda rows: rows.slice(1)), OTHER_COLUMNS),
        (twice_a_row, "does not have every point from 0 on once, in order"),
        (swap_rows, "does not have every point from 0 on once, in order"),
        (swap_shards, "does not have every point from 0 on once, in order"),
    ],
)
def test_what_is_not_named_by_its_outcome_is_not_compacted(
    root: Path, damage: Damage, why: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(Damaged(root))
    with pytest.raises(NotWholeError):
        compact(open_store(str(root)), RUN_ID)
    assert not (root / layout.COMPACT).exists(), "verify finds it before anything is written"
    # As if it were damaged after that proof.
    monkeypatch.setattr(compact_run, "_require_final", lambda _report: None)
    monkeypatch.setattr(compact_source, "BYTES_AT_ONCE", at_once)
    with pytest.raises(NotWholeError, match=why):
        compact(open_store(str(root)), RUN_ID)
    assert not (root / layout.compact_manifest(RUN_ID)).exists()


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda run: drop_shard(run, 2), r"outcomes\.gap"),
        (forget_artifact, r"artifacts\.not_named"),
        (misname_artifact, r"artifacts\.not_named"),
        (twice_an_artifact, r"artifacts\.not_named"),
        (lambda run: flip(run.outcome(1)), r"outcomes\.gap"),
        (lambda run: run.pin.unlink(), r"run_record\.pin_missing"),
        (lambda run: run.edit(run.record, spec_fingerprint="0" * 64), r"run_record\.wrong_spec"),
        (lambda run: run.fail(1), "failed without records"),
    ],
)
def test_damage_to_records_is_found_before_anything_is_written(root: Path, damage: Damage, code: str) -> None:
    damage(Damaged(root))
    with pytest.raises(NotWholeError, match=code):
        compact(open_store(str(root)), RUN_ID)
    assert not (root / layout.COMPACT).exists()

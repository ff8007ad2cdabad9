"""Points in columns are the same points as in lines, and are believed as little."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from engine.test_reader import COUNT, indices, joined, reader
from fakes.sweep_files import TEST_ENGINE
from fakes.toy_model import failed_point, in_columns, line, point
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.engine import columns
from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessageV1
from sweepctl.records.outcome import Outcome
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store

POINTS = [failed_point(index) if index % 3 == 1 else point(index) for index in range(COUNT)]


@given(st.lists(st.integers(0, COUNT), max_size=5), st.lists(st.integers(0, COUNT), max_size=5))
def test_rows_and_digest_are_those_of_lines_however_they_are_cut(records: list[int], blocks: list[int]) -> None:
    lines, one = reader(), reader()
    expected = lines.read(joined(POINTS))
    spans = [in_columns(*POINTS[start:end]) for start, end in pairwise(sorted({0, *records, COUNT}))]
    seen: list[int] = []
    for start, end in pairwise(sorted({0, *(min(each, len(spans)) for each in blocks), len(spans)})):
        batch = one.read(joined(spans[start:end]))
        assert batch.fault is None
        seen += indices(batch)
    assert seen == indices(expected)
    assert one.content_sha256 == lines.content_sha256
    assert (one.failed, one.first_failure) == (lines.failed, lines.first_failure)


BAD = {
    "no points": {"points": ...},
    "points null": {"points": None},
    "no point at all": {"points": 0},
    "more points than fingerprints": {"points": 10**12},
    "fewer points than fingerprints": {"points": 1},
    "no point_index": {"point_index": ...},
    "point_index below zero": {"point_index": -1},
    "point_index beyond all": {"point_index": 2**63 - 1},
    "no parameters": {"parameters": ...},
    "a parameter missing": {"parameters": {}},
    "a parameter null": {"parameters": {"x": None}},
    "a value of a parameter null": {"parameters": {"x": [4, None]}},
    "a value of a parameter too many": {"parameters": {"x": [4, 5, 6]}},
    "no value of a parameter": {"parameters": {"x": []}},
    "a parameter too many": {"parameters": {"x": [4, 5], "y": [1]}},
    "a parameter that is no list": {"parameters": {"x": 4}},
    "a parameter of another type": {"parameters": {"x": [1.5]}},
    "no JSON": {"effective_parameters_json": ...},
    "JSON null": {"effective_parameters_json": [None]},
    "a fingerprint null": {"point_fingerprint": ["0" * 64, None]},
    "one fingerprint for all": {"point_fingerprint": ["0" * 64]},
    "a fingerprint in capitals": {"point_fingerprint": ["A" * 64, "0" * 64]},
    "no status": {"status": ...},
    "a status null": {"status": ["success", None]},
    "another status": {"status": ["done"]},
    "three statuses": {"status": ["success"] * 3},
    "no metrics": {"metrics": ...},
    "a metric missing": {"metrics": {}},
    "a metric null": {"metrics": {"m": [None]}},
    "one metric null": {"metrics": {"m": [1.0, None]}},
    "a metric NaN": {"metrics": {"m": [1.0, float("nan")]}},
    "a metric infinite": {"metrics": {"m": [float("inf")]}},
    "three metrics": {"metrics": {"m": [1.0, 2.0, 3.0]}},
    "a failure with a metric": {
        "status": ["success", "failure"], "error_code": [None, "x"], "error_message": [None, "x"],
    },
    "no error codes": {"error_code": ...},
    "an error with a success": {"error_code": ["x"], "error_message": ["x"]},
    "a failure without a code": {"status": ["failure"], "metrics": {"m": [None]}},
    "a failure with a long message": {
        "status": ["failure"], "metrics": {"m": [None]}, "error_code": ["x"], "error_message": ["ä" * 2_001],
    },
    "a replicate": {"replicate": [0]},
}  # fmt: skip


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_bad_record_ends_the_records_and_keeps_those_before(changes: dict[str, Any]) -> None:
    good = [in_columns(*POINTS[start : start + 2]) for start in range(0, COUNT, 2)]
    good[2] = in_columns(point(4), point(5))
    assert reader().read(joined(good)).fault is None
    one = reader()
    batch = one.read(joined([*good[:2], in_columns(point(4), point(5), **changes), *good[3:]]))
    assert batch.fault is not None
    assert batch.fault.error_code in {"engine_invalid_output", "engine_wrong_index"}
    assert indices(batch) == list(range(4))
    assert one.next_index == 4


def test_a_wrong_number_of_entries_is_named() -> None:
    batch = reader().read(joined([in_columns(point(0), point(1), status=["success"] * 3)]))
    assert batch.fault is not None
    assert "status has 3 entries for 2 points of 2 cells from 0 on" in batch.fault.message


@pytest.mark.parametrize("said", [1, 3, 10_000], ids=str)
def test_an_index_out_of_order_is_named(said: int) -> None:
    batch = reader().read(joined([in_columns(*POINTS[:2]), in_columns(*POINTS[2:4], point_index=said)]))
    assert batch.fault is not None
    assert f"point_index {said} where 2 was expected" in batch.fault.message
    assert indices(batch) == [0, 1]


def test_cells_have_one_entry_for_all_their_replicates() -> None:
    points = [point(index, parameters={"x": index // 4}, replicate=index % 4) for index in range(COUNT)]
    one = reader(replications=4)
    cells: dict[str, Any] = {
        "parameters": {"x": [0, 1, 2]},
        "effective_parameters_json": [line(x=cell) for cell in range(3)],
        "parameter_fingerprint": [f"{cell}" * 64 for cell in range(3)],
    }
    batch = one.read(joined([in_columns(*points[2:9], point_index=0, **cells)]))
    assert batch.fault is not None
    assert "x has 3 entries for 7 points of 2 cells from 0 on" in batch.fault.message
    first = {"parameters": {"x": [0]}, "effective_parameters_json": ["{}"], "parameter_fingerprint": ["0" * 64]}
    assert one.read(joined([in_columns(*points[:2], **first)])).fault is None
    batch = one.read(joined([in_columns(*points[2:9], **cells)]))
    assert batch.fault is None
    assert batch.rows["effective_parameters"]["x"].to_pylist() == [0, 0, 1, 1, 1, 1, 2]
    assert batch.rows["point_outcomes"]["replicate"].to_pylist() == [2, 3, 0, 1, 2, 3, 0]


def test_a_text_is_not_repeated_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_UNFOLDED_BYTES", 10_000)
    record = in_columns(*POINTS[:10], effective_parameters_json=["x" * 900])
    batch = reader().read(joined([record]))
    assert batch.fault is not None
    assert "over 10000 bytes" in batch.fault.message


def test_more_points_than_are_left_are_refused_before_they_are_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 1_000_000
    hostile = in_columns(*POINTS[:2], points=count, point_fingerprint=[""] * count)
    monkeypatch.setattr(columns._Span, "indices", None)
    batch = reader().read(joined([hostile]))
    assert batch.fault is not None
    assert batch.fault.error_code == "engine_wrong_index"
    monkeypatch.setattr(columns, "MAX_UNFOLDED_BYTES", 1)
    batch = reader().read(joined([in_columns(*POINTS[:2])]))
    assert batch.fault is not None
    assert "the values of some points have over 1 bytes" in batch.fault.message


def test_lines_after_columns_are_one_block_that_does_not_match() -> None:
    batch = reader().read(joined([in_columns(*POINTS[:2]), point(2)]))
    assert batch.fault is not None
    assert indices(batch) == [0, 1]


TYPED = {
    "real": [0.1, -0.0, 5, 5e-324], "int": [0, 2**63 - 1], "text": ["", '\u00e9\u2028"\\\n'], "flag": [True, False],
    "real_or_null": [None, 2.5], "int_or_null": [None, -7], "text_or_null": [None, "x"],
}  # fmt: skip
RATES: dict[str, Any] = {"arrival_rate": [step / 10 for step in range(1, 21)], "servers": [1, 2]}
SHARDS: dict[str, dict[str, Any]] = {
    "every type": {"model": "typed", "dimensions": TYPED, "replications": 2},
    "replicates that a shard cuts": {
        "dimensions": RATES,
        "replications": 7,
        "start_index": 3,
        "end_index_exclusive": 185,
    },
    "a cell for each point": {"dimensions": RATES},
    "cells that are all alike": {"dimensions": {"arrival_rate": [0.5] * 300}},
    "failures": {"dimensions": RATES, "base": {"customers": 5, "warmup": 5}, "replications": 2},
    "some failures": {"model": "faulty", "dimensions": {"x": list(range(30))}, "base": {"mode": "panic", "at": 7}},
    "a crash": {"model": "faulty", "dimensions": {"x": list(range(30))}, "base": {"mode": "abort", "at": 7}},
}


def in_form(folder: Path, fields: dict[str, Any], *, has_columns: bool) -> Outcome:
    """Run a shard whose engine writes columns, or knows lines alone."""
    engine = Engine(find_engine() if "model" not in fields else TEST_ENGINE)
    assert engine.description.columns
    engine.__dict__["description"] = engine.description.model_copy(update={"columns": has_columns})
    points = fields.get("replications", 1)
    for values in fields["dimensions"].values():
        points *= len(values)
    shard = {"run_id": "r", "model": "queue", "total_points": points, "shard_id": 0, "start_index": 0, "seed": 1}
    message = ShardMessageV1.model_validate({**shard, "end_index_exclusive": points, **fields})
    return run_shard(message, engine, open_store(str(folder))).outcome


@pytest.mark.slow
@pytest.mark.parametrize("fields", SHARDS.values(), ids=SHARDS)
def test_files_and_digest_are_the_same_in_both_forms(tmp_path: Path, fields: dict[str, Any]) -> None:
    lines, one = (in_form(tmp_path / str(form), fields, has_columns=form) for form in (False, True))
    assert one.complete
    assert one.content_sha256 == lines.content_sha256
    assert one.artifacts == lines.artifacts
    counts = ("points_succeeded", "points_failed", "error_code", "error_message", "error_point_index")
    assert [getattr(one, name) for name in counts] == [getattr(lines, name) for name in counts]

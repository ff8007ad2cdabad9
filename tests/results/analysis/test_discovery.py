"""Scenario discovery over a run's views: what a condition may be, what counts, and the boxes as values."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

import duckdb
import pytest
from results.analysis.views import cells_of, connect, grid, subject_of

from sweepctl.errors import QueryError, UsageError
from sweepctl.results.analysis import discovery
from sweepctl.results.analysis.discovery import Discovery, Restriction, discover
from sweepctl.texts import extra_remedy

DESIGN = grid(a=[0.5, 1.0, 1.5, 2.0, 2.5, 3.0], b=[1, 2, 3], word=["x", "y", "z"])
Function = Callable[[Mapping[str, Any], int], Any]


def found(where: str, function: Function, replications: int = 4, design: dict[str, Any] = DESIGN) -> Discovery:
    connection = connect(cells_of(design), function, replications)
    return discover(connection, subject_of(connection, design, replications), where)


def planted(cell: Mapping[str, Any], _replicate: int) -> dict[str, float]:
    """Above 5 where a is from 1.0 to 2.0 and word is not y."""
    return {"m": 6.0 if 1.0 <= cell["a"] <= 2.0 and cell["word"] != "y" else 4.0}


def test_a_box_has_limits_of_numbers_and_values_of_words() -> None:
    result = found("m > 5", planted)
    (box,) = result.boxes
    assert {(each.dimension, each.low, each.high, each.values) for each in box.restrictions} == {
        ("a", 1.0, 2.0, None),
        ("word", None, None, ("x", "z")),
    }
    assert [each.p_value for each in box.restrictions] == sorted(each.p_value for each in box.restrictions)
    assert (result.points, result.met, result.used) == (216, 72, 216)
    assert (box.points, box.met, box.coverage, box.density, box.mass) == (72, 72, 1.0, 1.0, 72 / 216)
    assert [step.is_chosen for step in box.trajectory].count(True) == 1
    assert box.trajectory[0].restricted == ()
    assert set(box.trajectory[-1].restricted) == {"a", "word"}


def test_json_has_the_boxes_without_the_points_to_draw() -> None:
    result = found("m > 5", planted)
    assert len(result.boxes[0].drawn_met) == 216
    told = result.to_json()
    assert told["where"] == "m > 5"
    assert told["boxes"][0]["restrictions"][0].keys() == {"dimension", "low", "high", "values", "p_value"}
    assert not any(name.startswith("drawn") for name in told["boxes"][0])


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("true", "the condition holds at every point"),
        ("false", "the condition holds at no point"),
        ("m > 100", "the condition holds at no point"),
        ("replicate < 2", "chance may explain"),
    ],
)
def test_a_condition_that_tells_nothing_has_no_box_and_a_reason(where: str, word: str) -> None:
    result = found(where, planted)
    assert result.boxes == ()
    assert word in str(result.why_not)


def test_few_points_or_no_dimension_have_no_box_and_a_reason() -> None:
    small = found("a > 1", planted, 1, grid(a=[0.5, 1.5], word=["x"]))
    assert str(small.why_not) == "no box: 40 points that succeeded are needed, and there are 2"
    constant = found("replicate > 1", planted, 50, grid(a=[0.5], word=["x"]))
    assert str(constant.why_not) == "no box: no dimension has two values"
    failed = found("m > 5", lambda _cell, _: "bad")
    assert (failed.points, failed.why_not) == (0, "no box: no point has succeeded")


def test_null_counts_as_not_met_and_failed_points_do_not_count() -> None:
    def function(cell: Mapping[str, Any], replicate: int) -> Any:  # noqa: ANN401
        if cell["b"] == 3:
            return "bad"
        return {"m": None} if replicate == 3 else planted(cell, replicate)

    result = found("m > 5", function)
    assert (result.points, result.met, result.unknown) == (144, 36, 36)
    assert result.boxes[0].density == 0.75


def test_repeated_cells_count_once() -> None:
    design = grid(a=[0.5, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0], b=[1, 2, 3], word=["x", "y", "z"])
    assert found("m > 5", planted, 4, design).points == 216


def test_of_many_points_those_with_the_lowest_hash_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "MAX_POINTS", 120)
    monkeypatch.setattr(discovery, "MOST_DRAWN", 50)
    one, other = (found("m > 5", planted) for _ in range(2))
    assert (one.points, one.met, one.used) == (216, 72, 120)
    assert one == other
    (box,) = one.boxes
    assert box.coverage == 1.0
    assert box.mass == box.points / 120
    assert len(box.drawn["a"]) == len(box.drawn_met) == 50
    assert len(set(box.drawn["a"])) == 6


def test_later_boxes_are_drawn_without_the_points_of_earlier_ones() -> None:
    design = grid(a=list(range(8)), b=list(range(8)))
    result = found("m", lambda cell, _: {"m": min(cell.values()) > 5 or max(cell.values()) < 4}, 8,
                   design)  # fmt: skip
    first, second = result.boxes
    assert (first.met, second.met) == (128, 32)
    assert len(first.drawn_met) == 512
    assert len(second.drawn_met) == 512 - first.points
    assert sum(second.drawn_met) == 32
    assert first.coverage + second.coverage == 1.0


def test_null_is_a_value_after_all_numbers() -> None:
    cells: list[dict[str, Any]] = [{"a": place or None} for place in range(20)]
    design = {"kind": "table", "columns": ["a"], "rows": [[cell["a"]] for cell in cells]}

    def restriction(where: str) -> Restriction:
        connection = connect(cells, lambda _cell, _: {"m": 1.0}, 20)
        (box,) = discover(connection, subject_of(connection, design, 20), where).boxes
        (found,) = box.restrictions
        return found

    missing = restriction("a IS NULL")
    assert (missing.low, missing.high, missing.values) == (None, None, (None,))
    assert (missing.holds(None), missing.holds(3)) == (True, False)
    known = restriction("a < 7")
    assert (known.low, known.high, known.values) == (None, 6, None)
    assert (known.holds(1), known.holds(7), known.holds(None)) == (True, False, False)
    open_end = restriction("a IS NULL OR a > 12")
    assert (open_end.low, open_end.high) == (13, None)
    assert (open_end.holds(None), open_end.holds(12)) == (True, False)


@pytest.mark.parametrize(
    ("where", "word"),
    [
        ("", "SELECT clause"),
        ("m >", "syntax error"),
        ("m", "not true or false, but DOUBLE"),
        ("null", "not true or false"),
        ("m > 5, true", "single expression"),
        ("m > 5) AS x, (true", "syntax error"),
        ("true) OR (true", "syntax error"),
        ("true; SELECT 1", "."),
        ("true FROM points", "."),
        ("true UNION SELECT true", "."),
        ("true ORDER BY 1", "."),
        ("SELECT true", "syntax error"),
        ("*", "."),
        ("COLUMNS(['m', 'b']) > 3", "not true or false, but BOOLEAN, BOOLEAN"),
        ("count(*) > 3", "aggregates"),
        ("row_number() OVER () > 3", "window"),
        ("unnest([true, false])", "UNNEST"),
        ("m > ?", "."),
        ("CAST(word AS INTEGER) > 3", "Could not convert"),
        ("m > (SELECT count(*) FROM read_text('/etc/passwd'))", "."),
    ],
)
def test_what_is_not_one_condition_on_points_is_refused(where: str, word: str) -> None:
    connection = connect(cells_of(DESIGN), planted)
    connection.execute("SET enable_external_access = false")  # as results.views does
    with pytest.raises(QueryError, match=word):
        discover(connection, subject_of(connection, DESIGN), where)


def test_an_unknown_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(QueryError, match=r"wrod.*(?s:.)*word") as caught:
        found("wrod = 'x'", planted)
    assert "DESCRIBE points" in str(caught.value.remedy)
    assert isinstance(caught.value.__cause__, duckdb.Error)


@pytest.mark.parametrize(
    "where", ["m > 5 -- above five", "/* m */ m > 5", "m > 5\n", "m IN (SELECT max(m) FROM points)"]
)
def test_comments_and_subqueries_are_part_of_a_condition(where: str) -> None:
    assert found(where, planted).met == 72


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    monkeypatch.delitem(sys.modules, "sweepctl.results.analysis.prim", raising=False)
    monkeypatch.delattr("sweepctl.results.analysis.prim", raising=False)
    with pytest.raises(UsageError) as caught:
        found("m > 5", planted)
    assert caught.value.remedy == extra_remedy("sensitivity", "salib")

"""Cells that repeat the parameters of others count once: all numbers are those of the design without them."""

import io
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from rich.console import Console

from sweepctl.results.analysis.overview import make_overview
from sweepctl.results.analysis.summary import Summary
from sweepctl.view.page.metrics import section
from sweepctl.view.summary import show_summary

AXES: dict[str, list[Any]] = {"a": [0.5, 0.9], "b": [1, 2, 4]}
ONCE = grid(**AXES)
CELLS = cells_of(ONCE)


def zipped(cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "zip", "dimensions": {name: [cell[name] for cell in cells] for name in "ab"}}


def table(cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"kind": "table", "columns": ["a", "b"], "rows": [[*cell.values()] for cell in cells]}


TWICE = [*CELLS, CELLS[0], CELLS[0], CELLS[4]]
DESIGNS: dict[
    str, tuple[dict[str, Any], dict[str, Any], int]
] = {  # with repeated cells and without, and how many are repeated
    "first": (grid(a=[0.5, 0.5, 0.5, 0.9], b=AXES["b"]), ONCE, 6),
    "last": (grid(a=AXES["a"], b=[1, 2, 4, 4]), ONCE, 2),
    "both": (grid(a=[0.5, 0.9, 0.5], b=[4, 1, 2, 1]), grid(a=AXES["a"], b=[4, 1, 2]), 6),
    "all": (grid(a=[0.5, 0.5], b=AXES["b"]), grid(a=[0.5], b=AXES["b"]), 3),
    "zip": (zipped(TWICE), zipped(CELLS), 3),
    "table": (table(TWICE), table(CELLS), 3),
}


def cells(design: Mapping[str, Any]) -> list[dict[str, Any]]:
    if design["kind"] == "grid":
        return cells_of(design)
    rows = design["rows"] if design["kind"] == "table" else zip(*design["dimensions"].values(), strict=True)
    return [dict(zip("ab", row, strict=True)) for row in rows]


def leaves(value: Any) -> list[Any]:  # noqa: ANN401  JSON
    """Return the values in some JSON, in order."""
    if isinstance(value, dict | list | tuple):
        return [leaf for each in (value.values() if isinstance(value, dict) else value) for leaf in leaves(each)]
    return [value]


def metric(cell: Mapping[str, Any], replicate: int) -> Mapping[str, Any] | str:
    return {"m": cell["a"] * cell["b"] ** 2 + (replicate - 1) * cell["b"]}


def summary_of(design: Mapping[str, Any], function: Any = metric) -> tuple[Summary, str]:  # noqa: ANN401
    connection = connect(cells(design), function, 3)
    overview = make_overview(connection, subject_of(connection, design, 3, "m"))
    output = io.StringIO()
    show_summary(Console(file=output, width=400), overview.summary)
    return overview.summary, output.getvalue() + section(overview, {})


@pytest.mark.parametrize("name", DESIGNS)
def test_all_numbers_are_those_of_the_design_without_repeated_cells(name: str) -> None:
    repeated, once, count = DESIGNS[name]
    (summary, shown), (expected, shown_once) = summary_of(repeated), summary_of(once)
    (found,), (right,) = summary.to_json()["metrics"], expected.to_json()["metrics"]
    for end in ("lowest", "highest"):
        assert [row["metrics"] for row in found.pop(end)] == [row["metrics"] for row in right.pop(end)]
    assert leaves(found) == [pytest.approx(x, abs=1e-12) if isinstance(x, float) else x for x in leaves(right)]
    assert summary.to_json()["repeated_cells"] == count
    said = f"{count} of {summary.subject.space.cells} cells repeat the parameters of others"
    assert shown.count(said) == 2
    assert "repeat the parameters" not in shown_once


RANDOM = {"kind": "random", "samples": 3, "dimensions": {"b": {"uniform": {"low": 0, "high": 1}}}}


@pytest.mark.parametrize("draws_first", [False, True])
def test_equal_draws_in_a_cross_are_no_repetition(*, draws_first: bool) -> None:
    """Two of four values of an axis are repeated, for each of three draws; two of the draws are equal."""
    axis, draws = (0.5, 0.5, 0.9, 0.9), (1, 2, 1)
    parts = [grid(a=list(axis)), RANDOM]
    cells = [{"a": a, "b": b} for a, b in product(axis, draws)]
    if draws_first:
        parts, cells = parts[::-1], [{"a": a, "b": b} for b, a in product(draws, axis)]
    connection = connect(cells, metric, 2)
    subject = subject_of(connection, {"kind": "cross", "parts": parts}, 2, "m")
    summary = make_overview(connection, subject).summary
    assert summary.to_json()["repeated_cells"] == 2 * 3
    assert summary.to_json()["metrics"][0]["distribution"]["points"] == 2 * (12 - 6)


def test_a_failed_cell_is_not_replaced_by_its_repetition() -> None:
    design = grid(a=[0.5, 0.5], b=[1, 2])
    summary, _ = summary_of(design, lambda cell, r: "bad" if cell["b"] == 2 else metric(cell, r))
    (found,) = summary.to_json()["metrics"]
    assert (found["missing"], found["missing_share"]) == (3, 0.5)
    assert "1 of 2 cells have a value" in (found["sensitivity"]["why_not"])


@pytest.mark.filterwarnings("default")  # of what SALib imports
def test_equal_draws_of_a_sample_all_count() -> None:
    design = {"kind": "random", "samples": 300, "dimensions": {"a": {"choice": [0, 1]}, "b": {"choice": [0, 1]}}}
    connection = connect([{"a": place % 2, "b": place % 3 == 0} for place in range(300)], lambda c, _: {"m": c["a"]})
    summary = make_overview(connection, subject_of(connection, design)).summary
    assert summary.to_json()["repeated_cells"] == 0
    assert summary.metrics[0].distribution.points == 300

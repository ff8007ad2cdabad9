"""Sobol indices of functions whose indices are known."""

import sys
from collections.abc import Mapping
from math import pi, sin
from random import Random
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of

from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.sensitivity.methods import sensitivities
from sweepctl.results.analysis.sensitivity.sample import NO_SALIB, NO_TOTAL

# The middles of equal parts of [-pi, pi]: sums over them are integrals of these functions to many digits.
AXIS = [-pi + 2 * pi * (place + 0.5) / 20 for place in range(20)]
ISHIGAMI = {"a": (0.3139, 0.5576), "b": (0.4424, 0.4424), "c": (0.0, 0.2437)}  # Ishigami and Homma 1990: a = 7, b = 0.1

UNIFORM = {"uniform": {"low": 0, "high": 1}}


def ishigami(cell: Mapping[str, Any], _replicate: int = 0) -> dict[str, float]:
    return {"m": sin(cell["a"]) + 7 * sin(cell["b"]) ** 2 + 0.1 * cell["c"] ** 4 * sin(cell["a"])}


def only(found: list[Sensitivity]) -> Sensitivity:
    (one,) = found
    return one


def test_a_full_grid_gives_the_indices_of_ishigami() -> None:
    design = grid(a=AXIS, b=AXIS, c=AXIS)
    connection = connect(cells_of(design), ishigami)
    found = only(sensitivities(connection, subject_of(connection, design)))
    assert (found.cells, found.why_not) == (8000, None)
    for index in found.indices:
        assert (index.first_order, index.total) == pytest.approx(ISHIGAMI[index.dimension], abs=0.01)


def test_an_additive_function_has_no_interactions() -> None:
    design = grid(a=[0, 1], b=[0, 1, 2], c=["x", "y"], d=[5])
    connection = connect(cells_of(design), lambda cell, r: {"m": 3.0 * cell["a"] + cell["b"] + (r - 0.5)}, 2)
    found = only(sensitivities(connection, subject_of(connection, design, 2)))
    # The variance of a part is nine quarters, that of b two thirds.
    expected = {"a": 27 / 35, "b": 8 / 35, "c": 0.0}
    assert {index.dimension: index.first_order for index in found.indices} == pytest.approx(expected)
    assert {index.dimension: index.total for index in found.indices} == pytest.approx(expected)


def test_a_product_is_all_interaction() -> None:
    design = grid(a=[-1, 1], b=[-1, 1])
    connection = connect(cells_of(design), lambda cell, _: {"m": cell["a"] * cell["b"]})
    found = only(sensitivities(connection, subject_of(connection, design)))
    assert [(index.first_order, index.total) for index in found.indices] == [(0.0, 1.0), (0.0, 1.0)]


@pytest.mark.filterwarnings("default")  # of what SALib imports
def test_a_sample_gives_first_order_indices_alone() -> None:
    draw = Random(3)
    cells = [{name: draw.uniform(-pi, pi) for name in "abc"} for _ in range(4096)]
    uniform = {"uniform": {"low": -pi, "high": pi}}
    design = {"kind": "random", "samples": 4096, "dimensions": dict.fromkeys("abc", uniform)}
    connection = connect(cells, ishigami)
    found = only(sensitivities(connection, subject_of(connection, design)))
    assert (found.method, found.cells, found.why_not) == ("RBD-FAST", 4096, NO_TOTAL)
    for index in found.indices:
        assert index.first_order == pytest.approx(ISHIGAMI[index.dimension][0], abs=0.05)
        assert index.half_width is not None
        assert index.half_width < 0.1
        assert index.total is None


def test_without_salib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SALib.analyze", None)
    design = {"kind": "random", "samples": 2, "dimensions": {"a": {"uniform": {"low": 0.0, "high": 1.0}}}}
    connection = connect([{"a": 0.1}, {"a": 0.2}], lambda _cell, _: {"m": 1.0})
    assert only(sensitivities(connection, subject_of(connection, design))) == Sensitivity(why_not=NO_SALIB)


@pytest.mark.parametrize(
    ("design", "function", "why_not"),
    [
        (
            {"kind": "zip", "dimensions": {"a": [1, 2, 3]}},
            lambda cell, _: {"m": cell["a"]},
            "no Sobol indices: the cells of",
        ),
        (
            {"kind": "saltelli", "base_samples": 1, "dimensions": {"a": UNIFORM, "b": UNIFORM}},
            lambda cell, _: {"m": cell["a"]},
            "no Sobol indices: 16 base samples are needed, and 0 have all their values",
        ),
        (
            {"kind": "morris", "trajectories": 1, "dimensions": {"a": UNIFORM, "b": UNIFORM}},
            lambda cell, _: {"m": cell["a"]},
            "no elementary effects: 4 trajectories are needed, and 1 have all their values",
        ),
        (
            {"kind": "cross", "parts": [grid(a=[1, 2, 3]), grid(b=[1])]},
            lambda cell, _: {"m": cell["a"]},
            "no Sobol indices: those of a cross are not estimated",
        ),
        (
            grid(a=[1, 2, 3]),
            lambda cell, _: {"m": 1} if cell["a"] < 3 else "bad",
            "no Sobol indices: 2 of 3 cells have a value",
        ),
        (grid(a=[1, 2, 3]), lambda _cell, _: {"m": 1}, "no Sobol indices: the metric is the same in all cells"),
    ],
    ids=["zip", "saltelli", "morris", "cross", "incomplete", "constant"],
)
def test_where_there_are_none_it_is_said_why(design: dict[str, Any], function: Any, why_not: str) -> None:  # noqa: ANN401
    connection = connect([{"a": value} for value in (1, 2, 3)], function)
    found = only(sensitivities(connection, subject_of(connection, design)))
    assert not found.indices
    assert (found.why_not or "").startswith(why_not)

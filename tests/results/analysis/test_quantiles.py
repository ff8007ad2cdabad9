"""Quantiles by level, against values that a reader can check by eye, and NumPy's."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import pytest
from results.analysis.views import Metrics, connect, grid, subject_of

from sweepctl.results.analysis.quantiles import PARTS, quantiles_by_level


def test_quantiles_are_over_the_points_of_a_level_that_have_a_value() -> None:
    cells = [{"a": a, "b": b} for a in (1, 2, 3) for b in (False, True)]

    def function(cell: Mapping[str, Any], replicate: int) -> Metrics | str:
        if cell["a"] == 3:
            return "failed"
        return {"m": replicate * cell["a"], "n": replicate if cell["b"] else None}

    connection = connect(cells, function, 101)
    m, n = quantiles_by_level(connection, subject_of(connection, grid(a=[1, 2, 3], b=[False, True]), 101))
    assert m["a"] == [[5, 25, 50, 75, 95], [10, 50, 100, 150, 190], None]
    assert n["b"] == [None, [5, 25, 50, 75, 95]]


def test_quantiles_of_intervals_are_numpys() -> None:
    draw = Random(1)
    cells = [{"x": draw.random()} for _ in range(500)]
    connection = connect(cells, lambda cell, _: {"m": cell["x"] ** 3})
    subject = subject_of(connection, {"kind": "table", "columns": ["x"], "rows": [[cell["x"]] for cell in cells]})
    (levels,) = quantiles_by_level(connection, subject)
    for level, found in zip(subject.dimensions[0].levels, levels["x"], strict=True):
        assert isinstance(level.low, float)
        assert isinstance(level.high, float)
        high = level.high + (level == subject.dimensions[0].levels[-1])
        values = [cell["x"] ** 3 for cell in cells if level.low <= cell["x"] < high]
        assert found == pytest.approx(np.quantile(values, PARTS))


def test_without_a_dimension_there_are_none() -> None:
    connection = connect([{"a": 1}], lambda *_: {"m": 1.0})
    assert quantiles_by_level(connection, subject_of(connection, grid(a=[1]))) == [{}]

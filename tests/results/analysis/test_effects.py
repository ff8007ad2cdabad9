"""Means by level against their definition, written out in Python."""

import math
import random
from collections.abc import Mapping
from statistics import fmean, stdev
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from scipy.stats import t

from sweepctl.results.analysis import effects
from sweepctl.results.analysis.effects import MeanEstimate, balanced, means_by_level
from sweepctl.results.analysis.students_t import T_975, p_value
from sweepctl.results.analysis.subject import MAX_BATCHES
from sweepctl.spec import Value

DESIGN = grid(a=[1, 2, 4], b=["x", "y"], c=[0.5])
CELLS = cells_of(DESIGN)
NOISE = [random.Random(seed).gauss(0, 3) for seed in range(200)]


def value(cell: Mapping[str, Any], replicate: int) -> float:
    return float(cell["a"] * 10 + 5 * (cell["b"] == "y") + NOISE[replicate] * cell["a"])


def estimate(means: list[float], points: int) -> MeanEstimate:
    half_width = t.ppf(0.975, len(means) - 1) * stdev(means) / math.sqrt(len(means))
    mean: Any = pytest.approx(fmean(means))
    return MeanEstimate(mean, pytest.approx(half_width, rel=5e-4), len(means), points)  # type: ignore[arg-type]


def test_the_table_is_students_t() -> None:
    assert len(T_975) == MAX_BATCHES - 1
    assert list(T_975) == [pytest.approx(t.ppf(0.975, freedom), abs=6e-5) for freedom in range(1, MAX_BATCHES)]


def test_an_interval_is_over_the_means_of_replicates() -> None:
    connection = connect(CELLS, lambda cell, replicate: {"m": value(cell, replicate)}, 5)
    subject = subject_of(connection, DESIGN, 5)
    assert [dimension.name for dimension in subject.dimensions] == ["a", "b"]
    (by_a, by_b) = means_by_level(connection, subject, [[dimension] for dimension in subject.dimensions])
    for place, level in enumerate([1, 2, 4]):
        means = [fmean(value(cell, r) for cell in CELLS if cell["a"] == level) for r in range(5)]
        assert by_a[place,] == [estimate(means, 10)]
    means = [fmean(value(cell, r) for cell in CELLS if cell["b"] == "y") for r in range(5)]
    assert by_b[1,] == [estimate(means, 15)]


def test_one_replicate_has_no_interval() -> None:
    connection = connect(CELLS, lambda cell, replicate: {"m": value(cell, replicate)})
    subject = subject_of(connection, DESIGN)
    (by_a,) = means_by_level(connection, subject, [subject.dimensions[:1]])
    assert [each and each.half_width for (each,) in by_a.values()] == [None] * 3


def test_the_p_value_is_students() -> None:
    for freedom in (*range(1, 40), 99, 998, 999, 1000, 5001):
        for value in (0.0, 0.1, -1.0, 2.5, 12.0):
            assert p_value(value, freedom) == pytest.approx(2 * t.sf(abs(value), freedom), abs=3e-7), (value, freedom)
    assert p_value(math.inf, 3) == 0


@pytest.mark.parametrize("failed", [False, True])
def test_levels_of_a_cross_are_compared_except_for_draws(*, failed: bool) -> None:
    draws = {"kind": "random", "samples": 3, "dimensions": {"b": {"choice": [1, 2]}}}
    design = {"kind": "cross", "parts": [grid(a=[1, 2]), draws]}
    cells = [{"a": a, "b": b} for a in (1, 2) for b in (1, 1, 2)]
    connection = connect(cells, lambda cell, _: "bad" if failed and cell == cells[-1] else {"m": 1.0})
    subject = subject_of(connection, design)
    found = means_by_level(connection, subject, [[dimension] for dimension in subject.dimensions])
    assert balanced(subject, zip(subject.dimensions, found, strict=True)) is not failed


@pytest.mark.parametrize(("replicates", "batches"), [(65, 13), (128, 64), (131, 131), (134, 134), (200, 50)])
def test_many_replicates_are_put_into_batches_of_equal_size(replicates: int, batches: int) -> None:
    connection = connect(CELLS[:2], lambda cell, replicate: {"m": value(cell, replicate)}, replicates)
    subject = subject_of(connection, DESIGN, replicates)
    (by_b,) = means_by_level(connection, subject, [subject.dimensions])
    means = [fmean(value(CELLS[0], r) for r in range(batch, replicates, batches)) for batch in range(batches)]
    assert by_b[0,] == [estimate(means, replicates)]
    assert fmean(means) == pytest.approx(fmean(value(CELLS[0], r) for r in range(replicates)))


def test_the_estimate_is_the_mean_over_points_where_replicates_have_different_numbers_of_them() -> None:
    def some(cell: Mapping[str, Any], replicate: int) -> Mapping[str, Value] | str:
        return "bad" if (cell["b"], replicate) == ("y", 0) else {"m": replicate}

    connection = connect(CELLS, some, 2)
    (by_a,) = means_by_level(
        connection, subject_of(connection, DESIGN, 2), [subject_of(connection, DESIGN, 2).dimensions[:1]]
    )
    assert by_a[0,] == [MeanEstimate(pytest.approx(2 / 3), pytest.approx(T_975[0] / 2), 2, 3)]  # type: ignore[arg-type]


def test_two_dimensions_come_in_the_order_that_is_asked() -> None:
    connection = connect(CELLS, lambda cell, replicate: {"m": value(cell, replicate), "n": 1})
    subject = subject_of(connection, DESIGN)
    a, b = subject.dimensions
    alone, crossed = means_by_level(connection, subject, [[a], [b, a]])
    assert list(alone) == [(0,), (1,), (2,)]
    assert list(crossed) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    (m, n) = crossed[1, 2]
    assert m is not None
    assert n == MeanEstimate(1.0, None, 1, 1)
    assert m.mean == pytest.approx(value({"a": 4, "b": "y"}, 0))


def test_failed_points_and_missing_values_do_not_count() -> None:
    def function(cell: Mapping[str, Any], _replicate: int) -> Mapping[str, Value] | str:
        if cell["a"] == 4:
            return "too_large"
        return {"m": None if cell["a"] == 2 else 3.0}

    connection = connect(CELLS, function)
    subject = subject_of(connection, DESIGN)
    (by_a,) = means_by_level(connection, subject, [subject.dimensions[:1]])
    assert by_a == {(0,): [MeanEstimate(3.0, None, 1, 2)], (1,): [None], (2,): [None]}


def test_a_bool_is_a_share_and_values_that_are_missing_are_a_level() -> None:
    design = grid(limit=[1.5, 2.5])
    connection = connect([{"limit": None}, {"limit": 1.5}], lambda cell, _: {"m": cell["limit"] is None})
    (by_limit,) = means_by_level(
        connection, subject_of(connection, design), [subject_of(connection, design).dimensions]
    )
    assert by_limit == {(0,): [MeanEstimate(1.0, None, 1, 1)], (1,): [MeanEstimate(0.0, None, 1, 1)]}


def test_rounding_is_no_uncertainty() -> None:
    equal, uncertain = (effects.estimate(-2.0, deviation, 3, 3) for deviation in (1e-16, 1e-9))
    assert equal is not None
    assert uncertain is not None
    assert equal.half_width == 0
    assert uncertain.half_width == pytest.approx(2.5e-9, rel=0.01)

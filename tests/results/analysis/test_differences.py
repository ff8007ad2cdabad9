"""Paired differences between levels, against their definition written out in Python and against known truth."""

import math
import random
from collections.abc import Mapping
from itertools import product
from statistics import fmean, stdev
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from scipy.stats import t

from sweepctl.results.analysis.differences import differences_by_level
from sweepctl.results.analysis.effects import means_by_level
from sweepctl.spec import Value

DESIGN = grid(a=[4, 1, 2], b=["x", "y"], c=[0.5, 5e-1, 0.75])  # c repeats a value, whose cells count once
CELLS = cells_of(DESIGN)


def value(cell: Mapping[str, Any], replicate: int) -> float:
    noise = random.Random(replicate).gauss(0, 3)
    return float(cell["a"] * 10 + 5 * (cell["b"] == "y") * cell["a"] + cell["c"] + noise * (10 + cell["a"]))


def test_a_difference_is_the_mean_over_pairs_and_its_interval_over_replicates() -> None:
    replications = 5
    connection = connect(CELLS, lambda cell, r: {"other": 0, "m": value(cell, r)}, replications)
    subject = subject_of(connection, DESIGN, replications, "other", "m")
    by_a, by_b, by_c = differences_by_level(connection, subject)
    assert by_a is not None
    assert by_b is not None
    assert by_c is not None
    for place, level in enumerate([1, 2, 4]):  # numbers are sorted, and 4 is the first listed
        means = [
            fmean(
                value({"a": level, "b": b, "c": c}, r) - value({"a": 4, "b": b, "c": c}, r)
                for b, c in product("xy", (0.5, 0.75))
            )
            for r in range(replications)
        ]
        (other, found) = by_a[place,]
        if level == 4:
            assert found is None
            continue
        assert other is not None
        assert found is not None
        assert other.mean == 0
        assert found.mean == pytest.approx(fmean(means))
        assert found.points == 4 * replications
        half_width = t.ppf(0.975, 4) * stdev(means) / math.sqrt(5)
        assert found.half_width == pytest.approx(half_width, rel=5e-4)
    assert [place for place, (_, found) in by_b.items() if found is not None] == [(1,)]
    assert [found.mean for _, found in by_c.values() if found is not None] == [pytest.approx(0.25)]


def test_only_pairs_count_where_points_are_missing() -> None:
    def some(cell: Mapping[str, Any], replicate: int) -> Mapping[str, Value] | str:
        if (cell["a"], cell["b"]) == (2, "y"):
            return "bad"
        return {"m": None if (cell["a"], replicate) == (4, 0) else value(cell, replicate)}

    connection = connect(CELLS, some, 2)
    by_a, *_ = differences_by_level(connection, subject_of(connection, DESIGN, 2))
    assert by_a is not None
    (to_1,), (to_2,) = by_a[0,], by_a[1,]
    assert to_2 is not None
    assert to_1 is not None
    expected = fmean(value({"a": 2, "b": "x", "c": c}, 1) - value({"a": 4, "b": "x", "c": c}, 1) for c in (0.5, 0.75))
    assert to_2.mean == pytest.approx(expected)
    assert (to_2.points, to_2.half_width) == (2, None)
    assert to_1.points == 4


@pytest.mark.parametrize("kind", ["zip", "random"])
def test_a_design_whose_cells_do_not_meet_has_no_differences(kind: str) -> None:
    uniform = {"uniform": {"low": 0.0, "high": 1.0}}
    designs: dict[str, dict[str, Any]] = {
        "zip": {"kind": "zip", "dimensions": {"a": [1, 2], "b": [1, 2]}},
        "random": {"kind": "random", "samples": 2, "dimensions": {"a": uniform, "b": uniform}},
    }
    connection = connect([{"a": 1, "b": 1}, {"a": 2, "b": 2}], lambda cell, _: {"m": cell["a"]}, 2)
    assert differences_by_level(connection, subject_of(connection, designs[kind], 2)) == [None, None]


def test_levels_that_are_intervals_have_no_differences() -> None:
    design = grid(a=list(range(40)), b=[1, 2])
    connection = connect(cells_of(design), lambda cell, _: {"m": cell["a"]}, 2)
    by_a, by_b = differences_by_level(connection, subject_of(connection, design, 2))
    assert by_a is None
    assert by_b is not None


def test_one_replicate_of_a_grid_has_none_and_of_a_grid_by_scenarios_an_interval_over_these() -> None:
    connection = connect(CELLS, lambda cell, r: {"m": value(cell, r)})
    assert differences_by_level(connection, subject_of(connection, DESIGN)) == [None] * 3
    draws = {"kind": "latin_hypercube", "samples": 20, "dimensions": {"s": {"uniform": {"low": 0.0, "high": 1.0}}}}
    noise = [random.Random(place).random() for place in range(20)]
    policies: dict[str, Any] = grid(p=[1, 2], q=["x", "y", "z"])
    for parts in ([policies, draws], [draws, policies]):
        scenarios = [{"s": each} for each in noise]
        both = (cells_of(policies), scenarios) if parts[0] is policies else (scenarios, cells_of(policies))
        cells: list[dict[str, Value]] = [{**a, **b} for a, b in product(*both)]
        connection = connect(cells, lambda cell, _: {"m": cell["p"] * cell["s"] + (cell["q"] == "z")})
        by_p, by_q, by_s = differences_by_level(connection, subject_of(connection, {"kind": "cross", "parts": parts}))
        assert by_s is None
        assert by_p is not None
        assert by_q is not None
        (found,) = by_p[1,]
        assert found is not None
        assert (found.replicates, found.points) == (20, 60)
        assert found.mean == pytest.approx(fmean(noise))
        assert found.half_width == pytest.approx(t.ppf(0.975, 19) * stdev(noise) / math.sqrt(20), rel=5e-4)
        assert [each and each.mean for (each,) in by_q.values()] == [None, 0, pytest.approx(1)]


@pytest.mark.slow
def test_intervals_of_a_known_difference_cover_it_in_95_of_100_samples_and_are_narrow() -> None:
    """Noise that all cells of a replicate share leaves a difference, and widens the interval of a mean.

    Each sample is a metric, whose interval is computed from its own values alone: a run for each would take most of
    its time to begin. A true coverage of 95 % is outside the bounds in 3 of 100 sets of 500 samples, and one of 90 %
    within them in 1 of 100; these samples are the same each time.
    """
    samples, shared, own = 500, 5.0, 1.0
    values: dict[str, dict[tuple[int, int, int], float]] = {}
    for sample in range(samples):
        draws = random.Random(sample)
        common = [draws.gauss(0, shared) for _ in range(10)]
        values[f"m{sample}"] = {
            (a, b, r): 0.1 * a + b + common[r] + draws.gauss(0, own)
            for a in (0, 1)
            for b in (0, 1, 2)
            for r in range(10)
        }

    def function(cell: Mapping[str, Any], r: int) -> Mapping[str, Value]:
        return {name: each[cell["a"], cell["b"], r] for name, each in values.items()}

    design = grid(a=[0, 1], b=[0, 1, 2])
    with connect(cells_of(design), function, 10) as connection:
        subject = subject_of(connection, design, 10, *values)
        by_a, _ = differences_by_level(connection, subject)
        (means,) = means_by_level(connection, subject, [subject.dimensions[:1]])
    assert by_a is not None
    covered, means_covered = 0, 0
    widths: list[float] = []
    for difference, mean in zip(by_a[1,], means[0,], strict=True):
        assert difference is not None
        assert mean is not None
        assert difference.half_width is not None
        assert mean.half_width is not None
        covered += abs(difference.mean - 0.1) <= difference.half_width
        means_covered += abs(mean.mean - 1) <= mean.half_width
        widths.append(difference.half_width / mean.half_width)
    assert len(widths) == samples
    assert 0.93 <= covered / samples <= 0.97
    assert 0.93 <= means_covered / samples <= 0.97
    # Each mean of a replicate has the variance shared² + own²/3, the difference of two of them 2 own²/3.
    theory = math.sqrt(2 * own**2 / 3 / (shared**2 + own**2 / 3))
    assert fmean(widths) == pytest.approx(theory, rel=0.1)

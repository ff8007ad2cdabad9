"""The precision of a round against its definition, written out in Python."""

import math
import random
from collections.abc import Mapping
from statistics import fmean, stdev
from typing import Any

import pytest
from results.analysis.views import Metrics, cells_of, connect, grid, subject_of
from scipy.stats import t

from sweepctl.results.analysis.precision import Attained, Widest, measure
from sweepctl.sweep.precision import Precision

DESIGN = grid(a=[1, 2, 4], b=[0, 10])
CELLS = cells_of(DESIGN)
MANY = 100
NOISE = [[random.Random(f"{cell} {r}").gauss(0, 1) for r in range(MANY)] for cell in range(len(CELLS))]
SHARED = [random.Random(r).gauss(0, 1) for r in range(MANY)]


def value(cell: Mapping[str, Any], replicate: int) -> float:
    own = NOISE[CELLS.index(dict(cell))][replicate]
    return float(cell["b"] + cell["a"] * (own + SHARED[replicate]))


def rule(half_width: float | str = 1.0, of: str = "cells") -> Precision:
    return Precision.model_validate({"min": 2, "max": 9, "metric": "m", "half_width": half_width, "of": of})


def attained(
    function: Any,  # noqa: ANN401  as `views.Function`
    replications: int,
    precision: Precision,
    design: Mapping[str, Any] = DESIGN,
) -> Attained:
    with connect(cells_of(design), function, replications) as connection:
        return measure(connection, subject_of(connection, design, replications, "m"), precision)


def half_width(values: list[float]) -> float:
    return float(t.ppf(0.975, len(values) - 1) * stdev(values) / math.sqrt(len(values)))


@pytest.mark.parametrize("replications", [2, 10, MANY])
@pytest.mark.parametrize("wanted", [0.9, "15 %"])
def test_each_cell_has_an_interval_over_its_replicates(replications: int, wanted: float | str) -> None:
    found = attained(lambda cell, r: {"m": value(cell, r)}, replications, rule(wanted))
    values = [[value(cell, r) for r in range(replications)] for cell in CELLS]
    targets = [abs(fmean(each)) * 0.15 if isinstance(wanted, str) else wanted for each in values]
    ratios = [half_width(each) / target for each, target in zip(values, targets, strict=True)]
    widest = ratios.index(max(ratios))
    assert (found.means, found.precise) == (6, sum(ratio <= 1 for ratio in ratios))
    assert (found.single, found.without, found.without_first) == (0, 0, ())
    assert found.ratio == pytest.approx(max(ratios), rel=1e-3)
    assert found.widest is not None
    assert found.widest.cell == widest
    assert found.widest.mean == pytest.approx(fmean(values[widest]))
    assert found.widest.half_width == pytest.approx(half_width(values[widest]), rel=1e-3)
    assert found.widest.target == pytest.approx(targets[widest])


@pytest.mark.parametrize("replications", [2, 10, MANY])
def test_the_mean_over_cells_has_an_interval_over_replicates(replications: int) -> None:
    found = attained(lambda cell, r: {"m": value(cell, r)}, replications, rule(of="mean"))
    means = [fmean(value(cell, r) for cell in CELLS) for r in range(replications)]
    assert (found.means, found.precise) == (1, int(half_width(means) <= 1))
    assert found.widest is not None
    assert found.widest.cell is None
    assert found.widest.mean == pytest.approx(fmean(means))
    assert found.widest.half_width == pytest.approx(half_width(means), rel=1e-3)
    assert found.ratio == pytest.approx(half_width(means), rel=1e-3)


def test_cells_without_an_interval_are_counted_and_those_without_a_value_are_named() -> None:
    def function(cell: Mapping[str, Any], r: int) -> Metrics | str:
        fails = {(1, 0): 4, (2, 10): 3}.get((cell["a"], cell["b"]), 0)  # of four
        return "broken" if r < fails else {"m": float(cell["a"])}

    for of in ("cells", "mean"):
        found = attained(function, 4, rule(of=of))
        assert (found.without, found.without_first) == (1, (0,))
    found = attained(function, 4, rule())
    assert (found.means, found.precise, found.single, found.is_enough) == (5, 4, 1, False)
    assert found.ratio == 0


def test_cells_without_a_value_do_not_hold_up_the_others() -> None:
    found = attained(lambda cell, _: "broken" if cell["a"] == 1 else {"m": 1.0}, 3, rule())
    assert (found.means, found.precise, found.without, found.is_enough) == (4, 4, 2, True)
    for of in ("cells", "mean"):
        found = attained(lambda *_: "broken", 3, rule(of=of))
        assert (found.means, found.without, found.ratio, found.widest, found.is_enough) == (0, 6, None, None, False)


def test_cells_that_a_constraint_excludes_are_not_asked_for() -> None:
    def function(cell: Mapping[str, Any], r: int) -> Metrics | str:
        return {"status": "excluded"} if cell["a"] == 1 else "broken" if cell["a"] == 2 else {"m": value(cell, r)}

    found = attained(function, 3, rule(1e6))
    assert (found.means, found.precise, found.without, found.without_first) == (2, 2, 2, (2, 3))
    assert attained(lambda *_: {"status": "excluded", "m": None}, 3, rule()).without == 0


def test_no_width_is_a_share_of_a_mean_of_0() -> None:
    found = attained(lambda _, r: {"m": float(r) - 0.5}, 2, rule("5%"))
    assert (found.ratio, found.is_enough) == (math.inf, False)
    assert found.to_json()["ratio"] is None
    found = attained(lambda *_: {"m": 0}, 2, rule("5%"))
    assert (found.ratio, found.widest, found.is_enough) == (0, Widest(0, 0, 0, 0), True)


def test_a_repeated_cell_counts_once() -> None:
    design = grid(a=[1, 1, 2], b=[0, 10])
    once = grid(a=[1, 2], b=[0, 10])
    for of in ("cells", "mean"):
        found = attained(lambda cell, r: {"m": value(cell, r)}, 5, rule(of=of), design)
        alone = attained(lambda cell, r: {"m": value(cell, r)}, 5, rule(of=of), once)
        assert (found.means, found.without) == (alone.means, 0)
        assert found.ratio == pytest.approx(alone.ratio)


def test_the_next_round_is_as_large_as_its_intervals_ask_for_within_bounds() -> None:
    asked = rule().model_copy(update={"max": 1000})
    assert [asked.after(10, ratio) for ratio in (1.01, 1.2, 1.5, 2, 7, math.inf, None)] == [13, 15, 23, 40, 40, 40, 13]
    assert asked.after(900, 3) == 1000
    assert asked.after(2, 1.01) == 3

"""Estimators of sensitivity: against SALib on the same samples, and against known truth."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from SALib.analyze import morris, pawn, sobol
from SALib.sample import morris as morris_sample
from SALib.sample import sobol as sobol_sample
from scipy.stats import qmc, rankdata

from sweepctl.results.analysis.sensitivity import estimators

pytestmark = pytest.mark.filterwarnings("default")  # of what SALib imports

Floats = NDArray[np.float64]

K = 3
PROBLEM = {"num_vars": K, "names": ["x1", "x2", "x3"], "bounds": [[-math.pi, math.pi]] * K}
# Ishigami's function with a = 7, b = 0.1: variance and indices by integration (Ishigami and Homma 1990).
A, B = 7.0, 0.1
VARIANCE = A**2 / 8 + B * math.pi**4 / 5 + B**2 * math.pi**8 / 18 + 0.5
FIRST = np.array([0.5 * (1 + B * math.pi**4 / 5) ** 2, A**2 / 8, 0.0]) / VARIANCE
SHARED = 8 * B**2 * math.pi**8 / 225 / VARIANCE  # of the first and third parameter
TOTAL = FIRST + np.array([SHARED, 0.0, SHARED])


def ishigami(x: Floats) -> Floats:
    found: Floats = np.sin(x[:, 0]) + A * np.sin(x[:, 1]) ** 2 + B * x[:, 2] ** 4 * np.sin(x[:, 0])
    return found


def blocks(a: Floats, b: Floats, *, second_order: bool = True) -> Floats:
    """Return the function's values in the order of Saltelli's cells."""
    columns = [ishigami(a)]
    for first, second in ((a, b), (b, a)) if second_order else ((a, b),):
        for place in range(K):
            swapped = first.copy()
            swapped[:, place] = second[:, place]
            columns.append(ishigami(swapped))
    return np.column_stack([*columns, ishigami(b)])


@pytest.mark.parametrize("second_order", [True, False])
def test_sobol_indices_are_salibs_on_its_own_sample(*, second_order: bool) -> None:
    values = ishigami(sobol_sample.sample(PROBLEM, 128, calc_second_order=second_order, seed=1))
    expected = sobol.analyze(PROBLEM, values, calc_second_order=second_order, seed=1)
    found = estimators.sobol_indices(values.reshape(128, -1), K)
    assert found.first == pytest.approx(expected["S1"], abs=1e-12)
    assert found.total == pytest.approx(expected["ST"], abs=1e-12)
    assert found.first_half_width == pytest.approx(expected["S1_conf"], rel=0.4)
    assert found.total_half_width == pytest.approx(expected["ST_conf"], rel=0.4)
    if not second_order:
        assert found.second is None
        return
    assert found.second is not None
    upper = np.triu_indices(K, 1)
    assert found.second[upper] == pytest.approx(expected["S2"][upper], abs=1e-12)


def test_sobol_indices_do_not_depend_on_size_and_place_of_the_metric() -> None:
    draws = np.random.default_rng(3)
    values = blocks(draws.uniform(-3, 3, (64, K)), draws.uniform(-3, 3, (64, K)))
    found, moved = (estimators.sobol_indices(each, K) for each in (values, 1e9 + 1e6 * values))
    assert moved.first == pytest.approx(found.first, abs=1e-6)
    assert moved.total_half_width == pytest.approx(found.total_half_width, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("base", ["independent", "sobol"])
def test_intervals_of_sobol_indices_cover_the_true_ones(base: str) -> None:
    """Those of base samples from a Sobol' sequence are too wide: it is more even than the resamples."""
    runs = 300
    inside: dict[str, Any] = {"first": np.zeros(K), "total": np.zeros(K), "second": 0.0}
    for run in range(runs):
        units = np.random.default_rng(run).random((256, 2 * K))
        if base == "sobol":
            units = qmc.Sobol(2 * K, seed=run).random(256)
        x = (2 * units - 1) * math.pi
        found = estimators.sobol_indices(blocks(x[:, :K], x[:, K:]), K, seed=run)
        inside["first"] += abs(found.first - FIRST) <= found.first_half_width
        inside["total"] += abs(found.total - TOTAL) <= found.total_half_width
        assert found.second is not None
        assert found.second_half_width is not None
        inside["second"] += abs(found.second[0, 2] - SHARED) <= found.second_half_width[0, 2]
    most = 0.985 if base == "independent" else 1.0
    for name, count in inside.items():
        share = count / runs
        assert np.all((share >= 0.91) & (share <= most)), (name, share)


def test_morris_measures_are_salibs_on_its_own_sample() -> None:
    cells = morris_sample.sample(PROBLEM, 50, num_levels=4, seed=1)
    values = ishigami(cells)
    expected = morris.analyze(PROBLEM, cells, values, num_levels=4, seed=1)
    units = (cells / math.pi + 1) / 2
    steps = np.diff(units.reshape(50, K + 1, K), axis=1)
    changes = np.diff(values.reshape(50, K + 1), axis=1)
    effects = (changes[:, :, None] * np.sign(steps)).sum(axis=1) / (2 / 3)
    # SALib divides by the change of the parameter as a share of its bounds, as this does.
    found = estimators.morris_measures(effects)
    assert found.mu == pytest.approx(expected["mu"], rel=1e-12)
    assert found.mu_star == pytest.approx(expected["mu_star"], rel=1e-12)
    assert found.sigma == pytest.approx(expected["sigma"], rel=1e-12)
    assert found.mu_star_half_width == pytest.approx(expected["mu_star_conf"].astype(float), rel=0.4)


def test_pawn_is_salibs_but_for_the_cell_that_salib_leaves_out() -> None:
    """SALib's last slice lacks the cell with the dimension's highest value."""
    x = np.random.default_rng(1).uniform(-3, 3, (2_000, K))
    values = ishigami(x)
    expected = pawn.analyze(PROBLEM, x, values, S=estimators.SLICES)["median"]
    ranks = np.column_stack([rankdata(column, "dense").astype(int) for column in x.T])
    found = estimators.pawn(ranks, values)
    assert found.index == pytest.approx(expected, abs=2 / 200)
    assert found.index.argmax() == expected.argmax()


def test_pawn_of_values_without_influence_is_what_chance_makes_in_95_of_100_samples() -> None:
    below = 0
    for run in range(100):
        draws = np.random.default_rng(run)
        found = estimators.pawn(rankdata(draws.random((500, 1)), "dense", axis=0).astype(int), draws.random(500), run)
        below += found.index[0] <= found.by_chance
    assert 88 <= below <= 100


def test_pawn_knows_values_with_ties_and_few_levels() -> None:
    ranks = np.repeat([[1], [2], [3]], 100, axis=0)
    found = estimators.pawn(ranks, (ranks[:, 0] == 3).astype(float))
    # Two levels without the value, one with it alone: 1/3 and 2/3 away from all cells.
    assert found.index[0] == pytest.approx(1 / 3)


def test_partial_rank_correlations_are_those_of_residuals() -> None:
    draws = np.random.default_rng(5)
    x = draws.random((400, 3))
    x[:, 1] += x[:, 0]
    values = 2 * x[:, 0] - x[:, 1] + 0.3 * draws.standard_normal(400)
    ranks, ranked = rankdata(x, axis=0), rankdata(values)
    found, half_width = estimators.partial_rank_correlations(ranks, ranked)
    for place in range(3):
        others = np.column_stack([np.ones(400), np.delete(ranks, place, axis=1)])
        residuals = [each - others @ np.linalg.lstsq(others, each, rcond=None)[0] for each in (ranks[:, place], ranked)]
        assert found[place] == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert abs(found[2]) <= half_width[2]


def test_resamples_that_are_made_together_are_those_that_are_made_alone() -> None:
    terms = np.random.default_rng(3).random((50, 4))
    draws = np.random.default_rng(7)
    alone = [terms[draws.integers(50, size=50)].mean(axis=0) for _ in range(estimators.RESAMPLES)]
    assert np.allclose(list(estimators._resampled_means(terms, 7)), alone, rtol=1e-12)

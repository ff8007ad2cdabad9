"""Morris' measures and their intervals, of functions whose effects are known."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from sweepctl.results.analysis.sensitivity import estimators

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]  # of (cells, dimensions), each from 0 to 1

CURVED = [2, 4, 6]
SIGNS = np.where(np.arange(20) % 2, 1.0, -1.0)
SINGLE = np.where(np.arange(20) < 10, 20.0, SIGNS)
DOUBLE = np.triu(np.outer(SIGNS, SIGNS), 1)
DOUBLE[:6, :6] = np.triu(np.full((6, 6), -15.0), 1)


def morris_function(x: Floats) -> Floats:
    """Return Morris' function of 20 parameters (1991); the coefficients that he drew are -1 and 1 in turn."""
    w = 2 * x - 1
    w[:, CURVED] = 2 * (1.1 * x[:, CURVED] / (x[:, CURVED] + 0.1) - 0.5)
    one, two, three = (np.sum(w[:, :5] ** power, axis=1) for power in (1, 2, 3))
    triples = (one**3 - 3 * one * two + 2 * three) / 6  # all products of three of the first five
    found: Floats = w @ SINGLE + np.sum(w @ DOUBLE * w, axis=1) - 10 * triples + 5 * np.prod(w[:, :4], axis=1)
    return found


def elementary_effects(function: Function, size: int, draws: np.random.Generator, count: int) -> Floats:
    """Return the effects of `count` trajectories of four levels, as docs/designs.md defines them."""
    low = draws.integers(0, 2, (count, size))  # a step goes from level i to i + 2, or back
    order = draws.permuted(np.tile(np.arange(size), (count, 1)), axis=1)
    up = draws.random((count, size)) < 1 / 2
    at, end = np.where(up, low, low + 2) / 3, np.where(up, low + 2, low) / 3
    found, rows, before = np.zeros((count, size)), np.arange(count), function(at)
    for places in order.T:
        at[rows, places] = end[rows, places]
        after = function(at)
        found[rows, places] = np.where(up[rows, places], 1, -1) * (after - before) / (2 / 3)
        before = after
    return found


def test_effects_of_morris_function_are_his() -> None:
    """Of the levels 0, 1/3, 2/3 and 1, each equally likely, w is 0 on average but for the curved parameters."""
    effects = elementary_effects(morris_function, 20, np.random.default_rng(0), 4_000)
    levels = 2 * (1.1 * np.arange(4) / 3 / (np.arange(4) / 3 + 0.1) - 0.5)
    curved = np.zeros(20)
    curved[CURVED] = levels.mean()
    for place in (0, 7, 19):
        pairs = DOUBLE + DOUBLE.T
        mu = 2 * (SINGLE[place] + pairs[place] @ curved)
        if place == 0:
            mu += 2 * -10 * levels.mean() ** 2  # x1 x3 x5; all other products have a factor of mean 0
        assert effects[:, place].mean() == pytest.approx(mu, abs=4 * effects[:, place].std() / math.sqrt(4_000))


def test_all_three_measures_have_intervals_of_the_same_resamples() -> None:
    effects = np.random.default_rng(2).normal(1, 2, (40, 3)) + np.array([0, 0, 1e7])
    found = estimators.morris_measures(effects, 5)
    draws = np.random.default_rng(5)
    resamples = [effects[draws.integers(40, size=40)] for _ in range(estimators.RESAMPLES)]
    expected = {
        "mu": [each.mean(axis=0) for each in resamples],
        "mu_star": [np.abs(each).mean(axis=0) for each in resamples],
        "sigma": [each.std(axis=0, ddof=1) for each in resamples],
    }
    for name, values in expected.items():
        half_width = estimators.Z_975 * np.std(values, axis=0, ddof=1)
        assert getattr(found, f"{name}_half_width") == pytest.approx(half_width, rel=1e-6), name


@pytest.mark.slow
def test_intervals_of_morris_measures_cover_the_true_ones_and_those_of_sigma_somewhat_less() -> None:
    runs = 200
    effects = elementary_effects(morris_function, 20, np.random.default_rng(0), 50_000)
    inside = np.zeros((3, 20))
    for run in range(runs):
        found = estimators.morris_measures(
            elementary_effects(morris_function, 20, np.random.default_rng(run + 1), 60), run
        )
        inside[0] += abs(found.mu - effects.mean(axis=0)) <= found.mu_half_width
        inside[1] += abs(found.mu_star - np.abs(effects).mean(axis=0)) <= found.mu_star_half_width
        inside[2] += abs(found.sigma - effects.std(axis=0)) <= found.sigma_half_width
    for share, least in zip(inside / runs, (0.9, 0.88, 0.8), strict=True):
        assert least <= share.min() <= share.max() <= 0.99

"""PRIM over arrays: against planted boxes, SciPy's binomial test and the formulas of the papers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from sweepctl.results.analysis import prim
from sweepctl.results.analysis.prim import Cut, Sample

Floats = NDArray[np.float64]
Limits = Mapping[int, tuple[float, float]]  # by dimension

PLANTED: Limits = {0: (0.2, 0.6), 1: (0.55, 1.0)}
CLOSE = 0.05  # of a planted limit, where the dimension is from 0 to 1


def sample_of(columns: Sequence[NDArray[np.generic]], met: NDArray[np.generic], *, ordered: bool = True) -> Sample:
    found = [np.unique(column, return_inverse=True) for column in columns]
    places = np.array([place for _, place in found]).astype(np.int32)
    return Sample(places, tuple(len(values) for values, _ in found), (ordered,) * len(found), met.astype(np.bool_))


def inside(columns: Floats, limits: Limits) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.all([(columns[d] >= low) & (columns[d] <= high) for d, (low, high) in limits.items()],
                                      axis=0)  # fmt: skip
    return found


def noisy(seed: int, planted: Sequence[Limits], points: int = 1_000, dimensions: int = 5) -> tuple[Floats, Sample]:
    """Return uniform points; the condition holds at 90 % of those in the planted boxes, and at 10 % of the others."""
    draws = np.random.default_rng(seed)
    columns = draws.random((dimensions, points))
    held = np.any([inside(columns, limits) for limits in planted], axis=0)
    return columns, sample_of(list(columns), draws.random(points) < np.where(held, 0.9, 0.1))


def box_of(columns: Floats, limits: Limits) -> prim.Box:
    ends = [(np.sort(column), *limits.get(place, (0.0, 1.0))) for place, column in enumerate(columns)]
    return tuple((column >= low) & (column <= high) for column, low, high in ends)


def limits_of(columns: Floats, box: prim.Box) -> dict[int, tuple[float, float]]:
    """Return the limits of the restricted dimensions, 0 and 1 where there is none."""
    found = {}
    for place, levels in enumerate(box):
        if not levels.all():
            kept = np.sort(columns[place])[levels]
            found[place] = (0.0 if levels[0] else float(kept[0]), 1.0 if levels[-1] else float(kept[-1]))
    return found


def is_close(found: Limits, planted: Limits) -> bool:
    """Return whether the planted dimensions alone are restricted, with every limit close to the planted one."""
    return found.keys() == planted.keys() and all(
        abs(a - b) <= CLOSE for place in planted for a, b in zip(found[place], planted[place], strict=True)
    )


@pytest.mark.slow
def test_a_planted_box_is_found_in_95_of_100_noisy_samples() -> None:
    hits = 0
    for seed in range(100):
        columns, sample = noisy(seed, [PLANTED])
        found = prim.find(sample)
        hits += found is not None and is_close(limits_of(columns, found[0]), PLANTED)
    assert hits >= 95


@pytest.mark.slow
def test_noise_alone_has_a_box_in_at_most_3_of_100_samples() -> None:
    assert sum(prim.find(noisy(seed, [{0: (2.0, 3.0)}])[1]) is not None for seed in range(100)) <= 3


def test_a_second_box_is_found_in_what_the_first_one_leaves_and_no_third() -> None:
    planted: list[Limits] = [{0: (0.0, 0.5), 1: (0.0, 0.5)}, {0: (0.8, 1.0), 1: (0.75, 1.0)}]
    columns, rest = noisy(0, planted, 3_000)
    for each in planted:
        found = prim.find(rest)
        assert found is not None
        assert is_close(limits_of(columns, found[0]), each)
        rest = rest.where(~rest.inside(found[0]))
    assert prim.find(rest) is None


def test_quasi_p_values_are_scipys_binomial_tests_against_the_box_without_the_restriction() -> None:
    columns, sample = noisy(3, [PLANTED])
    limits: Limits = {0: (0.3, 0.7), 1: (0.6, 1.0), 4: (0.0, 0.8)}
    found = prim.quasi_p_values(sample, box_of(columns, limits))
    assert found.keys() == limits.keys()
    held = sample.met[inside(columns, limits)]
    for place, p_value in found.items():
        around = sample.met[inside(columns, {d: each for d, each in limits.items() if d != place})]
        wanted = binomtest(int(held.sum()), len(held), float(around.mean()), alternative="greater").pvalue
        assert p_value == pytest.approx(wanted, rel=1e-9)
    assert found[4] > 0.05 > found[0]  # only the others were planted


def test_peeling_takes_the_part_with_the_highest_gain_in_mean_per_lost_point() -> None:
    _, sample = noisy(5, [PLANTED], 300)
    trajectory = prim.peel(sample)
    for cut, old, new in zip(trajectory.cuts[:20], trajectory.sizes, trajectory.sizes[1:], strict=False):
        gains = []
        for place, column in enumerate(sample.levels):
            ordered = np.sort(column)
            beyond = int(0.05 * len(column))
            for part in (column < ordered[beyond], column > ordered[-1 - beyond]):
                left = sample.met[~part]
                gains.append((len(left) * (left.mean() - sample.met.mean()) / part.sum(), place))
        column = sample.levels[cut.dimension]
        sample = sample.where((column < cut.first) | (column > cut.last))
        gain = new.points * (new.met / new.points - old.met / old.points) / (old.points - new.points)
        assert gain == pytest.approx(max(gains)[0])
        assert sample.size == new


def test_the_chosen_step_is_correlated_most_with_the_condition_and_a_box_keeps_ten_points() -> None:
    _, sample = noisy(6, [PLANTED], 400)
    trajectory = prim.peel(sample)
    fits = [0.0]  # of everything
    for step, size in enumerate(trajectory.sizes):
        within = sample.inside(trajectory.box(sample.counts, step))
        assert sample.where(within).size == size
        if step:
            fits.append(np.corrcoef(within, sample.met)[0, 1])
    assert trajectory.best == np.argmax(fits)
    assert trajectory.sizes[trajectory.best].fit(sample.size) == pytest.approx(max(fits))
    assert min(size.points for size in trajectory.sizes) >= 10


def test_of_parts_with_the_same_mean_the_one_with_the_most_points_goes() -> None:
    x = np.arange(100)
    sample = sample_of([x, x % 2, x // 40], (x >= 40) & (x % 2 == 1))
    assert prim.peel(sample).cuts[0] == Cut(1, 0, 0)  # half of the points, not 5 or 40 %


def test_a_limit_without_points_beyond_it_in_the_box_is_lifted() -> None:
    x = np.arange(100)
    sample = sample_of([x, x // 50], x < 50)
    box = (x < 50, np.array([True, False]))
    assert [levels.sum() for levels in prim.paste(sample, box)] in ([100, 1], [50, 2])
    assert [levels.sum() for levels in box] == [50, 1]


def test_pasting_takes_back_what_was_cut_too_far_and_nothing_more() -> None:
    x = np.arange(100)
    sample = sample_of([x, x % 10], (x >= 20) & (x < 80))
    cut = prim.paste(sample, ((x >= 35) & (x < 60), np.arange(10) != 3))
    assert [np.flatnonzero(levels)[[0, -1]].tolist() for levels in cut] == [[20, 79], [0, 9]]


def test_a_restriction_that_chance_explains_is_dropped() -> None:
    columns, sample = noisy(7, [PLANTED])
    box = box_of(columns, {**PLANTED, 3: (0.1, 1.0)})
    assert prim.quasi_p_values(sample, box)[3] >= 0.05
    assert limits_of(columns, prim.drop(sample, box)).keys() == PLANTED.keys()


def test_words_are_dropped_one_by_one() -> None:
    draws = np.random.default_rng(8)
    words = draws.choice(list("abcde"), 600)
    found = prim.find(sample_of([words], np.isin(words, ["b", "e"]), ordered=False))
    assert found is not None
    assert found[0][0].tolist() == [False, True, False, False, True]
    assert {cut.first for cut in found[1].cuts} == {0, 2, 3}


def test_of_equal_values_all_or_none_are_peeled() -> None:
    draws = np.random.default_rng(9)
    levels, other = draws.integers(0, 4, 800), draws.integers(0, 3, 800)
    sample = sample_of([levels, other], (levels >= 2) & (draws.random(800) < 0.9))
    found = prim.find(sample)
    assert found is not None
    assert [each.tolist() for each in found[0]] == [[False, False, True, True], [True] * 3]
    assert found[1].cuts[0] in (Cut(0, 0, 0), Cut(0, 0, 1))
    assert found[1].sizes[1].points == 800 - (levels == 0).sum()


@pytest.mark.parametrize("constant", [(), (7,)])
def test_one_dimension_is_enough_and_a_constant_one_is_left_alone(constant: tuple[int, ...]) -> None:
    x = np.random.default_rng(10).permutation(200)
    found = prim.find(sample_of([x, *(np.full(200, each) for each in constant)], x < 50))
    assert found is not None
    kept = np.flatnonzero(found[0][0]).tolist()
    assert kept == list(range(len(kept)))
    assert len(kept) == pytest.approx(50, rel=0.05)  # as much may be peeled at a step
    assert all(levels.all() for levels in found[0][1:])


@pytest.mark.parametrize(("points", "met"), [(39, 10), (0, 0), (100, 0), (100, 100), (100, 1)])
def test_what_tells_nothing_has_no_box(points: int, met: int) -> None:
    x = np.arange(points)
    assert prim.find(sample_of([x], x < met)) is None

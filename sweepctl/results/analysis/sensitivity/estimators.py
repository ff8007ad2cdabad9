"""Estimators of sensitivity over arrays, and their bootstrap intervals. Pure: no SQL, no files.

Each takes the metric's values in the order of the design's cells, and says which of its axes is what. Imports NumPy,
which most commands do without: import this module only where an estimate is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RESAMPLES = 200
TOGETHER = 10  # resamples: one product of matrices for them takes a tenth of the time of ten products
Z_975 = 1.959963984540054
SLICES = 10  # of PAWN
PAWN_STEPS = 512  # values of the metric at which resamples are compared


@dataclass(frozen=True)
class SobolIndices:
    """First and total indices of k dimensions, and second-order ones of their pairs; with half widths of intervals."""

    first: Floats  # (k)
    first_half_width: Floats
    total: Floats
    total_half_width: Floats
    second: Floats | None  # (k, k), above the diagonal; None if the design has no cells for them
    second_half_width: Floats | None


@dataclass(frozen=True)
class ElementaryEffects:
    """Morris' measures of k dimensions, with half widths of intervals."""

    mu: Floats
    mu_half_width: Floats
    mu_star: Floats
    mu_star_half_width: Floats
    sigma: Floats
    sigma_half_width: Floats


def sobol_indices(blocks: Floats, dimensions: int, seed: int = 0) -> SobolIndices:
    """Estimate Sobol' indices from Saltelli's cells.

    First order by Saltelli et al. (2010), total by Jansen (1999), second order by Saltelli (2002); values are
    standardised before, and variances are those of the cells of A and B, as in SALib. Intervals: 1.96 standard
    deviations over `RESAMPLES` resamples of base samples.

    Args:
        blocks: (base samples, k + 2 or 2 k + 2); of each base sample the values at A, at A with column i of B for each
            i, then, with second order, at B with column i of A for each i, and last at B.
        dimensions: k.
        seed: Of the resamples.
    """
    has_second = blocks.shape[1] == 2 * dimensions + 2
    blocks = (blocks - blocks.mean()) / blocks.std()
    a, b, ab = blocks[:, 0], blocks[:, -1], blocks[:, 1 : dimensions + 1]
    # Each index is a ratio of means over base samples; so resampling is a product with counts, in bounded memory.
    columns = [a + b, a * a + b * b, *(b[:, None] * (ab - a[:, None])).T, *(0.5 * (a[:, None] - ab) ** 2).T]
    pairs = [(i, j) for i in range(dimensions) for j in range(i + 1, dimensions)] if has_second else []
    ba = blocks[:, dimensions + 1 : -1]
    columns += [ba[:, i] * ab[:, j] - a * b for i, j in pairs]
    terms = np.column_stack(columns)

    def indices(means: Floats) -> Floats:
        variance = means[1] / 2 - (means[0] / 2) ** 2
        found = means[2:] / variance if variance > np.finfo(float).eps else np.zeros(len(means) - 2)
        for place, (i, j) in enumerate(pairs, start=2 * dimensions):
            found[place] -= found[i] + found[j]
        return found

    found = indices(terms.mean(axis=0))
    widths = Z_975 * np.std([indices(means) for means in _resampled_means(terms, seed)], axis=0, ddof=1)
    k = dimensions
    return SobolIndices(
        found[:k],
        widths[:k],
        found[k : 2 * k],
        widths[k : 2 * k],
        _matrix(found[2 * k :], pairs, k) if has_second else None,
        _matrix(widths[2 * k :], pairs, k) if has_second else None,
    )


def _matrix(values: Floats, pairs: list[tuple[int, int]], size: int) -> Floats:
    matrix = np.full((size, size), np.nan)
    for (i, j), value in zip(pairs, values, strict=True):
        matrix[i, j] = value
    return matrix


def _resampled_means(terms: Floats, seed: int) -> Iterator[Floats]:
    """Yield the means of resamples of the rows."""
    draws, rows = np.random.default_rng(seed), len(terms)
    for _ in range(RESAMPLES // TOGETHER):
        counts = [np.bincount(draws.integers(rows, size=rows), minlength=rows) for _ in range(TOGETHER)]
        yield from np.array(counts, dtype=np.float64) @ terms / rows


def morris_measures(effects: Floats, seed: int = 0) -> ElementaryEffects:
    """Return Morris' measures (1991; mu* by Campolongo et al. 2007).

    Intervals: 1.96 standard deviations over `RESAMPLES` resamples of trajectories, the same for all three measures.

    Args:
        effects: (trajectories, k); the change of the metric by the change of the dimension, as a share of its range.
        seed: Of the resamples.
    """
    count, mu, sizes = len(effects), effects.mean(axis=0), np.abs(effects)
    apart = effects - mu  # so that a small sigma beside a large mu is not lost in the difference of their squares
    means = np.array(list(_resampled_means(np.hstack([apart, sizes, apart**2]), seed)))
    shifts, _, squares = np.split(means, 3, axis=1)
    means[:, -effects.shape[1] :] = np.sqrt(np.maximum(squares - shifts**2, 0) * count / (count - 1))
    mu_width, size_width, sigma_width = np.split(Z_975 * means.std(axis=0, ddof=1), 3)
    sigma = effects.std(axis=0, ddof=1)
    return ElementaryEffects(mu, mu_width, sizes.mean(axis=0), size_width, sigma, sigma_width)


@dataclass(frozen=True)
class Pawn:
    """PAWN's index of k dimensions: how far a dimension moves the metric's distribution, from 0 to 1."""

    index: Floats  # (k)
    half_width: Floats
    by_chance: float  # which 95 of 100 dimensions without any influence stay below


def pawn(ranks: Integers, values: Floats, seed: int = 0) -> Pawn:
    """Estimate PAWN indices (Pianosi and Wagener 2018).

    The index is the median, over slices of a dimension with equally many cells, of the Kolmogorov-Smirnov distance
    between the metric's distribution in the slice and in all cells. Chance makes every distance larger than 0, more so
    with few cells; `by_chance` tells by how much. Intervals: 1.96 standard deviations over resamples of cells.

    Args:
        ranks: (cells, k), from 1 on, of the dimensions' values; equal values have one, and are never in two slices.
        values: (cells), of the metric.
        seed: Of the resamples.
    """
    cells, k = ranks.shape
    order = np.argsort(values, kind="stable")
    # Distances are looked at only where the next value is another one: ties are one step.
    step = np.cumsum(np.append(0, np.diff(values[order]) > 0))
    sliced = [_slices(ranks[order, place]) for place in range(k)]
    once = np.ones(cells)
    found = np.array([_distance(slices, step, once) for slices in sliced])
    # Resamples look at some steps only: that is enough for a width, and takes a tenth of the time.
    coarse = step * min(PAWN_STEPS, step[-1] + 1) // (step[-1] + 1)
    draws = np.random.default_rng(seed)
    resampled = []
    for _ in range(RESAMPLES):
        counts = np.bincount(draws.integers(cells, size=cells), minlength=cells).astype(float)
        resampled.append([_distance(slices, coarse, counts) for slices in sliced])
    even = np.arange(cells) % SLICES
    chance = [_distance(draws.permutation(even), coarse, once) for _ in range(RESAMPLES)]
    return Pawn(found, Z_975 * np.std(resampled, axis=0, ddof=1), float(np.quantile(chance, 0.95)))


def _slices(ranks: Integers) -> Integers:
    """Return the slice of each cell."""
    edges = np.quantile(ranks, np.linspace(0, 1, SLICES + 1))
    return np.minimum(np.searchsorted(edges, ranks, side="right") - 1, SLICES - 1)


def _distance(slices: Integers, step: Integers, counts: Floats) -> float:
    """Return the median distance; `counts` says how often a cell is there, and `step` the place of its value."""
    steps = step[-1] + 1
    table = np.bincount(slices * steps + step, counts, SLICES * steps).reshape(SLICES, steps)
    inside = np.cumsum(table, axis=1)
    held = inside[:, -1] > 0
    of_all = inside.sum(axis=0)
    distances = np.abs(inside[held] / inside[held, -1:] - of_all / of_all[-1]).max(axis=1)
    return float(np.median(distances))


def partial_rank_correlations(ranks: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the partial rank correlation of each dimension with the metric, and half the width of its 95 % interval.

    By the inverse of the matrix of Spearman's correlations; the interval is Fisher's, with k - 1 dimensions held.

    Args:
        ranks: (cells, k), equal values with their mean rank.
        values: The metric's ranks, alike.
    """
    cells, k = ranks.shape
    inverse = np.linalg.pinv(np.corrcoef(np.column_stack([ranks, values]), rowvar=False))
    diagonal = np.diag(inverse)
    found = -inverse[:-1, -1] / np.sqrt(diagonal[:-1] * diagonal[-1])
    bounded = np.clip(found, -1 + 1e-12, 1 - 1e-12)
    shift = Z_975 / np.sqrt(max(1, cells - 3 - (k - 1)))
    low, high = np.tanh(np.arctanh(bounded) - shift), np.tanh(np.arctanh(bounded) + shift)
    return found, (high - low) / 2

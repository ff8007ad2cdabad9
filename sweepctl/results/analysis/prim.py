"""PRIM, the patient rule induction method (Friedman and Fisher 1999), over arrays. Pure: no SQL, no files.

Finds the box of parameters in which a condition holds. docs/report.md states every rule. Imports NumPy, which most
commands do without: import this module only where boxes are looked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]
Flags = NDArray[np.bool_]

ALPHA = 0.05  # of the box's points, peeled at a step from an end of a dimension
MIN_POINTS = 10  # in a box; half as many in one of half of the points
LEAST_POINTS = 4 * MIN_POINTS  # to look for a box at all
MAX_P = 0.05  # a restriction with a quasi-p-value from here on is dropped
CHANCE = 0.001  # the boxes of two halves of the points must have a lower p-value, each in the other half


class Cut(NamedTuple):
    """Levels of one dimension, both ends included, that leave a box or come back to it."""

    dimension: int
    first: int
    last: int


class Size(NamedTuple):
    """The number of points in a box, and of those of them that meet the condition."""

    points: int
    met: int

    def fit(self, whole: "Size") -> float:
        """Return how well the box tells where the condition holds, among all points."""
        return float(_fit(np.array(self.points), np.array(self.met), whole))


@dataclass(frozen=True)
class Sample:
    """Points, as the places of their values among the levels of k dimensions."""

    levels: Integers  # (k, points)
    counts: tuple[int, ...]  # levels of each dimension
    ordered: tuple[bool, ...]  # by dimension: whether its levels are numbers, which are peeled from their ends
    met: Flags  # (points), whether the condition holds

    @cached_property
    def size(self) -> Size:
        """All points."""
        return Size(len(self.met), int(np.count_nonzero(self.met)))

    def where(self, kept: Flags) -> "Sample":
        """Return some of the points."""
        return Sample(self.levels[:, kept], self.counts, self.ordered, self.met[kept])

    def inside(self, box: "Box") -> Flags:
        """Return which points are in a box."""
        inside: Flags = _outside(self, box).sum(axis=0) == 0
        return inside


Box = tuple[Flags, ...]  # by dimension: which of its levels belong to the box


@dataclass(frozen=True)
class Trajectory:
    """What peeling left after each step; the first is everything."""

    cuts: tuple[Cut, ...]
    sizes: tuple[Size, ...]  # one more than cuts

    @cached_property
    def best(self) -> int:
        """The step that fits best; of equal ones the first, which is the widest."""
        points, met = np.array(self.sizes).T
        return int(np.argmax(_fit(points, met, self.sizes[0])))

    def box(self, counts: Sequence[int], step: int) -> Box:
        """Return the box after a step."""
        box = tuple(np.ones(count, dtype=bool) for count in counts)
        for dimension, first, last in self.cuts[:step]:
            box[dimension][first : last + 1] = False
        return box


def find(sample: Sample) -> tuple[Box, Trajectory] | None:
    """Return the box in which the condition holds, and how it was peeled; None if chance may explain it.

    Odd and even points must be equally arbitrary halves, in the order of a hash for instance.
    """
    if sample.size.points < LEAST_POINTS:
        return None
    odd = np.arange(sample.size.points) % 2 == 1
    halves = sample.where(odd), sample.where(~odd)
    points, met = np.sum([_size_of_its_box_in(*each) for each in (halves, halves[::-1])], axis=0).tolist()
    if at_least(Size(points, met), sample.size) >= CHANCE:
        return None
    box, trajectory = _densest(sample, MIN_POINTS)
    return None if all(levels.all() for levels in box) else (box, trajectory)


def _size_of_its_box_in(one: Sample, other: Sample) -> Size:
    """Return how many points of the other half are in the box of the one."""
    box, _ = _densest(one, MIN_POINTS // 2)
    return other.where(other.inside(box)).size


def _densest(sample: Sample, least: int) -> tuple[Box, Trajectory]:
    trajectory = peel(sample, least)
    pasted = paste(sample, trajectory.box(sample.counts, trajectory.best))
    return drop(sample, pasted), trajectory


def at_least(box: Size, around: Size) -> float:
    """Return the probability that at least as many of the box's points meet the condition at the rate around it."""
    return float(bdtrc(box.met - 1, box.points, around.met / around.points)) if box.met else 1.0


def quasi_p_values(sample: Sample, box: Box) -> dict[int, float]:
    """Return the quasi-p-value of each restricted dimension (Bryant and Lempert 2010).

    It is a one-sided binomial test of the box against the one without this restriction.
    """
    outside = _outside(sample, box)
    violated = outside.sum(axis=0)
    size = sample.where(violated == 0).size
    return {
        place: at_least(size, sample.where(violated == outside[place]).size)
        for place, levels in enumerate(box)
        if not levels.all()
    }


def peel(sample: Sample, least: int = MIN_POINTS) -> Trajectory:
    """Cut off the part with the lowest mean, again and again, as long as this many points are left."""
    cuts, sizes = [], [sample.size]
    while sizes[-1].met < sizes[-1].points:
        cut = _worst(sample, least)
        if cut is None:
            break
        column = sample.levels[cut.dimension]
        sample = sample.where((column < cut.first) | (column > cut.last))
        cuts.append(cut)
        sizes.append(sample.size)
    return Trajectory(tuple(cuts), tuple(sizes))


def _worst(sample: Sample, least: int) -> Cut | None:
    """Return the part with the lowest mean, of equal ones the one with the most points; None if none may go.

    So the objective of Friedman and Fisher that allows for parts of unequal size is highest: the gain in mean per
    point that is lost, times the points that are left.
    """
    found = None
    for cut, part in _parts(sample):
        if sample.size.points - part.points >= least:
            rank = (part.met / part.points, -part.points)
            if found is None or rank < found[0]:
                found = rank, cut
    return None if found is None else found[1]


def _parts(sample: Sample) -> Iterator[tuple[Cut, Size]]:
    """Yield what may be cut off: an end of a dimension of numbers, or one level of another."""
    points = sample.size.points
    beyond = max(1, int(ALPHA * points))
    for place, column in enumerate(sample.levels):
        if not sample.ordered[place]:
            numbers, met = _by_level(column, sample.met, sample.counts[place])
            for level in np.flatnonzero(numbers).tolist():
                yield Cut(place, level, level), Size(int(numbers[level]), int(met[level]))
            continue
        ends = (0, beyond, points - 1 - beyond, points - 1)
        lowest, low, high, highest = np.partition(column, ends)[list(ends)].tolist()
        # Up to ALPHA of the points; where the end level has more, all of that level.
        low, high = low - (low > lowest), high + (high < highest)
        for cut, part in ((Cut(place, 0, low), column <= low),
                          (Cut(place, high, sample.counts[place] - 1), column >= high)):  # fmt: skip
            yield cut, Size(int(np.count_nonzero(part)), int(np.count_nonzero(sample.met & part)))


def paste(sample: Sample, box: Box) -> Box:
    """Extend a box, at one end or by one level at a time, as long as it fits no worse."""
    box = tuple(levels.copy() for levels in box)
    while True:
        outside = _outside(sample, box)
        violated = outside.sum(axis=0)
        size = sample.where(violated == 0).size
        best = max(
            (
                extension
                for place, levels in enumerate(box)
                if not levels.all()
                for extension in _extensions(sample, outside[place] & (violated == 1), levels, place, size)
            ),
            default=(-1.0, Cut(0, 0, 0)),
        )
        if best[0] < size.fit(sample.size):
            return box
        box[best[1].dimension][best[1].first : best[1].last + 1] = True


def _extensions(sample: Sample, beyond: Flags, levels: Flags, place: int, size: Size) -> Iterator[tuple[float, Cut]]:
    """Yield what would extend a box along one dimension, and how well it would then fit.

    Args:
        sample: All points.
        beyond: The points outside of the box by this dimension alone.
        levels: The box's levels of this dimension.
        place: The dimension.
        size: Of the box.
    """
    points, met = _by_level(sample.levels[place][beyond], sample.met[beyond], len(levels))
    last = len(levels) - 1
    if not sample.ordered[place]:
        for level in np.flatnonzero(~levels).tolist():
            yield Size(size.points + points[level], size.met + met[level]).fit(sample.size), Cut(place, level, level)
        return
    low, high = int(np.argmax(levels)), last - int(np.argmax(levels[::-1]))
    for ways in (np.arange(low - 1, -1, -1), np.arange(high + 1, last + 1)):
        if len(ways):
            fits = _fit(size.points + np.cumsum(points[ways]), size.met + np.cumsum(met[ways]), sample.size)
            # Of equal ones the widest: else pasting would go on level by level where there are no points.
            furthest = len(ways) - 1 - int(np.argmax(fits[::-1]))
            ends = sorted((int(ways[0]), int(ways[furthest])))
            yield float(fits[furthest]), Cut(place, *ends)


def drop(sample: Sample, box: Box) -> Box:
    """Lift the restrictions that chance may explain, the one with the highest quasi-p-value first."""
    box = tuple(levels.copy() for levels in box)
    while found := quasi_p_values(sample, box):
        worst = max(found, key=lambda place: found[place])
        if found[worst] < MAX_P:
            break
        box[worst][:] = True
    return box


def _fit(points: NDArray[np.int64], met: NDArray[np.int64], whole: Size) -> Floats:
    """Return the correlation of being in a box with meeting the condition (phi coefficient); 0 for everything."""
    mass, coverage, rate = points / whole.points, met / max(1, whole.met), whole.met / whole.points
    spread = np.sqrt(mass * (1 - mass) * (1 - rate))
    fits: Floats = np.divide((coverage - mass) * np.sqrt(rate), spread, out=np.zeros_like(spread), where=spread > 0)
    return fits


def _outside(sample: Sample, box: Box) -> Flags:
    """Return (k, points): whether a point's level is outside of the box."""
    return np.array([~levels[column] for levels, column in zip(box, sample.levels, strict=True)])


def _by_level(column: Integers, met: Flags, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the points of each level, and those of them that meet the condition."""
    return np.bincount(column, minlength=levels), np.bincount(column, met, levels).astype(np.int64)

"""Latin hypercubes whose cells are far from each other: a search for the maximin design. Pure; the same everywhere.

Distances are compared as whole numbers, and random numbers are those of Mersenne Twister: so equal ranks and seeds give
equal results on every machine and with every version of Python.
"""

import math
from collections.abc import Callable, Sequence
from itertools import repeat
from random import Random
from typing import TypeAlias

Ranks: TypeAlias = tuple[int, ...]

# Bounds of the search, in numbers compared: seconds for 2,000 cells, less for fewer.
_WORK, _WORK_PER_CELL = 30_000_000, 300_000
_PER_DISTANCE, _PER_TRY = 10, 500  # what a distance and a try take besides the numbers compared
_TRIES = 4  # in vain, for each rank of the design, before another start


def spread(ranks: Sequence[Ranks], seed: int) -> list[Ranks]:
    """Return Latin-hypercube cells whose smallest Euclidean distance is large; `ranks` is the first that is tried.

    It looks for the design of Johnson, Moore and Ylvisaker (1990), with a bounded number of tries: a cell of those with
    the nearest neighbour swaps one rank with another cell wherever that brings neither as near to any; when that helps
    no more, other ranks are drawn, and the best design is returned.
    """
    random = Random(seed % (1 << 64)).random  # noqa: S311  no secret
    work = _WORK + _WORK_PER_CELL * len(ranks)
    best: _Search | None = None
    while best is None or work > 0:
        search = _Search(ranks, random)
        work = search.run(work)
        best = search if best is None or search.smallest > best.smallest else best
        columns = [sorted(range(len(ranks)), key=[random() for _ in ranks].__getitem__) for _ in ranks[0]]
        ranks = list(zip(*columns, strict=True))
    return best.cells


class _Search:
    """A design that is improved by swaps, each of which leaves it a Latin hypercube."""

    def __init__(self, ranks: Sequence[Ranks], random: Callable[[], float]) -> None:
        self.cells = list(ranks)
        self._random = random
        # Of each cell: its nearest neighbour, and a bound that is above that distance and below the next possible one.
        self._bounds = [0.0] * len(ranks)
        self._nearest = [0] * len(ranks)
        for cell in range(len(ranks)):
            self._look(cell, self._distances(cell))

    @property
    def smallest(self) -> float:
        """The bound above the smallest distance."""
        return min(self._bounds)

    def run(self, work: int) -> int:
        """Swap until no swap is found or the work is done; return what is left of it."""
        count, dimensions = len(self.cells), len(self.cells[0])
        row = count * (dimensions + _PER_DISTANCE)
        work -= count * row
        in_vain = 0
        while work > 0 and in_vain < _TRIES * count * dimensions:
            cell = self._bounds.index(self.smallest)
            dimension, other = int(self._random() * dimensions), int(self._random() * count)
            looked = 0 if cell == other else self._swap(cell, other, dimension)
            in_vain = 0 if looked else in_vain + 1
            work -= (looked + 1) * row + _PER_TRY
        return work

    def _swap(self, cell: int, other: int, dimension: int) -> int:
        """Swap the ranks of two cells in a dimension if that is better; return how many cells were looked at, or 0."""
        limit = self._bounds[cell]
        before = self.cells[cell], self.cells[other]
        self.cells[cell], self.cells[other] = _swapped(*before, dimension)
        distances = self._distances(cell)
        if min(distances) > limit:
            others = self._distances(other)
            if min(others) > limit:
                return self._accept({cell: distances, other: others})
        self.cells[cell], self.cells[other] = before
        return 0

    def _accept(self, moved: dict[int, list[float]]) -> int:
        looked = 0
        for place, distances in moved.items():
            self._look(place, distances)
        for cell, nearest in enumerate(self._nearest):
            if cell in moved:
                continue
            if nearest in moved:
                self._look(cell, self._distances(cell))
                looked += 1
                continue
            for place, distances in moved.items():
                if distances[cell] < self._bounds[cell]:
                    self._bounds[cell], self._nearest[cell] = _bound(distances[cell]), place
        return looked + len(moved)

    def _distances(self, cell: int) -> list[float]:
        distances = list(map(math.dist, repeat(self.cells[cell]), self.cells))
        distances[cell] = math.inf
        return distances

    def _look(self, cell: int, distances: Sequence[float]) -> None:
        nearest = min(distances)
        self._bounds[cell], self._nearest[cell] = _bound(nearest), distances.index(nearest)


def _bound(distance: float) -> float:
    # Squares of distances are integers, which rounding restores: so comparisons do not depend on a root's last digit.
    return math.sqrt(round(distance * distance) + 0.5)


def _swapped(left: Ranks, right: Ranks, dimension: int) -> tuple[Ranks, Ranks]:
    end = dimension + 1
    return (
        (*left[:dimension], right[dimension], *left[end:]),
        (*right[:dimension], left[dimension], *right[end:]),
    )

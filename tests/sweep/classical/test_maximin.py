"""Maximin Latin hypercubes: Latin, far from each other, the same everywhere, and found in bounded time."""

import math
from collections.abc import Sequence
from itertools import combinations, permutations
from random import Random

import pytest

from sweepctl.sweep.classical import maximin
from sweepctl.sweep.classical.maximin import Ranks, spread


def drawn(cells: int, dimensions: int, seed: int = 1) -> list[Ranks]:
    random = Random(seed).random
    columns = [sorted(range(cells), key=[random() for _ in range(cells)].__getitem__) for _ in range(dimensions)]
    return list(zip(*columns, strict=True))


def smallest(cells: Sequence[Ranks]) -> int:
    """The square of the smallest distance."""
    return round(min(math.dist(*pair) for pair in combinations(cells, 2)) ** 2)


def test_it_is_a_latin_hypercube_and_farther_apart() -> None:
    start = drawn(60, 4)
    found = spread(start, 42)
    assert all(sorted(column) == list(range(60)) for column in zip(*found, strict=True))
    assert smallest(found) > 4 * smallest(start)


@pytest.mark.parametrize("cells", [2, 3, 4, 5, 6])
def test_small_ones_are_the_best_there_are(cells: int) -> None:
    best = max(smallest(list(enumerate(column))) for column in permutations(range(cells)))
    assert smallest(spread(drawn(cells, 2), 1)) == best


def test_the_best_of_ten_in_two_dimensions_is_the_published_one() -> None:
    # van Dam, Husslage, den Hertog and Melissen (2007): the square is 10.
    assert smallest(spread(drawn(10, 2), 42)) == 10


def test_a_seed_always_gives_the_same_design() -> None:
    # A sweep that is planned again, on this machine or on another, is the same run.
    pinned = [(0, 2, 2), (2, 7, 1), (6, 6, 3), (1, 5, 5), (7, 1, 4), (3, 0, 6), (4, 3, 0), (5, 4, 7)]
    assert spread(drawn(8, 3), 5) == pinned
    assert spread(drawn(8, 3), -5) != pinned


@pytest.mark.slow
def test_two_thousand_cells_take_bounded_work(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    class Counting(maximin._Search):
        def _distances(self, cell: int) -> list[float]:
            nonlocal compared
            compared += len(self.cells) * len(self.cells[0])
            return super()._distances(cell)

    monkeypatch.setattr(maximin, "_Search", Counting)
    start = drawn(2_000, 10)
    found = spread(start, 42)
    assert compared < 400_000_000
    assert smallest(found) > 3 * smallest(start)

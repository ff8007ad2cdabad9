"""Classical designs: the properties that define them, and their numbers of cells in the literature."""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import pytest

from sweepctl.sweep.classical import coded
from sweepctl.sweep.classical.coded import Fraction, Row, fraction

# The smallest number of runs of Hadamard matrices without 52, 92 and 100, which are left out.
PLACKETT_BURMAN_RUNS = {
    **{count: 4 * (count // 4 + 1) for count in range(2, 48)},
    **dict.fromkeys(range(48, 56), 56),
    **{count: 4 * (count // 4 + 1) for count in range(56, 88)},
    **dict.fromkeys(range(88, 96), 96),
    **dict.fromkeys(range(96, 100), 104),
}


def moment(rows: Sequence[Row], *columns: int) -> float:
    return sum(math.prod(row[column] for column in columns) for row in rows)


def pairs(rows: Sequence[Row]) -> Iterator[tuple[int, int]]:
    return combinations(range(len(rows[0])), 2)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 8, 11, 12, 15, 19, 23, 27, 31, 35, 39, 47, 48, 55, 75])
def test_a_plackett_burman_design_is_balanced_and_orthogonal(count: int) -> None:
    rows = coded.plackett_burman(count)
    assert len(rows) == PLACKETT_BURMAN_RUNS[count]
    assert {level for row in rows for level in row} == {-1, 1}
    assert not any(moment(rows, column) for column in range(count))
    assert not any(moment(rows, *pair) for pair in pairs(rows))


def test_a_plackett_burman_design_has_as_few_cells_as_are_known_here_and_none_twice() -> None:
    for count, runs in PLACKETT_BURMAN_RUNS.items():
        rows = coded.plackett_burman(count)
        assert (len(rows), len(set(rows))) == (runs, runs)


@pytest.mark.parametrize(
    "published", ["+++-+--", "++-+++---+-", "++--++++-+-+----++-", "+++++-+-++--++--+-+----"], ids=len
)
def test_the_first_row_of_a_plackett_burman_design_is_the_published_one(published: str) -> None:
    first, second, *_, last = coded.plackett_burman(len(published))
    assert "".join("+" if level > 0 else "-" for level in first) == published
    assert second == (first[-1], *first[:-1])
    assert set(last) == {-1}


# Box, Hunter and Hunter (1978), table 12.15: parameters, and the base-2 logarithm of the cells.
PUBLISHED = {
    (3, 2): 3,
    (4, 3): 4,
    (5, 3): 3,
    (6, 3): 3,
    (7, 3): 3,
    (5, 4): 5,
    (6, 4): 4,
    (7, 4): 4,
    (8, 4): 4,
    (9, 4): 3,
    (10, 4): 3,
    (11, 4): 3,
    (6, 5): 6,
    (7, 5): 4,
    (8, 5): 4,
    (9, 5): 4,
    (10, 5): 4,
    (11, 5): 4,
    (7, 6): 7,
    (8, 6): 5,
    (9, 6): 4,
    (10, 6): 4,
    (11, 6): 4,
    (8, 7): 8,
    (9, 7): 6,
    (10, 7): 5,
    (11, 7): 5,
}


@pytest.mark.parametrize("resolution", [3, 4, 5])
@pytest.mark.parametrize("count", range(3, 12))
def test_a_fraction_has_the_published_resolution_and_size(count: int, resolution: int) -> None:
    sizes = [(base, found) for (of, base), found in PUBLISHED.items() if of == count and found >= resolution]
    found = fraction(count, resolution)
    assert (found.base, found.resolution) == (min(sizes) if sizes else (count, None))


def shortest_word(rows: Sequence[Row], most: int) -> int | None:
    """How few columns have a product that is the same in all rows, by trying; None if more than `most`."""
    columns = range(len(rows[0]))
    lengths = (length for length in range(1, most + 1) for each in combinations(columns, length)
               if abs(moment(rows, *each)) == len(rows))  # fmt: skip
    return next(lengths, None)


@pytest.mark.parametrize(("count", "resolution"), [(5, 3), (7, 4), (9, 5), (15, 3), (12, 4), (8, 5)])
def test_a_fraction_is_balanced_orthogonal_and_of_its_resolution(count: int, resolution: int) -> None:
    found = fraction(count, resolution)
    rows = found.rows()
    assert len(set(rows)) == len(rows) == 2**found.base
    assert shortest_word(rows, 6) == found.resolution


def test_resolutions_of_given_generators() -> None:
    assert Fraction(3, (1, 2, 4, 0b011, 0b101)).resolution == 3
    assert Fraction(3, (1, 2, 4, 0b011, 0b011)).resolution == 2
    assert Fraction(5, (1, 2, 4, 8, 16, 0b01111, 0b11011)).resolution == 4  # F = ABCD, G = ABDE
    assert Fraction(2, (1, 2)).resolution is None
    assert Fraction(2, (1, 2, 3)).rows() == [(-1, -1, 1), (-1, 1, -1), (1, -1, -1), (1, 1, 1)]


def test_the_largest_fractions_are_found() -> None:
    assert [fraction(50, resolution).base for resolution in (3, 4, 5)] == [6, 7, 12]


@pytest.mark.parametrize(("count", "cells"), [(3, 12), (4, 24), (5, 40), (6, 48), (7, 56)])
def test_a_box_behnken_design_is_the_published_one(count: int, cells: int) -> None:
    rows = coded.box_behnken(count)
    assert len(rows) == len(set(rows)) == cells + 1  # and its only centre
    assert rows[-1] == (0,) * count
    at_ends = {sum(map(abs, row)) for row in rows[:-1]}
    assert at_ends == ({2} if count < 6 else {3})
    # A second-order model's terms are orthogonal, but for the constant and the squares.
    squares = {moment(rows, column, column) for column in range(count)}
    assert len(squares) == 1
    for first, second in pairs(rows):
        assert moment(rows, first, second) == moment(rows, first, first, second) == 0
    if count in {4, 7}:  # these are rotatable
        assert {3 * moment(rows, i, i, j, j) for i, j in pairs(rows)} == squares


@pytest.mark.parametrize(("count", "factorial"), [(2, 4), (3, 8), (4, 16), (5, 16), (6, 32), (7, 64), (8, 64)])
def test_a_central_composite_design_has_factorial_axial_and_centre_points(count: int, factorial: int) -> None:
    found = fraction(count, coded.NO_ALIAS)
    alpha = coded.rotatable(found)
    assert math.isclose(alpha, factorial**0.25)
    rows = coded.central_composite(found, alpha)
    assert len(set(rows)) == len(rows) == factorial + 2 * count + 1
    assert sum(not any(row) for row in rows) == 1
    fourth = [moment(rows, column, column, column, column) for column in range(count)]
    assert all(math.isclose(3 * moment(rows, i, i, j, j), fourth[0]) for i, j in pairs(rows))
    assert not any(moment(rows, *pair) for pair in pairs(rows))

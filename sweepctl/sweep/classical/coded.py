"""Classical designs in coded levels: -1 is a parameter's low, 1 its high, 0 the centre. Pure: no values, no files.

One row per cell, one column per parameter. All are deterministic, and no row occurs twice.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TypeAlias

Row: TypeAlias = tuple[float, ...]

MAX_BASE = 12  # parameters of a fraction that vary freely: 4,096 cells
NO_ALIAS = 5  # the resolution from which main effects and two-factor interactions can be told apart

# Pairs or triples of parameters that are at their ends together (Box and Behnken 1960).
_BLOCKS: dict[int, Sequence[tuple[int, ...]]] = {
    **{count: tuple(combinations(range(count), 2)) for count in (3, 4, 5)},
    **{count: tuple((i, (i + 1) % count, (i + 3) % count) for i in range(count)) for count in (6, 7)},
}


def plackett_burman(count: int) -> list[Row]:
    """Return the design of Plackett and Burman (1946) for `count` parameters.

    It has as many rows as the smallest multiple of 4 above `count` for which a matrix is known here: 52, 92 and 100 are
    left out. Columns are balanced and orthogonal.
    """
    runs = 4 * (count // 4 + 1)
    while (found := _saturated(runs)) is None:
        runs += 4
    return [row[:count] for row in found]


def _saturated(runs: int) -> list[Row] | None:
    """Return a Hadamard matrix of `runs` rows without its first column, which is all 1; None if none is known here."""
    if _is_prime(runs - 1):
        return _cyclic(runs - 1)
    if runs % 8 == 4 and _is_prime(runs // 2 - 1):  # noqa: PLR2004  a prime of 4 n + 1
        return _of_conference(runs // 2 - 1)
    half = _saturated(runs // 2) if runs % 8 == 0 else None
    if half is None:
        return None
    return [(*row, 1, *row) for row in half] + [(*row, -1, *(-level for level in row)) for row in half]


def _cyclic(prime: int) -> list[Row]:
    """Return shifts of the squares modulo a prime of 4 n - 1, and a row of lows (Paley 1933): Plackett and Burman's."""
    squares = {i * i % prime for i in range(prime)}
    shifts = [tuple(1 if (i - shift) % prime in squares else -1 for i in range(prime)) for shift in range(prime)]
    return [*shifts, (-1,) * prime]


def _of_conference(prime: int) -> list[Row]:
    """Return Paley's second matrix, of a prime of 4 n + 1: each entry of a conference matrix becomes two by two."""
    squares = {i * i % prime for i in range(1, prime)}

    def entry(row: int, column: int) -> int:
        if row == column:
            return 0
        return 1 if 0 in {row, column} or (row - column) % prime in squares else -1

    # Entry c becomes (c, c; c, -c), and a 0, on the diagonal, (1, -1; -1, -1).
    size = range(prime + 1)
    upper = [[x for column in size for x in _pair(entry(row, column), 1)] for row in size]
    lower = [[x for column in size for x in _pair(entry(row, column), -1)] for row in size]
    rows = [row for pair in zip(upper, lower, strict=True) for row in pair]
    return [tuple(level * row[0] for level in row[1:]) for row in rows]


def _pair(entry: int, sign: int) -> tuple[int, int]:
    return (entry, sign * entry) if entry else (sign, -1)


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


@dataclass(frozen=True)
class Fraction:
    """A regular fraction of the two-level factorial design, in which `base` parameters vary freely.

    A column is a set of them, as bits: its level is the product of theirs.
    """

    base: int
    columns: tuple[int, ...]

    @property
    def resolution(self) -> int | None:
        """The fewest columns whose product is constant; None if there are none: it is the whole design."""
        fewest, shortest = _lengths(self.base), None
        for column in self.columns:
            if column.bit_count() > 1:
                length = fewest[column] + 1
                shortest = length if shortest is None else min(shortest, length)
                fewest = _with(fewest, column)
        return shortest

    def rows(self) -> list[Row]:
        """Return the cells; the last parameter that varies freely varies fastest."""
        highs = (sum(bit << place for place, bit in enumerate(bits)) for bits in product((0, 1), repeat=self.base))
        return [tuple(-1 if (column & ~high).bit_count() % 2 else 1 for column in self.columns) for high in highs]


def fraction(count: int, resolution: int) -> Fraction:
    """Return the smallest fraction found for `count` parameters that has at least this resolution.

    Of this size it has the highest resolution that is found; if there is none, it is the whole design. Columns are
    taken greedily, the smallest number first that is no product of too few of those before: for up to 11 parameters
    that gives the resolutions in the table of Box, Hunter and Hunter (1978).
    """
    for base in range(1, count):
        for each in range(base + 1, resolution - 1, -1):
            if (columns := _greedy(count, base, each)) is not None:
                return Fraction(base, columns)
    return Fraction(count, tuple(1 << place for place in range(count)))


def _greedy(count: int, base: int, resolution: int) -> tuple[int, ...] | None:
    fewest, columns = _lengths(base), [1 << place for place in range(base)]
    for column in range(1, 1 << base):
        if len(columns) == count:
            break
        if fewest[column] >= resolution - 1:
            columns.append(column)
            fewest = _with(fewest, column)
    return tuple(columns) if len(columns) == count else None


def _lengths(base: int) -> list[int]:
    """Return, for each set of base parameters, of how few columns it is the product."""
    return [number.bit_count() for number in range(1 << base)]


def _with(fewest: Sequence[int], column: int) -> list[int]:
    return [min(length, fewest[number ^ column] + 1) for number, length in enumerate(fewest)]


def box_behnken(count: int) -> list[Row]:
    """Return the design of Box and Behnken (1960) for 3 to 7 parameters, with one cell at the centre."""
    rows = [
        tuple(dict(zip(block, levels, strict=True)).get(place, 0) for place in range(count))
        for block in _BLOCKS[count]
        for levels in product((-1, 1), repeat=len(block))
    ]
    return [*rows, (0,) * count]


def central_composite(factorial: Fraction, alpha: float) -> list[Row]:
    """Return Box and Wilson's (1951) design: factorial points, axial ones `alpha` from the centre, and the centre."""
    count = len(factorial.columns)
    axial = [tuple(end if i == place else 0 for i in range(count)) for place in range(count) for end in (-alpha, alpha)]
    return [*factorial.rows(), *axial, (0,) * count]


def rotatable(factorial: Fraction) -> float:
    """Return the alpha with which a prediction's variance depends on the distance from the centre alone.

    It is the fourth root of the number of factorial points (Box and Hunter 1957).
    """
    # Not a power, which differs between machines in its last digit.
    return math.sqrt(math.sqrt(1 << factorial.base))

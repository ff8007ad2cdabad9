"""What is known of how much each dimension matters for one metric. docs/report.md states every estimator."""

from collections.abc import Sequence
from dataclasses import dataclass

MOST_PAIRS = 10  # of dimensions, that are shown


@dataclass(frozen=True)
class Index:
    """The Sobol indices of one dimension, as fractions of 1."""

    dimension: str
    first_order: float
    half_width: float | None  # of first_order's 95 % interval; None if it is exact for the run
    total: float | None
    total_half_width: float | None = None


@dataclass(frozen=True)
class PairIndex:
    """The second-order Sobol index of two dimensions: the share of the variance that only both together explain."""

    dimensions: tuple[str, str]
    second_order: float
    half_width: float


@dataclass(frozen=True)
class ElementaryEffect:
    """Morris' measures of one dimension: what a change of it over its whole range would make, by single steps."""

    dimension: str
    mu_star: float  # mean absolute effect
    half_width: float  # of mu_star's 95 % interval
    mu: float  # mean effect, with its sign
    mu_half_width: float
    sigma: float  # standard deviation of the effects: nonlinear, or with interactions
    sigma_half_width: float


@dataclass(frozen=True)
class Influence:
    """Measures of one dimension of a sample that need no variance and no straight line."""

    dimension: str
    pawn: float  # how far it moves the metric's distribution, from 0 to 1
    pawn_half_width: float
    rank_correlation: float | None  # partial: others held; None for words
    rank_half_width: float | None


@dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of one metric, or why nothing is known of it."""

    method: str | None = None
    cells: int = 0
    indices: tuple[Index, ...] = ()
    why_not: str | None = None  # what could not be estimated, and why
    pairs: tuple[PairIndex, ...] = ()
    effects: tuple[ElementaryEffect, ...] = ()
    influences: tuple[Influence, ...] = ()
    pawn_by_chance: float | None = None  # which 95 of 100 dimensions without influence stay below

    @property
    def surest_pairs(self) -> Sequence[PairIndex]:
        """The pairs to show: first those whose interval begins highest, not those of a high but uncertain index."""
        return sorted(self.pairs, key=lambda pair: pair.half_width - pair.second_order)[:MOST_PAIRS]


def left_out(kind: str, missing: int, of: int) -> str | None:
    """Return how many of `kind`, a plural, take no part in an estimate; None if all do."""
    return f"{missing:,} of {of:,} {kind} have a cell without a value and are left out" if missing else None

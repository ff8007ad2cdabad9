"""Paired differences between the levels of a dimension (docs/report.md).

Two points that differ in one dimension alone, of one replicate, share their random numbers and all other parameters:
their difference is the dimension's effect, with little noise. Its mean over all such pairs is far more certain than the
means of the two levels.
"""

from typing import TYPE_CHECKING, NamedTuple

from sweepctl.design import Cross, DrawPerCell, Space
from sweepctl.names import quoted
from sweepctl.results.analysis.balance import balanced_in_tables, differences_of_means
from sweepctl.results.analysis.effects import MeanEstimate, MeansByLevel, estimate
from sweepctl.results.analysis.subject import Dimension, Subject, digits, parts_of
from sweepctl.texts import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from duckdb import DuckDBPyConnection as Connection

PAIRED = "the mean difference to the level that the design lists first, of points that differ in this dimension alone"
BALANCED = "the difference of the levels' means, in which other dimensions' own effects cancel, but not interactions"


class Independent(NamedTuple):
    """What is independent of each other in a run, and makes intervals possible."""

    name: str
    batch: str  # SQL over `cell` and `replicate`: equal for what goes into one mean
    batches: int


def independent(subject: Subject) -> Independent | None:
    """Return what the intervals of differences are over; None if nothing in the run varies by chance."""
    if subject.replications > 1:
        is_whole = subject.replicate_batches == subject.replications
        name = "replicates" if is_whole else f"{subject.replicate_batches} batches of replicates"
        return Independent(name, f"replicate % {subject.replicate_batches}", subject.replicate_batches)
    return _draws(subject.space)


def left_out(subject: Subject) -> str | None:
    """Return what chance the intervals of a cross over replicates leave out; None if they leave out none."""
    draws = _draws(subject.space) if isinstance(subject.space, Cross) and subject.replications > 1 else None
    return draws and f"Intervals are over replicates alone: they take {draws.name} as given."


def _draws(space: Space) -> Independent | None:
    stride = 1
    for part in reversed(parts_of(space)):
        if isinstance(part, DrawPerCell):
            return Independent(
                f"the {counted('draws', part.cells)} of the sampled part",
                f"(cell // {stride}) % {part.cells}",
                part.cells,
            )
        stride *= part.cells
    return None


def differences_by_level(connection: "Connection", subject: Subject) -> list[MeansByLevel | None]:
    """Return the mean differences of each level to the one that the design lists first, for every dimension.

    None stands for a dimension that has none: it is in no grid, so that its values do not meet equal values of the
    others, and no table balances it against them; its levels are intervals; or nothing varies by chance. The mean of a
    level without a pair is None, and so is that of the first.
    """
    by_chance = independent(subject)
    if by_chance is None or not subject.metrics or not subject.succeeded:
        return [None] * len(subject.dimensions)
    places, in_tables = digits(subject.space), balanced_in_tables(subject.space)
    found: list[MeansByLevel | None] = []
    for dimension in subject.dimensions:
        if not dimension.is_cut and dimension.name in places:
            place = (*places[dimension.name], by_chance.batch)
            found.append(_differences(connection, subject, dimension, place))
        elif not dimension.is_cut and dimension.name in in_tables:
            _, batch, batches = by_chance
            found.append(differences_of_means(connection, subject, dimension, batch, batches))
        else:
            found.append(None)
    return found


def how_compared(subject: Subject, dimensions: "Iterable[str]") -> str:
    """Return what the differences of these dimensions are of, as a noun phrase."""
    paired = digits(subject.space).keys()
    kinds = {PAIRED if name in paired else BALANCED for name in dimensions}
    return " or, in a table, ".join(kind for kind in (PAIRED, BALANCED) if kind in kinds)


def _differences(
    connection: "Connection", subject: Subject, dimension: Dimension, place: tuple[str, str, str]
) -> MeansByLevel:
    """Return one dimension's differences; `place` is its own digit, the others' and the batch, as SQL."""
    own, others, batch = place
    values = connection.execute(
        f"SELECT DISTINCT {own.replace('cell', f'(point_index // {subject.replications})')}, {quoted(dimension.name)} "
        "FROM effective_parameters"
    ).fetchall()
    places = {digit: dimension.place(value) for digit, value in values}
    # Of values that an axis repeats, only the cells of the first count.
    first = min(digit for digit, place in places.items() if place == dimension.base)
    metrics = range(len(subject.metrics))
    columns = ", ".join(f"{subject.number(metric)} AS m{place}" for place, metric in enumerate(subject.metrics))
    means = ", ".join(
        f"avg(o.m{place} - f.m{place}) AS a{place}, count(o.m{place} - f.m{place}) AS n{place}" for place in metrics
    )
    over = ", ".join(
        f"sum(a{place} * n{place}) / nullif(sum(n{place}), 0), stddev_samp(a{place}), count(a{place}), sum(n{place})"
        for place in metrics
    )
    rows = connection.execute(f"""
        WITH cells AS (
            SELECT point_index // {subject.replications} AS cell, replicate, {columns}
            FROM point_outcomes WHERE {subject.counted}
        ), observed AS (
            SELECT {own} AS own, {others} AS others, {batch} AS batch, replicate, * EXCLUDE (cell, replicate) FROM cells
        ), batches AS (
            SELECT o.own, o.batch, {means}
            FROM observed o JOIN observed f ON f.own = {first} AND o.others = f.others AND o.replicate = f.replicate
            WHERE o.own <> {first} GROUP BY o.own, o.batch
        )
        SELECT own, {over} FROM batches GROUP BY own""").fetchall()
    found: dict[tuple[int, ...], Sequence[MeanEstimate | None]] = {
        (place,): [None] * len(subject.metrics) for place in range(len(dimension.levels))
    }
    for digit, *cells in rows:
        found[places[digit],] = [estimate(*cells[start : start + 4]) for start in range(0, len(cells), 4)]
    return found

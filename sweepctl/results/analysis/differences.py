"""Paired differences between the levels of a dimension (docs/report.md).

Two points that differ in one dimension alone, of one replicate, share their random numbers and all other parameters:
their difference is the dimension's effect, with little noise. Its mean over all such pairs is far more certain than the
means of the two levels.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweepctl.design import Grid
from sweepctl.design.axes import length_of
from sweepctl.names import quoted
from sweepctl.results.analysis.effects import MeanEstimate, MeansByLevel, estimate
from sweepctl.results.analysis.subject import Dimension, Subject, number

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


def digits(grid: Grid, dimensions: Sequence[Dimension]) -> list[tuple[str, str]]:
    """Return, for each dimension, SQL over `cell`: the place of its own value on its axis, and those of all others."""
    found, stride = {}, 1
    for name in sorted(grid.dimensions, reverse=True):
        length = length_of(grid.dimensions[name])
        own = f"(cell // {stride}) % {length}"
        found[name] = (own, f"(cell // {stride * length}) * {stride} + cell % {stride}")
        stride *= length
    return [found[dimension.name] for dimension in dimensions]


def differences_by_level(connection: "Connection", subject: Subject) -> list[MeansByLevel | None]:
    """Return the mean differences of each level to the first, for every dimension.

    None stands for a dimension whose values do not meet equal values of the others: those of any design but a grid, and
    one whose levels are intervals. The mean of a level without a pair is None, and so is that of the first.
    """
    if not isinstance(subject.space, Grid) or not subject.metrics or not subject.succeeded:
        return [None] * len(subject.dimensions)
    return [
        None if dimension.is_cut else _differences(connection, subject, dimension, *each)
        for dimension, each in zip(subject.dimensions, digits(subject.space, subject.dimensions), strict=True)
    ]


def _differences(
    connection: "Connection", subject: Subject, dimension: Dimension, own: str, others: str
) -> MeansByLevel:
    values = connection.execute(
        f"SELECT DISTINCT {own.replace('cell', f'(point_index // {subject.replications})')}, {quoted(dimension.name)} "
        "FROM effective_parameters"
    ).fetchall()
    places = {digit: dimension.place(value) for digit, value in values}
    # Of values that an axis repeats, only the cells of the first count.
    first = min(digit for digit, place in places.items() if place == 0)
    metrics = range(len(subject.metrics))
    columns = ", ".join(f"{number(metric)} AS m{place}" for place, metric in enumerate(subject.metrics))
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
            SELECT {own} AS own, {others} AS others, replicate, * EXCLUDE (cell, replicate) FROM cells
        ), batches AS (
            SELECT o.own, o.replicate % {subject.replicate_batches} AS batch, {means}
            FROM observed o JOIN observed f ON f.own = {first} AND o.others = f.others AND o.replicate = f.replicate
            WHERE o.own <> {first} GROUP BY o.own, batch
        )
        SELECT own, {over} FROM batches GROUP BY own""").fetchall()
    found: dict[tuple[int, ...], Sequence[MeanEstimate | None]] = {
        (place,): [None] * len(subject.metrics) for place in range(len(dimension.levels))
    }
    for digit, *cells in rows:
        found[places[digit],] = [estimate(*cells[start : start + 4]) for start in range(0, len(cells), 4)]
    return found

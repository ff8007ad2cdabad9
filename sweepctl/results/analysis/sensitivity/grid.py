"""Sobol indices of a full grid: an exact functional analysis of variance (Sobol 1993), in SQL."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweepctl.design import Grid
from sweepctl.results.analysis.sensitivity.indices import Index, Sensitivity
from sweepctl.results.analysis.subject import Subject, digits

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


def of_grid(connection: "Connection", subject: Subject, grid: Grid) -> list[Sensitivity]:
    """Return the exact indices of each metric; every cell must have a value."""
    metrics = range(len(subject.metrics))
    means = ", ".join(f"avg({subject.number(metric)}) AS y{place}" for place, metric in enumerate(subject.metrics))
    # Cells, not parameters: a cell's index gives its levels exactly, by mixed radix.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE cells AS SELECT point_index // {subject.replications} AS cell, {means} "
        f"FROM point_outcomes WHERE {subject.counted} GROUP BY cell"
    )
    counts = ", ".join(f"count(y{place}), var_pop(y{place})" for place in metrics)
    found = connection.execute(f"SELECT {counts} FROM cells").fetchall()[0]
    places = digits(grid)
    explained = [_explained(connection, metrics, *places[each.name]) for each in subject.dimensions]
    connection.execute("DROP TABLE cells")
    return [
        _exact(
            subject,
            grid.cells - subject.repeated_cells,
            found[2 * place],
            found[2 * place + 1],
            [each[place] for each in explained],
        )
        for place in metrics
    ]


def _explained(connection: "Connection", metrics: Sequence[int], own: str, others: str) -> list[tuple[float, float]]:
    """Return the variances of the means by a dimension's own level, and by all others' levels: one pair per metric."""
    means = ", ".join(f"avg(y{place}) AS y{place}" for place in metrics)
    variances = ", ".join(f"var_pop(y{place})" for place in metrics)
    both = [
        connection.execute(f"SELECT {variances} FROM (SELECT {means} FROM cells GROUP BY {by})").fetchall()[0]
        for by in (own, others)
    ]
    return list(zip(*both, strict=True))


def _exact(
    subject: Subject, cells: int, known: int, variance: float | None, explained: Sequence[tuple[float, float]]
) -> Sensitivity:
    if known < cells:
        return Sensitivity(
            why_not=f"no Sobol indices: {known:,} of {cells:,} cells have a value, and an exact analysis needs all"
        )
    if not variance:
        return Sensitivity(why_not="no Sobol indices: the metric is the same in all cells")
    indices = tuple(
        Index(dimension.name, own / variance, None, 1 - others / variance)
        for dimension, (own, others) in zip(subject.dimensions, explained, strict=True)
    )
    return Sensitivity("functional analysis of variance of the full grid", cells, indices)

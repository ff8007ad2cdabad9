"""Differences between the levels of a dimension that a table balances against all others, as classical designs do.

Where every other dimension's values occur equally often with each level, the others' main effects cancel in the
difference of two levels' means, although cells seldom differ in this dimension alone (docs/report.md).
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from sweepctl.design import Space, Table
from sweepctl.results.analysis.effects import MeanEstimate, MeansByLevel, estimate
from sweepctl.results.analysis.subject import Dimension, Subject, parts_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

    from sweepctl.spec import Value


def balanced_in_tables(space: Space) -> Collection[str]:
    """Return the dimensions of tables that are balanced against all others; equal rows count once, as everywhere."""
    found: set[str] = set()
    for part in parts_of(space):
        if isinstance(part, Table):
            columns = list(zip(*dict.fromkeys(map(tuple, part.rows)), strict=True))
            found.update(
                name
                for name, own in zip(part.columns, columns, strict=True)
                if len(set(Counter(own).values())) == 1
                and all(_is_balanced(own, other) for other in columns if other is not own)
            )
    return found


def _is_balanced(own: Sequence["Value"], other: Sequence["Value"]) -> bool:
    """Return whether each value of `other` occurs equally often with every value of `own`."""
    pairs, totals, levels = Counter(zip(own, other, strict=True)), Counter(other), len(set(own))
    return len(pairs) == levels * len(totals) and all(
        count * levels == totals[value] for (_, value), count in pairs.items()
    )


def differences_of_means(
    connection: "Connection", subject: Subject, dimension: Dimension, batch: str, batches: int
) -> MeansByLevel:
    """Return the mean of each level less that of the first; a batch with a missing value is no longer balanced.

    Args:
        connection: Has the run's views.
        subject: What is analysed.
        dimension: A balanced one.
        batch: SQL over `cell` and `replicate`: equal for what goes into one mean.
        batches: Their number; all have equally many points.
    """
    metrics = range(len(subject.metrics))
    whole = (subject.space.cells - subject.repeated_cells) * subject.replications // batches
    columns = ", ".join(
        f"{subject.number(name, subject.joined(name))} AS m{place}" for place, name in enumerate(subject.metrics)
    )
    means = ", ".join(
        f"CASE WHEN sum(count(m{place})) OVER (PARTITION BY batch) = {whole} THEN avg(m{place}) END AS a{place}, "
        f"count(m{place}) AS n{place}"
        for place in metrics
    )
    over = ", ".join(
        f"avg(o.a{place} - f.a{place}), stddev_samp(o.a{place} - f.a{place}), count(o.a{place}), "
        f"sum(o.n{place}) FILTER (o.a{place} IS NOT NULL)"
        for place in metrics
    )
    key = dimension.key_sql
    rows = connection.execute(
        f"""
        WITH cells AS (
            SELECT {key} AS level, point_index // {subject.replications} AS cell, replicate, {columns}
            FROM points WHERE {subject.counted}
        ), batches AS (SELECT level, {batch} AS batch, {means} FROM cells GROUP BY level, batch)
        SELECT o.level, {over} FROM batches o JOIN (SELECT * FROM batches WHERE level IS NOT DISTINCT FROM $first) f
        USING (batch) GROUP BY o.level""",
        {"first": dimension.levels[dimension.base].low},
    ).fetchall()
    found: dict[tuple[int, ...], Sequence[MeanEstimate | None]] = {
        (place,): [None] * len(subject.metrics) for place in range(len(dimension.levels))
    }
    for level, *cells in rows:
        if (place := dimension.place(level)) != dimension.base:
            found[place,] = [estimate(*cells[start : start + 4]) for start in range(0, len(cells), 4)]
    return found

"""Quantiles of metrics by level of a dimension, exact: over all points of the level, replicates included."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sweepctl.results.analysis.subject import Subject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

PARTS = (0.05, 0.25, 0.5, 0.75, 0.95)

Quantiles = Sequence[float] | None  # one per part; None if no point of the level has a value
QuantilesByLevel = Sequence[Quantiles]


def quantiles_by_level(connection: "Connection", subject: Subject) -> list[Mapping[str, QuantilesByLevel]]:
    """Return, for each metric, the quantiles of each level by dimension.

    Between two values they are interpolated linearly (definition 7 of Hyndman and Fan 1996).
    """
    if not subject.dimensions or not subject.metrics:
        return [{} for _ in subject.metrics]
    levels = (f"{dimension.key_sql} AS d{place}" for place, dimension in enumerate(subject.dimensions))
    values = (
        f"{subject.number(metric, subject.joined(metric))} AS m{place}" for place, metric in enumerate(subject.metrics)
    )
    # A table, as the join would take longer than the quantiles; one dimension after the other, as they hold all values.
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE leveled AS
        SELECT {", ".join([*levels, *values])} FROM points WHERE {subject.counted}""")
    asked = ", ".join(f"quantile_cont(m{place}, {[*PARTS]})" for place in range(len(subject.metrics)))
    found: list[dict[str, QuantilesByLevel]] = [{} for _ in subject.metrics]
    for place, dimension in enumerate(subject.dimensions):
        rows = connection.execute(f"SELECT d{place}, {asked} FROM leveled GROUP BY d{place}").fetchall()
        by_level = {dimension.place(key): quantiles for key, *quantiles in rows}
        for metric, own in enumerate(found):
            own[dimension.name] = [
                by_level[level][metric] if level in by_level else None for level in range(len(dimension.levels))
            ]
    connection.execute("DROP TABLE leveled")
    return list(found)

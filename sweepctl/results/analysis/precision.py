"""How precisely a run knows the means that a sweep asks for: 95 % intervals, computed in SQL (docs/sweep-files.md)."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sweepctl.results.analysis.students_t import T_975
from sweepctl.results.analysis.subject import Subject
from sweepctl.sweep.precision import Precision

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

MOST_NAMED = 5  # cells without a value


@dataclass(frozen=True)
class Widest:
    """The mean whose interval is widest beside what is wanted."""

    cell: int | None  # None: the mean over all cells
    mean: float
    half_width: float
    target: float


@dataclass(frozen=True)
class Attained:
    """What one round has attained."""

    means: int  # how many are to be known: of cells with a value, or one
    precise: int  # of these
    single: int  # of these: with one value only, and so without an interval
    without: int  # cells without any value: all their points failed
    without_first: tuple[int, ...]  # the first few of them
    widest: Widest | None
    ratio: float | None  # of its half width to the wanted one; infinite if no half width above 0 is wanted

    @property
    def is_enough(self) -> bool:
        """Whether every mean is known precisely; cells without any value do not count."""
        return 0 < self.means == self.precise

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        finite = None if self.ratio is None or math.isinf(self.ratio) else self.ratio
        return asdict(self) | {"ratio": finite, "is_enough": self.is_enough}


def measure(connection: "Connection", subject: Subject, precision: Precision) -> Attained:
    """Return what a complete round has attained.

    Args:
        connection: Has the run's views (`results.views`).
        subject: What is analysed of the run: `precision.metric` is its only metric.
        precision: What is wanted.
    """
    ((excluded,),) = connection.execute(
        f"SELECT count(DISTINCT point_index // {subject.replications}) FROM point_outcomes "
        f"WHERE {subject.once} AND status = 'excluded'"
    ).fetchall()
    cells = subject.space.cells - subject.repeated_cells - excluded
    if not subject.metrics:  # no shard left a record
        return Attained(0, 0, 0, cells, (), None, None)
    (metric,) = subject.metrics
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE valued_cells AS
        SELECT point_index // {subject.replications} AS place, count(y) AS n, avg(y) AS mean, stddev_samp(y) AS s
        FROM (
            SELECT point_index, CASE WHEN status = 'success' THEN {subject.number(metric)} END AS y
            FROM point_outcomes WHERE {subject.once} AND status <> 'excluded'
        ) GROUP BY place""")
    try:
        valued, named = connection.execute(f"""
            SELECT count(*) FILTER (n > 0),
                (SELECT list(place ORDER BY place) FROM (
                    SELECT place FROM valued_cells WHERE n = 0 ORDER BY place LIMIT {MOST_NAMED}))
            FROM valued_cells""").fetchall()[0]
        means = _ALL_CELLS.format(metric=subject.number(metric), counted=subject.counted)
        query = _query("FROM valued_cells WHERE n > 0" if precision.of == "cells" else means, precision)
        count, precise, single, ratio, widest = connection.execute(query).fetchall()[0]
    finally:
        connection.execute("DROP TABLE valued_cells")
    return Attained(
        count,
        precise,
        single,
        cells - valued,
        tuple(named or ()),
        None if widest is None else Widest(**widest),
        ratio,
    )


# Replicates share their random numbers across cells, so only they are independent: as for `effects`, without batches.
_ALL_CELLS = """
    SELECT NULL AS place, count(*) AS n, sum(mean * points) / sum(points) AS mean, stddev_samp(mean) AS s FROM (
        SELECT avg({metric}) AS mean, count({metric}) AS points FROM point_outcomes WHERE {counted} GROUP BY replicate
    ) WHERE points > 0 HAVING count(*) > 0"""


def _query(means: str, precision: Precision) -> str:
    """Return a query for the state of some means, each with its number of values n and their deviation s."""
    target = f"abs(mean) * {precision.size!r}" if precision.is_relative else f"{precision.size!r}::DOUBLE"
    # As `students_t.t_975`.
    t = f"CASE WHEN n <= {len(T_975) + 1} THEN {list(T_975)}[n - 1] ELSE 1.95996 + 2.37227 / (n - 1) END"
    return f"""
        WITH means AS ({means}),
        wide AS (SELECT *, {t} * s / sqrt(n) AS half_width, {target} AS target FROM means),
        judged AS (SELECT *, CASE WHEN half_width = 0 THEN 0 WHEN target = 0 THEN 'inf' ELSE half_width / target END
            AS ratio FROM wide)
        SELECT count(*), count(*) FILTER (ratio <= 1), count(*) FILTER (n = 1), max(ratio),
            arg_min(struct_pack(cell := place, mean := mean, half_width := half_width, target := target),
                row(-ratio, place)) FILTER (ratio IS NOT NULL)
        FROM judged"""

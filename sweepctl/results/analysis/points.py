"""Single points: the distribution of a metric, the points at its ends, and failed points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sweepctl.names import quoted
from sweepctl.results.analysis.subject import Subject, number, select
from sweepctl.spec import Value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

BARS = 24
_IDENTITY = ("point_index", "replicate", "status", "error_code", "error_message")


@dataclass(frozen=True)
class Distribution:
    """The distribution of one metric over the successful points."""

    points: int  # with a value
    missing: int  # successful points without one
    mean: float | None
    deviation: float | None
    minimum: float | None
    maximum: float | None
    width: float = 0.0  # of a bar
    counts: tuple[int, ...] = field(default=(), repr=False)  # per bar, from the minimum on


@dataclass(frozen=True)
class Row:
    """One point, as shown."""

    point_index: int
    replicate: int
    status: str
    parameters: Mapping[str, Value]  # those that the design varies
    metrics: Mapping[str, Value]
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True)
class FailureCount:
    """The points that failed with one error code, or the shards without records that failed with it."""

    error_code: str
    of: str  # "points" or "shards"
    count: int
    example: int  # the lowest point_index, or shard_id
    message: str  # the example's


def distributions(connection: "Connection", subject: Subject) -> list[Distribution]:
    """Return one distribution per metric."""
    if not subject.metrics:
        return []
    asked = ", ".join(
        f"count({column}), avg({value}), stddev_samp({value}), min({column}), max({column})"
        for column, value in zip(map(number, subject.metrics), map(subject.number, subject.metrics), strict=True)
    )
    counted, *found = connection.execute(
        f"SELECT count(*), {asked} FROM point_outcomes WHERE {subject.counted}"
    ).fetchall()[0]
    facts = [found[start : start + 5] for start in range(0, len(found), 5)]
    known = (Distribution(points, counted - points, *moments) for points, *moments in facts)
    return [_with_bars(connection, subject, metric, each) for metric, each in zip(subject.metrics, known, strict=True)]


def _with_bars(connection: "Connection", subject: Subject, metric: str, known: Distribution) -> Distribution:
    if known.mean is None or known.minimum is None or known.maximum is None or known.minimum == known.maximum:
        return known
    width = (known.maximum - known.minimum) / BARS
    counted = connection.execute(
        f"SELECT least({BARS - 1}, CAST(floor(({number(metric)} - $1) / $2) AS BIGINT)) AS bar, count(*) "
        f"FROM point_outcomes WHERE {subject.counted} AND {quoted(metric)} IS NOT NULL GROUP BY bar",
        [known.minimum, width],
    ).fetchall()
    counts = dict(counted)
    return replace(known, width=width, counts=tuple(counts.get(bar, 0) for bar in range(BARS)))


def extremes(connection: "Connection", subject: Subject, top: int) -> list[tuple[list[Row], list[Row]]]:
    """Return the points with the lowest values of each metric, and with the highest; ties in order of points."""
    ends = [
        (_first(connection, subject, metric, "ASC", top), _first(connection, subject, metric, "DESC", top))
        for metric in subject.metrics
    ]
    # All at once: each look at parameters reads all of them.
    indexes = {index for both in ends for end in both for index in end}
    found = {row.point_index: row for row in rows(connection, subject, sorted(indexes))}
    return [([found[index] for index in lowest], [found[index] for index in highest]) for lowest, highest in ends]


def _first(connection: "Connection", subject: Subject, metric: str, order: str, top: int) -> list[int]:
    best = (
        f"SELECT point_index FROM point_outcomes WHERE {subject.counted} AND {quoted(metric)} IS NOT NULL "
        f"ORDER BY {quoted(metric)} {order}, point_index LIMIT {top}"
    )
    return [index for (index,) in connection.execute(best).fetchall()]


def failed(connection: "Connection", subject: Subject, most: int) -> list[Row]:
    """Return the first points that failed."""
    first = f"SELECT point_index FROM point_outcomes WHERE status = 'failure' ORDER BY point_index LIMIT {most}"
    return rows(connection, subject, [index for (index,) in connection.execute(first).fetchall()])


def spread(connection: "Connection", subject: Subject, most: int, where: str = "true") -> list[Row]:
    """Return the points of a condition, `most` at most: by hash, as equal distances would align with the design."""
    indexes = (
        f"SELECT point_index FROM point_outcomes WHERE {where} ORDER BY hash(point_index), point_index LIMIT {most}"
    )
    return rows(connection, subject, [index for (index,) in connection.execute(indexes).fetchall()])


def rows(connection: "Connection", subject: Subject, indexes: Sequence[int]) -> list[Row]:
    """Return these points, in order of point_index."""
    if not indexes:
        return []
    names = subject.varied
    found = connection.execute(
        f"SELECT {select([*_IDENTITY, *names, *map(subject.joined, subject.metrics)])} FROM points "
        f"WHERE point_index IN ({', '.join(map(str, indexes))}) ORDER BY point_index"
    ).fetchall()
    return [
        Row(
            index,
            replicate,
            status,
            dict(zip(names, values, strict=False)),
            dict(zip(subject.metrics, values[len(names) :], strict=False)),
            code,
            message,
        )
        for index, replicate, status, code, message, *values in found
    ]


def failure_counts(connection: "Connection") -> list[FailureCount]:
    """Return failures by error code: of points, then of shards without records, each with the most frequent first."""
    by_point = """
        SELECT error_code, 'points', count(*), min(point_index), arg_min(error_message, point_index)
        FROM point_outcomes WHERE status = 'failure' GROUP BY error_code ORDER BY 3 DESC, 1"""
    by_shard = """
        SELECT error_code, 'shards', count(*), min(shard_id), arg_min(error_message, shard_id)
        FROM shard_outcomes WHERE status = 'failure' AND content_sha256 IS NULL
        GROUP BY error_code ORDER BY 3 DESC, 1"""
    return [FailureCount(*row) for query in (by_point, by_shard) for row in connection.execute(query).fetchall()]


def fixed_parameters(connection: "Connection", subject: Subject) -> dict[str, Value]:
    """Return the parameters that the design does not vary, which have one value in all points."""
    if not subject.fixed or not subject.points:
        return {}
    found = connection.execute(f"SELECT {select(subject.fixed)} FROM effective_parameters LIMIT 1").fetchall()
    return dict(zip(subject.fixed, found[0], strict=True))

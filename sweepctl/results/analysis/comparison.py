"""Compares two runs of one model, point by point: what is equal to the bit, and what differs by how much.

docs/compare.md states what is tested and how.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sweepctl.design import Space
from sweepctl.errors import UsageError
from sweepctl.names import quoted
from sweepctl.records.outcome import RunRecord
from sweepctl.results.analysis.pairing import Pairing, pair
from sweepctl.results.analysis.students_t import p_value, t_975
from sweepctl.results.analysis.subject import (
    batches_of,
    columns_after,
    is_extreme,
    is_sampled,
    number,
    require_known,
    select,
)
from sweepctl.spec import Value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

_NUMBERS = ("BIGINT", "DOUBLE", "BOOLEAN")


@dataclass(frozen=True)
class Difference:
    """One point whose metric differs between the runs."""

    first_index: int  # its point_index in the first run
    second_index: int
    replicate: int
    parameters: Mapping[str, Value]  # those that the first run's design varies
    first: Value
    second: Value


@dataclass(frozen=True)
class PairedTest:
    """Student's paired t test of a mean difference."""

    over: str  # what is independent: "replicates", "batches of replicates" or "cells"
    pairs: int
    half_width: float  # of the mean difference's 95 % interval
    p_value: float


@dataclass(frozen=True)
class MetricComparison:
    """One metric in the points that succeeded in both runs."""

    name: str
    points: int
    equal: int  # to the bit, or without a value in both
    first_mean: float | None  # of the points with a number in both runs, as the next ones; None if there is none
    second_mean: float | None
    mean_difference: float | None  # second less first
    effect_size: float | None  # the mean difference in standard deviations of the first run's points
    largest_difference: float | None  # of one point, absolute
    test: PairedTest | None  # None: nothing differs, or nothing varies by chance
    largest: tuple[Difference, ...] = field(repr=False)  # those without a value in one run first
    is_extreme: bool = False  # a number of which no mean can be computed (`subject.is_extreme`)

    @property
    def differing(self) -> int:
        """Points whose values are not the same bits."""
        return self.points - self.equal


@dataclass(frozen=True)
class Comparison:
    """What two runs of one model have in common, and what differs."""

    pairing: Pairing
    metrics: tuple[MetricComparison, ...]

    @property
    def is_exact(self) -> bool:
        """Whether both runs have the same points with the same results, to the bit."""
        return self.pairing.is_exact and not any(metric.differing for metric in self.metrics)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        found = self.pairing
        return {
            "model": found.first.run.spec.model,
            "first": {"run_id": found.first.run.run_id, "model_versions": list(found.first.versions)},
            "second": {"run_id": found.second.run.run_id, "model_versions": list(found.second.versions)},
            "exact": self.is_exact,
            "only_first": found.only_first,
            "only_second": found.only_second,
            **found.counts._asdict(),
            "metrics": [{**asdict(metric), "differing": metric.differing} for metric in self.metrics],
            "notes": list(found.notes),
        }


class _Asked(NamedTuple):
    """What is asked about every metric."""

    batches: int  # of replicates
    over: str | None  # what the interval of a mean difference is over; None: nothing varies by chance
    varied: Sequence[str]
    top: int


class _Group(NamedTuple):
    """The points of one batch of replicates that have a number in both runs."""

    points: int
    first: float  # means
    second: float
    difference: float
    first_variance: float  # of the points
    difference_variance: float


def compare(
    connection: "Connection",
    first: RunRecord,
    second: RunRecord,
    space: Space,
    *,
    metrics: Sequence[str] = (),
    top: int = 5,
) -> Comparison:
    """Compare two runs.

    Args:
        connection: Has the views of exactly these two runs (`results.views`).
        first: The run to compare with, for instance of the earlier model version.
        second: The run whose differences are told.
        space: The first run's design. If its cells are draws, one replicate allows a test over cells.
        metrics: The metrics to compare; all if empty.
        top: The number of points to show per metric, those with the largest differences.

    Raises:
        UsageError: the runs are of different models, a parameter varies that only one of them has, or a
            metric does not exist.
    """
    require_comparable(first, second)
    kinds = columns_after(connection, "point_outcomes", "error_message")
    for name in metrics if kinds else ():
        require_known(name, list(kinds))
    names = list(dict.fromkeys(metrics)) or list(kinds)
    replications = min(first.spec.replications, second.spec.replications)
    batches = batches_of(replications)
    over = "replicates" if batches == replications else "batches of replicates"
    sampled = "cells" if is_sampled(space) else None
    asked = _Asked(batches, over if batches > 1 else sampled, sorted(space.parameters), top)
    pairing = pair(connection, first, second)
    metrics_found = (_compared(connection, pairing, name, kinds[name], asked) for name in names if name in kinds)
    return Comparison(pairing, tuple(metrics_found))


def require_comparable(first: RunRecord, second: RunRecord) -> None:
    """Raise UsageError unless these are runs of one model."""
    if first.spec.model != second.spec.model:
        msg = f"run {first.run_id} is of model {first.spec.model}, run {second.run_id} of {second.spec.model}"
        raise UsageError(msg, remedy="Compare two runs of one model; its versions may differ.")


def _compared(connection: "Connection", pairing: Pairing, name: str, kind: str, asked: _Asked) -> MetricComparison:
    has_means = _has_means(connection, name, kind)
    found = connection.execute(_query(pairing, name, kind, asked, has_means=has_means)).fetchall()
    points, equal = (sum(row[place] for row in found) for place in (0, 1))
    groups = [_Group(*row[4:]) for row in found if row[4]]
    return MetricComparison(
        name,
        points,
        equal,
        *_moments(groups),
        max((row[2] for row in found if row[2] is not None), default=None),
        _test(groups, asked) if equal < points else None,
        _largest(connection, pairing, [point for row in found for point in row[3] or ()], asked),
        is_extreme=kind in _NUMBERS and not has_means,
    )


def _has_means(connection: "Connection", name: str, kind: str) -> bool:
    """Return whether a metric is a number of which means can be computed."""
    if kind not in _NUMBERS:
        return False
    ends = f"SELECT min({number(name)}), max({number(name)}) FROM point_outcomes WHERE status = 'success'"
    low, high = connection.execute(ends).fetchall()[0]
    return low is None or not is_extreme(low, high)


def _query(pairing: Pairing, name: str, kind: str, asked: _Asked, *, has_means: bool) -> str:
    a, b = (f"{side}.{quoted(name)}" for side in "ab")
    x, y = (f"CAST({each} AS DOUBLE)" if has_means else "NULL::DOUBLE" for each in (a, b))
    # Zero has two signs, which SQL takes for equal.
    signs = f" OR signbit({a}) <> signbit({b})" if kind == "DOUBLE" else ""
    return f"""
        WITH common AS (
            SELECT pairs.replicate % {asked.batches} AS batch, a_index, {x} AS x, {y} AS y,
                   {{'a': a_index, 'b': b_index, 'replicate': pairs.replicate, 'first': {a}, 'second': {b}}} AS point,
                   coalesce({a} IS DISTINCT FROM {b}{signs}, false) AS differs
            FROM pairs JOIN point_outcomes a ON a.{pairing.first.condition} AND a.point_index = a_index
                       JOIN point_outcomes b ON b.{pairing.second.condition} AND b.point_index = b_index
            WHERE a_ok AND b_ok
        )
        SELECT count(*), count(*) FILTER (NOT differs), max(abs(y - x)),
               arg_max(point, row(coalesce(abs(y - x), 'inf'::DOUBLE), -a_index), {max(1, asked.top)}) FILTER (differs),
               count(y - x), avg(x) FILTER (y IS NOT NULL), avg(y) FILTER (x IS NOT NULL), avg(y - x),
               var_pop(x) FILTER (y IS NOT NULL), var_pop(y - x)
        FROM common GROUP BY batch ORDER BY batch"""


def _moments(groups: Sequence[_Group]) -> tuple[float | None, float | None, float | None, float | None]:
    """Return both means, the mean difference and the effect size."""
    points = sum(group.points for group in groups)
    if not points:
        return None, None, None, None
    first, second, difference = (
        sum(group.points * mean for group, mean in zip(groups, means, strict=True)) / points
        for means in (
            [group.first for group in groups],
            [group.second for group in groups],
            [group.difference for group in groups],
        )
    )
    squares = sum(group.points * (group.first_variance + (group.first - first) ** 2) for group in groups)
    deviation = math.sqrt(squares / (points - 1)) if points > 1 else 0.0
    return first, second, difference, difference / deviation if deviation else None


def _test(groups: Sequence[_Group], asked: _Asked) -> PairedTest | None:
    """Return the test over the means of batches, or over the points of the only one."""
    if asked.over is None or not groups:
        return None
    if asked.batches > 1:
        pairs = len(groups)
        mean = math.fsum(group.difference for group in groups) / pairs
        squares = math.fsum((group.difference - mean) ** 2 for group in groups)
    else:
        (group,) = groups
        pairs, mean, squares = group.points, group.difference, group.points * group.difference_variance
    if pairs == 1:
        return None
    error = math.sqrt(squares / (pairs - 1) / pairs)
    t = mean / error if error else math.copysign(math.inf, mean) if mean else 0.0
    return PairedTest(asked.over, pairs, t_975(pairs - 1) * error, p_value(t, pairs - 1))


def _largest(
    connection: "Connection", pairing: Pairing, points: Sequence[Mapping[str, Any]], asked: _Asked
) -> tuple[Difference, ...]:
    """Return the points with the largest differences, of some that hold them, with their parameters."""

    def size(point: Mapping[str, Any]) -> float:
        first, second = point["first"], point["second"]
        return math.inf if None in (first, second) or isinstance(first, str) else abs(second - first)

    best = sorted(points, key=lambda point: (-size(point), point["a"]))[: asked.top]
    if not best:
        return ()
    known = [name for name in asked.varied if name in pairing.first.parameters]
    indexes = ", ".join(str(point["a"]) for point in best)
    found = connection.execute(
        f"SELECT {select(['point_index', *known])} FROM effective_parameters "
        f"WHERE {pairing.first.condition} AND point_index IN ({indexes})"
    ).fetchall()
    parameters = {index: dict(zip(known, values, strict=True)) for index, *values in found}
    return tuple(
        Difference(each["a"], each["b"], each["replicate"], parameters[each["a"]], each["first"], each["second"])
        for each in best
    )

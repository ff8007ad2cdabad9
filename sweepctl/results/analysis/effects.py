"""Means of metrics by level of one or two dimensions, with intervals over replicates (docs/report.md).

Points of one run share their random numbers across cells and differ across replicates, so the replicates are
independent: the estimate is the mean over all points, and the interval is Student's over the means of replicates, or of
batches of equal size.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweepctl.results.analysis.students_t import t_975
from sweepctl.results.analysis.subject import Dimension, Subject, drawn

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

ROUNDING = 1e-12  # of a mean: narrower intervals are of equal values, whose sums were rounded
UNBALANCED = "Levels have different numbers of points: differences between their means may come from other dimensions."


@dataclass(frozen=True)
class MeanEstimate:
    """A mean, and the half-width of its 95 % interval."""

    mean: float
    half_width: float | None  # None if there is one replicate
    replicates: int  # number of means: of replicates, or of batches of them
    points: int


Places = tuple[int, ...]  # of levels, one per dimension of the group
MeansByLevel = Mapping[Places, Sequence[MeanEstimate | None]]  # one per metric; None if no point has a value


def means_by_level(
    connection: "Connection", subject: Subject, groups: Sequence[Sequence[Dimension]]
) -> list[MeansByLevel]:
    """Return the means for each group of dimensions, from one pass over the successful points.

    `groups` has `[a]` for the levels of a, and `[a, b]` for the combinations of the levels of a and b. All levels of a
    single dimension are there, those without a point as well.
    """
    if not groups or not subject.metrics:
        return [{} for _ in groups]
    dimensions = list({dimension.name: dimension for group in groups for dimension in group}.values())
    found: dict[int, dict[Places, Sequence[MeanEstimate | None]]] = {
        _mask(dimensions, group): dict.fromkeys(
            ((place,) for place in range(len(group[0].levels)) if len(group) == 1), [None] * len(subject.metrics)
        )
        for group in groups
    }
    for mask, *cells in connection.execute(_query(subject, dimensions, groups)).fetchall():
        keys, values = cells[: len(dimensions)], cells[len(dimensions) :]
        places = {
            dimension.name: dimension.place(key)
            for bit, (dimension, key) in enumerate(zip(dimensions, keys, strict=True))
            if not mask >> (len(dimensions) - 1 - bit) & 1
        }
        found[mask][tuple(places.values())] = [
            estimate(*values[start : start + 4]) for start in range(0, len(values), 4)
        ]
    return [_in_order(found[_mask(dimensions, group)], dimensions, group) for group in groups]


def balanced(subject: Subject, effects: Iterable[tuple[Dimension, MeansByLevel]]) -> bool:
    """Return whether levels have equal numbers of points, for one metric; those of sampled dimensions pass."""
    by_chance = drawn(subject.space)  # sizes of these levels differ independently of other dimensions
    return all(
        len({0 if estimate is None else estimate.points for (estimate,) in found.values()}) == 1
        for dimension, found in effects
        if not dimension.is_cut and dimension.name not in by_chance
    )


def _mask(dimensions: Sequence[Dimension], group: Sequence[Dimension]) -> int:
    """Return a group's value of GROUPING: one bit per dimension, set if it is aggregated; the first is highest."""
    bits = "".join("0" if dimension in group else "1" for dimension in dimensions)
    return int(bits, 2)


def _in_order(found: MeansByLevel, dimensions: Sequence[Dimension], group: Sequence[Dimension]) -> MeansByLevel:
    """Return estimates by places, in the group's own order of dimensions, sorted."""
    held = [dimension for dimension in dimensions if dimension in group]
    order = [held.index(dimension) for dimension in group]
    return dict(sorted((tuple(places[each] for each in order), values) for places, values in found.items()))


def _query(subject: Subject, dimensions: Sequence[Dimension], groups: Sequence[Sequence[Dimension]]) -> str:
    names = {dimension.name: f"d{place}" for place, dimension in enumerate(dimensions)}
    keys = ", ".join(names.values())
    metrics = range(len(subject.metrics))
    levels = ", ".join(f"{dimension.key_sql} AS {names[dimension.name]}" for dimension in dimensions)
    values = ", ".join(
        f"{subject.number(metric, subject.joined(metric))} AS m{place}" for place, metric in enumerate(subject.metrics)
    )
    sets = ", ".join("(" + ", ".join([*(names[each.name] for each in group), "batch"]) + ")" for group in groups)
    means = ", ".join(f"avg(m{place}) AS a{place}, count(m{place}) AS n{place}" for place in metrics)
    over = ", ".join(
        f"sum(a{place} * n{place}) / sum(n{place}), stddev_samp(a{place}), count(a{place}), sum(n{place})"
        for place in metrics
    )
    return f"""
        WITH observed AS (
            SELECT {levels}, replicate % {subject.replicate_batches} AS batch, {values}
            FROM points WHERE {subject.counted}
        ), batches AS (
            SELECT GROUPING({keys}) AS mask, {keys}, batch, {means} FROM observed GROUP BY GROUPING SETS ({sets})
        )
        SELECT mask, {keys}, {over} FROM batches GROUP BY mask, {keys}"""


def estimate(mean: float | None, deviation: float | None, replicates: int, points: int) -> MeanEstimate | None:
    """Return a mean over `replicates` means, with the interval that their standard deviation gives."""
    if mean is None:
        return None
    half_width = None if deviation is None else t_975(replicates - 1) * deviation / math.sqrt(replicates)
    if half_width is not None and half_width < ROUNDING * abs(mean):
        half_width = 0.0
    return MeanEstimate(mean, half_width, replicates, int(points))

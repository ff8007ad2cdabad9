"""Everything that a report of a run shows beside verify's verdict, as one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from sweepctl.results.analysis import points, shards
from sweepctl.results.analysis.effects import MeansByLevel, means_by_level
from sweepctl.results.analysis.points import Row
from sweepctl.results.analysis.shards import Costs, ShardMap, Slow
from sweepctl.results.analysis.subject import Dimension, Subject
from sweepctl.results.analysis.summary import MetricSummary, Summary, summarize
from sweepctl.spec import Value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

TOP = 5  # points at each end of a metric, and shards that were slow
MOST_FAILED = 20
MOST_ROWS, MOST_VALUES = 500, 10_000  # of the table of points, so that the page stays small
MOST_EFFECTS = 12  # of a metric, the dimensions that matter most
PAIRED = 3  # dimensions of which each pair has its map

Pair = tuple[Dimension, Dimension, MeansByLevel]


@dataclass(frozen=True)
class Overview:
    """A run as its report shows it."""

    summary: Summary
    pairs: Sequence[Sequence[Pair]]  # of the dimensions that matter most to a metric; one a metric
    shard_map: ShardMap
    slowest: Sequence[Slow]
    costs: Costs
    failed: Sequence[Row]  # the first ones
    rows: Sequence[Row]  # all points, or some chosen by a hash
    fixed: Mapping[str, Value]  # what all points have in common


def look_over(connection: "Connection", subject: Subject) -> Overview:
    """Return what a report shows of a run."""
    summary = summarize(connection, subject, TOP)
    most = min(MOST_ROWS, MOST_VALUES // (1 + len(subject.varied) + len(subject.metrics)))
    wanted = [_pairs(metric) for metric in summary.metrics]
    groups = list({(a.name, b.name): (a, b) for pairs in wanted for a, b in pairs}.values())
    found = {
        (a.name, b.name): each for (a, b), each in zip(groups, means_by_level(connection, subject, groups), strict=True)
    }
    return Overview(
        summary,
        [
            [(a, b, {cell: [each[place]] for cell, each in found[a.name, b.name].items()}) for a, b in pairs]
            for place, pairs in enumerate(wanted)
        ],
        shards.shard_map(connection, subject.record),
        shards.slowest(connection, TOP),
        shards.costs(connection),
        points.failed(connection, subject, MOST_FAILED),
        points.spread(connection, subject, most),
        points.fixed_parameters(connection, subject),
    )


def _pairs(metric: MetricSummary) -> list[tuple[Dimension, Dimension]]:
    """Return the pairs of the few dimensions that matter most, as far as they matter at all."""
    few = [dimension for dimension, found in ranked(metric)[:PAIRED] if _range(found)]
    return list(combinations(few, 2))


def ranked(metric: MetricSummary) -> Sequence[tuple[Dimension, MeansByLevel]]:
    """Return a metric's means by dimension, those first whose means differ most."""
    return sorted(metric.effects, key=lambda effect: (-_range(effect[1]), effect[0].name))


def _range(found: MeansByLevel) -> float:
    means = [each.mean for values in found.values() for each in values if each is not None]
    return max(means, default=0.0) - min(means, default=0.0)

"""Everything that a run's report shows besides verify's verdict, as one value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations
from typing import TYPE_CHECKING

from sweepctl.results.analysis import points, shards
from sweepctl.results.analysis.effects import MeansByLevel, means_by_level
from sweepctl.results.analysis.points import Row
from sweepctl.results.analysis.quantiles import QuantilesByLevel, quantiles_by_level
from sweepctl.results.analysis.shards import Costs, ShardMap, Slow
from sweepctl.results.analysis.subject import Dimension, Subject
from sweepctl.results.analysis.summary import MetricSummary, Summary, summarize
from sweepctl.spec import Value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

TOP = 10  # points at each end of a metric
SLOWEST = 5  # shards
MOST_FAILED = 20
# What keeps the page small, whatever the run: a page with more metrics has less of each.
MOST_ROWS, MOST_VALUES = 500, 4_000  # in the table of points
MOST_EFFECTS = 12  # dimensions per metric, those with the largest effects
MOST_FIGURES = 60  # of means by level, and as many of quantiles, of all metrics together
MOST_CELLS = 3_000  # of maps, of all metrics together; but each metric has a map
PAIRED = 3  # dimensions whose pairs have a map each
MOST_SAMPLED, MOST_SAMPLED_VALUES = 2_000, 24_000  # in the plot of any metric by any dimension

Pair = tuple[Dimension, Dimension, MeansByLevel]


@dataclass(frozen=True)
class Overview:
    """What a run's report shows."""

    summary: Summary
    quantiles: Sequence[Mapping[str, QuantilesByLevel]]  # per metric: those of each level, by dimension
    pairs: Sequence[Sequence[Pair]]  # per metric: pairs of the dimensions with the largest effects
    shard_map: ShardMap
    slowest: Sequence[Slow]
    costs: Costs
    failed: Sequence[Row]  # the first failed points
    rows: Sequence[Row]  # all points that no constraint excludes, or a sample by hash
    sample: Sequence[Row]  # of the points that succeeded
    fixed: Mapping[str, Value]  # parameters with one value in all points


def make_overview(connection: "Connection", subject: Subject) -> Overview:
    """Return everything that a run's report shows."""
    summary = summarize(connection, subject, TOP)
    columns = 1 + len(subject.varied) + len(subject.metrics)
    wanted = [_pairs(metric, MOST_CELLS // len(summary.metrics)) for metric in summary.metrics]
    groups = list({(a.name, b.name): (a, b) for pairs in wanted for a, b in pairs}.values())
    found = {
        (a.name, b.name): each for (a, b), each in zip(groups, means_by_level(connection, subject, groups), strict=True)
    }
    return Overview(
        summary,
        quantiles_by_level(connection, subject),
        [
            [(a, b, {cell: [each[place]] for cell, each in found[a.name, b.name].items()}) for a, b in pairs]
            for place, pairs in enumerate(wanted)
        ],
        shards.shard_map(connection, subject.record),
        shards.slowest(connection, SLOWEST),
        shards.costs(connection),
        points.failed(connection, subject, MOST_FAILED),
        points.spread(connection, subject, min(MOST_ROWS, MOST_VALUES // columns), "status <> 'excluded'"),
        points.spread(connection, subject, min(MOST_SAMPLED, MOST_SAMPLED_VALUES // columns), subject.counted),
        points.fixed_parameters(connection, subject),
    )


def _pairs(metric: MetricSummary, most: int) -> list[tuple[Dimension, Dimension]]:
    """Return the pairs of the few dimensions with the largest effects: the first, and others up to `most` cells."""
    few = [dimension for dimension, found in _ranked(metric)[:PAIRED] if _range(found)]
    pairs = list(combinations(few, 2))
    cells = accumulate(len(a.levels) * len(b.levels) for a, b in pairs)
    return [pair for place, (pair, total) in enumerate(zip(pairs, cells, strict=True)) if place == 0 or total <= most]


def largest(metric: MetricSummary, metrics: int) -> Sequence[tuple[Dimension, MeansByLevel]]:
    """Return the largest effects of a metric, as many as a page of so many metrics has room for."""
    return _ranked(metric)[: min(MOST_EFFECTS, MOST_FIGURES // metrics)]


def _ranked(metric: MetricSummary) -> Sequence[tuple[Dimension, MeansByLevel]]:
    """Return a metric's means by dimension, the largest differences first."""
    return sorted(metric.effects, key=lambda effect: (-_range(effect[1]), effect[0].name))


def _range(found: MeansByLevel) -> float:
    means = [each.mean for values in found.values() for each in values if each is not None]
    return max(means, default=0.0) - min(means, default=0.0)

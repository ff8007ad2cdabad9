"""Summarises a run's results: means by level, sensitivity, extremes, failures. All aggregation is SQL.

Takes a connection with the run's views and returns frozen values; prints nothing, and knows neither stores nor files.
docs/report.md states each estimator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from sweepctl import notebook
from sweepctl.results.analysis import points
from sweepctl.results.analysis.differences import differences_by_level
from sweepctl.results.analysis.effects import MeansByLevel, balanced, means_by_level
from sweepctl.results.analysis.points import Distribution, FailureCount, Row
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.sensitivity.methods import sensitivities
from sweepctl.results.analysis.subject import TOO_EXTREME, Dimension, Subject, is_extreme
from sweepctl.texts import counted, listed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


@dataclass(frozen=True)
class MetricSummary:
    """The summary of one metric."""

    name: str
    distribution: Distribution
    # For one metric, so each sequence has one estimate.
    effects: tuple[tuple[Dimension, MeansByLevel], ...] = field(repr=False)
    # By dimension: of each level to the base, where levels can be paired.
    differences: Mapping[str, MeansByLevel] = field(repr=False)
    balanced: bool  # whether levels have equal numbers of points, so that their means can be compared
    sensitivity: Sensitivity = field(repr=False)
    lowest: Sequence[Row] = field(repr=False)
    highest: Sequence[Row] = field(repr=False)
    of: int  # points of the design that count

    @property
    def missing(self) -> int:
        """Points of the design without a value: failed, not recorded, or recorded without one."""
        return self.of - self.distribution.points

    @property
    def warning(self) -> str | None:
        """What to know before any number of this metric is used; None if nothing."""
        low, high = self.distribution.minimum, self.distribution.maximum
        if low is not None and high is not None and is_extreme(low, high):
            return TOO_EXTREME
        if not self.missing:
            return None
        share = f"{self.missing:,} of {self.of:,} points ({100 * self.missing / self.of:.3g} %) have no value"
        return (
            f"{share}: the others may be no random part of the design. Means, intervals and indices are of them only."
        )


@dataclass(frozen=True, repr=False)
class Summary:
    """The summary of a run's results."""

    subject: Subject
    metrics: tuple[MetricSummary, ...]
    failures: Sequence[FailureCount]

    def __repr__(self) -> str:
        """Return how much is recorded, and a line for each metric."""
        return "\n".join([self._recorded, *map(_in_a_line, self.metrics)])

    def _repr_html_(self) -> str:
        others = self.subject.other_metrics
        return "".join(
            [
                notebook.title(self.subject.record.run_id, self._recorded.partition(": ")[2]),
                *(_as_html(self.subject, metric) for metric in self.metrics),
                *([notebook.note(f"other metrics: {listed(others)}")] if others else ()),
            ]
        )

    @property
    def _recorded(self) -> str:
        subject = self.subject
        failed = f", {subject.failed:,} failed" if subject.failed else ""
        of = f"run {subject.record.run_id} of {subject.record.spec.model}"
        return f"{of}: {subject.points:,} of {subject.record.total_points:,} points recorded{failed}"

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        subject = self.subject
        return {
            "run_id": subject.record.run_id,
            "model": subject.record.spec.model,
            "total_points": subject.record.total_points,
            "points": subject.points,
            "succeeded": subject.succeeded,
            "failed": subject.failed,
            "excluded": subject.excluded,
            "replications": subject.replications,
            "repeated_cells": subject.repeated_cells,
            "metrics": [_metric_json(metric) for metric in self.metrics],
            "other_metrics": list(subject.other_metrics),
            "failures": [asdict(failure) for failure in self.failures],
        }


def summarize(connection: "Connection", subject: Subject, top: int) -> Summary:
    """Return the summary of a run's results, with `top` points at each end of a metric."""
    effects = means_by_level(connection, subject, [[dimension] for dimension in subject.dimensions])
    differences = differences_by_level(connection, subject)
    spreads = points.distributions(connection, subject)
    indices = sensitivities(connection, subject)
    ends = points.extremes(connection, subject, top)
    metrics = []
    for place, name in enumerate(subject.metrics):
        if name in subject.extreme:
            nothing = Sensitivity()
            metrics.append(MetricSummary(name, spreads[place], (), {}, True, nothing, *ends[place], subject.expected))  # noqa: FBT003
            continue
        own = [{level: [each[place]] for level, each in found.items()} for found in effects]
        by_dimension = tuple(zip(subject.dimensions, own, strict=True))
        paired = {
            dimension.name: {level: [each[place]] for level, each in found.items()}
            for dimension, found in zip(subject.dimensions, differences, strict=True)
            if found is not None
        }
        metrics.append(
            MetricSummary(
                name,
                spreads[place],
                by_dimension,
                paired,
                balanced(subject, by_dimension),
                indices[place],
                *ends[place],
                subject.expected,
            )
        )
    return Summary(subject, tuple(metrics), points.failure_counts(connection))


def _in_a_line(metric: MetricSummary) -> str:
    spread, shown = metric.distribution, notebook.shown
    ends = f"from {shown(spread.minimum)} to {shown(spread.maximum)}"
    return f"{metric.name}: mean {shown(spread.mean)}, {ends}, {counted('points', spread.points)}"


def _as_html(subject: Subject, metric: MetricSummary) -> str:
    """Return the means by level of a metric, as `sweepctl summary` has them."""
    shown = notebook.shown
    rows = []
    for dimension, found in metric.effects:
        for (place,), (estimate,) in found.items():
            level = dimension.levels[place]
            span = shown(level.low) if level.low == level.high else f"{shown(level.low)} – {shown(level.high)}"
            mean, half_width = (None, None) if estimate is None else (estimate.mean, estimate.half_width)
            rows.append((dimension.name if place == 0 else "", span, mean, half_width, estimate and estimate.points))
    head = ("dimension", "level", "mean", "± 95 %" if subject.replications > 1 else "±", "points")
    warning = "" if metric.warning is None else notebook.note(metric.warning)
    line = _in_a_line(metric).partition(": ")[2]
    return notebook.title(metric.name, line) + warning + (notebook.table(head, rows) if rows else "")


def _difference_json(metric: MetricSummary, dimension: Dimension, place: int) -> dict[str, Any] | None:
    (found,) = metric.differences.get(dimension.name, {}).get((place,), [None])
    return None if found is None else asdict(found)


def _metric_json(metric: MetricSummary) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "distribution": asdict(metric.distribution),
        "missing": metric.missing,
        "missing_share": metric.missing / metric.of,
        "warning": metric.warning,
        "marginal_means": [
            {
                "dimension": dimension.name,
                "levels": [
                    {
                        **asdict(dimension.levels[place]),
                        **(asdict(estimate) if estimate else {"mean": None}),
                        "is_first": place == dimension.base,
                        "difference_to_first": _difference_json(metric, dimension, place),
                    }
                    for (place,), (estimate,) in found.items()
                ],
            }
            for dimension, found in metric.effects
        ],
        "balanced": metric.balanced,
        "sensitivity": asdict(metric.sensitivity),
        "lowest": [asdict(row) for row in metric.lowest],
        "highest": [asdict(row) for row in metric.highest],
    }

"""The parts of a run's page that are about its results: the means of one metric so far, and what failed."""

from collections.abc import Mapping, Sequence

from sweepctl.results.analysis.summary import Summary
from sweepctl.view.page import metrics
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.tables import table


def means_parts(summary: Summary, units: Mapping[str, str]) -> Mapping[str, Markup]:
    """Return the choice of a metric, the means of the first one, and the failures with their messages."""
    subject = summary.subject
    if not subject.succeeded or not summary.metrics:
        nothing = element("p", "No point has succeeded yet.")
        return {"choice": Markup(), "means": nothing, "failed": _failed(summary)}
    (metric,) = summary.metrics
    over = f"{metric.distribution.points:,} of {metric.of:,}" if metric.missing else f"all {metric.of:,}"
    means = element(
        "article",
        element("p", f"Means over {over} points.", class_="lead"),
        element("p", subject.warning, class_="warning") if subject.warning else "",
        metrics.means(subject, metric, units),
    )
    names = sorted([metric.name, *subject.other_metrics])
    return {"choice": _choice(metric.name, names), "means": means, "failed": _failed(summary)}


def _choice(chosen: str, names: Sequence[str]) -> Markup:
    if len(names) == 1:
        return Markup()
    options = (element("option", name, value=name, selected=name == chosen) for name in names)
    return element(
        "form",
        element("label", "Metric", for_="metric"),
        element("select", *options, id="metric", name="metric"),
        element("button", "Show", type="submit"),
        class_="metric",
    )


def _failed(summary: Summary) -> Markup:
    if not summary.failures:
        return Markup()
    return element(
        "section",
        element("h2", "What failed"),
        table(
            "Failures by error code",
            ["error code", "count", "of", "first", "message"],
            ([each.error_code, each.count, each.of, each.example, each.message] for each in summary.failures),
        ),
    )

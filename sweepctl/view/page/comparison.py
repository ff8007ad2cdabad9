"""The part of the page that compares the run with another one."""

from sweepctl.results.analysis.comparison import Comparison, MetricComparison
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.tables import definitions, table
from sweepctl.view.wording import counted, shown


def section(comparison: Comparison) -> Markup:
    """Return what differs from the first run of the comparison; the page is about the second."""
    found = comparison.pairing
    other = found.first.run.run_id
    differing = [metric for metric in comparison.metrics if metric.differing]
    equal = [metric.name for metric in comparison.metrics if not metric.differing]
    facts = definitions(
        [
            ("model version there", ", ".join(found.first.versions) or None),
            ("model version here", ", ".join(found.second.versions) or None),
            ("points in both", found.counts.common),
            ("points only there", found.only_first),
            ("points only here", found.only_second),
            ("failed only here", found.counts.failures_came),
            ("failed only there", found.counts.failures_went),
            ("failed in both", found.counts.both_failed),
        ]
    )
    parts = [element("p", note, class_="warning") for note in found.notes]
    if comparison.is_exact:
        parts.append(element("p", "Equal to the bit: the same points with the same results."))
    elif equal and found.counts.common:
        parts.append(element("p", f"Equal to the bit in all points that succeeded in both: {', '.join(equal)}."))
    if differing:
        parts += [_means(differing, other), *(_largest(metric) for metric in differing)]
    return element("section", element("h2", f"Against run {other}"), facts, *parts)


def _means(metrics: list[MetricComparison], other: str) -> Markup:
    headings = ["metric", "points that differ", "mean there", "mean difference", "95 % interval", "p", "effect"]
    rows = (
        [
            metric.name,
            metric.differing,
            metric.first_mean,
            metric.mean_difference,
            None if metric.test is None else f"± {shown(metric.test.half_width)}",
            None if metric.test is None else metric.test.p_value,
            metric.effect_size,
        ]
        for metric in metrics
    )
    tests = sorted({f"{counted(metric.test.over, metric.test.pairs)}" for metric in metrics if metric.test})
    how = (
        f"Interval and p are of a paired t test over {' and '.join(tests)}."
        if tests
        else "No test: with one replicate of chosen cells, nothing varies by chance."
    )
    note = f"Differences are this run less {other}, of equal points. {how} Effect: the mean difference in standard "
    note += f"deviations of the points in {other}."
    return element("div", element("p", note, class_="note"), table("Metrics that differ", headings, rows))


def _largest(metric: MetricComparison) -> Markup:
    if not metric.largest:
        return Markup()
    here, there = f"{metric.name} here", f"{metric.name} there"
    headings = [here, there, "point", "replicate", *metric.largest[0].parameters]
    rows = (
        [each.second, each.first, each.second_index, each.replicate, *each.parameters.values()]
        for each in metric.largest
    )
    title = f"Largest differences of {metric.name}"
    return element("div", element("h4", title), table(title, headings, rows))

"""The comparison of two runs, on a terminal."""

from rich.console import Console

from sweepctl.results.analysis.comparison import Comparison, MetricComparison
from sweepctl.results.analysis.pairing import Side
from sweepctl.results.analysis.subject import TOO_EXTREME
from sweepctl.view.console import foreign, new_table, show_table
from sweepctl.view.wording import chance, counted, shown

IN_FULL = 2  # metrics whose largest differences are all shown


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Print what the runs have in common, the metrics that differ, and the points with the largest differences."""
    found = comparison.pairing
    _say(
        console, f"A is {_side(found.first)}, B is {_side(found.second)}, both of {foreign(found.first.run.spec.model)}"
    )
    lines = [f"{counted('points', found.counts.common)} in both runs"]
    lines += [f"{found.only_first:,} in A alone"] if found.only_first else []
    lines += [f"{found.only_second:,} in B alone"] if found.only_second else []
    _say(console, ", ".join(lines))
    for note in found.notes:
        _say(console, f"[yellow]![/] {foreign(note)}")
    _show_failures(console, comparison)
    differing = [metric for metric in comparison.metrics if metric.differing]
    equal = [metric.name for metric in comparison.metrics if not metric.differing]
    if comparison.is_exact:
        _say(console, "[green]equal to the bit[/]")
    elif equal and found.counts.common:
        _say(console, f"equal to the bit in all points that succeeded in both: {foreign(', '.join(equal))}")
    if differing:
        _show_metrics(console, differing)
    shown_in_full = differing if len(differing) <= IN_FULL else [max(differing, key=_importance)]
    for metric in shown_in_full:
        _show_largest(console, metric)
    if len(shown_in_full) < len(differing):
        _say(console, "[dim]→ --metric NAME shows the largest differences of another metric.[/]")


def _importance(metric: MetricComparison) -> float:
    return abs(metric.effect_size or 0.0)


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def _side(side: Side) -> str:
    versions = f" (version {foreign(', '.join(side.versions))})" if side.versions else ""
    return f"run [bold]{foreign(side.run.run_id)}[/]{versions}"


def _show_failures(console: Console, comparison: Comparison) -> None:
    counts = comparison.pairing.counts
    parts = {
        "failed in B only": counts.failures_came,
        "failed in A only": counts.failures_went,
        "failed in both with different error codes": counts.failed_differently,
        "failed in both alike": counts.both_failed - counts.failed_differently,
    }
    told = [f"{count:,} {what}" for what, count in parts.items() if count]
    if told:
        _say(console, f"failures: {', '.join(told)}")


def _show_metrics(console: Console, metrics: list[MetricComparison]) -> None:
    table = new_table("metric", "differ", "mean of A", "B - A", "p", "effect", title="metrics that differ")
    for column in table.columns[1:]:
        column.justify = "right"
    for metric in metrics:
        test = metric.test
        width = "" if test is None else f" ± {shown(test.half_width)}"
        table.add_row(
            foreign(metric.name),
            f"{metric.differing:,}",
            shown(metric.first_mean),
            f"{shown(metric.mean_difference)}{width}",
            "" if test is None else chance(test.p_value),
            "–" if metric.effect_size is None else f"{metric.effect_size:.3g}",
        )
    show_table(console, table)
    extreme = [foreign(metric.name) for metric in metrics if metric.is_extreme]
    if extreme:
        _say(console, f"[yellow]![/] {', '.join(extreme)}: {TOO_EXTREME}")
    if any(metric.test for metric in metrics):
        over = sorted({metric.test.over for metric in metrics if metric.test})
        _say(
            console,
            "[dim]B - A: the mean difference of equal points, with a 95 % interval; p: of a paired t test over "
            f"{' and '.join(over)}; effect: B - A in standard deviations of A's points.[/]",
        )
    elif not extreme:
        _say(console, "[dim]No test: with one replicate of chosen cells, nothing varies by chance.[/]")


def _show_largest(console: Console, metric: MetricComparison) -> None:
    if not metric.largest:
        return
    names = list(metric.largest[0].parameters)
    title = f"largest differences of {foreign(metric.name)}"
    table = new_table("A", "B", "point", "replicate", *map(foreign, names), title=title)
    for each in metric.largest:
        metric_values = [foreign(shown(value)) for value in (each.first, each.second)]
        values = [foreign(shown(value)) for value in each.parameters.values()]
        table.add_row(*metric_values, f"{each.first_index:,}", f"{each.replicate:,}", *values)
    show_table(console, table)

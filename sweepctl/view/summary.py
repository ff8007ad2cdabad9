"""The summary of a run's results, on a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from sweepctl.results.analysis.differences import how_compared, independent, left_out
from sweepctl.results.analysis.effects import UNBALANCED, MeanEstimate
from sweepctl.results.analysis.points import FailureCount, Row
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.subject import Subject
from sweepctl.results.analysis.summary import MetricSummary, Summary
from sweepctl.spec import Value
from sweepctl.view.console import foreign, new_table, show_table
from sweepctl.view.wording import counted, shown, span


def show_summary(console: Console, summary: Summary) -> None:
    """Print how much of the run is recorded, then each metric, then the failures."""
    subject = summary.subject
    failures = f", [red]{subject.failed:,} failed[/]" if subject.failed else ""
    failures += f", {subject.excluded:,} excluded by a constraint" if subject.excluded else ""
    console.print(
        f"run [bold]{foreign(subject.record.run_id)}[/] of {foreign(subject.record.spec.model)}: {subject.points:,} of "
        f"{subject.record.total_points:,} points recorded{failures}",
        highlight=False,
        soft_wrap=True,
    )
    if subject.warning:
        console.print(f"[yellow]![/] {foreign(subject.warning)}", highlight=False, soft_wrap=True)
    for metric in summary.metrics if subject.succeeded else ():
        _show_metric(console, subject, metric)
    _show_failures(console, summary.failures)
    for line in _advice(summary):
        console.print(f"[dim]→ {foreign(line)}[/]", highlight=False, soft_wrap=True)


def _advice(summary: Summary) -> list[str]:
    subject = summary.subject
    lines = []
    if subject.points < subject.record.total_points:
        lines.append(f"sweepctl status {subject.record.run_id} shows the run's progress.")
    if subject.other_metrics and subject.succeeded:
        lines.append(f"--metric NAME shows another metric: {', '.join(subject.other_metrics)}")
    return lines


def _show_metric(console: Console, subject: Subject, metric: MetricSummary) -> None:
    spread = metric.distribution
    missing = f", {spread.missing:,} without a value" if spread.missing else ""
    console.print(
        f"\n[bold]{foreign(metric.name)}[/]  mean {shown(spread.mean)}, standard deviation {shown(spread.deviation)}, "
        f"from {shown(spread.minimum)} to {shown(spread.maximum)}, {counted('points', spread.points)}{missing}",
        highlight=False,
        soft_wrap=True,
    )
    if metric.warning:
        console.print(f"[yellow]![/] {foreign(metric.warning)}", highlight=False, soft_wrap=True)
    if metric.effects:
        _show_effects(console, subject, metric)
    if not metric.balanced:
        console.print(f"[yellow]![/] {UNBALANCED}", highlight=False, soft_wrap=True)
    _show_sensitivity(console, metric.sensitivity)
    for title, rows in (("lowest", metric.lowest), ("highest", metric.highest)):
        if rows:
            _show_rows(console, f"{title} {metric.name}", rows, metric.name)


def _show_effects(console: Console, subject: Subject, metric: MetricSummary) -> None:
    over = (
        f"{subject.replicate_batches} batches of replicates"
        if subject.replicate_batches < subject.replications
        else "replicates"
    )
    interval = f"95 % interval over {over}" if subject.replications > 1 else "no interval: one replicate"
    differences, by_chance = metric.differences, independent(subject)
    columns = ("dimension", "level", "mean", *(("less the first",) if differences else ()), "points")
    table = new_table(*columns, title="mean by level")
    for column in table.columns[2:]:
        column.justify = "right"
    for dimension, found in metric.effects:
        for (place,), (estimate,) in found.items():
            name, level = foreign(dimension.name) if place == 0 else "", dimension.levels[place]
            (difference,) = differences.get(dimension.name, {}).get((place,), [None])
            less = "first" if place == dimension.base else _estimated(difference)
            cells = (_estimated(estimate), *((less,) if differences else ()))
            table.add_row(name, foreign(span(level.low, level.high)), *cells, f"{estimate.points if estimate else 0:,}")
    show_table(console, table)
    note = f"±: {interval}." if subject.replications > 1 else f"{interval}."
    if differences:
        note += f' To compare levels, use "less the first": {how_compared(subject, differences)}'
        note += f", with its interval over {by_chance.name}." if by_chance and subject.replications == 1 else "."
    console.print(f"[dim]{note}[/]", highlight=False, soft_wrap=True)
    if left := left_out(subject):
        console.print(f"[dim]{left}[/]", highlight=False, soft_wrap=True)


def _estimated(estimate: MeanEstimate | None) -> str:
    if estimate is None:
        return "–"
    return (
        shown(estimate.mean)
        if estimate.half_width is None
        else f"{shown(estimate.mean)} ± {shown(estimate.half_width)}"
    )


def _show_sensitivity(console: Console, sensitivity: Sensitivity) -> None:
    if sensitivity.indices:
        # Not the table's title, which would be wrapped at the table's width.
        title = f"[bold]Sobol indices[/]: {foreign(sensitivity.method)}, {counted('cells', sensitivity.cells)}"
        console.print(title, highlight=False, soft_wrap=True)
        table = new_table("dimension", "first order", "total")
        for index in sensitivity.indices:
            total = "–" if index.total is None else _with_width(index.total, index.total_half_width)
            table.add_row(foreign(index.dimension), _with_width(index.first_order, index.half_width), total)
        show_table(console, table)
    if sensitivity.pairs:
        table = new_table("both", "second order", title="what only two dimensions together explain")
        for pair in sensitivity.surest_pairs:
            table.add_row(foreign(" and ".join(pair.dimensions)), _with_width(pair.second_order, pair.half_width))
        show_table(console, table)
    if sensitivity.effects:
        table = new_table(
            "dimension",
            "mu*",
            "mu",
            "sigma",
            title=f"elementary effects (Morris), {counted('cells', sensitivity.cells)}",
        )
        for effect in sensitivity.effects:
            mu_star, mu = (effect.mu_star, effect.half_width), (effect.mu, effect.mu_half_width)
            measures = (mu_star, mu, (effect.sigma, effect.sigma_half_width))
            cells = (f"{shown(value)} ± {shown(half_width)}" for value, half_width in measures)
            table.add_row(foreign(effect.dimension), *cells)
        show_table(console, table)
    if sensitivity.influences:
        table = new_table("dimension", "PAWN", "rank correlation", title="influence without variance")
        for each in sensitivity.influences:
            rank = "–" if each.rank_correlation is None else _with_width(each.rank_correlation, each.rank_half_width)
            table.add_row(foreign(each.dimension), _with_width(each.pawn, each.pawn_half_width), rank)
        show_table(console, table)
        console.print(
            f"[dim]PAWN up to {sensitivity.pawn_by_chance:.3f} may be chance.[/]", highlight=False, soft_wrap=True
        )
    if sensitivity.why_not:
        console.print(f"[yellow]![/] {foreign(sensitivity.why_not)}", highlight=False, soft_wrap=True)


def _with_width(value: float, half_width: float | None) -> str:
    return f"{value:.3f}" if half_width is None else f"{value:.3f} ± {half_width:.3f}"


def _show_rows(console: Console, title: str, rows: Sequence[Row], metric: str) -> None:
    names = list(rows[0].parameters)
    table = new_table(foreign(metric), "point", "replicate", *map(foreign, names), title=foreign(title))
    for row in rows:
        table.add_row(
            shown(row.metrics[metric]), f"{row.point_index:,}", f"{row.replicate:,}", *_values(row.parameters)
        )
    show_table(console, table)


def _values(values: Mapping[str, Value]) -> list[str]:
    return [foreign(shown(value)) for value in values.values()]


def _show_failures(console: Console, failures: Sequence[FailureCount]) -> None:
    if not failures:
        return
    table = new_table("failed", "error code", "first", "message", title="failures")
    for each in failures:
        one = each.of.removesuffix("s")
        table.add_row(
            f"{each.count:,} {each.of}", foreign(each.error_code), f"{one} {each.example:,}", foreign(each.message)
        )
    show_table(console, table)

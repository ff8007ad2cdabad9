"""Plans on a terminal; computes nothing."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sweepctl.design.axes import length_of
from sweepctl.design.distributions import Between
from sweepctl.sweep.cost import PRICES_OF
from sweepctl.view.bar import Bar
from sweepctl.view.console import foreign, new_table, show_table
from sweepctl.view.design_notes import show_design_notes
from sweepctl.view.rounds import rule
from sweepctl.view.wording import counted

if TYPE_CHECKING:
    from sweepctl.spec import Limits
    from sweepctl.sweep.cost import Interval
    from sweepctl.sweep.pilot import Pilot
    from sweepctl.sweep.plan import Plan
    from sweepctl.sweep.preview import PlanReport

_MOST_COLUMNS = 8
_MOST_VALUES = 6


@contextmanager
def piloting(console: Console, points: int | None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of the pilot's points on a terminal, and nothing elsewhere."""
    with Bar(console, "points", disabled=points is None) as bar:
        task = bar.add_task("pilot", total=points)
        yield lambda done: bar.update(task, completed=done)


def show_plan(console: Console, report: "PlanReport") -> None:
    """Print the run, its space, sample points, shards, and estimated time and cost."""
    plan, spec = report.plan, report.plan.spec
    console.print(
        f"[bold]{plan.run_id}[/]  model {spec.model} {foreign(report.model_version)}, seed {spec.seed}", highlight=False
    )
    cells = counted("cells", plan.space.cells) + (
        f" x {spec.replications:,} replications" if spec.replications > 1 else ""
    )
    points = counted("points", plan.total_points)
    design = report.draft.file.sweep.design
    parts = zip(getattr(design, "parts", ()), getattr(plan.space, "parts", ()), strict=True)
    kinds = " x ".join(f"{written.kind} ({part.cells:,})" for written, part in parts)
    of_kinds = f" of {kinds}" if kinds else ""
    console.print(f"{design.kind}{of_kinds}: {cells} = [bold]{points}[/]", highlight=False)
    for part in getattr(design, "parts", [design]):
        for note in getattr(part, "notes", ()):
            console.print(f"[dim]{note}[/]", highlight=False, soft_wrap=True)
    _show_rounds(console, report)
    _show_repeats(console, report)
    show_design_notes(console, report.draft, plan.run_id)
    _show_space(console, report)
    _show_samples(console, report)
    each = shards_of(plan)
    stored = "" if plan.stored is None else f", a stored design of {len(plan.stored):,} bytes"
    console.print(
        f"{each}, messages of {report.message_bytes:,} bytes{stored}; "
        f"{counted('objects', report.objects)} in the store",
        highlight=False,
    )
    for constraint in spec.constraints:
        console.print(f"constraint: {foreign(constraint)}", highlight=False, soft_wrap=True)
    for line in _limits(spec.limits, plan.total_points):
        console.print(f"limit: {line}", highlight=False)
    if report.size_pilot is not None:
        show_bad_points(console, report.size_pilot)
    if report.estimate is not None:
        _show_estimate(console, report)


def _limits(limits: "Limits", total_points: int) -> Iterator[str]:
    if limits.point_seconds is not None:
        yield f"{_seconds(limits.point_seconds)} for a point (point_seconds)"
    if limits.point_memory is not None:
        yield f"{limits.point_memory:,} bytes of memory for a point (point_memory)"
    if limits.failed_points is not None:
        yield f"{limits.most_failed(total_points):,} points may fail before `sweepctl run` stops (failed_points)"


def shards_of(plan: "Plan") -> str:
    """Return a plan's shards and their size."""
    if plan.shards == 1:
        return "1 shard"
    return f"{counted('shards', plan.shards)} of {counted('points', plan.shard_points)}"


def show_written(console: Console, plan: "Plan", folder: Path, *, is_named: bool) -> None:
    """Print where the messages are, and what to do with them; `is_named` is whether the run_id was given."""
    console.print(
        f"{counted('messages', plan.shards)} written to {foreign(folder / 'messages.jsonl')}",
        highlight=False,
        soft_wrap=True,
    )
    if not is_named:
        note = "no store was read, so a run of this sweep may exist; give a --run-id for another version of the model"
        console.print(f"[dim]note: {note}[/]", highlight=False, soft_wrap=True)
    if plan.stored is not None:
        console.print(
            f"[dim]→ copy {foreign(folder / 'specs')} into the store before sending them[/]",
            highlight=False,
            soft_wrap=True,
        )


def _show_rounds(console: Console, report: "PlanReport") -> None:
    precision = report.draft.file.sweep.precision
    if precision is None:
        return
    console.print(
        f"rounds until {precision.metric} is {rule(precision)}: this is the first; at most "
        f"{precision.max:,} replications, {counted('points', report.most_points)}",
        highlight=False,
        soft_wrap=True,
    )


def _show_repeats(console: Console, report: "PlanReport") -> None:
    if not report.repeats.cells:
        return
    dimensions = _dimensions(report.plan.space)
    axes = [
        f"{name} repeats {count:,} of {length_of(dimensions[name]):,} values"
        for name, count in report.repeats.values.items()
    ]
    cells = f"{report.repeats.cells:,} of {report.plan.space.cells:,} cells repeat the parameters of others"
    console.print(
        f"[yellow]! {cells}[/]{': ' if axes else ''}{', '.join(axes)}. They are simulated again, for the same results, "
        "and count once in means and indices.",
        highlight=False,
        soft_wrap=True,
    )


def show_start(console: Console, command: str) -> None:
    """Print the command that runs the plan here."""
    console.print(f"[dim]→ {foreign(command)} runs it here[/]", highlight=False, soft_wrap=True)


def _dimensions(design: object) -> dict[str, Any]:
    """Return the axis or the distribution of each parameter, of all parts of a cross."""
    parts = getattr(design, "parts", [design])
    return {name: values for part in parts for name, values in getattr(part, "dimensions", {}).items()}


def _show_space(console: Console, report: "PlanReport") -> None:
    table = new_table("parameter", "values")
    for name, values in sorted(_dimensions(report.draft.file.sweep.design).items()):
        table.add_row(name, foreign(_values(values) + _first(values, report.first_values.get(name, ()))))
    for name, value in sorted(report.plan.spec.base.items()):
        table.add_row(name, f"[dim]{foreign(_value(value))}[/]")
    for name, text in sorted(report.plan.spec.derived.items()):
        table.add_row(name, f"= {foreign(text)}")
    if table.row_count:
        show_table(console, table)


def _first(axis: Any, values: Sequence[Any]) -> str:  # noqa: ANN401  an axis or a distribution
    """Return the first values of an axis that is a formula, and the last one."""
    if not values:
        return ""
    shown = [_value(value) for value in values]
    if length_of(axis) > len(shown):
        shown[-1] = f"… {shown[-1]}"
    return f": {', '.join(shown)}"


def _values(values: Any) -> str:  # noqa: ANN401  an axis or a distribution
    if isinstance(values, list):
        shown = [_value(value) for value in values[:_MOST_VALUES]]
        return ", ".join(shown) + (
            f", … {_value(values[-1])} ({len(values):,} values)" if len(values) > len(shown) else ""
        )
    if isinstance(values, Between):
        return f"low {_value(values.low)}, high {_value(values.high)}"
    ((kind, inside),) = values.model_dump(exclude_unset=True).items()
    if isinstance(inside, list):
        return f"{kind} of {_values(inside)}"
    count = f" ({values.count:,} values)" if hasattr(values, "count") else ""
    return f"{kind} " + ", ".join(f"{name} {_value(value)}" for name, value in inside.items()) + count


def _show_samples(console: Console, report: "PlanReport") -> None:
    names = list(report.varied[0])
    shown = names[:_MOST_COLUMNS]
    table = new_table("point", "replicate", *shown)
    for point, varied in zip(report.samples, report.varied, strict=True):
        values = (foreign(_value(varied[name])) for name in shown)
        table.add_row(f"{point.point_index:,}", f"{point.replicate:,}", *values)
    show_table(console, table)
    if len(names) > len(shown):
        console.print(f"[dim]and {counted('parameters', len(names) - len(shown))} more; --json shows all[/]")


def _value(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)


def _show_estimate(console: Console, report: "PlanReport") -> None:
    pilot, found = report.pilot, report.estimate
    if pilot is None or found is None:
        return
    table = new_table("estimate", "", "95 % interval", title=f"From a pilot of {counted('points', pilot.points)}")
    rows = (
        ("per point, one core", pilot.seconds, _seconds),
        ("this machine, all cores", found.wall_seconds, _seconds),
        ("core-hours", found.core_seconds.times(1 / 3600), lambda hours: f"{hours:,.3g}"),
        ("AWS Lambda", found.lambda_dollars, _dollars),
        ("AWS Fargate", found.fargate_dollars, _dollars),
    )
    for name, value, show in rows:
        table.add_row(name, *_shown(value, show))
    show_table(console, table)
    show_bad_points(console, pilot)
    if pilot.failed > pilot.bad:
        failed = f"{pilot.failed:,} of these points failed, and would fail in the run"
        console.print(f"[red]{failed}: run the sweep, or one of its shards, to see why.[/]")
    console.print(
        f"[dim]List prices of us-east-1, {PRICES_OF}, including queue and store requests; an estimate, not a bill.[/]"
    )


def show_bad_points(console: Console, pilot: "Pilot") -> None:
    """Print how many points the pilot stepped over, and the first of them."""
    if not pilot.bad:
        return
    bad = f"{counted('points', pilot.bad)} crashed or did not end in the pilot, and would fail in the run; the first"
    console.print(f"[yellow]{bad}: {foreign(pilot.first_bad)}[/]", highlight=False, soft_wrap=True)


def _shown(value: "Interval", show: Callable[[float], str]) -> tuple[str, str]:
    return show(value.mean), f"{show(value.low)} to {show(value.high)}"


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:  # noqa: PLR2004  two minutes
        return f"{seconds:.3g} s"
    return f"{seconds / 60:,.3g} min" if seconds < 7200 else f"{seconds / 3600:,.4g} h"  # noqa: PLR2004  two hours


def _dollars(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars >= 0.01 else "< $0.01"  # noqa: PLR2004  a cent

"""Rounds of a sweep whose replications are chosen by precision, on a terminal; computes nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from sweepctl.view.wording import counted, shown

if TYPE_CHECKING:
    from sweepctl.results.analysis.precision import Attained
    from sweepctl.runs.status import Status
    from sweepctl.sweep.precision import Precision


def rule(precision: "Precision") -> str:
    """Return what is wanted."""
    size = precision.half_width.replace(" ", "") if isinstance(precision.half_width, str) else shown(precision.size)
    whose = "in every cell" if precision.of == "cells" else "over all cells"
    return f"known to ± {size} {whose}"


def show_round(console: Console, replications: int, attained: "Attained", precision: "Precision") -> None:
    """Print how far a round has come."""
    found = "the mean over all cells is not precise enough yet"
    if attained.is_enough:
        found = "all is precise enough"
    elif not attained.means:
        found = "no mean is known"
    elif precision.of == "cells":
        found = f"{attained.precise:,} of {counted('cells', attained.means)} are precise enough"
    _print(console, f"[bold]{replications:,} replications[/]: {found}")
    if attained.widest is not None:
        widest = attained.widest
        where = "mean" if widest.cell is None else f"widest: {_cells([widest.cell], replications)}"
        mean = f"{precision.metric} {shown(widest.mean)} ± {shown(widest.half_width)}"
        _print(console, f"  {where}: {mean}; wanted: ± {shown(widest.target)}")
    if attained.single:
        _print(console, f"  [yellow]with one value only, and so without an interval: {_count(attained.single)}[/]")
    if attained.without:
        more = ", …" if attained.without > len(attained.without_first) else ""
        which = f": {_cells(attained.without_first, replications)}{more}" if attained.without_first else ""
        _print(console, f"  [yellow]left out, since no point has a value: {_count(attained.without)}[/]{which}")


def show_end(console: Console, run_id: str, replications: int, attained: "Attained", precision: "Precision") -> None:
    """Print which run has the result, and whether it is as precise as wanted."""
    result = f"run [bold]{run_id}[/] has the result, with {replications:,} replications"
    if attained.is_enough:
        _print(console, f"[bold green]✓[/] {precision.metric} is {rule(precision)}: {result}")
        return
    why = "at `max`" if attained.means else "since no point has a value"
    _print(console, f"[bold yellow]![/] {precision.metric} is not {rule(precision)}: stopped {why}; {result}")
    if attained.means:
        _print(console, "[dim]→ Raise max or half_width in the sweep file, and run the command again: it goes on.[/]")


def show_unfinished(console: Console, status: "Status", replications: int) -> None:
    """Print what is missing of a round, before its precision can be known."""
    points = f"{status.points_settled:,} of {counted('points', status.total_points)} are settled"
    _print(console, f"[bold]{replications:,} replications[/]: {points}; the next round follows when all are")
    if status.shards_retryable:
        _print(console, f"  [yellow]{counted('shards', status.shards_retryable)} failed, and may succeed on retry[/]")
        _print(console, f"[dim]→ sweepctl retry {status.run_id}[/]")


def _count(cells: int) -> str:
    return counted("cells", cells)


def _cells(cells: Sequence[int], replications: int) -> str:
    """Name cells by their points, as other commands do."""
    points = (f"{cell * replications:,} to {(cell + 1) * replications - 1:,}" for cell in cells)
    return "points " + ", ".join(points)


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)

"""The boxes in which a condition holds, on a terminal."""

from rich.console import Console

from sweepctl.results.analysis.discovery import Box, Discovery
from sweepctl.view.console import foreign, new_table, show_table
from sweepctl.view.wording import chance, counted, limits, share

TERMS = (
    "coverage: share of the points that meet the condition which are in the box; density: share of the box's points "
    "that meet it; mass: share of all points"
)
P_VALUE = "p: the probability of as dense a box by chance if this dimension were not restricted"


def show_discovery(console: Console, discovery: Discovery) -> None:
    """Print where the condition holds: how often, then each box."""
    _print(console, f"\n[bold]where {foreign(discovery.where)}[/]  {foreign(held(discovery))}")
    if discovery.used < discovery.points:
        _print(console, f"[yellow]![/] {foreign(used(discovery))}")
    for place, box in enumerate(discovery.boxes, 1):
        _show_box(console, place, box)
    if discovery.why_not:
        _print(console, f"[yellow]![/] {foreign(discovery.why_not)}")
    if discovery.boxes:
        _print(console, f"[dim]{TERMS}. {P_VALUE}.[/]")


def held(discovery: Discovery) -> str:
    """Return at how many points the condition holds."""
    met = f"holds at {discovery.met:,} of {counted('points', discovery.points)}"
    if discovery.points:
        met += f" ({share(discovery.met / discovery.points)})"
    return f"{met}, null at {discovery.unknown:,}, which count as not met" if discovery.unknown else met


def used(discovery: Discovery) -> str:
    """Return of which points the boxes are made, if not of all."""
    return (
        f"boxes are made of {discovery.used:,} of {discovery.points:,} points, selected pseudo-randomly: coverage, "
        "density and mass are of these"
    )


def title(place: int, box: Box) -> str:
    """Return a box's size in words."""
    points = f"{counted('points', box.points)}{' in no earlier box' * (place > 1)}"
    return (
        f"box {place}: holds at {box.met:,} of {points}: coverage {share(box.coverage)}, "
        f"density {share(box.density)}, mass {share(box.mass)}"
    )


def _show_box(console: Console, place: int, box: Box) -> None:
    _print(console, f"\n[bold]{title(place, box)}[/]")
    table = new_table("dimension", "in the box", "p")
    for each in box.restrictions:
        table.add_row(foreign(each.dimension), foreign(limits(each.low, each.high, each.values)), chance(each.p_value))
    show_table(console, table)
    headings = ("", "points", "coverage", "density", "mass", "restricted dimensions")
    steps = new_table(*headings, title="peeling, step by step (→ the box, before pasting)")
    for column in steps.columns[1:5]:
        column.justify = "right"
    for step in box.trajectory:
        row = (f"{step.points:,}", share(step.coverage), share(step.density), share(step.mass))
        steps.add_row("→" if step.is_chosen else "", *row, foreign(", ".join(step.restricted) or "none"))
    show_table(console, steps)


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)

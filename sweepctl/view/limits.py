"""What is shown of a run's limits, where they do not fit the time limit of a shard."""

from rich.console import Console

from sweepctl.spec import Limits


def show_short_time(console: Console, limits: Limits, timeout: float, *, is_default: bool = False) -> None:
    """Print what to do if a shard's time limit may end before a point that passes its own has its record."""
    point = limits.point_seconds
    # Such a point is tried twice.
    if point is None or 2 * point < timeout:
        return
    whose = "the default --timeout of workers" if is_default else "--timeout"
    console.print(
        f"[yellow]point_seconds = {point:g} leaves no time in a shard for a point that passes it, which is tried "
        f"twice: {whose} is {timeout:g} s.[/]\n"
        f"[dim]→ Give --timeout {3 * point:g} or more to what runs the shards, or lower point_seconds.[/]",
        highlight=False,
        soft_wrap=True,
    )

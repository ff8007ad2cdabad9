"""Runs on this machine for people: how they stand, go on and end. Computes nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from sweepctl.verify.report import Verdict
from sweepctl.view.verify import show_report, show_verdict
from sweepctl.view.wording import duration

if TYPE_CHECKING:
    from sweepctl.runs.local import Begun
    from sweepctl.runs.local import RunProgress as Done
    from sweepctl.runs.retry import FailedShards
    from sweepctl.runs.reuse import Source
    from sweepctl.verify.report import Report

_MOST_SHARDS = 10  # that are named of one kind


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Say on a terminal what is waited for, and nothing elsewhere."""
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def show_begun(console: Console, begun: "Begun") -> None:
    """Which run this is, how it is cut, and what of it stands already."""
    plan = begun.plan
    what = "" if begun.is_new else ", continued"
    shards = "1 shard" if plan.shards == 1 else f"{plan.shards:,} shards of {plan.shard_points:,} points"
    _say(console, f"run [bold]{plan.run_id}[/]{what}: {plan.total_points:,} points in {shards}")
    if begun.complete:
        stood = f"{len(begun.complete):,} of {plan.shards:,} shards"
        _say(console, f"  {stood}, {begun.complete_points:,} points, have their records already")


def show_source(console: Console, source: "Source") -> None:
    """How many points may be taken over, and what was not used."""
    if source.nothing is not None:
        _say(console, f"  from run {source.run_id} nothing can be taken over: {escape(source.nothing)}")
        return
    _say(console, f"  {len(source.rows):,} points of run {source.run_id} are known")
    if source.left_out:
        _say(console, f"  [yellow]{source.left_out:,} more are left out: they would take too much memory[/]")
    for why in source.unsound[:_MOST_SHARDS]:
        _say(console, f"  [yellow]not used:[/] {escape(why)}")
    if len(source.unsound) > _MOST_SHARDS:
        _say(console, f"  [yellow]not used: {len(source.unsound) - _MOST_SHARDS:,} more shards[/]")


@contextmanager
def running(
    console: Console, run_id: str, total: int, stood: int, *, is_watched: bool
) -> Iterator[Callable[["Done"], None]]:
    """Show a bar of points with their rate and the time that is left on a terminal, and nothing elsewhere."""
    columns = (TextColumn("run {task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
    disabled = not (is_watched and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disabled) as progress:
        task = progress.add_task(run_id, total=total, completed=stood, told="")

        def observe(done: "Done") -> None:
            reached = stood + done.points + done.skipped_points
            progress.update(task, completed=reached, told=_told(done, reached, total))

        yield observe


def _told(done: "Done", reached: int, total: int) -> str:
    rate = done.points_per_second
    ended = done.succeeded + done.failed + done.skipped
    told = [f"{reached:,}/{total:,} points", f"{rate:,.0f} points/s", f"{ended:,} shards"]
    if done.failed:
        told.append(f"[red]{done.failed:,} failed[/]")
    if rate:
        told.append(f"about {duration((total - reached) / rate)} left")
    return ", ".join(told)


def show_done(console: Console, done: "Done") -> None:
    """What was run, how fast, and what failed."""
    if not (done.succeeded or done.failed or done.skipped or done.points):
        _say(console, "  nothing was run")
        return
    shards = f"[bold]{done.succeeded:,}[/] shards succeeded"
    if done.failed:
        shards += f", [red]{done.failed:,} failed[/]"
    if done.skipped:
        shards += f", {done.skipped:,} were completed by others meanwhile"
    took = f"{done.seconds:.1f} s" if done.seconds < 10 else duration(done.seconds)  # noqa: PLR2004  two digits
    rate = f"{done.points:,} points in {took}, {done.points_per_second:,.0f} points/s"
    _say(console, f"{shards}: {rate}")
    if done.reused:
        _say(console, f"  {done.reused:,} of these points were taken over, not simulated")
    for failure in done.failures:
        _say(console, f"  [red]{failure.error_code}[/] shard {failure.shard_id}: {escape(failure.error)}")
    for remedy in dict.fromkeys(failure.remedy for failure in done.failures if failure.remedy is not None):
        _say(console, f"  [dim]→ {escape(remedy)}[/]")


def show_proof(console: Console, report: "Report") -> None:
    """One line for a whole run; all of what verify says for any other."""
    if report.verdict is Verdict.WHOLE:
        show_verdict(console, report)
    else:
        show_report(console, report)


def show_failed(console: Console, failed: "FailedShards") -> None:
    """How many shards may be tried again; then those that failed for good, why, and what to do."""
    count = len(failed.retryable)
    shards = {0: "no failed shard", 1: "1 failed shard"}.get(count, f"{count:,} failed shards")
    _say(console, f"run [bold]{failed.record.run_id}[/]: {shards} that another attempt may heal")
    for group in failed.for_good:
        more = ", …" if len(group.shards) > _MOST_SHARDS else ""
        numbers = ", ".join(map(str, group.shards[:_MOST_SHARDS])) + more
        which = f"shard {numbers}" if len(group.shards) == 1 else f"{len(group.shards):,} shards: {numbers}"
        _say(console, f"  [red]{group.error_code}[/] for good, {which}")
        _say(console, f"    {escape(group.example)}")
        _say(console, f"    [dim]→ {escape(failed.advice(group))}[/]")
    if failed.unreadable:
        _say(console, f"  [yellow]{len(failed.unreadable):,} outcomes cannot be read: `sweepctl verify` names them[/]")


def show_sent(console: Console, count: int) -> None:
    """How many messages are on the queue now."""
    _say(console, f"[bold green]✓[/] {count:,} messages sent")


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)

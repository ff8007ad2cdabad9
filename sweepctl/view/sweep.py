"""Local runs on a terminal: start, progress and result. Computes nothing."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from sweepctl.verify.report import Verdict
from sweepctl.view.bar import Bar
from sweepctl.view.console import foreign
from sweepctl.view.plan import shards_of, show_bad_points
from sweepctl.view.verify import show_report, show_verdict
from sweepctl.view.wording import counted, duration

if TYPE_CHECKING:
    from sweepctl.records.outcome import Caller
    from sweepctl.runs.local import Begun
    from sweepctl.runs.local import RunProgress as Done
    from sweepctl.runs.retry import FailedShards
    from sweepctl.runs.reuse import Source
    from sweepctl.verify.report import Report

LINE_SECONDS = 0.5  # between two lines of progress, each of which is a message to a notebook
_MOST_SHARDS = 10  # listed per group
_FIRST_QUERY = "SELECT * FROM points LIMIT 5"
_FOR_GOOD = "all is recorded, and another attempt would fail again; with --accept-failures the exit code is 0"


@contextmanager
def waiting(console: Console, what: str) -> Iterator[None]:
    """Show a spinner with a text on a terminal, and nothing elsewhere."""
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def show_begun(console: Console, begun: "Begun") -> None:
    """Print which run this is, its shards, and how much of it is complete."""
    plan = begun.plan
    what = "" if begun.is_new else ", continued"
    points = counted("points", plan.total_points)
    _print(console, f"run [bold]{plan.run_id}[/]{what}: {points} in {shards_of(plan)}")
    if begun.is_new_version:
        _print(console, "  a new run: the model has another version than in earlier runs of this sweep, which stay")
    if begun.pilot is not None:
        show_bad_points(console, begun.pilot)
    if begun.complete:
        complete = f"{len(begun.complete):,} of {plan.shards:,} shards"
        _print(console, f"  {complete}, {counted('points', begun.complete_points)}, are already complete")


def show_source(console: Console, source: "Source") -> None:
    """Print how many points can be reused, and what was not used."""
    if source.nothing is not None:
        _print(console, f"  nothing can be reused from run {source.run_id}: {foreign(source.nothing)}")
        return
    _print(console, f"  {counted('points', len(source.rows))} of run {source.run_id} can be reused")
    if source.left_out:
        _print(console, f"  [yellow]left out, for lack of memory: {counted('points', source.left_out)}[/]")
    for why in source.unsound[:_MOST_SHARDS]:
        _print(console, f"  [yellow]not used:[/] {foreign(why)}")
    if len(source.unsound) > _MOST_SHARDS:
        _print(console, f"  [yellow]not used: {len(source.unsound) - _MOST_SHARDS:,} more[/]")


@contextmanager
def running(console: Console, total: int, complete: int, *, is_watched: bool) -> Iterator[Callable[["Done"], None]]:
    """Show a progress bar with the time left and the rate on a terminal, and nothing elsewhere."""
    with Bar(console, "points", disabled=not is_watched) as bar:
        task = bar.add_task("", total=total, completed=complete, left=None)

        def observe(done: "Done") -> None:
            reached = complete + done.points + done.skipped_points
            bar.slow, bar.below = done.slow, _pace(done)
            bar.update(task, completed=reached, left=_seconds_left(done, total - reached))

        yield observe


@contextmanager
def counting(show: Callable[[str], None], total: int, complete: int) -> Iterator[Callable[["Done"], None]]:
    """Show progress as one line of text; `show` puts each in the place of the one before."""
    last, shown_at = "", -math.inf

    def observe(done: "Done") -> None:
        nonlocal last, shown_at
        reached = complete + done.points + done.skipped_points
        left = _seconds_left(done, total - reached)
        about = "" if left is None or reached >= total else f", about {duration(left)} left"
        last = f"{reached:,} of {counted('points', total)}, {_pace(done)}{about}"
        if time.monotonic() - shown_at > LINE_SECONDS:
            show(last)
            shown_at = time.monotonic()

    yield observe
    show(last)


def _pace(done: "Done") -> str:
    ended = done.succeeded + done.failed + done.skipped
    failed = f", {done.failed:,} failed" if done.failed else ""
    return f"{done.points_per_second:,.0f} points/s, {counted('shards', ended)}{failed}"


def _seconds_left(done: "Done", points: int) -> float | None:
    left = points / done.points_per_second if done.points_per_second else None
    # A point that has been running for longer than all others would take may never end.
    return None if left is not None and done.slow is not None and done.slow.seconds >= left else left


def show_done(console: Console, done: "Done") -> None:
    """Print what was run, how fast, and what failed."""
    if not (done.succeeded or done.failed or done.points):
        complete = f": {counted('shards', done.skipped)} already complete" if done.skipped else ""
        _print(console, f"  nothing was run{complete}")
        return
    shards = f"{counted('shards', done.succeeded)} succeeded"
    if done.failed:
        shards += f", [red]{done.failed:,} failed[/]"
    if done.skipped:
        shards += f", {done.skipped:,} were already complete"
    took = f"{done.seconds:.1f} s" if done.seconds < 10 else duration(done.seconds)  # noqa: PLR2004  two digits
    rate = f"{counted('points', done.points)} in {took}, {done.points_per_second:,.0f} points/s"
    _print(console, f"{shards}: {rate}")
    if done.reused:
        _print(console, f"  {done.reused:,} of these points were reused, not simulated")
    if done.excluded:
        _print(console, f"  {done.excluded:,} of these points were excluded by a constraint, not simulated")
    if done.partial:
        _print(console, f"  {counted('points', done.partial)} of failed shards have results, which --reuse takes over")
    for failure in done.failures:
        _print(console, f"  [red]{foreign(failure.error_code)}[/] shard {failure.shard_id}: {foreign(failure.error)}")
    for remedy in dict.fromkeys(failure.remedy for failure in done.failures if failure.remedy is not None):
        _print(console, f"  [dim]→ {foreign(remedy)}[/]")


def show_failed_before(console: Console, run_ids: Sequence[str], caller: "Caller") -> None:
    """Print how many complete shards have failed points, given the run of each, and what explains them."""
    if run_ids:
        _print(console, f"  [red]{counted('shards', len(run_ids))} of these failed permanently before[/]")
    for run_id in sorted(set(run_ids))[:_MOST_SHARDS]:
        _print(console, f"  [dim]→ `sweepctl retry {foreign(run_id)}{caller.options}` explains it[/]")


def show_proof(console: Console, report: "Report", caller: "Caller") -> None:
    """Print one line for a whole run, and the full report for any other."""
    if report.verdict is Verdict.WHOLE:
        show_verdict(console, report)
    else:
        show_report(console, report, caller)


def show_next(
    console: Console, run_id: str, verdict: Verdict, *, store: str, options: str, caller: "Caller", exit_code: int
) -> None:
    """Print whether the run is done, where its results are, and the next commands; `options` name the store."""
    if verdict is Verdict.FAILURES and exit_code:
        _print(console, f"[yellow]done, but not whole[/]: {_FOR_GOOD}")
    elif verdict is Verdict.INCOMPLETE:
        _print(console, "[yellow]not done[/]: some points have no record yet")
        _print(console, f"[dim]→ sweepctl run {caller.file} --run-id {run_id}{caller.options} goes on.[/]")
    _print(console, f"results: {foreign(store)}")
    if verdict in (Verdict.WHOLE, Verdict.FAILURES):
        _print(console, f"[dim]→ sweepctl summary {run_id}{options}[/]")
        _print(console, f"[dim]→ sweepctl report {run_id}{options}[/]")
        _print(console, f'[dim]→ sweepctl query {run_id} "{_FIRST_QUERY}"{options}[/]')


def show_left(console: Console, *, is_left: bool, may_succeed: bool) -> None:
    """Print whether another retry could change what is left of failed shards."""
    if may_succeed:
        _print(console, "[yellow]not done[/]: failed shards are left that another retry may mend")
    elif is_left:
        _print(console, f"[yellow]nothing to retry[/]: {_FOR_GOOD}")


def show_failed(console: Console, failed: "FailedShards") -> None:
    """Print how many shards can be retried; then those that failed permanently, why, and what to do."""
    count = len(failed.retryable)
    shards = {0: "no failed shard", 1: "1 failed shard"}.get(count, f"{count:,} failed shards")
    _print(console, f"run [bold]{foreign(failed.record.run_id)}[/]: {shards} to retry")
    for group in failed.permanent:
        more = ", …" if len(group.shards) > _MOST_SHARDS else ""
        numbers = ", ".join(map(str, group.shards[:_MOST_SHARDS])) + more
        which = f"shard {numbers}" if len(group.shards) == 1 else f"{len(group.shards):,} shards: {numbers}"
        _print(console, f"  [red]{foreign(group.error_code)}[/] (permanent), {which}")
        _print(console, f"    {foreign(group.example)}")
        _print(console, f"    [dim]→ {foreign(failed.advice(group))}[/]")
    if failed.unreadable:
        more = ", …" if len(failed.unreadable) > _MOST_SHARDS else ""
        keys = ", ".join(map(foreign, failed.unreadable[:_MOST_SHARDS])) + more
        outcomes = counted("outcomes", len(failed.unreadable))
        _print(console, f"  [yellow]cannot be read: {outcomes}; `sweepctl verify` says why[/] {keys}")


def show_sent(console: Console, count: int) -> None:
    """Print how many messages were sent."""
    _print(console, f"[bold green]✓[/] {counted('messages', count)} sent")


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)

"""Runs on a terminal: submission, status, and the list of a store's runs."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import Progress, TextColumn
from rich.table import Table
from rich.text import Text

from sweepctl.queue.backlog import Backlog
from sweepctl.queue.contract import QueueFacts
from sweepctl.records.outcome import UNKNOWN_CALLER, Caller
from sweepctl.runs.index import MalformedRun, StoredRun
from sweepctl.runs.programs import ProgramHere
from sweepctl.runs.status import Status
from sweepctl.runs.submit import Submission
from sweepctl.sweep.plan import Plan
from sweepctl.view.bar import Bar
from sweepctl.view.console import foreign, show_narrowed
from sweepctl.view.wording import counted, duration

RUN_COLUMNS = ("run", "state", "points", "shards", "failed", "last activity", "model", "date", "other attempts")
OPTIONAL_RUN_COLUMNS = ("last activity", "model", "date", "other attempts")
_STATES = {
    "done": "[green]done[/]",
    "under_way": "under way",
    "standing_still": "[yellow]standing still[/]",
    "not_begun": "[yellow]not begun[/]",
}


@contextmanager
def sending(console: Console, plan: Plan, from_shard: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of shards on a terminal, and nothing elsewhere."""
    with Bar(console, "shards") as bar:
        bar.below = f"run {plan.run_id}"
        task = bar.add_task("sending", total=max(0, plan.shards - from_shard))
        yield lambda shards: bar.update(task, completed=shards)


def show_submission(console: Console, done: Submission) -> None:
    """Print the run_id first: all later commands need it."""
    console.print(
        f"[bold green]✓[/] run [bold]{foreign(done.run_id)}[/] of {counted('shards', done.shards)}", highlight=False
    )
    pace = f" in {done.seconds:.1f} s, {done.messages_per_second:,.0f} messages/s" if done.sent else ""
    console.print(f"  {counted('messages', done.sent)} sent{pace}", highlight=False)
    if done.stood:
        console.print(f"  not sent, since they have an outcome: {counted('shards', done.stood)}", highlight=False)
    console.print(f"[dim]→ sweepctl status {done.run_id} --watch[/]", highlight=False)


@contextmanager
def reading(console: Console) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many outcomes were read, and nothing elsewhere."""
    with Progress(
        TextColumn("reading outcomes: {task.completed:,}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)
        yield lambda outcomes: progress.update(task, completed=outcomes)


def show_status(
    console: Console, status: Status, facts: QueueFacts | None, backlog: Backlog | None, caller: Caller = UNKNOWN_CALLER
) -> None:
    """Print a run's progress, and what to do next."""
    console.print(_status(status, facts, backlog, caller), soft_wrap=True)


def show_program(console: Console, here: ProgramHere) -> None:
    """Print whether a run's program is the same on this machine, and what changed in it."""
    version = foreign(here.version)
    if here.version == here.run_version:
        console.print(f"program version {version}, as in the run", highlight=False)
        return
    changes = foreign(", ".join(here.changes)) if here.changes else "what changed is not known"
    console.print(f"program version {version} here, {foreign(here.run_version)} in the run: {changes}", highlight=False)
    console.print("[dim]→ Restore it, or start a new run: a worker with this version returns the run's messages.[/]")


@contextmanager
def watching(
    console: Console, caller: Caller = UNKNOWN_CALLER
) -> Iterator[Callable[[Status, QueueFacts | None, Backlog | None], None]]:
    """Redraw the status in place on a terminal; elsewhere print a line when something changed."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda status, facts, backlog: live.update(_status(status, facts, backlog, caller), refresh=True)
        return
    before: list[tuple[object, ...]] = []

    def print_change(status: Status, facts: QueueFacts | None, _backlog: Backlog | None) -> None:
        counts = (*status.counts, facts)
        if before != [counts]:
            before[:] = [counts]
            console.print(_line(status, facts), highlight=False, soft_wrap=True)

    yield print_change


def _status(status: Status, facts: QueueFacts | None, backlog: Backlog | None, caller: Caller) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    rows.add_row("  shards", _shards(status))
    rows.add_row("  points", _points(status))
    rows.add_row("  pace", _pace(status))
    if status.failures:
        failures = (f"{count:,} [red]{foreign(code)}[/]" for code, count in status.failures.items())
        rows.add_row("  failures", ", ".join(failures))
    rows.add_row(
        "  attempts", f"{status.attempts:,} recorded in addition to the outcomes: failed, interrupted or in conflict"
    )
    rows.add_row("  activity", _activity(status))
    if facts is not None:
        rows.add_row("  queue", _queue(facts, backlog))
    name = f"run [bold]{foreign(status.run_id)}[/] of {foreign(status.model)}, {foreign(status.run_date)}"
    head = f"{name}: [bold]{_STATES[status.state]}[/]"
    return Group(Text.from_markup(head), rows, *(Text(f"→ {line}", style="dim") for line in advice(status, caller)))


def _shards(status: Status) -> str:
    counts = [f"{status.shards_succeeded:,} succeeded"]
    if status.shards_retryable:
        counts.append(f"[yellow]{status.shards_retryable:,} failed, may succeed on retry[/]")
    if status.shards_failed:
        counts.append(f"[red]{status.shards_failed:,} failed permanently[/]")
    if status.shards_unreadable:
        counts.append(f"[red]{status.shards_unreadable:,} unreadable[/]")
    if status.shards_missing is None or status.shards is None:
        return f"{', '.join(counts)}; total unknown: the run was not planned"
    return f"{', '.join(counts)}, {status.shards_missing:,} missing, of {status.shards:,}"


def _points(status: Status) -> str:
    part = status.points_done / status.total_points
    parts = [f"[red]{status.points_failed:,} failed[/]"] if status.points_failed else []
    parts += [f"{status.points_excluded:,} excluded by a constraint"] if status.points_excluded else []
    including = f", including {' and '.join(parts)}" if parts else ""
    most = status.points_failed_limit
    limit = f", [red]more than the limit of {most:,}[/] (failed_points)" if status.has_too_many_failed else ""
    return f"{status.points_done:,} of {status.total_points:,} done ({part:.1%}){including}{limit}"


def _pace(status: Status) -> str:
    if status.points_per_second is None:
        return "no shard ended recently"
    if status.is_done:
        return f"{status.points_per_second:,.1f} points/s overall"
    left = "" if status.seconds_left is None else f", about {duration(status.seconds_left)} left"
    return f"{status.points_per_second:,.1f} points/s recently{left}"


def _activity(status: Status) -> str:
    if status.first_activity is None or status.last_activity is None:
        return "none yet"
    ago = max(0.0, (status.at - status.last_activity).total_seconds())
    still = "; nothing has happened since" if status.still_since is not None else ""
    return f"{_time(status.first_activity)} to {_time(status.last_activity)}, {duration(ago)} ago{still}"


def _queue(facts: QueueFacts, backlog: Backlog | None) -> str:
    left = None if backlog is None else backlog.seconds_left
    empty = "" if left is None else f", empty in about {duration(left)}"
    return f"about {facts.visible:,} visible, {facts.in_flight:,} in flight, {facts.delayed:,} delayed{empty}"


def advice(status: Status, caller: Caller) -> Iterator[str]:
    """Yield what to do next, as commands."""
    run = f"{status.run_id}{caller.options}"
    if status.shards_retryable:
        yield f"sweepctl retry {run} runs the failed shards again here, or sends them with --queue-url."
    if status.shards_failed:
        yield f"sweepctl retry {run} explains the permanent failures, and what to do."
    if status.still_since is not None and status.shards_missing != 0:
        yield f"sweepctl run {caller.file} --run-id {run} goes on here, if no worker is on it."
        yield f"sweepctl verify {run} --requeue --queue-url URL sends what is missing to workers again."
    if status.shards_unreadable or (status.is_done and status.points_succeeded):
        yield f"sweepctl verify {run} checks every file."


def _line(status: Status, facts: QueueFacts | None) -> str:
    parts = [f"{_time(status.at)} {_shards(status)}", _points(status), _pace(status)]
    if facts is not None:
        parts.append(f"queue: {_queue(facts, None)}")
    return "; ".join(parts)


def show_runs(console: Console, store: str, runs: Sequence[StoredRun], malformed: Sequence[MalformedRun]) -> None:
    """Print one row per run, newest first; then the unrecognised folders."""
    if runs:
        show_narrowed(console, RUN_COLUMNS, list(map(_run_row, runs)), OPTIONAL_RUN_COLUMNS)
    elif not malformed:
        console.print(f"{foreign(store)} has no runs.", highlight=False, soft_wrap=True)
        for line in (
            "sweepctl init DIR creates a sweep file to start from;",
            "sweepctl run FILE runs one here, sweepctl submit FILE --queue-url URL sends it to workers.",
        ):
            console.print(f"[dim]→ {line}[/]", highlight=False, soft_wrap=True)
    for each in malformed:
        console.print(
            f"[yellow]![/] runs/{foreign(each.folder)}: {foreign(each.problem)}", highlight=False, soft_wrap=True
        )


def _run_row(run: StoredRun) -> Sequence[str]:
    planned = "" if run.shards is None else f" of {run.shards:,}"
    shards = run.shards_failed + run.shards_retryable + run.shards_unreadable
    failed = [(run.points_failed, "points"), (shards, "shards")]
    return (
        foreign(run.run_id),
        _STATES[run.state],
        f"{run.total_points:,}",
        f"{run.outcomes:,}{planned}",
        f"[red]{', '.join(counted(kind, count) for count, kind in failed if count)}[/]",
        f"{run.last_activity.astimezone(dt.UTC):%m-%d %H:%M}Z",
        foreign(run.model),
        foreign(run.run_date),
        f"{run.attempts:,}" if run.attempts else "",
    )


def _time(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}Z"

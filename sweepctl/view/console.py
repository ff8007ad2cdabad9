"""What a person sees: Rich renderings of finished values. Nothing here computes, decides or reads a store."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from sweepctl.errors import SweepctlError
from sweepctl.messages import ShardMessage
from sweepctl.protocol import Column, Description, Model, PointIdentity
from sweepctl.records.outcome import Outcome
from sweepctl.shard.run import Disposition, Result
from sweepctl.store.contract import Store
from sweepctl.verify.report import Finding, Report, Severity, State, Verdict
from sweepctl.worker.lease import Ending, Why

if TYPE_CHECKING:
    from sweepctl.doctor.preflight import Check
    from sweepctl.queue.backlog import Backlog
    from sweepctl.worker.tally import Failure
    from sweepctl.worker.tally import Progress as WorkerProgress

_DISPOSITIONS = {
    Disposition.COMMITTED: "committed",
    Disposition.SKIPPED: "stands already: nothing was simulated",
    Disposition.STANDS: "was run again, and what stands stays",
}

_ENDINGS = {
    Ending.SUCCEEDED: "succeeded",
    Ending.SKIPPED: "skipped: their outcome stood already",
    Ending.FAILED: "failed for good; recorded, and acknowledged",
    Ending.RETRY: "handed back: the engine failed, another attempt may succeed",
    Ending.REJECTED: "rejected; recorded, and left to the queue's redrive policy",
    Ending.WRONG_WORKER: "handed back: they need another engine",
    Ending.STORE_DOWN: "handed back: the store did not answer",
    Ending.INTERRUPTED: "handed back: interrupted by the stop",
    Ending.UNUSED: "handed back unstarted, because of the stop",
}

_WHY = {
    Why.SIGNAL: "stopped by a signal",
    Why.MAX_SHARDS: "as many as --max-shards allows",
    Why.UNTIL_EMPTY: "the queue is empty",
    Why.IDLE_TIMEOUT: "nothing came for as long as --idle-timeout",
    Why.QUEUE_REFUSES: "ended because the queue refuses this worker",
    Why.ENGINE_UNAVAILABLE: "ended because this worker's engine cannot be used",
}


# All but tabs and ends of lines.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def plain(text: str) -> str:
    """Return a string of a run so that it cannot steer the terminal."""
    return text.translate(_CONTROLS)


def show_error(console: Console, error: SweepctlError) -> None:
    """One line that says what is wrong, one that says what to do."""
    label = error.kind.replace("_", " ")
    console.print(f"[bold red]{label}:[/] {escape(error.message)}", soft_wrap=True, highlight=False)
    if error.remedy:
        console.print(f"[dim]→ {escape(error.remedy)}[/]", soft_wrap=True, highlight=False)


@contextmanager
def progress_of(console: Console, message: ShardMessage) -> Iterator[Callable[[int], None]]:
    """Show a bar of points on a terminal, and nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("points"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"shard {message.shard_id}", total=message.points)
        yield lambda points: progress.update(task, completed=points)


def show_result(console: Console, result: Result, store: Store) -> None:
    """The verdict first, then where everything is; lines are never cut, so that a path can be copied."""
    outcome = result.outcome
    mark = "[bold green]✓[/]" if outcome.status == "success" else "[bold red]✗[/]"
    verdict = f"[bold]{outcome.status}[/] shard {outcome.shard_id} of run {outcome.run_id}"
    lines = [f"{mark} {verdict}: {_DISPOSITIONS[result.disposition]}", f"  {_points(outcome)}"]
    if outcome.error_code:
        where = "" if outcome.error_point_index is None else f" at point {outcome.error_point_index:,}"
        lines.append(f"  [red]{outcome.error_code}[/]{where}: {escape(outcome.error_message or '')}")
        lines.append(f"  [dim]→ {'Run it again: it may succeed.' if outcome.retryable else 'It would fail again.'}[/]")
    if result.attempt is not None and result.attempt.attempt_id != outcome.attempt_id:
        lines.append(f"  {_compared(result.attempt, outcome)}")
    lines.append(f"  attempt {outcome.attempt_id}, engine {outcome.engine_version}, {_seconds(outcome)}")
    width = max((len(artifact.dataset) for artifact in outcome.artifacts), default=0)
    lines += [
        f"  {artifact.dataset:<{width}}  {artifact.rows:,} rows  {_bytes(artifact.bytes)}  "
        f"{escape(store.locate(artifact.key))}"
        for artifact in outcome.artifacts
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _compared(attempt: Outcome, standing: Outcome) -> str:
    """Say what came of an attempt beside the outcome that stands."""
    if attempt.error_code is None or attempt.complete:
        equal = "the same content as what stands" if standing.complete else attempt.status
        return f"this attempt, {attempt.attempt_id}: {equal}"
    words = escape(attempt.error_message or "")
    return (
        f"this attempt, {attempt.attempt_id}, failed, and nothing was compared: [red]{attempt.error_code}[/]: {words}"
    )


def show_checks(console: Console, checks: "Sequence[Check]") -> None:
    """One row a finding, with its remedy below."""
    table = new_table("", "what", "finding")
    for check in checks:
        mark = "[red]✗[/]" if check.error else "[yellow]![/]" if check.remedy else "[green]✓[/]"
        remedy = f"\n[dim]→ {escape(check.remedy)}[/]" if check.remedy else ""
        table.add_row(mark, check.what, escape(check.finding) + remedy)
    console.print(table, highlight=False)


def show_summary(console: Console, done: "WorkerProgress") -> None:
    """Every message that was received, under what it came to; then why some came to no good."""
    why = "" if done.why is None else f": {_WHY[done.why]}"
    console.print(f"[bold]{done.received:,}[/] messages received, {done.points:,} points run{why}", highlight=False)
    for ending, count in sorted(done.endings.items(), key=lambda item: item[0].value):
        console.print(f"  {count:>9,}  {_ENDINGS[ending]}", highlight=False)
    if done.lost_leases:
        console.print(f"  {done.lost_leases:>9,}  of these on a lease that was lost meanwhile", highlight=False)
    for failure in done.failures:
        _show_failure(console, failure)


def _show_failure(console: Console, failure: "Failure") -> None:
    shard = f"shard {failure.shard_id} of run {failure.run_id}"
    name = f"message {failure.message_id}" if failure.run_id is None else shard
    console.print(
        f"[red]{failure.error_code}[/] {escape(name)}: {escape(failure.error or '')}", soft_wrap=True, highlight=False
    )
    if failure.remedy:
        console.print(f"[dim]→ {escape(failure.remedy)}[/]", soft_wrap=True, highlight=False)


@contextmanager
def watch(
    console: Console,
    backlog: "Callable[[], Backlog | None]",
    monotonic: Callable[[], float] = time.monotonic,
) -> "Iterator[Callable[[WorkerProgress], None]]":
    """Show a worker at work on a terminal, and nothing elsewhere; `backlog` tells what is left on the queue."""
    if not console.is_terminal:
        yield lambda _: None
        return
    started_at = monotonic()
    latest: list[WorkerProgress] = []

    def draw() -> Table:
        return _worker(latest[-1], monotonic() - started_at, backlog()) if latest else Table.grid()

    with Live(console=console, transient=True, refresh_per_second=4, get_renderable=draw):
        # Only the last is drawn: a worker reports far more often than a person looks.
        yield lambda progress: latest.__setitem__(slice(None), [progress])


def _worker(progress: "WorkerProgress", seconds: float, backlog: "Backlog | None") -> Table:
    done = sum(progress.endings.values())
    facts = Table.grid(padding=(0, 2))
    facts.add_row(
        f"[bold]{_state(progress)}[/]",
        f"{progress.running} running",
        f"{done / seconds if seconds else 0:,.1f} shards/s",
        f"{progress.points / seconds if seconds else 0:,.0f} points/s",
        f"lease {progress.oldest_lease:.0f} s old",
    )
    counts = [f"{count:,} {ending.value.replace('_', ' ')}" for ending, count in progress.endings.items()]
    left = [] if backlog is None else [f"{backlog.waiting:,} waiting"]
    if backlog is not None and backlog.seconds_left is not None:
        left.append(f"about {duration(backlog.seconds_left)} left")
    facts.add_row("", *counts, *left)
    return facts


def _state(progress: "WorkerProgress") -> str:
    if progress.why is not None:
        return "stopping"
    if progress.queue_down:
        return "waiting for the queue"
    return "waiting for the store" if progress.store_down else "draining"


def duration(seconds: float) -> str:
    """Return a time span in the two units that matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


VERDICTS = {
    Verdict.WHOLE: ("green", "every point is there exactly once, as designed and as promised"),
    Verdict.FAILURES: ("yellow", "every shard has its verdict, and some failed for good"),
    Verdict.INCOMPLETE: ("yellow", "some points have no record yet"),
    Verdict.CORRUPT: ("red", "the store contradicts itself or the run record"),
    Verdict.UNPROVEN: ("yellow", "nothing is wrong in what was checked, and not everything was"),
}
_STATES = {State.PASSED: "[green]✓[/]", State.FAILED: "[red]✗[/]", State.NOT_CHECKED: "[yellow]?[/]"}
EXAMPLES = 10  # of each check; --json has all


@contextmanager
def examining(console: Console, run_id: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show what is being done, and how much of it is, on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"run {run_id}", total=None)
        yield lambda what, done, total: progress.update(
            task, description=f"run {run_id}: {what}", completed=done, total=total or None
        )


def show_report(console: Console, report: Report) -> None:
    """The verdict, then the checks, then examples of what was found, then what to do."""
    show_verdict(console, report)
    table = new_table("", "check", "looked at", "found")
    for check, tally in report.tallies.items():
        looked_at = ", ".join(counted(kind, count) for kind, count in tally.checked.items()) or "nothing"
        if tally.not_checked is not None:
            looked_at += f"\n[yellow]not checked: {escape(tally.not_checked)}[/]"
        found = len(report.found_by(check))
        table.add_row(
            _STATES[report.state(check)], check.value.replace("_", " "), looked_at, f"{found:,}" if found else ""
        )
    console.print(table, highlight=False)
    for check in report.tallies:
        _show_findings(console, report.found_by(check))
    _show_failures(console, report)
    for line in _advice(report):
        console.print(f"[dim]→ {escape(line)}[/]", highlight=False, soft_wrap=True)


def show_verdict(console: Console, report: Report) -> None:
    """One line: the one word on a run, and what it says."""
    colour, sentence = VERDICTS[report.verdict]
    name = f"[bold {colour}]{report.verdict.name}[/]"
    points = "" if report.total_points is None else f", {report.total_points:,} points in {report.shards:,} shards"
    console.print(f"{name}  run [bold]{escape(report.run_id)}[/]{points}: {sentence}", highlight=False, soft_wrap=True)


def counted(kind: str, count: int) -> str:
    """Return how much of something was looked at."""
    return _bytes(count) if kind == "bytes" else f"{count:,} {kind}"


def _show_findings(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings[:EXAMPLES]:
        colour = _SEVERITIES[finding.severity]
        where = "" if finding.shard_id is None else f"shard {finding.shard_id}"
        if finding.point_index is not None:
            more = "" if finding.count == 1 else f" and {finding.count - 1:,} more"
            where += f"{where and ', '}point {finding.point_index}{more}"
        lines = [f"  [{colour}]{finding.code}[/] {where}{where and ': '}{escape(finding.message)}"]
        if finding.key is not None:
            lines.append(f"      [dim]{escape(finding.key)}[/]")
        for line in lines:
            console.print(line, highlight=False, soft_wrap=True)
    if len(findings) > EXAMPLES:
        console.print(f"  [dim]… and {len(findings) - EXAMPLES:,} more; --json has all[/]", highlight=False)


_SEVERITIES = {Severity.DAMAGE: "red", Severity.MISSING: "yellow", Severity.FAILURE: "yellow", Severity.NOTE: "dim"}


def _show_failures(console: Console, report: Report) -> None:
    if report.failures:
        table = new_table("failed shards", "error code", "points failed", "the first one", "another attempt")
        for group in report.failures:
            again = "may succeed" if group.retryable else "would fail again"
            table.add_row(
                f"{len(group.shards):,}", group.error_code, f"{group.points_failed:,}", escape(group.example), again
            )
        console.print(table, highlight=False)
    for code, points in report.point_failures.items():
        more = ", …" if points.count > len(points.first) else ""
        told = f"{', '.join(map(str, points.first))}{more}"
        console.print(f"  {points.count:,} failed points: [red]{code}[/] at {told}", highlight=False, soft_wrap=True)
    most = max(report.attempts.values(), default=1)
    if most > 1:
        retried = sum(attempts > 1 for attempts in report.attempts.values())
        console.print(f"  attempts: more than one at {retried:,} of the shards, {most} at the most", highlight=False)


def _advice(report: Report) -> Iterator[str]:
    if report.verdict is Verdict.CORRUPT:
        yield "Nothing was changed. Restore what is named from a copy."
    if any(finding.code == "artifacts.missing" for finding in report.findings):
        yield "A data file that is gone is made again by `sweepctl run-shard --force` of its shard's message."
    if report.missing:
        yield (
            f"What would complete the run: messages of {len(report.missing):,} shards. --missing FILE writes them, "
            "--requeue --queue-url URL sends them."
        )
    for start, end in report.unknown_gaps[:EXAMPLES]:
        yield f"The shards of points [{start}, {end}) cannot be told from the store: send their own messages again."


def show_models(console: Console, description: Description) -> None:
    """One row a model."""
    table = new_table("model", "version", "what it simulates", "parameters")
    for model in description.models:
        names = ", ".join(parameter.name for parameter in model.parameters)
        table.add_row(model.name, model.version, escape(model.doc), names)
    console.print(table, highlight=False)
    console.print(f"engine {description.engine_version} for {description.target}", style="dim", highlight=False)


def show_model(console: Console, model: Model) -> None:
    """Everything that a model takes and gives."""
    console.print(f"[bold]{model.name}[/] version {model.version}: {escape(model.doc)}", highlight=False)
    table = new_table("parameter", "type", "unit", "default", "range", "what it is", title="takes")
    for parameter in model.parameters:
        default = "null" if parameter.default is None else str(parameter.default)
        allowed = escape(parameter.range)
        table.add_row(parameter.name, _type(parameter), parameter.unit, default, allowed, escape(parameter.doc))
    console.print(table, highlight=False)
    _show_columns(console, "gives", "metric", model.metrics)
    for dataset in model.datasets:
        _show_columns(console, f"gives on request: {dataset.name} ({dataset.doc})", "column", dataset.columns)


def show_point(console: Console, message: ShardMessage, dimensions: Collection[str], point: PointIdentity) -> None:
    """Who a point is, and every parameter that it runs with; what the design and the message set stands out."""
    where = "in this shard" if message.start_index <= point.point_index < message.end_index_exclusive else "elsewhere"
    console.print(
        f"point [bold]{point.point_index:,}[/] of {message.total_points:,} in run {message.run_id}, "
        f"replicate {point.replicate} of {message.replications} ({where})",
        highlight=False,
    )
    table = new_table("parameter", "value", "from")
    for name, value in point.parameters.items():
        source = "dimension" if name in dimensions else "base" if name in message.base else "[dim]default[/]"
        table.add_row(name, "null" if value is None else escape(str(value)), source)
    console.print(table, highlight=False)
    for line in (
        f"  seed                   {message.seed}",
        f"  parameter_fingerprint  {point.parameter_fingerprint}",
        f"  point_fingerprint      {point.point_fingerprint}",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def new_table(*headers: str, title: str | None = None) -> Table:
    """An empty table as all of them look."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for place, header in enumerate(headers):
        # Names are copied, so they are folded where they must be, and never cut.
        table.add_column(header, overflow="fold", no_wrap=place == 0)
    return table


def _show_columns(console: Console, title: str, kind: str, columns: list[Column]) -> None:
    table = new_table(kind, "type", "unit", "what it is", title=escape(title))
    for column in columns:
        table.add_row(column.name, _type(column), column.unit, escape(column.doc))
    console.print(table, highlight=False)


def _type(column: Column) -> str:
    return f"{column.type} or null" if column.nullable else column.type


def _points(outcome: Outcome) -> str:
    counts = f"{outcome.points_succeeded:,} succeeded"
    if outcome.points_failed:
        counts += f", [red]{outcome.points_failed:,} failed[/]"
    missing = outcome.points - outcome.points_succeeded - outcome.points_failed
    if missing:
        counts += f", [red]{missing:,} not recorded[/]"
    return f"{counts}, of points {outcome.start_index:,} to {outcome.end_index_exclusive - 1:,}"


def _seconds(outcome: Outcome) -> str:
    wall = (outcome.finished_at - outcome.started_at).total_seconds()
    return f"{wall:.2f} s, {outcome.cpu_seconds:.2f} s of CPU"


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004  the SI's step
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"

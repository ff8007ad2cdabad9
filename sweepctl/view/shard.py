"""A shard's progress and outcome; a point's identity."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from rich.console import Console

from sweepctl.messages import ShardMessage
from sweepctl.protocol import PointIdentity
from sweepctl.records.outcome import UNKNOWN_CALLER, Caller, Outcome
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES
from sweepctl.shard.run import Disposition, Result
from sweepctl.shard.slow_point import Progress, SlowPoint
from sweepctl.store.contract import Store, is_key
from sweepctl.view.console import foreign, new_table, show_table
from sweepctl.view.wording import byte_count, counted

_DISPOSITIONS = {
    Disposition.COMMITTED: "committed",
    Disposition.SKIPPED: "already complete: nothing was run",
    Disposition.KEPT: "re-run; the committed outcome is unchanged",
}


@contextmanager
def progress_of(console: Console, message: ShardMessage) -> Iterator[Progress]:
    """Show a progress bar of points on a terminal, and nothing elsewhere."""
    if not console.is_terminal:
        yield lambda _points, _slow: None
        return
    from sweepctl.view.bar import Bar  # noqa: PLC0415  needed on a terminal only

    with Bar(console, "points") as bar:
        task = bar.add_task(f"shard {message.shard_id}", total=message.points)

        def reach(points: int, slow: SlowPoint | None) -> None:
            bar.slow = slow
            bar.update(task, completed=points)

        yield reach


def _advice(outcome: Outcome, caller: Caller) -> str:
    has_outputs = len(outcome.tables) > len((POINT_OUTCOMES, EFFECTIVE_PARAMETERS))
    advice = caller.advice(outcome, has_outputs=has_outputs)
    return advice or ("Run it again: it may succeed." if outcome.retryable else "It would fail again.")


def show_result(console: Console, result: Result, store: Store, caller: Caller = UNKNOWN_CALLER) -> None:
    """Print the outcome, then where its files are; lines are never truncated, so that paths can be copied."""
    outcome = result.outcome
    mark = "[bold green]✓[/]" if outcome.status == "success" else "[bold red]✗[/]"
    verdict = f"[bold]{foreign(outcome.status)}[/] shard {outcome.shard_id} of run {foreign(outcome.run_id)}"
    lines = [f"{mark} {verdict}: {_DISPOSITIONS[result.disposition]}", f"  {_points(outcome)}"]
    if result.disposition is Disposition.SKIPPED:
        lines.append(f"  by version {foreign(outcome.model_version)} of model {foreign(outcome.model)}")
    if outcome.error_code:
        where = "" if outcome.error_point_index is None else f" at point {outcome.error_point_index:,}"
        lines.append(f"  [red]{foreign(outcome.error_code)}[/]{where}: {foreign(outcome.error_message or '')}")
        lines.append(f"  [dim]→ {foreign(_advice(outcome, caller))}[/]")
    if result.attempt is not None and result.attempt.attempt_id != outcome.attempt_id:
        lines.append(f"  {_compared(result.attempt, outcome)}")
    lines.append(
        f"  attempt {foreign(outcome.attempt_id)}, engine {foreign(outcome.engine_version)}, {_seconds(outcome)}"
    )
    width = max((len(artifact.dataset) for artifact in outcome.artifacts), default=0)
    lines += [
        f"  {foreign(artifact.dataset):<{width}}  {counted('rows', artifact.rows)}  {byte_count(artifact.bytes)}  "
        f"{foreign(store.locate(artifact.key) if is_key(artifact.key) else artifact.key)}"
        for artifact in outcome.artifacts
    ]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _compared(attempt: Outcome, committed: Outcome) -> str:
    """Describe an attempt compared with the committed outcome."""
    if attempt.error_code is None or attempt.complete:
        result = "same content as the committed outcome" if committed.complete else foreign(attempt.status)
        return f"this attempt, {attempt.attempt_id}: {result}"
    reason = foreign(attempt.error_message or "")
    code = foreign(attempt.error_code)
    return f"this attempt, {attempt.attempt_id}, failed and was not compared: [red]{code}[/]: {reason}"


def show_point(console: Console, message: ShardMessage, dimensions: Collection[str], point: PointIdentity) -> None:
    """Print a point's identity and all its parameters; those from the design or the message are highlighted."""
    where = (
        "in this shard"
        if message.start_index <= point.point_index < message.end_index_exclusive
        else "in another shard"
    )
    console.print(
        f"point [bold]{point.point_index:,}[/] of {message.total_points:,} in run {message.run_id}, "
        f"replicate {point.replicate} of {message.replications} ({where})",
        highlight=False,
    )
    table = new_table("parameter", "value", "from")
    for name, value in point.parameters.items():
        source = "dimension" if name in dimensions else "base" if name in message.base else "[dim]default[/]"
        table.add_row(foreign(name), "null" if value is None else foreign(str(value)), source)
    show_table(console, table)
    for line in (
        f"  seed                   {message.seed}",
        f"  parameter_fingerprint  {point.parameter_fingerprint}",
        f"  point_fingerprint      {point.point_fingerprint}",
    ):
        console.print(line, highlight=False, soft_wrap=True)


def _points(outcome: Outcome) -> str:
    counts = f"{outcome.points_succeeded:,} succeeded"
    if outcome.points_failed:
        counts += f", [red]{outcome.points_failed:,} failed[/]"
    if outcome.points_excluded:
        counts += f", {outcome.points_excluded:,} excluded by a constraint"
    missing = outcome.points - outcome.points_recorded
    if missing:
        counts += f", [red]{missing:,} not recorded[/]"
    return f"{counts}, of points {outcome.start_index:,} to {outcome.end_index_exclusive - 1:,}"


def _seconds(outcome: Outcome) -> str:
    wall = (outcome.finished_at - outcome.started_at).total_seconds()
    return f"{wall:.2f} s, {outcome.cpu_seconds:.2f} s of CPU"

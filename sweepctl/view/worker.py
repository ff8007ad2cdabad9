"""A worker at work, and its summary at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from sweepctl.view.wording import duration
from sweepctl.worker.events import Ending, Why

if TYPE_CHECKING:
    from sweepctl.queue.backlog import Backlog
    from sweepctl.worker.tally import FailedMessage, WorkerProgress

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


def show_worker_summary(console: Console, done: "WorkerProgress") -> None:
    """Every message that was received, under what it came to; then why some came to no good."""
    why = "" if done.why is None else f": {_WHY[done.why]}"
    console.print(f"[bold]{done.received:,}[/] messages received, {done.points:,} points run{why}", highlight=False)
    for ending, count in sorted(done.endings.items(), key=lambda item: item[0].value):
        console.print(f"  {count:>9,}  {_ENDINGS[ending]}", highlight=False)
    if done.lost_leases:
        console.print(f"  {done.lost_leases:>9,}  of these on a lease that was lost meanwhile", highlight=False)
    for failure in done.failures:
        _show_failure(console, failure)


def _show_failure(console: Console, failure: "FailedMessage") -> None:
    shard = f"shard {failure.shard_id} of run {failure.run_id}"
    name = f"message {failure.message_id}" if failure.run_id is None else shard
    console.print(
        f"[red]{failure.error_code}[/] {escape(name)}: {escape(failure.error or '')}", soft_wrap=True, highlight=False
    )
    if failure.remedy:
        console.print(f"[dim]→ {escape(failure.remedy)}[/]", soft_wrap=True, highlight=False)


@contextmanager
def watching_worker(
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

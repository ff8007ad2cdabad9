"""A running worker, and its summary at the end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from sweepctl.view.console import foreign
from sweepctl.view.wording import counted, duration, slow_point
from sweepctl.worker.events import Ending, Why

if TYPE_CHECKING:
    from sweepctl.queue.backlog import Backlog
    from sweepctl.worker.tally import FailedMessage, WorkerProgress

_ENDINGS = {
    Ending.SUCCEEDED: "succeeded",
    Ending.SKIPPED: "skipped: already complete",
    Ending.FAILED: "failed permanently: recorded and acknowledged",
    Ending.RETRY: "returned to the queue: the attempt failed, a retry may succeed",
    Ending.REJECTED: "rejected: recorded, and left to the queue's redrive policy",
    Ending.WRONG_WORKER: "returned to the queue: they need another engine",
    Ending.STORE_DOWN: "returned to the queue: the store or the disk failed",
    Ending.INTERRUPTED: "returned to the queue: interrupted (shutting down)",
    Ending.UNUSED: "returned to the queue unstarted (shutting down)",
}
_WHY = {
    Why.SIGNAL: "stopped by a signal",
    Why.MAX_SHARDS: "--max-shards reached",
    Why.UNTIL_EMPTY: "the queue is empty",
    Why.IDLE_TIMEOUT: "no message within --idle-timeout",
    Why.QUEUE_REFUSES: "stopped because the queue rejects this worker",
    Why.ENGINE_UNAVAILABLE: "stopped because this worker's engine cannot be used",
}


def show_worker_summary(console: Console, done: "WorkerProgress") -> None:
    """Print the received messages by how they ended; then why some failed."""
    why = "" if done.why is None else f": {_WHY[done.why]}"
    console.print(
        f"{counted('messages', done.received)} received, {counted('points', done.points)} run{why}", highlight=False
    )
    for ending, count in sorted(done.endings.items(), key=lambda item: item[0].value):
        console.print(f"  {count:>9,}  {_ENDINGS[ending]}", highlight=False)
    if done.lost_leases:
        console.print(f"  {done.lost_leases:>9,}  of these after their lease was lost", highlight=False)
    for failure in done.failures:
        _show_failure(console, failure)


def _show_failure(console: Console, failure: "FailedMessage") -> None:
    shard = f"shard {failure.shard_id} of run {failure.run_id}"
    name = f"message {failure.message_id}" if failure.run_id is None else shard
    console.print(
        f"[red]{foreign(failure.error_code)}[/] {foreign(name)}: {foreign(failure.error or '')}",
        soft_wrap=True,
        highlight=False,
    )
    if failure.remedy:
        console.print(f"[dim]→ {foreign(failure.remedy)}[/]", soft_wrap=True, highlight=False)


@contextmanager
def watching_worker(
    console: Console,
    backlog: "Callable[[], Backlog | None]",
    monotonic: Callable[[], float] = time.monotonic,
) -> "Iterator[Callable[[WorkerProgress], None]]":
    """Show a running worker on a terminal, and nothing elsewhere; `backlog` returns what is left on the queue."""
    if not console.is_terminal:
        yield lambda _: None
        return
    started_at = monotonic()
    latest: list[WorkerProgress] = []

    def draw() -> Table:
        return _worker(latest[-1], monotonic() - started_at, backlog()) if latest else Table.grid()

    with Live(console=console, transient=True, refresh_per_second=4, get_renderable=draw):
        # Only the latest is drawn: a worker reports far more often than the view is refreshed.
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
    if progress.slow is None:
        return facts
    # A row of its own: in a column it would widen all others.
    view = Table.grid()
    view.add_row(facts)
    view.add_row(slow_point(progress.slow))
    return view


def _state(progress: "WorkerProgress") -> str:
    if progress.why is not None:
        return "stopping"
    if progress.queue_down:
        return "waiting for the queue"
    return "waiting for the store" if progress.store_down else "draining"

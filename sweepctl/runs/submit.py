"""Sends a run's shards to a queue: those without an outcome, in order, in batches over several connections.

No progress is stored. A message that is sent twice does no harm (the commit rules), so an interrupted submission is
repeated as a whole, or from the shard that its error names.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import tee
from threading import Event
from typing import TYPE_CHECKING

from sweepctl.errors import InterruptedRunError, QueueError, UsageError
from sweepctl.messages import MAX_BYTES
from sweepctl.queue.contract import SendFailure, refuse_fifo, request_batches
from sweepctl.records.run import list_outcomes
from sweepctl.store.contract import Store
from sweepctl.sweep.plan import Draft, Plan

if TYPE_CHECKING:
    from sweepctl.queue.sqs import Queue

CONNECTIONS = 8
# Batches in progress or waiting for a connection: enough to keep each busy, few enough to keep memory small.
AHEAD = 4  # per connection

Batch = Mapping[int, str]  # message bodies by shard


@dataclass(frozen=True)
class Submission:
    """The result of a submission."""

    run_id: str
    run_date: str
    shards: int
    sent: int
    stood: int  # shards that have an outcome
    seconds: float

    @property
    def messages_per_second(self) -> float:
        """The pace at which they were sent."""
        return self.sent / self.seconds if self.seconds else 0.0


def require_sendable(draft: Draft, queue: "Queue") -> None:
    """Check, before anything is written, that the queue will accept a sweep's messages.

    Raises:
        SweepFileError: the messages would be too large for a queue.
        QueueError: the queue does not exist, does not answer, or is FIFO.
    """
    # The last of the smallest shards under the longest name has the longest message.
    longest = draft.plan("r" * 64, "2000-01-01", 1)
    (body,) = longest.bodies([longest.shards - 1])
    if len(body) > MAX_BYTES:
        # A long design is stored; base values go into each message.
        rule = f"{len(body):,} bytes in each message: must be at most {MAX_BYTES:,}"
        raise draft.file.error({("base",): rule})
    if queue.facts().fifo:
        raise refuse_fifo(queue.url)


def submit(
    plan: Plan,
    store: Store,
    queue: "Queue",
    *,
    from_shard: int = 0,
    is_round: bool = False,
    connections: int = CONNECTIONS,
    progress: Callable[[int], None] = lambda _shards: None,
    stop: Event | None = None,
) -> Submission:
    """Send the messages of all shards from `from_shard` on that have no outcome yet.

    Outcomes are listed, not read: a listing takes seconds where reading takes minutes. So shards that failed are not
    sent; `retry` does that. The run record must exist (`start.pin`).

    Args:
        plan: The run.
        store: The store with its outcomes.
        queue: The queue to send to.
        from_shard: The first shard to send.
        is_round: Whether the sweep has several runs, so that a run_id does not name the sweep.
        connections: Concurrent send requests.
        progress: Called with the number of shards sent or skipped.
        stop: Once set, no further batch is sent.

    Raises:
        UsageError: the run has no shard `from_shard`.
        QueueError: the queue did not accept a message; the remedy says where to resume.
        InterruptedRunError: `stop` was set; the remedy says where to resume.
        StoreError: the store does not answer.
    """
    if from_shard >= plan.shards:
        raise UsageError(
            f"--from-shard {from_shard}: run {plan.run_id} has shards 0 to {plan.shards - 1}",
            remedy="Give the shard number that the interrupted submission reported.",
        )
    started_at = time.monotonic()
    existing = {shard_id for shard_id, _ in list_outcomes(store, plan.run_id, plan.run_date, plan.shards)}
    shards, same = tee(shard_id for shard_id in range(from_shard, plan.shards) if shard_id not in existing)
    bodies = zip(shards, (body.decode() for body in plan.bodies(same)), strict=True)
    reached, sent = from_shard, 0
    try:
        for batch in _sent(queue, request_batches(bodies), connections, stop or Event()):
            reached, sent = max(batch) + 1, sent + len(batch)
            progress(reached - from_shard)
    except (QueueError, InterruptedRunError) as error:
        before = f"all before shard {reached:,} of {plan.shards:,} were sent"
        run = "" if is_round else f"--run-id {plan.run_id} "
        how = f"To resume, run the same command with {run}--from-shard {reached}."
        remedy = how if error.remedy is None else f"{error.remedy} {how}"
        raise type(error)(f"{error.message}; {before}", remedy=remedy) from error
    progress(plan.shards - from_shard)
    stood = sum(1 for shard_id in existing if from_shard <= shard_id < plan.shards)
    return Submission(plan.run_id, plan.run_date, plan.shards, sent, stood, time.monotonic() - started_at)


def _sent(queue: "Queue", left: Iterator[dict[int, str]], connections: int, stop: Event) -> Iterator[Batch]:
    """Yield batches once they are sent, in order: when one is yielded, all before it are sent too."""
    waiting: deque[tuple[Batch, Future[dict[int, SendFailure]]]] = deque()
    is_stopped = False
    with ThreadPoolExecutor(connections) as pool:
        try:
            for batch in left:
                is_stopped = stop.is_set()
                if is_stopped:
                    break
                waiting.append((batch, pool.submit(queue.send_batch, batch)))
                if len(waiting) == AHEAD * connections:
                    yield _settled(queue, *waiting.popleft())
            while waiting:
                yield _settled(queue, *waiting.popleft())
            if is_stopped:
                raise InterruptedRunError("stopped by a signal")
        finally:
            # After an error, batches that have not started need not fail as well.
            for _, sending in waiting:
                sending.cancel()


def _settled(queue: "Queue", batch: Batch, sending: "Future[dict[int, SendFailure]]") -> Batch:
    failed = sending.result()
    if failed:
        raise queue.not_accepted(f"shard {', '.join(map(str, sorted(failed)))}", failed)
    return batch

"""Sends a run's shards to a queue: those without an outcome, in their order, in batches by several connections.

Nothing here keeps count anywhere. A message that is sent twice does no harm (the commit rules), so a submission that
ended early is begun anew, or from the shard that its error names.
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
# Batches under way or waiting for a connection: enough that none is idle, few enough that memory stays small.
AHEAD = 4  # for each connection

Batch = Mapping[int, str]  # message bodies by shard


@dataclass(frozen=True)
class Submission:
    """What became of a run's messages."""

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
    """Make sure that nothing but an outage can keep the messages of a sweep from a queue, before anything is written.

    Raises:
        SweepFileError: they would be larger than a queue's messages may be.
        QueueError: there is no such queue, it does not answer, or it is FIFO.
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
    connections: int = CONNECTIONS,
    progress: Callable[[int], None] = lambda _shards: None,
    stop: Event | None = None,
) -> Submission:
    """Send the messages of all shards from `from_shard` on that have no outcome yet.

    What an outcome says is not looked at: a listing takes a second where reading takes minutes, and shards that failed
    are sent again by who has looked at why. The run record stands already (`plan.pin`).

    Args:
        plan: The run.
        store: Where its outcomes are listed.
        queue: Takes the messages.
        from_shard: Those before it were sent already.
        connections: How many batches are sent at a time.
        progress: Is told how many shards are dealt with.
        stop: Once set, no further batch is sent.

    Raises:
        UsageError: the run has no shard `from_shard`.
        QueueError: the queue does not take a message; it says from which shard on to go on.
        InterruptedRunError: `stop` was set; it says the same.
        StoreError: the store does not answer.
    """
    if from_shard >= plan.shards:
        raise UsageError(
            f"--from-shard {from_shard}: run {plan.run_id} has shards 0 to {plan.shards - 1}",
            remedy="Give the number that the earlier submission told.",
        )
    started_at = time.monotonic()
    standing = {shard_id for shard_id, _ in list_outcomes(store, plan.run_id, plan.run_date)}
    shards, same = tee(shard_id for shard_id in range(from_shard, plan.shards) if shard_id not in standing)
    bodies = zip(shards, (body.decode() for body in plan.bodies(same)), strict=True)
    reached, sent = from_shard, 0
    try:
        for batch in _sent(queue, request_batches(bodies), connections, stop or Event()):
            reached, sent = max(batch) + 1, sent + len(batch)
            progress(reached - from_shard)
    except (QueueError, InterruptedRunError) as error:
        before = f"all before shard {reached:,} of {plan.shards:,} are sent"
        how = f"To go on: the same command with --run-id {plan.run_id} --from-shard {reached}."
        remedy = how if error.remedy is None else f"{error.remedy} {how}"
        raise type(error)(f"{error.message}; {before}", remedy=remedy) from error
    progress(plan.shards - from_shard)
    stood = sum(1 for shard_id in standing if from_shard <= shard_id < plan.shards)
    return Submission(plan.run_id, plan.run_date, plan.shards, sent, stood, time.monotonic() - started_at)


def _sent(queue: "Queue", left: Iterator[dict[int, str]], connections: int, stop: Event) -> Iterator[Batch]:
    """Yield batches once they are sent, in their order, so that all before one of them are sent, too."""
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
            # After an error, what has not begun need not fail as well.
            for _, sending in waiting:
                sending.cancel()


def _settled(queue: "Queue", batch: Batch, sending: "Future[dict[int, SendFailure]]") -> Batch:
    failed = sending.result()
    if failed:
        raise queue.not_accepted(f"shard {', '.join(map(str, sorted(failed)))}", failed)
    return batch

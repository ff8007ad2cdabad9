"""A queue worker: threads around `lease.step`, which makes every decision. This module only carries them out.

Every action that waits for something (a long poll, a shard, an acknowledgement) runs in its own thread and puts its
result on one queue, which one loop reads. The threads are daemons: a second signal ends the process at once, and its
engines too, since they watch their standard input.
"""

import datetime as dt
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeVar

from sweepctl import logs
from sweepctl.engine.client import Engine
from sweepctl.errors import QueueError, QueueRefusedError, ScratchError, StoreError, SweepctlError
from sweepctl.messages import decode
from sweepctl.queue.backlog import MOST_DEPTHS, Backlog, DepthSample, estimate_backlog
from sweepctl.shard.run import Conditions, draw_attempt_id, utc_now
from sweepctl.shard.slow_point import slowest
from sweepctl.store.contract import Store
from sweepctl.worker import events, lease
from sweepctl.worker.delivery import Delivery, deliver
from sweepctl.worker.events import Ending, Why
from sweepctl.worker.lease import Policy
from sweepctl.worker.tally import Tally, WorkerProgress

if TYPE_CHECKING:
    from sweepctl.queue.sqs import Queue

__all__ = ["Worker", "WorkerProgress"]

DEPTH_SECONDS = 10.0  # between two depth queries for the progress display; no decision depends on them

T = TypeVar("T")


def start_thread(task: Callable[[], None]) -> None:
    """Run `task` in a daemon thread."""
    Thread(target=task, daemon=True).start()


@dataclass(frozen=True)
class TaskCrash:
    """An unexpected exception in a thread: the worker crashes with it, and its leases expire."""

    error: BaseException


@dataclass
class Worker:
    """One process that drains a queue."""

    queue: "Queue"
    engine: Engine
    store: Store
    policy: Policy
    conditions: Conditions
    observe: Callable[[WorkerProgress], None] = lambda _: None
    now: Callable[[], dt.datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    start: Callable[[Callable[[], None]], None] = start_thread
    new_attempt_id: Callable[[], str] = draw_attempt_id
    report_seconds: float = 1.0  # the longest time between two calls of `observe`
    _events: "SimpleQueue[events.Event | TaskCrash]" = field(default_factory=SimpleQueue)
    _deliveries: dict[str, Delivery] = field(default_factory=dict)
    _tally: Tally = field(default_factory=Tally)
    _depths: tuple[DepthSample, ...] = ()
    _ask_depth_at: float = 0.0
    _reporting: Lock = field(default_factory=Lock)
    _queue_down: bool = False
    _outage: str | None = None  # that was logged, and is not known to be over
    _fatal: SweepctlError | None = None

    def stop(self) -> None:
        """Request a graceful shutdown; safe in a signal handler."""
        self._events.put(events.StopRequested())

    def backlog(self) -> Backlog | None:
        """Return the latest estimate of the backlog; the depth is queried every ten seconds, in the background."""
        if self.monotonic() >= self._ask_depth_at:
            self._ask_depth_at = self.monotonic() + DEPTH_SECONDS
            self.start(self._ask_depth)
        return None if self._queue_down else estimate_backlog(self._depths)

    def _ask_depth(self) -> None:
        try:
            depth = DepthSample(self.monotonic(), self.queue.facts().visible)
        except QueueError:
            self._depths = ()  # the earlier samples are out of date
        else:
            self._depths = (*self._depths, depth)[-MOST_DEPTHS:]

    def drain(self) -> WorkerProgress:
        """Process messages until the policy or a stop ends it; return what was done.

        No message is held afterwards: each was acknowledged, returned to the queue, or lost to another worker.
        """
        state, actions = lease.begin(self.policy, self.monotonic())
        while True:
            for action in actions:
                self._carry_out(action)
            progress = self._progress(state)
            self.observe(progress)
            if state.finished:
                return progress
            event = self._next_event(lease.wake_at(state))
            state, actions = lease.step(state, event, self.monotonic())
            self._note(event, state)

    def _note(self, event: events.Event, state: lease.WorkerState) -> None:
        """Count and log an event."""
        match event:
            case events.Closed(receipt):
                delivery = self._deliveries.pop(receipt)
                if delivery.ending is Ending.UNUSED:
                    # It was never started, so never decoded, but its log line should name the shard, if it has one.
                    with suppress(Exception):
                        delivery.message = decode(delivery.received.body, self.now().date())
                self._tally.take(delivery)
            case events.StopRequested(Why.SIGNAL):
                running = len(state.leases)
                shards = f"{running} {'shard' if running == 1 else 'shards'}"
                logs.warn(f"stopping: up to {self.policy.grace:g} s for {shards} to finish; signal again to exit now")
            case events.Ended(receipt, Ending.STORE_DOWN):
                error = self._deliveries[receipt].error
                outage = "scratch_unusable" if isinstance(error, ScratchError) else "store_unreachable"
                if outage != self._outage:
                    logs.warn(outage, error=error and error.message, remedy=error and error.remedy)
                self._outage = outage
            case events.Ended(_, ending) if ending in lease.SETTLED:
                self._outage = None

    def _next_event(self, wake_at: float | None) -> events.Event:
        wait = (
            self.report_seconds if wake_at is None else min(self.report_seconds, max(0.0, wake_at - self.monotonic()))
        )
        try:
            event = self._events.get(timeout=wait)
        except Empty:
            return events.Tick()
        if isinstance(event, TaskCrash):
            raise event.error
        return event

    def _carry_out(self, action: events.Action) -> None:
        match action:
            case events.Poll(most):
                self._start(lambda: self._poll(most))
            case events.QueryDepth():
                self._start(self._query_depth)
            case events.Execute(receipt):
                self._start(lambda: self._run(self._deliveries[receipt]))
            case events.Renew(receipt):
                self._start(lambda: self._renew(receipt))
            case events.Acknowledge(receipt):
                self._start(lambda: self._close(receipt, self.queue.delete))
            case events.Nack(receipt, delay):
                self._start(lambda: self._close(receipt, lambda held: self.queue.extend(held, delay)))
            case events.Abandon(receipt):
                self._deliveries[receipt].lost = True
                self._events.put(events.Closed(receipt))
            case events.Interrupt(receipt):
                self._deliveries[receipt].stop.set()
            case events.Probe():
                self._start(self._probe)

    def _start(self, task: Callable[[], events.Event]) -> None:
        def carry_out() -> None:
            try:
                self._events.put(task())
            except BaseException as error:  # noqa: BLE001  the loop raises it
                self._events.put(TaskCrash(error))

        self.start(carry_out)

    def _ask_queue(self, ask: Callable[[], T]) -> T:
        """Call the queue; log once that it does not answer, not at each retry."""
        try:
            answer = ask()
        except QueueRefusedError as error:
            self._give_up(Why.QUEUE_REFUSES, error)
            raise
        except QueueError as error:
            with self._reporting:
                if not self._queue_down:
                    logs.warn("queue_unreachable", error=error.message, remedy=error.remedy)
                self._queue_down = True
            raise
        with self._reporting:
            if self._queue_down:
                logs.event("queue_answers")
            self._queue_down = False
        return answer

    def _give_up(self, why: Why, error: SweepctlError) -> None:
        """Shut the worker down gracefully: the fault is not in any message, and a retry would not fix it."""
        self._fatal = self._fatal or error
        logs.event(why.value, error=error.message, remedy=error.remedy)
        self._events.put(events.StopRequested(why))

    def _poll(self, most: int) -> events.Event:
        asked_at = self.monotonic()
        wait, visibility = self.policy.poll_seconds, self.policy.lease
        try:
            messages = self._ask_queue(lambda: self.queue.receive(most, wait=wait, visibility=visibility))
        except QueueError:
            return events.PollFailed()
        seconds = self.monotonic() - asked_at
        for received in messages:
            self._deliveries[received.receipt] = Delivery(received, self.new_attempt_id(), {"receive": seconds})
        return events.Polled(tuple(events.Message(each.receipt, each.receive_count) for each in messages), asked_at)

    def _query_depth(self) -> events.Event:
        try:
            facts = self._ask_queue(self.queue.facts)
        except QueueError:
            return events.DepthFailed()
        return events.DepthKnown(facts.visible, facts.in_flight, facts.delayed)

    def _renew(self, receipt: str) -> events.Event:
        asked_at = self.monotonic()
        try:
            held = self._ask_queue(lambda: self.queue.extend(receipt, self.policy.lease))
        except QueueError:
            return events.RenewFailed(receipt)
        if not held:
            self._deliveries[receipt].lost = True
        return events.Renewed(receipt, held, asked_at)

    def _probe(self) -> events.Event:
        try:
            self.store.probe()
        except StoreError:
            return events.Probed(answers=False)
        return events.Probed(answers=True)

    def _run(self, delivery: Delivery) -> events.Event:
        conditions = replace(self.conditions, concurrency=self.policy.concurrency)
        deliver(delivery, self.engine, self.store, conditions, now=self.now, monotonic=self.monotonic)
        if delivery.engine_error is not None:
            self._give_up(Why.ENGINE_UNAVAILABLE, delivery.engine_error)
        return events.Ended(delivery.received.receipt, delivery.ending)

    def _close(self, receipt: str, settle: Callable[[str], bool]) -> events.Event:
        """Acknowledge or nack; if the queue does not answer, the lease expires and the message is redelivered."""
        started_at = self.monotonic()
        delivery = self._deliveries[receipt]
        try:
            delivery.lost = not self._ask_queue(lambda: settle(receipt)) or delivery.lost
        except QueueError as error:
            logs.event("not_closed", message_id=delivery.received.message_id, error=error.message)
        delivery.seconds["acknowledge"] = self.monotonic() - started_at
        return events.Closed(receipt)

    def _progress(self, state: lease.WorkerState) -> WorkerProgress:
        now = self.monotonic()
        return WorkerProgress(
            received=state.received,
            endings=dict(self._tally.endings),
            lost_leases=self._tally.lost,
            points=self._tally.points + sum(self._deliveries[receipt].points for receipt in state.leases),
            running=len(state.leases),
            oldest_lease=max((now - each.renewed_at for each in state.leases.values()), default=0.0),
            store_down=state.probe_at is not None,
            queue_down=state.queue_failures > 0,
            returned=self._tally.returned,
            failures=self._tally.failures,
            why=state.why,
            slow=slowest(self._deliveries[receipt].slow for receipt in state.leases),
            error=self._fatal if state.why in {Why.QUEUE_REFUSES, Why.ENGINE_UNAVAILABLE} else None,
        )

"""A queue worker: threads around `lease.step`, which decides. Nothing here chooses; it carries out and reports.

Every action that waits for something (a long poll, a shard, an acknowledgement) has a thread of its own and puts what
came of it on one queue, which one loop takes in. The threads are daemons: a second signal ends the process at once,
engines included, since they watch their standard input.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread

from sweepctl import commit, lease, logs
from sweepctl.engine import Engine
from sweepctl.errors import (
    ConflictError,
    EngineUnavailableError,
    InterruptedRunError,
    MessageError,
    QueueError,
    StoreError,
    SweepctlError,
)
from sweepctl.lease import Ending, Policy
from sweepctl.messages import decode
from sweepctl.shard import Conditions, Disposition, Result, run_shard, utc_now
from sweepctl.sqs import Queue, Received
from sweepctl.store.contract import Store

DEPTH_SECONDS = 10.0  # between two looks at the queue's depth, which only a person wants to know


@dataclass(frozen=True)
class Failed:
    """A thread met what nobody foresaw; the worker ends with it, and the leases run out by themselves."""

    error: BaseException


@dataclass
class _Work:
    """What the threads need to know of one received message."""

    received: Received
    stop: Flag
    started_at: float
    seconds: dict[str, float]
    ending: Ending | None = None
    result: Result | None = None
    error: SweepctlError | None = None
    lost: bool = False


@dataclass(frozen=True)
class Progress:
    """What a worker has done so far, for whoever watches."""

    received: int
    endings: Mapping[Ending, int]
    lost_leases: int
    points: int
    running: int
    oldest_lease: float  # seconds since the renewal that is the longest ago
    stopping: bool
    store_down: bool

    @property
    def has_failures(self) -> bool:
        """Whether any shard failed for good or was rejected."""
        return bool(self.endings.get(Ending.FAILED) or self.endings.get(Ending.REJECTED))


@dataclass
class Worker:
    """One process's share of draining a queue."""

    queue: Queue
    engine: Engine
    store: Store
    policy: Policy
    conditions: Conditions
    observe: Callable[[Progress], None] = lambda _: None
    now: Callable[[], dt.datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    _events: "SimpleQueue[lease.Event | Failed]" = field(default_factory=SimpleQueue)
    _works: dict[str, _Work] = field(default_factory=dict)
    _endings: Counter[Ending] = field(default_factory=Counter)
    _lost: int = 0
    _points: int = 0
    _depth: int | None = None
    _ask_depth_at: float = 0.0

    def stop(self) -> None:
        """Ask for an orderly end; safe in a signal handler."""
        self._events.put(lease.StopRequested())

    def waiting(self) -> int | None:
        """Return how many messages the queue last said to have; it is asked every ten seconds, in the background."""
        if self.monotonic() >= self._ask_depth_at:
            self._ask_depth_at = self.monotonic() + DEPTH_SECONDS
            Thread(target=self._ask_depth, daemon=True).start()
        return self._depth

    def _ask_depth(self) -> None:
        with suppress(QueueError):
            self._depth = self.queue.facts().visible

    def drain(self) -> Progress:
        """Work until the policy or a stop ends it; return what was done.

        Nothing that was received is held any more then: acknowledged, handed back, or lost to another worker.
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
            if isinstance(event, lease.Closed):
                self._account(self._works.pop(event.receipt))

    def _next_event(self, wake_at: float | None) -> lease.Event:
        wait = None if wake_at is None else max(0.0, wake_at - self.monotonic())
        try:
            event = self._events.get(timeout=wait)
        except Empty:
            return lease.Tick()
        if isinstance(event, Failed):
            raise event.error
        return event

    def _carry_out(self, action: lease.Action) -> None:
        match action:
            case lease.Poll(most):
                self._start(lambda: self._poll(most))
            case lease.Run(receipt):
                self._start(lambda: self._run(self._works[receipt]))
            case lease.Renew(receipt):
                self._start(lambda: self._renew(receipt))
            case lease.Acknowledge(receipt):
                self._start(lambda: self._close(receipt, self.queue.delete))
            case lease.HandBack(receipt, delay):
                self._start(lambda: self._close(receipt, lambda held: self.queue.extend(held, delay)))
            case lease.LetGo(receipt):
                self._start(lambda: self._close(receipt, lambda _: False))
            case lease.Interrupt(receipt):
                self._works[receipt].stop.set()
            case lease.Probe():
                self._start(self._probe)
            case lease.Finish():
                pass

    def _start(self, task: Callable[[], lease.Event]) -> None:
        def carry_out() -> None:
            try:
                self._events.put(task())
            except BaseException as error:  # noqa: BLE001  the loop raises it
                self._events.put(Failed(error))

        Thread(target=carry_out, daemon=True).start()

    def _poll(self, most: int) -> lease.Event:
        asked_at = self.monotonic()
        try:
            messages = self.queue.receive(most, wait=lease.WAIT_SECONDS, visibility=self.policy.lease)
        except QueueError as error:
            logs.event("queue_unreachable", error=error.message)
            return lease.PollFailed()
        seconds = self.monotonic() - asked_at
        for received in messages:
            self._works[received.receipt] = _Work(received, Flag(), self.monotonic(), {"receive": seconds})
        return lease.Polled(tuple(lease.Message(each.receipt, each.receive_count) for each in messages), asked_at)

    def _renew(self, receipt: str) -> lease.Event:
        asked_at = self.monotonic()
        try:
            held = self.queue.extend(receipt, self.policy.lease)
        except QueueError:
            return lease.RenewFailed(receipt)
        if not held:
            self._works[receipt].lost = True
        return lease.Renewed(receipt, held, asked_at)

    def _probe(self) -> lease.Event:
        try:
            self.store.probe()
        except StoreError:
            return lease.Probed(answers=False)
        return lease.Probed(answers=True)

    def _run(self, work: _Work) -> lease.Event:
        work.ending = self._execute(work)
        return lease.Ended(work.received.receipt, work.ending)

    def _execute(self, work: _Work) -> Ending:
        """Run one message's shard, and say how it ended in the words of a lease."""
        body = work.received.body
        try:
            message = decode(body, self.now().date())
            work.result = run_shard(
                message,
                self.engine,
                self.store,
                self.conditions,
                attempt_number=work.received.receive_count,
                stop=work.stop,
                now=self.now,
            )
        except MessageError as error:
            work.error = error
            return self._reject(work, error)
        except SweepctlError as error:
            work.error = error
            return _ending_of(error)
        outcome = work.result.outcome
        work.seconds |= work.result.seconds
        self._points += outcome.points_succeeded + outcome.points_failed if work.result.attempt else 0
        if outcome.status == "success":
            # A success that stood, or came first, is somebody else's: this message was a duplicate.
            return Ending.SUCCEEDED if work.result.disposition is Disposition.COMMITTED else Ending.SKIPPED
        return Ending.RETRY if outcome.retryable else Ending.FAILED

    def _reject(self, work: _Work, error: MessageError) -> Ending:
        try:
            commit.record_rejection(self.store, work.received.body, work.received.message_id, error, self.now())
        except StoreError:
            return Ending.STORE_DOWN
        return Ending.REJECTED

    def _close(self, receipt: str, settle: Callable[[str], bool]) -> lease.Event:
        """Acknowledge or hand back; where the queue does not answer, the lease runs out and does the latter."""
        started_at = self.monotonic()
        work = self._works[receipt]
        try:
            work.lost = not settle(receipt) or work.lost
        except QueueError as error:
            logs.event("queue_unreachable", error=error.message, message_id=work.received.message_id)
        work.seconds["acknowledge"] = self.monotonic() - started_at
        return lease.Closed(receipt)

    def _account(self, work: _Work) -> None:
        """Count a message under the one ending that it came to, and log it."""
        ending = work.ending or Ending.UNUSED
        self._endings[ending] += 1
        self._lost += work.lost
        seconds = {f"{name}_seconds": round(value, 4) for name, value in work.seconds.items()}
        facts: dict[str, object] = {"message_id": work.received.message_id, "ending": ending.value, **seconds}
        if work.lost:
            facts["lease"] = "lost"
        if work.result is not None:
            outcome = work.result.outcome
            facts |= {"run_id": outcome.run_id, "shard_id": outcome.shard_id, "attempt_id": outcome.attempt_id}
            facts |= {"status": outcome.status, "error_code": outcome.error_code}
        if work.error is not None:
            facts |= {"error": work.error.message}
        logs.event("shard_finished", **facts)

    def _progress(self, state: lease.State) -> Progress:
        now = self.monotonic()
        return Progress(
            received=state.received,
            endings=dict(self._endings),
            lost_leases=self._lost,
            points=self._points,
            running=len(state.leases),
            oldest_lease=max((now - each.renewed_at for each in state.leases.values()), default=0.0),
            stopping=state.stop_by is not None,
            store_down=state.probe_at is not None,
        )


def _ending_of(error: SweepctlError) -> Ending:
    match error:
        case ConflictError():
            return Ending.REJECTED
        case EngineUnavailableError():
            return Ending.WRONG_WORKER
        case StoreError():
            return Ending.STORE_DOWN
        case InterruptedRunError():
            return Ending.INTERRUPTED
    raise error

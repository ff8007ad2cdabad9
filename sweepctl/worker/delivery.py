"""One delivery of a message, from its body to its ending: common to the queue worker and the Lambda function.

The caller then acknowledges the message or returns it to the queue, depending on the ending (`lease.SETTLED`).
"""

import datetime as dt
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from sweepctl import logs
from sweepctl.engine.client import Engine
from sweepctl.engine.run import PROGRAM_CHANGED
from sweepctl.errors import (
    ConflictError,
    DamagedError,
    DefectError,
    EngineUnavailableError,
    InterruptedRunError,
    MessageError,
    NoRoomError,
    StoreError,
    SweepctlError,
    WrongEngineError,
)
from sweepctl.messages import ShardMessage, decode
from sweepctl.queue.contract import Received
from sweepctl.records.outcome import Outcome
from sweepctl.shard import commit
from sweepctl.shard.run import Conditions, Disposition, Result, run_shard, utc_now
from sweepctl.shard.slow_point import SlowPoint
from sweepctl.store.contract import Store
from sweepctl.strict_json import short
from sweepctl.worker.events import Ending


@dataclass
class Delivery:
    """One received message and its result: filled by the thread that runs it, and read after that has ended."""

    received: Received
    attempt_id: str
    seconds: dict[str, float]
    stop: Event = field(default_factory=Event)
    message: ShardMessage | None = None
    points: int = 0  # run so far; this and the next are the only fields that are read before the end
    slow: SlowPoint | None = None  # that has been running for some time
    ending: Ending = Ending.UNUSED
    result: Result | None = None
    error: SweepctlError | None = None
    lost: bool = False

    def reach(self, points: int, slow: SlowPoint | None) -> None:
        """Record how many points have been run, and what is slow."""
        self.points, self.slow = points, slow

    @property
    def engine_error(self) -> SweepctlError | None:
        """Why this worker should run no further shard; None if it can."""
        if self.attempt is not None and self.attempt.error_code == PROGRAM_CHANGED:
            # Other shards of the model would fail, or be handed back until their queue gives them up.
            msg = self.attempt.error_message or PROGRAM_CHANGED
            return EngineUnavailableError(msg, remedy="Restore the program's files, and start the worker again.")
        # An engine that failed on this shard alone has an outcome that says so, and no error.
        unusable = self.ending is Ending.RETRY and isinstance(self.error, EngineUnavailableError)
        return self.error if unusable else None

    @property
    def attempt(self) -> Outcome | None:
        """The outcome of this execution; the committed one if nothing was executed."""
        return None if self.result is None else self.result.attempt or self.result.outcome


def deliver(
    delivery: Delivery,
    engine: Engine,
    store: Store,
    conditions: Conditions,
    *,
    now: Callable[[], dt.datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Run the shard of one delivery, and store the result in `delivery`; no message makes this raise."""
    try:
        delivery.ending = _run(delivery, engine, store, conditions, now=now, monotonic=monotonic)
    except Exception as error:  # noqa: BLE001  it must not end the worker, which has other messages
        msg = f"unexpected {type(error).__name__}: {short(str(error))}"
        delivery.error = DefectError(msg, remedy="This is a bug: please report it with the trace in the log.")
        delivery.error.__cause__ = error
        delivery.ending = Ending.RETRY
        logs.warn("defect", message_id=delivery.received.message_id, trace=traceback.format_exc())


def _run(
    delivery: Delivery,
    engine: Engine,
    store: Store,
    conditions: Conditions,
    *,
    now: Callable[[], dt.datetime],
    monotonic: Callable[[], float],
) -> Ending:
    try:
        delivery.message = decode(delivery.received.body, now().date())
        delivery.result = run_shard(
            delivery.message,
            engine,
            store,
            conditions,
            attempt_number=delivery.received.receive_count,
            progress=delivery.reach,
            stop=delivery.stop,
            now=now,
            monotonic=monotonic,
            new_attempt_id=lambda: delivery.attempt_id,
        )
    except MessageError as error:
        delivery.error = error
        return _reject(delivery, error, store, now())
    except SweepctlError as error:
        delivery.error = error
        return _ending_after(error)
    delivery.seconds |= delivery.result.seconds
    return _ending_of(delivery.result)


def _ending_of(result: Result) -> Ending:
    if result.outcome.status == "success":
        # Another execution had committed the success already, or committed it first: this message was a duplicate.
        return Ending.SUCCEEDED if result.disposition is Disposition.COMMITTED else Ending.SKIPPED
    return Ending.RETRY if result.outcome.retryable else Ending.FAILED


def _ending_after(error: SweepctlError) -> Ending:
    match error:
        # A damaged object concerns its run alone: a pause, as for a store that does not answer, would mend nothing.
        case ConflictError() | DamagedError():
            return Ending.REJECTED
        case WrongEngineError():
            return Ending.WRONG_WORKER
        # Not STORE_DOWN: smaller shards have room here, and this one may have it elsewhere.
        case EngineUnavailableError() | NoRoomError():
            return Ending.RETRY
        case StoreError():
            return Ending.STORE_DOWN
        case InterruptedRunError():
            return Ending.INTERRUPTED
    raise error


def _reject(delivery: Delivery, reason: MessageError, store: Store, now: dt.datetime) -> Ending:
    try:
        commit.record_rejection(store, delivery.received.body, delivery.received.message_id, reason, now)
    except StoreError as error:
        delivery.error = error
        return Ending.STORE_DOWN
    return Ending.REJECTED

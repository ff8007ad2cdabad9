"""What a worker has done: every received message is counted once, under its ending, and logged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sweepctl import logs
from sweepctl.errors import EngineFaultError, StoreError, SweepctlError
from sweepctl.records.outcome import INVALID_PARAMETERS, POINT_FAILED, UNKNOWN_CALLER
from sweepctl.shard.slow_point import SlowPoint
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.events import Ending, Why

MOST_FAILURES = 5  # in a summary; each failure has its own log line
MOST_RETURNED = 10_000  # messages that are remembered: in a fleet, other workers receive most of them again

_FAULTS = (Ending.FAILED, Ending.REJECTED, Ending.RETRY, Ending.WRONG_WORKER, Ending.STORE_DOWN)
# Of messages returned to the queue, most severe first. The shard is not done, and another worker may run it.
_EXIT_CODES = {
    Ending.RETRY: EngineFaultError.exit_code,
    Ending.WRONG_WORKER: EngineFaultError.exit_code,
    Ending.STORE_DOWN: StoreError.exit_code,
}
_REMEDIES = {
    INVALID_PARAMETERS: "Correct the parameter; `sweepctl models NAME` shows what a model takes.",
    "engine_timeout": "It was returned to the queue, and may be faster on another worker. Raise the time limit "
    "(--timeout, or the function's timeout), or plan smaller shards.",
    POINT_FAILED: "A retry would fail again. `sweepctl point` shows the parameters of the failed point.",
}
_AGAIN = "It was returned to the queue: a retry may succeed."


@dataclass(frozen=True)
class FailedMessage:
    """A message that failed, its error and its remedy."""

    ending: str
    message_id: str
    run_id: str | None
    shard_id: int | None
    error_code: str | None
    error: str | None
    remedy: str | None


@dataclass(frozen=True)
class WorkerProgress:
    """What a worker has done so far."""

    received: int
    endings: Mapping[Ending, int]
    lost_leases: int
    points: int
    running: int
    oldest_lease: float  # seconds since the least recently renewed lease was renewed
    store_down: bool
    queue_down: bool
    returned: frozenset[Ending]  # the last endings of messages returned to the queue and not received again
    failures: Sequence[FailedMessage]  # the first few distinct ones
    why: Why | None  # it stops or stopped
    error: SweepctlError | None  # that made it stop
    slow: SlowPoint | None = None  # the slowest of all shards at the moment

    @property
    def has_failures(self) -> bool:
        """Whether any shard failed permanently or was rejected."""
        return bool(self.endings.get(Ending.FAILED) or self.endings.get(Ending.REJECTED))

    @property
    def exit_code(self) -> int:
        """Return the exit code of a drain that ended like this."""
        if self.error is not None:
            return self.error.exit_code
        if self.has_failures:
            return 1
        # Whoever stops a worker expects that messages are left.
        if self.why is Why.SIGNAL:
            return 0
        return next((code for ending, code in _EXIT_CODES.items() if ending in self.returned), 0)

    def to_json(self) -> dict[str, Any]:
        """Return all of it; endings without a message count 0."""
        error = self.error
        return {
            "received": self.received,
            "points": self.points,
            "lost_leases": self.lost_leases,
            **{ending.value: self.endings.get(ending, 0) for ending in Ending},
            "failures": [asdict(failure) for failure in self.failures],
            "ended": self.why and self.why.value,
            "error": error and {"kind": error.kind, "message": error.message, "remedy": error.remedy},
            "exit_code": self.exit_code,
        }


@dataclass
class Tally:
    """A worker's counts; their size does not grow with the number of messages."""

    endings: Counter[Ending] = field(default_factory=Counter)
    lost: int = 0
    points: int = 0
    _returned: dict[str, Ending] = field(default_factory=dict)
    _returned_before: set[Ending] = field(default_factory=set)  # of messages that are not remembered any more
    _failures: dict[tuple[str | None, str | None], FailedMessage] = field(default_factory=dict)

    @property
    def returned(self) -> frozenset[Ending]:
        """The last endings of messages returned to the queue and not received again, as far as that is remembered."""
        return frozenset((*self._returned.values(), *self._returned_before))

    @property
    def failures(self) -> tuple[FailedMessage, ...]:
        """The first few that differ in run or error code."""
        return tuple(self._failures.values())

    def take(self, delivery: Delivery) -> None:
        """Count a message whose lease is closed, and log it."""
        self.endings[delivery.ending] += 1
        self.lost += delivery.lost
        self.points += delivery.points
        message_id = delivery.received.message_id
        self._returned.pop(message_id, None)
        if delivery.ending in _EXIT_CODES:
            if len(self._returned) >= MOST_RETURNED:
                self._returned_before.add(self._returned.pop(next(iter(self._returned))))
            self._returned[message_id] = delivery.ending
        failure = _failure(delivery)
        kind = failure.run_id, failure.error_code
        if delivery.ending in _FAULTS and kind not in self._failures and len(self._failures) < MOST_FAILURES:
            self._failures[kind] = failure
        logs.event("shard_finished", **_line(delivery, failure))


def _failure(delivery: Delivery) -> FailedMessage:
    code, text, remedy = _reason(delivery)
    message = delivery.message
    return FailedMessage(
        ending=delivery.ending.value,
        message_id=delivery.received.message_id,
        run_id=None if message is None else message.run_id,
        shard_id=None if message is None else message.shard_id,
        error_code=code,
        error=text,
        remedy=remedy,
    )


def _reason(delivery: Delivery) -> tuple[str | None, str | None, str | None]:
    """Return the error's code, message and remedy."""
    if delivery.error is not None:
        return delivery.error.kind, delivery.error.message, delivery.error.remedy
    if delivery.attempt is None or delivery.attempt.error_code is None:
        return None, None, None
    code = delivery.attempt.error_code
    has_outputs = delivery.message is not None and bool(delivery.message.outputs)
    remedy = UNKNOWN_CALLER.advice(delivery.attempt, has_outputs=has_outputs) or _REMEDIES.get(
        code, _AGAIN if delivery.ending is Ending.RETRY else None
    )
    return code, delivery.attempt.error_message, remedy


def _line(delivery: Delivery, failure: FailedMessage) -> dict[str, object]:
    """Return the log fields of a message, without the unknown ones."""
    attempt = delivery.attempt
    committed = None if delivery.result is None else delivery.result.outcome.attempt_id
    fields: dict[str, object] = {
        **asdict(failure),
        "receive_count": delivery.received.receive_count,
        "attempt_id": None if delivery.message is None or delivery.ending is Ending.UNUSED else delivery.attempt_id,
        "standing_attempt_id": None if committed == delivery.attempt_id else committed,
        "status": attempt and attempt.status,
        "lease": "lost" if delivery.lost else None,
        **{f"{name}_seconds": round(seconds, 4) for name, seconds in delivery.seconds.items()},
    }
    return {name: value for name, value in fields.items() if value is not None}

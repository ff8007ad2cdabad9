"""A worker's events and actions, as plain values: `lease.step` takes an event and returns actions."""

from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """How a shard's execution ended; every received message ends as exactly one of these."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"  # its outcome was already committed
    FAILED = "failed"  # permanently; the failure outcome is committed
    RETRY = "retry"  # the engine or the disk failed on it; another attempt may succeed
    REJECTED = "rejected"  # the message is invalid, or contradicts the store
    WRONG_WORKER = "wrong_worker"  # it needs another engine
    STORE_DOWN = "store_down"
    INTERRUPTED = "interrupted"
    UNUSED = "unused"  # received after the stop, never started


class Why(Enum):
    """Why a worker stops."""

    SIGNAL = "signal"
    MAX_SHARDS = "max_shards"
    UNTIL_EMPTY = "until_empty"
    IDLE_TIMEOUT = "idle_timeout"
    QUEUE_REFUSES = "queue_refuses"
    ENGINE_UNAVAILABLE = "engine_unavailable"


@dataclass(frozen=True)
class Message:
    """The parts of a received message that decisions need."""

    receipt: str
    receive_count: int


# Events: what happened.
@dataclass(frozen=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True)
class Polled:
    """A poll that was sent at `asked_at` returned these messages."""

    messages: tuple[Message, ...]
    asked_at: float


@dataclass(frozen=True)
class PollFailed:
    """The queue did not answer a poll."""


@dataclass(frozen=True)
class DepthKnown:
    """The queue reported its depth: messages visible, in flight with any worker, and delayed."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class DepthFailed:
    """The queue did not report its depth."""


@dataclass(frozen=True)
class Ended:
    """A shard's execution ended."""

    receipt: str
    ending: Ending


@dataclass(frozen=True)
class Renewed:
    """A renewal that was sent at `asked_at` was answered; without `held`, the lease is lost."""

    receipt: str
    held: bool
    asked_at: float


@dataclass(frozen=True)
class RenewFailed:
    """The queue did not answer a renewal."""

    receipt: str


@dataclass(frozen=True)
class Closed:
    """An acknowledgement or nack succeeded or was given up: this worker no longer holds the message."""

    receipt: str


@dataclass(frozen=True)
class Probed:
    """The store was probed."""

    answers: bool


@dataclass(frozen=True)
class StopRequested:
    """The worker must shut down gracefully: it was asked to, or it cannot continue."""

    why: Why = Why.SIGNAL


Event = (
    Tick
    | Polled
    | PollFailed
    | DepthKnown
    | DepthFailed
    | Ended
    | Renewed
    | RenewFailed
    | Closed
    | Probed
    | StopRequested
)


# Actions: what to do.
@dataclass(frozen=True)
class Poll:
    """Receive at most `most` messages with a long poll."""

    most: int


@dataclass(frozen=True)
class QueryDepth:
    """Query the queue's depth."""


@dataclass(frozen=True)
class Execute:
    """Execute a message's shard."""

    receipt: str


@dataclass(frozen=True)
class Renew:
    """Extend the lease to its full length from now."""

    receipt: str


@dataclass(frozen=True)
class Acknowledge:
    """Delete the message: the shard's outcome is in the store."""

    receipt: str


@dataclass(frozen=True)
class Nack:
    """Return the message to the queue, visible after `delay` seconds."""

    receipt: str
    delay: int


@dataclass(frozen=True)
class Abandon:
    """Do nothing more with a message whose lease is lost: another worker may hold it by now."""

    receipt: str


@dataclass(frozen=True)
class Interrupt:
    """Stop a shard's execution."""

    receipt: str


@dataclass(frozen=True)
class Probe:
    """Probe whether the store answers again."""


@dataclass(frozen=True)
class Finish:
    """Exit: no message is held, and no request about one is in flight."""


Action = Poll | QueryDepth | Execute | Renew | Acknowledge | Nack | Abandon | Interrupt | Probe | Finish

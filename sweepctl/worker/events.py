"""What a worker's decisions take in and give out: values without behaviour. `lease` is where they meet."""

from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """How a shard's execution ended; every received message comes to exactly one of these."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"  # its outcome stood already
    FAILED = "failed"  # for good; the failure outcome is committed
    RETRY = "retry"  # the engine failed; another attempt may succeed
    REJECTED = "rejected"  # no shard can be made of it, or it contradicts the store
    WRONG_WORKER = "wrong_worker"  # it needs another engine
    STORE_DOWN = "store_down"
    INTERRUPTED = "interrupted"
    UNUSED = "unused"  # received after the stop, and never started


class Why(Enum):
    """Why a worker ends."""

    SIGNAL = "signal"
    MAX_SHARDS = "max_shards"
    UNTIL_EMPTY = "until_empty"
    IDLE_TIMEOUT = "idle_timeout"
    QUEUE_REFUSES = "queue_refuses"
    ENGINE_UNAVAILABLE = "engine_unavailable"


@dataclass(frozen=True)
class Message:
    """As much of a received message as decisions need."""

    receipt: str
    receive_count: int


# Events: what happened.
@dataclass(frozen=True)
class Tick:
    """Time passed."""


@dataclass(frozen=True)
class Polled:
    """A poll that was sent at `asked_at` answered."""

    messages: tuple[Message, ...]
    asked_at: float


@dataclass(frozen=True)
class PollFailed:
    """The queue did not answer a poll."""


@dataclass(frozen=True)
class DepthKnown:
    """The queue said how many messages it has: to receive, received by anybody, and not yet to be received."""

    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class DepthFailed:
    """The queue did not say how many messages it has."""


@dataclass(frozen=True)
class Ended:
    """A shard's execution ended."""

    receipt: str
    ending: Ending


@dataclass(frozen=True)
class Renewed:
    """A renewal that was sent at `asked_at` answered; not `held` means that the lease is lost."""

    receipt: str
    held: bool
    asked_at: float


@dataclass(frozen=True)
class RenewFailed:
    """The queue did not answer a renewal."""

    receipt: str


@dataclass(frozen=True)
class Closed:
    """An acknowledgement or hand-back was carried out, or given up: the message is no longer this worker's."""

    receipt: str


@dataclass(frozen=True)
class Probed:
    """The store was asked whether it answers."""

    answers: bool


@dataclass(frozen=True)
class StopRequested:
    """The worker is to end in order: somebody wants it to, or it is unfit to go on."""

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


# Actions: what is to be done.
@dataclass(frozen=True)
class Poll:
    """Receive at most so many messages, with a long poll."""

    most: int


@dataclass(frozen=True)
class QueryDepth:
    """Ask the queue how many messages it has."""


@dataclass(frozen=True)
class Execute:
    """Execute a message's shard."""

    receipt: str


@dataclass(frozen=True)
class Renew:
    """Make the lease last a full lease from now."""

    receipt: str


@dataclass(frozen=True)
class Acknowledge:
    """Delete the message: the store holds its verdict."""

    receipt: str


@dataclass(frozen=True)
class Nack:
    """Make the message visible again after `delay` seconds."""

    receipt: str
    delay: int


@dataclass(frozen=True)
class Abandon:
    """Do nothing more about a message whose lease is lost: it is somebody else's by now."""

    receipt: str


@dataclass(frozen=True)
class Interrupt:
    """Stop a shard's execution."""

    receipt: str


@dataclass(frozen=True)
class Probe:
    """Ask the store whether it answers again."""


@dataclass(frozen=True)
class Finish:
    """End: nothing is held and nothing of it is in flight."""


Action = Poll | QueryDepth | Execute | Renew | Acknowledge | Nack | Abandon | Interrupt | Probe | Finish

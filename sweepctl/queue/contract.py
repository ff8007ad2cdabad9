"""The values that a queue takes and returns, and SQS's limits. No boto3: only `sqs` uses it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from sweepctl.errors import QueueError

MOST_AT_ONCE = 10  # messages in one request, SQS's limit
# Of all bodies in one request. AWS accepts 1 MiB, but self-hosted servers only what AWS once did; a larger body is sent
# alone.
BATCH_BYTES = 2**18


class Bodies(Protocol):
    """Message bodies to send, which are gone through twice: a list, or a file of them."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield them in their order."""


@dataclass(frozen=True)
class Received:
    """One delivery of a message. `receipt` identifies it; a redelivery has a new receipt and makes this one stale."""

    message_id: str
    receipt: str
    body: bytes
    receive_count: int


@dataclass(frozen=True)
class QueueFacts:
    """The queue's attributes. The three counts are approximate; `dead_letter_queue` is a name."""

    visible: int
    in_flight: int
    delayed: int
    visibility_timeout: int
    dead_letter_queue: str | None
    max_receive_count: int | None
    fifo: bool
    retention: int | None = None  # seconds that a message is kept; some servers do not report it


@dataclass(frozen=True)
class SendFailure:
    """Why a message of a batch was not accepted, and whether retrying is pointless."""

    code: str
    is_final: bool


def refuse_fifo(url: str) -> QueueError:
    """Return the error for a FIFO queue; on AWS, its name ends in `.fifo`."""
    return QueueError(
        f"{url} is a FIFO queue: a failed shard would block every message behind it",
        remedy="Create a standard queue. Order does not matter here, and duplicates do no harm.",
    )


def request_batches(texts: Iterable[tuple[int, str]]) -> Iterator[dict[int, str]]:
    """Yield messages, by position, in batches that fit one request; only one batch is held in memory."""
    batch: dict[int, str] = {}
    size = 0
    for position, text in texts:
        more = len(text.encode())
        if len(batch) == MOST_AT_ONCE or (batch and size + more > BATCH_BYTES):
            yield batch
            batch, size = {}, 0
        batch[position] = text
        size += more
    if batch:
        yield batch

"""What a queue gives and takes, as values, and SQS's own limits. No boto3: that is for `sqs`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sweepctl.errors import QueueError

MOST_AT_ONCE = 10  # messages in one request: SQS gives and takes no more
# Of all bodies in one request. AWS takes 1 MiB, servers that people run themselves no more than AWS once did; a larger
# body goes alone.
BATCH_BYTES = 2**18


@dataclass(frozen=True)
class Received:
    """One delivery of a message. `receipt` names this delivery; a later one has another and makes this one stale."""

    message_id: str
    receipt: str
    body: bytes
    receive_count: int


@dataclass(frozen=True)
class QueueFacts:
    """What the queue says of itself. The three counts are approximate; `dead_letter_queue` is a name."""

    visible: int
    in_flight: int
    delayed: int
    visibility_timeout: int
    dead_letter_queue: str | None
    max_receive_count: int | None
    fifo: bool
    retention: int | None = None  # seconds that a message is kept; some servers do not say


@dataclass(frozen=True)
class SendFailure:
    """Why a message of a batch was not taken, and whether sending it again is no use."""

    code: str
    is_final: bool


def refuse_fifo(url: str) -> QueueError:
    """Return the error of a FIFO queue, whose name AWS has end in `.fifo`."""
    return QueueError(
        f"{url} is a FIFO queue: a shard that fails would hold up all after it",
        remedy="Create a standard queue. Order means nothing here, and duplicates do no harm.",
    )


def request_batches(texts: Iterable[tuple[int, str]]) -> Iterator[dict[int, str]]:
    """Yield messages, each with a position of its own, in batches that one request holds; no more than one is kept."""
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

"""The function's event, a batch of messages that Lambda received from SQS, and the response that Lambda expects."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from sweepctl.errors import EventError
from sweepctl.queue.contract import Received, refuse_fifo
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.lease import SETTLED

_REMEDY = "Invoke this function only through an event source mapping of an SQS queue."


class _Attributes(BaseModel):
    receive_count: int = Field(alias="ApproximateReceiveCount", ge=1)  # SQS writes it as a string


class _Record(BaseModel):
    source: Literal["aws:sqs"] = Field(alias="eventSource")
    queue: str = Field(alias="eventSourceARN")
    # An empty one in the response would return the whole batch to the queue.
    message_id: str = Field(alias="messageId", min_length=1)
    receipt: str = Field(alias="receiptHandle")
    body: str
    attributes: _Attributes


class _Event(BaseModel):
    records: list[_Record] = Field(alias="Records", min_length=1)


def read_event(event: object) -> list[Received]:
    """Return the messages of an event, in order.

    Raises:
        EventError: the event is not a batch of SQS messages.
        QueueError: the queue is FIFO.
    """
    try:
        records = _Event.model_validate(event).records
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EventError(f"not an SQS event: {where}: {first['msg']}", remedy=_REMEDY) from error
    for record in records:
        if record.queue.endswith(".fifo"):
            raise refuse_fifo(record.queue)
    return [
        # The decoder refuses what is not text.
        Received(each.message_id, each.receipt, each.body.encode(errors="surrogatepass"), each.attributes.receive_count)
        for each in records
    ]


def answer(deliveries: Iterable[Delivery]) -> dict[str, Sequence[dict[str, Any]]]:
    """Return the partial batch response: Lambda deletes every message that it does not name."""
    unsettled = [delivery.received.message_id for delivery in deliveries if delivery.ending not in SETTLED]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in unsettled]}

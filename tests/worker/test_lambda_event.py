"""What invokes the function: an SQS queue's batch, and nothing else."""

from typing import Any

import pytest
from fakes.aws_runtime import event, record

from sweepctl.errors import EventError, QueueError
from sweepctl.queue.contract import Received
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.events import Ending
from sweepctl.worker.lambda_event import answer, read_event
from sweepctl.worker.lease import SETTLED


def test_an_event_holds_messages_in_order() -> None:
    assert read_event(event([b"one", "zw\u00f6lf".encode()], receives=3)) == [
        Received("m0", "receipt-m0", b"one", 3),
        Received("m1", "receipt-m1", "zw\u00f6lf".encode(), 3),
    ]


WRONG: dict[str, tuple[Any, str]] = {
    "nothing": (None, "not an SQS event"),
    "a test of the console": ({"key1": "value1"}, "Records: Field required"),
    "no records": ({"Records": []}, "Records"),
    "records of another kind": ({"Records": "many"}, "Records"),
    "of S3": ({"Records": [record("m", b"", eventSource="aws:s3")]}, "eventSource: Input should be 'aws:sqs'"),
    "without an id": ({"Records": [record("", b"")]}, "Records.0.messageId"),
    "never received": ({"Records": [record("m", b"", receives=0)]}, "ApproximateReceiveCount"),
    "a body that is no text": ({"Records": [record("a", b""), {**record("m", b""), "body": 1}]}, "Records.1.body"),
    "a shard's message itself": ({"run_id": "r", "shard_id": 1}, "Records: Field required"),
}  # fmt: skip


@pytest.mark.parametrize(("wrong", "says"), WRONG.values(), ids=WRONG.keys())
def test_another_event_is_refused(wrong: object, says: str) -> None:
    with pytest.raises(EventError) as refused:
        read_event(wrong)
    assert says in refused.value.message
    assert "event source mapping" in str(refused.value.remedy)


def test_a_fifo_queue_is_refused() -> None:
    fifo = record("m", b"", eventSourceARN="arn:aws:sqs:us-east-1:123456789012:shards.fifo")
    with pytest.raises(QueueError, match="FIFO"):
        read_event({"Records": [fifo]})


@pytest.mark.parametrize("ending", Ending)
def test_whatever_is_not_settled_comes_again(ending: Ending) -> None:
    work = Delivery(Received("m7", "r", b"", 1), "attempt", {}, ending=ending)
    named = [] if ending in SETTLED else [{"itemIdentifier": "m7"}]
    assert answer([work]) == {"batchItemFailures": named}

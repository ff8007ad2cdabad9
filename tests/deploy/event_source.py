"""Plays Lambda's event source mapping: receives batches, calls the function, deletes what it has not handed back."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from deploy.stack import NAMES
from fakes.servers import REGION, Server

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

Handler = Callable[[dict[str, Any]], Mapping[str, Any]]


def deliver(server: Server, url: str, handle: Handler, *, batch_size: int) -> int:
    """Deliver until nothing can be received; return how many records were handed back."""
    handed_back = 0
    while True:
        received = server.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=batch_size, WaitTimeSeconds=0, AttributeNames=["All"]
        ).get("Messages", [])
        if not received:
            return handed_back
        reply = handle({"Records": [record(each) for each in received]})
        failures = {each["itemIdentifier"] for each in reply["batchItemFailures"]}
        assert failures <= {each["MessageId"] for each in received}
        for each in received:
            if each["MessageId"] not in failures:
                server.sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
        handed_back += len(failures)


def record(message: "MessageTypeDef") -> dict[str, Any]:
    """Return a message as a function sees it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": NAMES["Queue.Arn"],
        "awsRegion": REGION,
    }

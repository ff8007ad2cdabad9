"""What the queue says without a server, or with one that refuses."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from fakes.servers import REGION, Server

from sweepctl.errors import QueueError, QueueRefusedError, UsageError
from sweepctl.messages import MAX_BYTES
from sweepctl.queue.sqs import DELAYS, Queue, SqsClients, open_queue
from sweepctl.worker.lease import Policy

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.usefixtures("no_backoff")

URL = f"https://sqs.{REGION}.amazonaws.com/000000000000/shards"
NOWHERE = "http://127.0.0.1:9"  # nothing listens on the discard port
SCRIPT = "script"


@cache
def _clients() -> SqsClients:
    """Kept among tests: they take longer to make than most tests run."""
    return open_queue(URL)._clients


def _each(clients: SqsClients) -> "list[SQSClient]":
    return [getattr(clients, field.name) for field in fields(clients)]


@pytest.fixture
def queue() -> Iterator[Queue]:
    """A queue for a `Script`, which ends with the test."""
    yield Queue(URL, _clients(), lambda _: None)
    for client in _each(_clients()):
        client.meta.events.unregister("before-send.sqs", unique_id=SCRIPT)


class Script:
    """Answers a queue's requests by a function of the request's body, in place of the network."""

    def __init__(self, queue: Queue, answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answer = answer
        for client in _each(queue._clients):
            # The event's answer is used in place of a reply; its type says that there is none.
            client.meta.events.register("before-send.sqs", self._send, unique_id=SCRIPT)  # type: ignore[arg-type]

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.requests.append(json.loads(cast("bytes", request.body)))
        status, reply = self._answer(self.requests[-1])
        return AWSResponse(request.url, status, HTTPHeaders(), _Raw(json.dumps(reply).encode()))


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> list[bytes]:
        return [self._body]


def _fail(*positions: int, sender: bool, times: int = 10**6) -> Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]:
    left = dict.fromkeys(map(str, positions), times)

    def answer(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        failed = []
        for entry in request["Entries"]:
            if left.get(entry["Id"], 0) > 0:
                left[entry["Id"]] -= 1
                code = "InvalidMessageContents" if sender else "InternalError"
                failed.append({"Id": entry["Id"], "Code": code, "SenderFault": sender})
        return 200, {"Successful": [], "Failed": failed}

    return answer


def _refuse(code: str, status: HTTPStatus) -> Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]:
    return lambda _: (status, {"__type": f"com.amazonaws.sqs#{code}", "message": "no"})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-central-1.amazonaws.com/123456789012/shards", "eu-central-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/shards", "cn-north-1"),
        ("https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/shards", "us-gov-west-1"),
        ("https://sqs.eu-west-1.api.aws/123456789012/shards", "eu-west-1"),
        ("https://vpce-0a1b.sqs.eu-west-3.vpce.amazonaws.com/123456789012/shards", "eu-west-3"),
        ("https://eu-west-2.queue.amazonaws.com/123456789012/shards", "eu-west-2"),
        ("https://queue.amazonaws.com/123456789012/shards", "us-east-1"),
        ("http://127.0.0.1:4566/000000000000/shards", "xx-own-1"),
        ("http://queue:9324/queue/shards.fifo", "xx-own-1"),
    ],
)
def test_an_aws_url_has_its_region_and_others_take_boto3s(
    monkeypatch: pytest.MonkeyPatch, url: str, region: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "xx-own-1")
    assert {client.meta.region_name for client in _each(open_queue(url)._clients)} == {region}
    # What is given for the store must not send the queue's requests elsewhere.
    given = region if "aws" in url else "ap-east-1"
    assert {client.meta.region_name for client in _each(open_queue(url, region="ap-east-1")._clients)} == {given}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        (URL, f"https://sqs.{REGION}.amazonaws.com"),
        ("https://eu-west-2.queue.amazonaws.com/1/shards", "https://sqs.eu-west-2.amazonaws.com"),
        ("https://vpce-0a1b.sqs.eu-west-3.vpce.amazonaws.com/1/shards", "https://vpce-0a1b.sqs.eu-west-3.vpce.amazonaws.com"),
        ("http://127.0.0.1:4566/000000000000/shards", "http://127.0.0.1:4566"),
    ],
)  # fmt: skip
def test_requests_go_where_the_url_says(url: str, endpoint: str) -> None:
    assert {client.meta.endpoint_url for client in _each(open_queue(url)._clients)} == {endpoint}
    elsewhere = open_queue(url, endpoint_url=NOWHERE)._clients
    assert {client.meta.endpoint_url for client in _each(elsewhere)} == {NOWHERE}


def test_what_a_stop_waits_for_takes_seconds_where_nothing_answers() -> None:
    configs = [client.meta.config for client in (_clients().polls, _clients().leases)]
    tries = [(config.retries["total_max_attempts"], config.read_timeout) for config in configs]  # type: ignore[attr-defined]
    assert tries == [(1, Policy().poll_seconds + 5), (2, 5)]


@pytest.mark.parametrize(
    "url",
    ["", "shards", "s3://bucket/shards", "arn:aws:sqs:us-east-1:123456789012:shards", "https://host", "https://host/",
     "https:///shards", "https://host/1/a b", "https://host/1/shards?x=1", "https://host/1/shards/", "https://[/1/shards",
     "https://host:port/1/shards"],
)  # fmt: skip
def test_something_else_is_no_queue_url(url: str) -> None:
    with pytest.raises(UsageError, match="not an SQS queue URL"):
        open_queue(url)


def test_an_endpoint_that_is_no_url_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="endpoint"):
        open_queue(URL, endpoint_url="nonsense")


def test_an_unreachable_endpoint_is_a_queue_error() -> None:
    queue = open_queue(URL, endpoint_url=NOWHERE)
    with pytest.raises(QueueError) as caught:
        queue.facts()
    assert "endpoint" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [("AWS_PROFILE", "absent", "AWS_PROFILE"), ("AWS_ACCESS_KEY_ID", None, "credentials")],
)
def test_settings_that_cannot_be_used_are_queue_errors(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, remedy: str
) -> None:
    if value is None:
        monkeypatch.delenv(name)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(QueueError) as caught:
        open_queue(URL).facts()
    assert remedy in str(caught.value.remedy)


def test_a_local_queue_without_any_region_says_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(QueueError) as caught:
        open_queue("http://127.0.0.1:4566/000000000000/shards").facts()
    assert "--region" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("code", "status", "remedy"),
    [
        ("AccessDeniedException", HTTPStatus.FORBIDDEN, "sqs:ReceiveMessage"),
        ("ExpiredTokenException", HTTPStatus.FORBIDDEN, "Log in again"),
        ("UnrecognizedClientException", HTTPStatus.FORBIDDEN, "AWS_ACCESS_KEY_ID"),
        ("InvalidSignatureException", HTTPStatus.FORBIDDEN, "AWS_SECRET_ACCESS_KEY"),
        ("QueueDoesNotExist", HTTPStatus.BAD_REQUEST, "Create the queue"),
        ("KmsDisabled", HTTPStatus.BAD_REQUEST, "KMS"),
        ("OverLimit", HTTPStatus.BAD_REQUEST, "in flight"),
        ("Novel", HTTPStatus.BAD_REQUEST, "documentation"),
    ],
)
def test_a_refusal_has_its_remedy(queue: Queue, code: str, status: HTTPStatus, remedy: str) -> None:
    Script(queue, _refuse(code, status))
    calls: list[Callable[[], object]] = [
        queue.facts,
        lambda: queue.receive(1, wait=0, visibility=1),
        lambda: queue.extend("receipt", 1),
    ]
    for call in calls:
        with pytest.raises(QueueError, match=code) as caught:
            call()
        assert remedy in str(caught.value.remedy)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "is_lasting"),
    [
        ("AccessDenied", True),
        ("AccessDeniedException", True),
        ("ExpiredTokenException", True),
        ("InvalidSignatureException", True),
        ("KmsAccessDenied", True),
        ("KmsThrottled", False),
        ("Novel", False),
        ("OverLimit", False),
        ("QueueDoesNotExist", True),
        ("RequestThrottled", False),
        ("ServiceUnavailable", False),
        ("UnrecognizedClientException", True),
    ],
)
def test_what_only_a_person_can_end_is_a_refusal(queue: Queue, code: str, *, is_lasting: bool) -> None:
    Script(queue, _refuse(code, HTTPStatus.BAD_REQUEST))
    for call in (queue.facts, lambda: queue.receive(1, wait=0, visibility=1), lambda: queue.send([b"one"])):
        with pytest.raises(QueueError) as caught:
            call()
        assert isinstance(caught.value, QueueRefusedError) is is_lasting


@pytest.mark.parametrize(
    "code", ["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "InvalidParameterValueException"]
)
def test_a_refused_receipt_is_a_lost_lease(queue: Queue, code: str) -> None:
    Script(queue, _refuse(code, HTTPStatus.BAD_REQUEST))
    assert not queue.extend("receipt", 60)
    assert not queue.delete("receipt")


def test_entries_that_failed_in_passing_are_sent_again_alone(queue: Queue) -> None:
    script = Script(queue, _fail(3, 11, sender=False, times=2))
    queue.send([b"body"] * 12)
    first, second = [str(position) for position in range(1, 11)], ["11", "12"]
    ids = [[entry["Id"] for entry in each["Entries"]] for each in script.requests]
    assert ids == [first, ["3"], ["3"], second, ["11"], ["11"]]


def test_entries_that_keep_failing_are_named(queue: Queue) -> None:
    script = Script(queue, _fail(2, 3, 5, sender=False))
    with pytest.raises(QueueError, match=r"message 2-3, 5 of 6 not accepted") as caught:
        queue.send([b"body"] * 6)
    assert len(script.requests) == len(DELAYS) + 1
    assert "later" in str(caught.value.remedy)


def test_a_refused_entry_is_named_and_keeps_no_other_back(queue: Queue) -> None:
    script = Script(queue, _fail(1, sender=True))
    with pytest.raises(QueueError, match=r"message 1 of 12 not accepted \(InvalidMessageContents\)"):
        queue.send([b"body"] * 12)
    assert [len(each["Entries"]) for each in script.requests] == [10, 2]


def test_a_refused_request_names_what_may_be_missing(queue: Queue) -> None:
    accept = _fail(sender=False)
    script = Script(
        queue, lambda request: accept(request) if len(script.requests) == 1 else (403, {"__type": "AccessDenied"})
    )
    with pytest.raises(QueueError, match=r"message 11-25 of 25 may not have been sent"):
        queue.send([b"body"] * 25)


def test_a_large_body_goes_alone(queue: Queue) -> None:
    script = Script(queue, _fail(sender=False))
    queue.send([b"small", b"x" * MAX_BYTES, b"small", b"small"])
    assert [len(each["Entries"]) for each in script.requests] == [1, 1, 2]


def test_nothing_to_send_asks_nothing(queue: Queue) -> None:
    script = Script(queue, _fail(sender=False))
    queue.send([])
    assert script.requests == []


def test_a_fifo_queue_says_so(moto_server: Server) -> None:
    url = moto_server.sqs.create_queue(QueueName="order.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    clients = SqsClients(moto_server.sqs, moto_server.sqs, moto_server.sqs)
    queue = Queue(url, clients, time.sleep)
    assert queue.facts().fifo
    with pytest.raises(QueueError, match="FIFO") as caught:
        queue.send([b"one"])
    assert "standard queue" in str(caught.value.remedy)

"""A queue of shard messages on SQS, or on a server that speaks its protocol.

A received message is leased: hidden from other workers until its visibility timeout ends; its receipt identifies the
lease. SQS delivers at least once, and botocore repeats a request whose reply was lost. So everything here may happen
twice, and the commit rules make that harmless. `lease` decides what to do with a message.

Credentials come only from boto3's own chain.
"""

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import error_code, open_client
from sweepctl.errors import QueueError, UsageError
from sweepctl.messages import MAX_BYTES
from sweepctl.queue.contract import Bodies, QueueFacts, Received, SendFailure, refuse_fifo, request_batches
from sweepctl.queue.sqs_errors import TEXT, queue_error, refused_entry
from sweepctl.urls import refuse_password

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef, SendMessageBatchRequestEntryTypeDef

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 30
REQUEST_ATTEMPTS = 5
# A stop waits for requests in flight: if the queue does not answer, for seconds only. A poll is repeated anyway.
POLL_READ_TIMEOUT = 10  # a long poll must be shorter
POLL_ATTEMPTS = 1
LEASE_READ_TIMEOUT = 5
LEASE_ATTEMPTS = 2
CONNECTIONS = 32  # of a sender; more threads than these would wait, or open and drop a connection for each request
# Seconds between retries of single entries that failed in a batch: to botocore, the request succeeded.
DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6)

_QUEUE_PATH = re.compile(r"(?:/[A-Za-z0-9_-]+)*/[A-Za-z0-9_-]{1,80}(?:\.fifo)?")
_AWS_HOST = re.compile(r"sqs\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|(?:[a-z0-9-]+\.)?queue\.amazonaws\.com")
_REGION_IN_HOST = re.compile(r"(?:^|\.)sqs(?:-fips)?\.(?P<new>[a-z]+(?:-[a-z]+)+-\d+)\.|^(?P<old>[a-z0-9-]+)\.queue\.")
_OLDEST_HOST = "queue.amazonaws.com"  # has no region in its name

# Which of these a server returns depends on whether the receipt is unknown, stale, or of a deleted message. The last
# two are also returned for a lease longer than 12 hours; the requests are valid otherwise.
_LOST = {"MessageNotInflight", "ReceiptHandleIsInvalid", "InvalidParameterValue", "InvalidParameterValueException"}


@dataclass(frozen=True)
class SqsClients:
    """boto3's clients of one queue, by read timeout and attempts."""

    polls: "SQSClient"
    leases: "SQSClient"  # and everything else that a worker waits for
    sends: "SQSClient"


def open_queue(
    url: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
    attempts: int = REQUEST_ATTEMPTS,
) -> "Queue":
    """Open the queue at `url`; no request is sent yet.

    Args:
        url: The queue's URL, as `aws sqs get-queue-url` prints it.
        endpoint_url: Where requests go. Default: boto3's own endpoint for a queue on AWS, else the host in `url`.
        region: The region of a queue whose URL names none. Default: boto3's own settings. The region in an AWS queue
            URL takes precedence.
        sleep: Waits between retries.
        attempts: Attempts for each send request.

    Raises:
        UsageError: `url` is not a queue URL, the endpoint is not a URL, or one of them has a password.
        QueueError: boto3's settings cannot be used, for instance an unknown profile.
    """
    refuse_password(url, "the queue")
    origin, host = _parts(url)
    try:
        # A session of its own: boto3's default one is not safe among threads.
        session = boto3.session.Session(region_name=_region_in(host) or region)
        endpoint = endpoint_url or (None if _AWS_HOST.fullmatch(host) else origin)

        def client(config: Config) -> "SQSClient":
            return open_client("SQS", lambda: session.client("sqs", endpoint_url=endpoint, config=config))

        clients = SqsClients(
            polls=client(_config(POLL_READ_TIMEOUT, POLL_ATTEMPTS)),
            leases=client(_config(LEASE_READ_TIMEOUT, LEASE_ATTEMPTS)),
            sends=client(_config(READ_TIMEOUT, attempts, CONNECTIONS)),
        )
    except BotoCoreError as error:
        raise queue_error(error, url) from error
    return Queue(url, clients, sleep)


class Queue:
    """One queue, for any number of threads, processes and machines."""

    def __init__(self, url: str, clients: SqsClients, sleep: Callable[[float], None]) -> None:
        """Use `open_queue`, which creates the clients with suitable retries and timeouts."""
        self.url = url
        self._clients = clients
        self._sleep = sleep

    @property
    def region(self) -> str:
        """The region that requests are signed for."""
        return self._clients.leases.meta.region_name

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self._clients.leases.meta.endpoint_url

    def receive(self, most: int, *, wait: int, visibility: int) -> list[Received]:
        """Wait up to `wait` seconds for messages and lease them for `visibility` seconds.

        The request is not retried. Messages in a lost reply are redelivered when their visibility timeout ends.

        Args:
            most: The most messages to receive, 1 to MOST_AT_ONCE.
            wait: Below POLL_READ_TIMEOUT. The first message ends the wait.
            visibility: 0 to 43200.
        """
        with self._errors():
            reply = self._clients.polls.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=wait,
                VisibilityTimeout=visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [_received(message) for message in reply.get("Messages", [])]

    def extend(self, receipt: str, seconds: int) -> bool:
        """Make the lease end in `seconds` from now; 0 returns the message to the queue immediately.

        False means that the lease is lost, or would end more than 12 hours after the receive.
        """
        return self._leased(
            lambda: self._clients.leases.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=receipt, VisibilityTimeout=seconds
            )
        )

    def delete(self, receipt: str) -> bool:
        """Delete the message; False means that the receipt is stale, so another worker may have the message.

        True proves nothing: AWS accepts a stale receipt and may keep the message. After a lost reply, False may answer
        the repetition of a request that had succeeded. The outcome in the store counts, not this answer.
        """
        return self._leased(lambda: self._clients.leases.delete_message(QueueUrl=self.url, ReceiptHandle=receipt))

    def send(self, bodies: Bodies) -> None:
        """Send messages, in no particular order; one whose reply was lost may be sent twice.

        Raises:
            QueueError: some were not sent; it names them by position, counted from 1. If a body cannot be sent at all,
                or the queue is FIFO, none were.
        """
        if self.url.endswith(".fifo"):
            raise refuse_fifo(self.url)
        for _ in _texts(bodies):  # all can be sent
            pass
        failed: dict[int, SendFailure] = {}
        for batch in request_batches(_texts(bodies)):
            try:
                failed |= self.send_batch(batch)
            except QueueError as error:
                left = _named({*failed, *range(min(batch), len(bodies) + 1)}, len(bodies))
                raise type(error)(f"{error.message}; {left} may not have been sent", remedy=error.remedy) from error
        if failed:
            raise self.not_accepted(_named(failed, len(bodies)), failed)

    def send_batch(self, batch: Mapping[int, str]) -> dict[int, SendFailure]:
        """Send one of `request_batches`; entries that fail temporarily are retried alone, with growing delays.

        One whose reply was lost may be sent twice.

        Returns:
            The positions that were not accepted in the end, and why.

        Raises:
            QueueError: the queue did not answer, or refused; which messages were sent is unknown.
        """
        failed: dict[int, SendFailure] = {}
        left = dict(batch)
        for _ in self._tries():
            # Positions make good ids: a duplicate id would have the whole batch rejected.
            entries: list[SendMessageBatchRequestEntryTypeDef] = [
                {"Id": str(position), "MessageBody": text} for position, text in left.items()
            ]
            with self._errors():
                reply = self._clients.sends.send_message_batch(QueueUrl=self.url, Entries=entries)
            found = {
                int(each["Id"]): SendFailure(each["Code"], each["SenderFault"]) for each in reply.get("Failed", [])
            }
            failed = {position: each for position, each in failed.items() if each.is_final} | found
            left = {position: left[position] for position, each in found.items() if not each.is_final}
            if not left:
                break
        return failed

    def not_accepted(self, named: str, failed: Mapping[int, SendFailure]) -> QueueError:
        """Return the error of messages that the queue did not accept; `named` is what the user calls them."""
        code = next((each.code for each in failed.values() if each.is_final), None)
        return refused_entry(code, f"{self.url}: {named} not accepted")

    def facts(self) -> QueueFacts:
        """Query the queue's attributes."""
        with self._errors():
            reply = self._clients.leases.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])
        found = reply["Attributes"]
        redrive = json.loads(found.get("RedrivePolicy") or "{}")
        dead = redrive.get("deadLetterTargetArn")
        return QueueFacts(
            visible=int(found["ApproximateNumberOfMessages"]),
            in_flight=int(found["ApproximateNumberOfMessagesNotVisible"]),
            delayed=int(found["ApproximateNumberOfMessagesDelayed"]),
            visibility_timeout=int(found["VisibilityTimeout"]),
            dead_letter_queue=dead and dead.rpartition(":")[2],
            max_receive_count=int(redrive["maxReceiveCount"]) if dead else None,
            fifo=found.get("FifoQueue") == "true",
            retention=int(kept) if (kept := found.get("MessageRetentionPeriod")) else None,
        )

    def _leased(self, call: Callable[[], object]) -> bool:
        with self._errors():
            try:
                call()
            except ClientError as error:
                if error_code(error) not in _LOST:
                    raise
                return False
        return True

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise queue_error(error, self.url) from error

    def _tries(self) -> Iterator[None]:
        yield
        for delay in DELAYS:
            self._sleep(delay)
            yield


def _config(read_timeout: int, attempts: int, connections: int = 10) -> Config:
    return Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


def _parts(url: str) -> tuple[str, str]:
    """Return the URL's origin and its host."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not host or parts.scheme not in {"http", "https"} or not _QUEUE_PATH.fullmatch(url.partition(parts.netloc)[2]):
        raise UsageError(f"not an SQS queue URL: {url!r}", remedy="Give it as `aws sqs get-queue-url` prints it.")
    return f"{parts.scheme}://{parts.netloc}", host


def _region_in(host: str) -> str | None:
    if host == _OLDEST_HOST:
        return "us-east-1"
    match = _REGION_IN_HOST.search(host)
    return None if match is None else match["new"] or match["old"]


def _received(message: "MessageTypeDef") -> Received:
    return Received(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"].encode(errors="surrogatepass"),  # which the decoder refuses
        receive_count=int(message["Attributes"]["ApproximateReceiveCount"]),
    )


def _texts(bodies: Bodies) -> Iterator[tuple[int, str]]:
    """Yield the bodies with their positions, counted from 1."""
    for position, body in enumerate(bodies, start=1):
        if not 0 < len(body) <= MAX_BYTES:
            raise QueueError(f"message {position} of {len(bodies)} has {len(body)} bytes", remedy=TEXT)
        try:
            yield position, body.decode()
        except UnicodeDecodeError as error:
            raise QueueError(f"message {position} of {len(bodies)} is not UTF-8 text", remedy=TEXT) from error


def _named(positions: Iterable[int], of: int) -> str:
    numbered = enumerate(sorted(positions))
    runs = [[position for _, position in run] for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0])]
    names = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"message {', '.join(names)} of {of}"

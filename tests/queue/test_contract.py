"""The queue contract, one suite for every server; real ones are marked `servers`."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from fakes.fault_proxy import Fault, FaultProxy
from fakes.servers import Server

from sweepctl.errors import QueueError
from sweepctl.messages import MAX_BYTES
from sweepctl.queue.contract import Received
from sweepctl.queue.sqs import DELAYS, Queue, open_queue

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

TWELVE_HOURS = 12 * 60 * 60
UNKNOWN = "not-a-receipt-of-anything"
GROWING = (1, 2, 4, 8, 16, 32)  # seconds: until they are enough for this machine to do something within them
# What each server is known to do otherwise than AWS documents; every test below names the deviation that it meets.
DEVIATIONS = {
    "a stale receipt still counts": {"moto"},
    "a lease of 12 hours is refused": {"moto"},
    "a lease of more than 12 hours is granted": {"ministack", "elasticmq"},
    "a body has at most 256 KiB": {"ministack", "elasticmq"},
    "an id that comes twice is taken": {"ministack"},
}
_numbers = itertools.count()


@dataclass(frozen=True)
class Place:
    """A fresh queue on a server."""

    server: Server
    queue: Queue

    def deviates(self, how: str) -> bool:
        return self.server.name in DEVIATIONS[how]


@pytest.fixture(
    params=["moto", *(pytest.param(name, marks=pytest.mark.servers) for name in ("ministack", "elasticmq"))]
)
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@pytest.fixture
def place(server: Server) -> Place:
    return Place(server, _at(server.endpoint_url, server.queue(f"contract-{next(_numbers)}")))


@pytest.fixture
def queue(place: Place) -> Queue:
    return place.queue


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint_url) as proxy:
        yield proxy


@cache
def _opened(endpoint_url: str) -> Queue:
    return open_queue(f"{endpoint_url}/0/any", endpoint_url=endpoint_url)


def _at(endpoint_url: str, url: str) -> Queue:
    """A queue by a client that is kept among tests: one takes longer to make than most tests run."""
    return Queue(url, _opened(endpoint_url)._clients, time.sleep)


def _receive(queue: Queue, most: int, visibility: int) -> list[Received]:
    """Receive what must come."""
    while True:
        found = queue.receive(most, wait=5, visibility=visibility)
        if found:
            return found


def _take(queue: Queue, *, visibility: int = 60) -> Received:
    (received,) = _receive(queue, 1, visibility)
    return received


def _drain(queue: Queue, count: int) -> list[bytes]:
    """Receive and delete so many."""
    bodies: list[bytes] = []
    while len(bodies) < count:
        received = _receive(queue, 10, visibility=60)
        assert all(queue.delete(each.receipt) for each in received)
        bodies.extend(each.body for each in received)
    return bodies


def _is_empty(queue: Queue) -> bool:
    facts = queue.facts()
    return (facts.visible, facts.in_flight, facts.delayed) == (0, 0, 0)


def test_what_was_sent_is_received_and_deleted(queue: Queue) -> None:
    queue.send([b'{"shard_id": 1}'])
    received = _take(queue)
    assert received.body == b'{"shard_id": 1}'
    assert received.receive_count == 1
    assert received.message_id
    assert queue.delete(received.receipt)
    assert _is_empty(queue)


@pytest.mark.parametrize(
    "body",
    [
        "Grüße, 世界 \U0001f680 \t\r\n 'quotes' \"and\" <tags> & \\ \u2028".encode(),
        json.dumps({"x": "ü" * 100_000}, ensure_ascii=False).encode(),
    ],
    ids=["unicode", "200 kB"],
)
def test_bodies_come_back_byte_by_byte(queue: Queue, body: bytes) -> None:
    queue.send([body])
    assert _take(queue).body == body


def test_a_body_has_up_to_1_mib(place: Place, queue: Queue) -> None:
    if place.deviates("a body has at most 256 KiB"):
        with pytest.raises(QueueError, match="message 1 of 1"):
            queue.send([b"x" * MAX_BYTES])
        return
    queue.send([b"x" * MAX_BYTES])
    assert _take(queue).body == b"x" * MAX_BYTES


def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert queue.receive(10, wait=0, visibility=60) == []


def test_a_leased_message_is_hidden(queue: Queue) -> None:
    queue.send([b"one"])
    _take(queue)
    assert queue.receive(1, wait=0, visibility=60) == []


def test_at_most_so_many_are_received(queue: Queue) -> None:
    queue.send([b"%d" % number for number in range(5)])
    assert len(_receive(queue, 3, visibility=60)) <= 3


def test_a_handed_back_message_is_there_at_once_and_counts_its_deliveries(queue: Queue) -> None:
    queue.send([b"one"])
    message_ids = set()
    for delivery in range(1, 4):
        received = _take(queue)
        assert received.receive_count == delivery
        message_ids.add(received.message_id)
        assert queue.extend(received.receipt, 0)
    assert len(message_ids) == 1


@pytest.mark.slow
def test_an_expired_lease_redelivers(queue: Queue) -> None:
    queue.send([b"one"])
    first = _take(queue, visibility=1)
    second = _take(queue)
    assert second.message_id == first.message_id
    assert second.receipt != first.receipt
    assert second.receive_count == 2


@pytest.mark.slow
def test_a_message_handed_back_with_a_delay_waits(queue: Queue) -> None:
    queue.send([b"one"])
    received = _take(queue)
    for delay in GROWING:
        handed_back_at = time.monotonic()
        assert queue.extend(received.receipt, delay)
        found = queue.receive(1, wait=0, visibility=60)
        if time.monotonic() < handed_back_at + delay:
            break
        received = found[0] if found else _take(queue)
    assert found == []
    assert _take(queue).receive_count == received.receive_count + 1


@pytest.mark.slow
def test_an_extended_lease_hides_beyond_its_first_end(queue: Queue) -> None:
    queue.send([b"one"])
    for lease in GROWING:
        received = _take(queue, visibility=lease)
        if queue.extend(received.receipt, 60):
            break
    time.sleep(lease + 0.1)
    assert queue.receive(1, wait=0, visibility=60) == []
    assert queue.delete(received.receipt)


@pytest.mark.slow
def test_a_stale_receipt_neither_hands_back_nor_deletes_what_another_has(place: Place, queue: Queue) -> None:
    queue.send([b"one"])
    stale = _take(queue, visibility=1)
    held = _take(queue)
    if place.deviates("a stale receipt still counts"):
        assert queue.delete(stale.receipt)
        assert _is_empty(queue)
        return
    assert not queue.extend(stale.receipt, 0)
    assert queue.receive(1, wait=0, visibility=60) == []
    assert not queue.delete(stale.receipt)
    assert queue.facts().in_flight == 1
    assert queue.extend(held.receipt, 60)
    assert queue.delete(held.receipt)


def test_a_deleted_messages_receipt_is_stale(queue: Queue) -> None:
    queue.send([b"one"])
    received = _take(queue)
    assert queue.delete(received.receipt)
    assert not queue.extend(received.receipt, 60)


def test_an_unknown_receipt_is_a_lost_lease(queue: Queue) -> None:
    assert not queue.extend(UNKNOWN, 60)
    assert not queue.delete(UNKNOWN)


def test_a_lease_may_have_12_hours_and_no_more(place: Place, queue: Queue) -> None:
    queue.send([b"one"])
    received = _take(queue)
    assert queue.extend(received.receipt, TWELVE_HOURS - 60)
    assert queue.extend(received.receipt, TWELVE_HOURS + 1) is place.deviates(
        "a lease of more than 12 hours is granted"
    )
    assert queue.extend(received.receipt, TWELVE_HOURS) is not place.deviates("a lease of 12 hours is refused")


@pytest.mark.slow
def test_a_long_poll_ends_with_the_first_message(queue: Queue) -> None:
    timer = threading.Timer(0.5, queue.send, [[b"late"]])
    timer.start()
    (received,) = queue.receive(1, wait=20, visibility=60)
    assert received.body == b"late"
    timer.join()


def test_25_messages_go_in_batches(place: Place, proxy: FaultProxy) -> None:
    bodies = [b"message %d" % number for number in range(25)]
    _at(proxy.url, place.queue.url).send(bodies)
    assert len(proxy.log) == 3
    assert sorted(_drain(place.queue, 25)) == sorted(bodies)
    assert _is_empty(place.queue)


def test_an_id_that_comes_twice_has_the_whole_batch_rejected(place: Place) -> None:
    """Why ids are positions, and nothing that a message says of itself."""
    entries: list[SendMessageBatchRequestEntryTypeDef] = [
        {"Id": number, "MessageBody": "body"} for number in ("1", "2", "1")
    ]
    if place.deviates("an id that comes twice is taken"):
        place.server.sqs.send_message_batch(QueueUrl=place.queue.url, Entries=entries)
        assert len(_drain(place.queue, 3)) == 3
        return
    with pytest.raises(ClientError, match="BatchEntryIdsNotDistinct"):
        place.server.sqs.send_message_batch(QueueUrl=place.queue.url, Entries=entries)
    assert _is_empty(place.queue)


def test_a_batch_is_split_by_size_too(place: Place, proxy: FaultProxy) -> None:
    bodies = [b"%d" % number * 100_000 for number in range(5)]
    _at(proxy.url, place.queue.url).send(bodies)
    assert len(proxy.log) == 3
    assert sorted(_drain(place.queue, 5)) == bodies


@pytest.mark.parametrize("body", [b"", b"x" * (MAX_BYTES + 1), b"\xff"], ids=["empty", "oversize", "not UTF-8"])
def test_a_body_that_cannot_be_sent_is_named_and_stops_all(queue: Queue, body: bytes) -> None:
    with pytest.raises(QueueError, match="message 2 of 3"):
        queue.send([b"good", body, b"good"])
    assert _is_empty(queue)


def test_facts_count_and_tell_the_dead_letter_queue(server: Server) -> None:
    name = f"facts-{next(_numbers)}"
    queue = _at(server.endpoint_url, server.queue(name, max_receive_count=10))
    queue.send([b"one", b"two", b"three"])
    _take(queue)
    facts = queue.facts()
    assert (facts.visible, facts.in_flight, facts.delayed) == (2, 1, 0)
    assert facts.visibility_timeout == 30
    assert facts.dead_letter_queue == f"{name}-dead"
    assert facts.max_receive_count == 10
    assert not facts.fifo


def test_a_queue_without_dead_letters_says_so(queue: Queue) -> None:
    facts = queue.facts()
    assert facts.dead_letter_queue is None
    assert facts.max_receive_count is None


def test_a_message_received_too_often_moves_to_the_dead_letters(server: Server) -> None:
    url = server.queue(f"poison-{next(_numbers)}", max_receive_count=2)
    queue = _at(server.endpoint_url, url)
    queue.send([b"poison"])
    for _ in range(2):
        assert queue.extend(_take(queue).receipt, 0)
    assert queue.receive(1, wait=0, visibility=60) == []
    assert _take(_at(server.endpoint_url, f"{url}-dead")).body == b"poison"


def _calls(queue: Queue) -> list[Callable[[], object]]:
    return [
        lambda: queue.receive(1, wait=0, visibility=60),
        lambda: queue.extend(UNKNOWN, 60),
        lambda: queue.delete(UNKNOWN),
        lambda: queue.send([b"one"]),
        queue.facts,
    ]


def test_an_absent_queue_is_a_queue_error(queue: Queue) -> None:
    absent = Queue(f"{queue.url}-absent", queue._clients, time.sleep)
    for call in _calls(absent):
        with pytest.raises(QueueError, match="absent") as caught:
            call()
        assert "Create the queue" in str(caught.value.remedy)


def test_a_burst_of_503_is_waited_out(place: Place, proxy: FaultProxy) -> None:
    queue = _at(proxy.url, place.queue.url)
    proxy.schedule([Fault.UNAVAILABLE] * 2)
    queue.send([b"one"])
    received = _take(queue)
    proxy.schedule([Fault.UNAVAILABLE])
    assert queue.extend(received.receipt, 60)
    proxy.schedule([Fault.UNAVAILABLE])
    assert queue.delete(received.receipt)
    assert proxy.pending == []


def test_a_receive_is_tried_once(place: Place, proxy: FaultProxy) -> None:
    """Who asks comes again anyway, and a stop would have to wait for further tries."""
    queue = _at(proxy.url, place.queue.url)
    queue.send([b"one"])
    proxy.schedule([Fault.UNAVAILABLE])
    with pytest.raises(QueueError):
        queue.receive(1, wait=0, visibility=60)
    assert _take(queue).body == b"one"


@pytest.mark.slow
def test_a_delete_whose_reply_was_lost_has_deleted(place: Place, proxy: FaultProxy) -> None:
    place.queue.send([b"one"])
    received = _take(place.queue)
    proxy.schedule([Fault.DROP_AFTER])
    # botocore asks again, and a strict server knows the receipt no more.
    _at(proxy.url, place.queue.url).delete(received.receipt)
    assert len(proxy.log) == 2
    assert _is_empty(place.queue)


@pytest.mark.slow
def test_a_delivery_whose_reply_was_lost_comes_back_after_its_lease(place: Place, proxy: FaultProxy) -> None:
    place.queue.send([b"one"])
    proxy.schedule([Fault.DROP_AFTER])
    with pytest.raises(QueueError):
        _at(proxy.url, place.queue.url).receive(1, wait=0, visibility=2)
    assert len(proxy.log) == 1
    received = _take(place.queue)
    assert received.body == b"one"
    assert received.receive_count == 2


def test_a_send_whose_reply_was_lost_may_have_sent_twice(place: Place, proxy: FaultProxy) -> None:
    proxy.schedule([Fault.DROP_AFTER])
    _at(proxy.url, place.queue.url).send([b"one"])
    assert _drain(place.queue, 2) == [b"one", b"one"]


def test_the_delays_of_a_send_are_bounded() -> None:
    assert sum(DELAYS) < 10

"""What a worker counts."""

import pytest

from sweepctl.queue.contract import Received
from sweepctl.worker import tally
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.events import Ending
from sweepctl.worker.tally import Tally


def _take(counts: Tally, message_id: str, ending: Ending) -> None:
    counts.take(Delivery(Received(message_id, "receipt", b"", 1), "attempt", {}, ending=ending))


def test_a_message_that_is_received_again_is_not_returned() -> None:
    counts = Tally()
    _take(counts, "a", Ending.RETRY)
    assert counts.returned == {Ending.RETRY}
    _take(counts, "a", Ending.SUCCEEDED)
    assert counts.returned == set()


def test_returned_messages_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MOST_RETURNED", 2)
    counts = Tally()
    _take(counts, "a", Ending.RETRY)
    for message_id in ("b", "c"):
        _take(counts, message_id, Ending.STORE_DOWN)
    assert counts.returned == {Ending.RETRY, Ending.STORE_DOWN}
    # The first one is not remembered: for all that this worker knows, it is on the queue.
    for message_id in ("a", "b", "c"):
        _take(counts, message_id, Ending.SUCCEEDED)
    assert counts.returned == {Ending.RETRY}

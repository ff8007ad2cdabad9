"""A worker in this process that is told to stop: what it ends, what it hands back, and when."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fakes import toys
from fakes.faulty import Call
from waiting import LIMIT, wait_until
from worker import whole
from worker.in_process import GRACE, WAIT, Draining, Place, drained, require_done, running

from sweepctl.errors import StoreError
from sweepctl.worker.events import Ending


class Gate:
    """Holds up the first call that `matches`, until it is opened."""

    def __init__(self, matches: Callable[[Any], bool]) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._matches = matches

    def __call__(self, call: object) -> None:
        if self._matches(call) and not self.reached.is_set():
            self.reached.set()
            assert self._open.wait(LIMIT)

    def await_call(self) -> None:
        assert self.reached.wait(LIMIT), "the call never came"

    def open(self) -> None:
        self._open.set()


def test_a_stop_in_an_idle_poll_strands_nothing(place: Place) -> None:
    worker = place.worker()
    draining = Draining(worker)
    wait_until(lambda: place.queue.count("receive"))
    worker.stop()
    bodies = toys.messages(1)
    place.queue.send(bodies)  # received by the poll in flight, or by nobody
    progress = draining.end()
    assert progress.endings == {Ending.UNUSED: 1}
    assert place.queue.facts().visible == 1
    assert whole.objects(place.inner) == {}
    drained(place.worker(max_shards=1))
    require_done(place, bodies)


@pytest.mark.slow
def test_a_stop_while_a_shard_runs_lets_it_finish(place: Place) -> None:
    bodies = toys.messages(4)
    place.queue.send(bodies)
    worker = place.worker(WAIT)
    draining = Draining(worker)
    wait_until(lambda: running(place) == 2)
    worker.stop()
    time.sleep(0.05)
    place.tell("go")
    progress = draining.end()
    assert progress.endings == {Ending.SUCCEEDED: 2}
    assert place.queue.facts().visible == 2
    drained(place.worker(until_empty=True))
    require_done(place, bodies)


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["committing data", "committing the outcome", "acknowledging"])
def test_a_stop_while_a_shard_ends_lets_it_end(place: Place, phase: str) -> None:
    bodies = toys.messages(3)
    place.queue.send(bodies)
    prefix = {"committing data": "point_outcomes/", "committing the outcome": "shard_outcomes/"}.get(phase)
    if prefix is None:
        place.queue.before = gate = Gate(lambda call: call.method == "delete")
    else:
        place.store.before = gate = Gate(lambda call: call.method == "create" and call.key.startswith(prefix))
    worker = place.worker(concurrency=1)
    draining = Draining(worker)
    gate.await_call()
    worker.stop()
    time.sleep(0.05)
    gate.open()
    assert draining.end().endings == {Ending.SUCCEEDED: 1}
    assert place.queue.facts().visible == 2
    drained(place.worker(until_empty=True))
    require_done(place, bodies)


@pytest.mark.slow
def test_when_the_grace_is_over_the_engine_is_killed_and_its_message_visible_at_once(place: Place) -> None:
    bodies = toys.messages(2)
    place.queue.send(bodies)
    worker = place.worker(WAIT)
    draining = Draining(worker)
    wait_until(lambda: running(place) == 2)
    stopped_at = place.queue.clock()
    worker.stop()
    progress = draining.end()
    assert place.queue.clock() - stopped_at >= GRACE
    assert progress.endings == {Ending.INTERRUPTED: 2}
    assert place.queue.facts().visible == 2
    found = whole.objects(place.inner)
    assert [attempt.status for attempt in whole.attempts(found)] == ["interrupted"] * 2
    assert whole.outcomes(found) == {}
    place.tell("go")
    drained(place.worker(until_empty=True))
    require_done(place, bodies)


def test_a_stop_while_the_store_is_down_ends_the_worker(place: Place) -> None:
    place.queue.send(toys.messages(1))

    def refuse(call: Call) -> None:
        raise StoreError(f"503: {call.method}")

    place.store.before = refuse
    worker = place.worker()
    draining = Draining(worker)
    wait_until(lambda: place.queue.count("extend") == 1)
    worker.stop()
    assert draining.end().endings == {Ending.STORE_DOWN: 1}


def test_a_message_handed_back_at_the_stop_is_not_received_again(place: Place) -> None:
    place.queue.send(toys.messages(1))
    worker = place.worker(WAIT, grace=0.0)
    draining = Draining(worker)
    wait_until(lambda: running(place) == 1 and place.queue.count("receive") >= 2)
    worker.stop()
    assert draining.end().endings == {Ending.INTERRUPTED: 1}

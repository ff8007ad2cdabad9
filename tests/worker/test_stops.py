"""A worker in this process that is told to stop: what it ends, what it hands back, and when."""

from collections.abc import Callable
from typing import Any

import pytest
from fakes import toys
from fakes.faulty import Call
from worker import whole
from worker.in_process import GRACE, Draining, Place, drained, require_done

from sweepctl.errors import StoreError
from sweepctl.worker.events import Ending


class Barrier:
    """Holds up the first call that `matches`, until it is opened."""

    def __init__(self, place: Place, matches: Callable[[Any], bool]) -> None:
        self.reached = False
        self.is_open = False
        self._place = place
        self._matches = matches

    def __call__(self, call: object) -> None:
        if self._matches(call) and not self.reached:
            self.reached = True
            while not self.is_open:
                self._place.scheduler.sleep(0.1)


def test_a_stop_in_an_idle_poll_strands_nothing(place: Place) -> None:
    worker = place.worker()
    draining = Draining(place, worker)
    place.wait_until(lambda: place.queue.count("receive"))
    worker.stop()
    bodies = toys.messages(1)
    place.send(bodies)  # received by the poll in flight, or by nobody
    progress = draining.end()
    assert progress.endings == {Ending.UNUSED: 1}
    assert place.visible == 1
    assert whole.objects(place.inner) == {}
    drained(place, place.worker(max_shards=1))
    require_done(place, bodies)


def test_a_stop_while_a_shard_runs_lets_it_finish(place: Place) -> None:
    bodies = toys.messages(4)
    place.send(bodies)
    worker = place.worker(place.hold)
    draining = Draining(place, worker)
    place.wait_until(lambda: place.held == 2)
    worker.stop()
    place.wait(1)
    place.free = True
    progress = draining.end()
    assert progress.endings == {Ending.SUCCEEDED: 2}
    assert place.visible == 2
    drained(place, place.worker(until_empty=True))
    require_done(place, bodies)


@pytest.mark.parametrize("phase", ["committing data", "committing the outcome", "acknowledging"])
def test_a_stop_while_a_shard_ends_lets_it_end(place: Place, phase: str) -> None:
    bodies = toys.messages(3)
    place.send(bodies)
    prefix = {"committing data": "point_outcomes/", "committing the outcome": "shard_outcomes/"}.get(phase)
    if prefix is None:
        place.queue.before = barrier = Barrier(place, lambda call: call.method == "delete")
    else:
        place.store.before = barrier = Barrier(
            place, lambda call: call.method == "create" and call.key.startswith(prefix)
        )
    worker = place.worker(concurrency=1)
    draining = Draining(place, worker)
    place.wait_until(lambda: barrier.reached)
    worker.stop()
    place.wait(1)
    barrier.is_open = True
    assert draining.end().endings == {Ending.SUCCEEDED: 1}
    assert place.visible == 2
    drained(place, place.worker(until_empty=True))
    require_done(place, bodies)


def test_when_the_grace_is_over_the_engine_is_killed_and_its_message_visible_at_once(place: Place) -> None:
    bodies = toys.messages(2)
    place.send(bodies)
    worker = place.worker(place.hold)
    draining = Draining(place, worker)
    place.wait_until(lambda: place.held == 2)
    stopped_at = place.now()
    worker.stop()
    progress = draining.end()
    assert place.now() - stopped_at >= GRACE
    assert progress.endings == {Ending.INTERRUPTED: 2}
    assert place.visible == 2
    found = whole.objects(place.inner)
    assert [attempt.status for attempt in whole.attempts(found)] == ["interrupted"] * 2
    assert whole.outcomes(found) == {}
    place.free = True
    drained(place, place.worker(until_empty=True))
    require_done(place, bodies)


def test_a_stop_while_the_store_is_down_ends_the_worker(place: Place) -> None:
    place.send(toys.messages(1))

    def refuse(call: Call) -> None:
        raise StoreError(f"503: {call.method}")

    place.store.before = refuse
    worker = place.worker(concurrency=1)  # no poll in flight
    draining = Draining(place, worker)
    place.wait_until(lambda: place.queue.count("extend") == 1)
    worker.stop()
    assert draining.end().endings == {Ending.STORE_DOWN: 1}


def test_a_message_handed_back_at_the_stop_is_not_received_again(place: Place) -> None:
    place.send(toys.messages(1))
    worker = place.worker(place.hold, grace=0.0)
    draining = Draining(place, worker)
    place.wait_until(lambda: place.held == 1 and place.queue.count("receive") >= 2)
    worker.stop()
    assert draining.end().endings == {Ending.INTERRUPTED: 1}

"""A worker around a queue and a store that fail: what it acknowledges, hands back, and leaves behind."""

import threading
import time
from typing import TYPE_CHECKING

import pytest
from fakes import toys
from fakes.faulty import Call, StoreFault
from fakes.memory_queue import Call as QueueCall
from fakes.memory_queue import Clock, MemoryQueue, QueueFault
from waiting import wait_until
from worker import whole
from worker.in_process import (
    LEASE,
    SPEED,
    WAIT,
    Draining,
    Place,
    WatchedStore,
    drained,
    drained_to_the_last,
    require_done,
    running,
)

from sweepctl.errors import QueueError, StoreError
from sweepctl.records import layout
from sweepctl.store import open_store
from sweepctl.worker.events import Ending

if TYPE_CHECKING:
    from sweepctl.worker.tally import WorkerProgress

pytestmark = pytest.mark.slow


def require_acknowledged_after_outcome(place: Place, bodies: list[bytes]) -> None:
    """Have every delete checked: the shard's outcome stands already."""
    keys = {body: _keys(body).outcome for body in bodies}

    def check(call: QueueCall) -> None:
        if call.method == "delete":
            message = place.queue._latest(call.receipt)
            assert message is not None
            assert place.inner.read(keys[message.body]) is not None, "acknowledged before its outcome was committed"

    place.queue.before = check


def _keys(body: bytes) -> layout.ShardKeys:
    return layout.ShardKeys(toys.RUN_ID, toys.RUN_DATE, toys.decoded(body).shard_id)


def test_every_message_is_acknowledged_after_its_outcome(place: Place) -> None:
    bodies = toys.messages(12)
    place.queue.send(bodies)
    require_acknowledged_after_outcome(place, bodies)
    progress = drained(place.worker(until_empty=True))
    assert progress.endings == {Ending.SUCCEEDED: 12}
    assert progress.points == 12 * toys.POINTS
    assert not progress.has_failures
    require_done(place, bodies)


def test_a_conflict_is_recorded_with_its_shard_and_handed_back(place: Place) -> None:
    bodies = toys.messages(3)
    place.queue.send(bodies)
    drained(place.worker(until_empty=True))
    conflict = toys.message(0, 3, seed=2)
    place.queue.send([conflict])
    progress = drained(place.worker(max_shards=1))
    assert progress.endings == {Ending.REJECTED: 1}
    assert place.queue.bodies == [conflict]
    found = whole.objects(place.inner)
    whole.require_whole(found, bodies)
    (attempt,) = whole.attempts(found)
    assert (attempt.status, attempt.shard_id) == ("conflict", 0)
    assert not any(key.startswith("rejected/") for key in found)


def test_a_crashed_engines_shard_comes_back_with_growing_delay_until_it_succeeds(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    crash = "if first('one') or first('two') or first('three'): start(); point(begin); sys.exit(3)"
    progress = drained(place.worker(crash, max_shards=4))
    assert progress.endings == {Ending.RETRY: 3, Ending.SUCCEEDED: 1}
    assert [call.seconds for call in place.queue.calls if call.method == "extend" and call.seconds < LEASE] == [
        5, 10, 20,
    ]  # fmt: skip
    require_done(place, bodies)
    found = whole.objects(place.inner)
    recorded = whole.attempts(found)
    assert sorted(attempt.attempt_number or 0 for attempt in recorded) == [1, 2, 3]
    assert {attempt.error_code for attempt in recorded} == {"engine_crashed"}
    assert whole.outcomes(found)[0].attempt_number == 4


REFUSE = (
    "record(record='refused', error_code='invalid_parameters', message='x: must be > 0', parameter='x')\nsys.exit(1)"
)


@pytest.mark.parametrize(
    ("behaviour", "error_code"),
    [(f"if shard == 1:\n    {line}", code) for line, code in [
        (REFUSE.replace("\n", "; "), "invalid_parameters"),
        ("run(failing=(begin,))", "point_failed"),
    ]],
)  # fmt: skip
def test_a_permanent_failure_is_acknowledged_after_its_outcome(place: Place, behaviour: str, error_code: str) -> None:
    bodies = toys.messages(3)
    place.queue.send(bodies)
    require_acknowledged_after_outcome(place, bodies)
    progress = drained(place.worker(behaviour, until_empty=True))
    assert progress.endings == {Ending.SUCCEEDED: 2, Ending.FAILED: 1}
    assert progress.has_failures
    assert place.queue.bodies == []
    standing = whole.require_whole(whole.objects(place.inner), bodies)
    assert [standing[shard].status for shard in range(3)] == ["success", "failure", "success"]
    assert standing[1].error_code == error_code
    assert not standing[1].retryable


def test_a_message_for_another_engine_is_handed_back_and_leaves_no_trace(place: Place) -> None:
    other = toys.message(0, 1, model="queue")
    place.queue.send([other])
    progress = drained(place.worker(max_shards=1))
    assert progress.endings == {Ending.WRONG_WORKER: 1}
    assert place.queue.bodies == [other]
    assert whole.objects(place.inner) == {}


def test_the_same_messages_at_two_workers_at_once_leave_one_outcome_each(place: Place) -> None:
    bodies = toys.messages(10)
    place.queue.send([body for body in bodies for _ in range(2)])
    workers = [Draining(place.worker(toys.engine(place.folder), until_empty=True)) for _ in range(2)]
    endings = [worker.end().endings for worker in workers]
    count = {ending: sum(each.get(ending, 0) for each in endings) for ending in Ending}
    assert count[Ending.SUCCEEDED] + count[Ending.SKIPPED] == 20
    require_done(place, bodies)


def test_a_lease_known_to_be_lost_deletes_nothing(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    shared = toys.engine(place.folder, WAIT)
    first = Draining(place.worker(shared, max_shards=1))
    wait_until(lambda: running(place) == 1)
    place.queue.expire()
    second = Draining(place.worker(shared, max_shards=1))
    wait_until(lambda: running(place) == 2)
    # Its first renewal is due at a third of the lease, and refused: the receipt is stale.
    wait_until(lambda: any(call.method == "extend" and call.receipt == "message-0/1" for call in place.queue.calls))
    time.sleep(0.05)
    place.tell("go")
    assert first.end().lost_leases == 1
    assert second.end().lost_leases == 0
    assert [call.receipt for call in place.queue.calls if call.method == "delete"] == ["message-0/2"]
    require_done(place, bodies)


def test_a_lease_that_ended_unseen_leaves_the_shard_whole(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    shared = toys.engine(place.folder, WAIT)
    first = Draining(place.worker(shared, max_shards=1))
    wait_until(lambda: running(place) == 1)

    def lose_renewals_of_first(call: QueueCall) -> None:
        if call.method == "extend" and call.receipt == "message-0/1":
            raise QueueError("no answer")

    place.queue.before = lose_renewals_of_first
    second = Draining(place.worker(shared, max_shards=1))
    wait_until(lambda: running(place) == 2)  # the lease ran out
    place.tell("go")
    assert first.end().received == 1
    assert second.end().lost_leases == 0
    require_done(place, bodies)


def test_a_long_run_keeps_its_lease(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    shared = toys.engine(place.folder, WAIT)  # not written a second time while the first worker starts it
    worker = Draining(place.worker(shared, max_shards=1))
    wait_until(lambda: running(place) == 1)
    rival = Draining(place.worker(shared, idle_timeout=1.5 * LEASE))
    assert rival.end().received == 0
    place.tell("go")
    assert worker.end().lost_leases == 0
    require_done(place, bodies)


def test_a_queue_that_does_not_answer_for_a_minute_costs_nothing(place: Place) -> None:
    bodies = toys.messages(8)
    place.queue.send(bodies)
    worker = Draining(place.worker(until_empty=True))
    wait_until(lambda: place.queue.count("delete") >= 2)
    place.queue.down = True
    time.sleep(place.queue.clock.wall(60))
    place.queue.down = False
    assert worker.end().endings.keys() <= {Ending.SUCCEEDED, Ending.SKIPPED}
    require_done(place, bodies)


@pytest.mark.parametrize("fault", QueueFault)
def test_a_fault_at_any_call_of_the_queue_is_healed(place: Place, fault: QueueFault) -> None:
    """Concurrency 1 and one shard: receive, delete."""
    for call in range(2):
        store = WatchedStore(open_store(str(place.folder / f"store-{call}")))
        queue = MemoryQueue(Clock(SPEED), max_receive_count=10)
        queue.schedule = {call: fault}
        bodies = toys.messages(1)
        queue.send(bodies)
        place.queue, place.store = queue, store
        progress = drained_to_the_last(place, place.worker(concurrency=1))
        assert progress.endings.keys() <= {Ending.SUCCEEDED, Ending.SKIPPED}
        assert len(queue.calls) > call
        assert queue.bodies == []
        assert queue.dead == []
        whole.require_whole(whole.objects(store), bodies)


@pytest.mark.parametrize("fault", [StoreFault.ERROR_BEFORE, StoreFault.ERROR_AFTER])
def test_a_burst_of_store_errors_is_survived(place: Place, fault: StoreFault) -> None:
    bodies = toys.messages(6)
    place.queue.send(bodies)
    place.store.schedule = dict.fromkeys((3, 4, 5, 9, 14, 20, 21, 22, 30), fault)
    progress = drained_to_the_last(place, place.worker())
    assert progress.endings[Ending.STORE_DOWN] >= 1
    assert progress.endings.keys() <= {Ending.SUCCEEDED, Ending.SKIPPED, Ending.STORE_DOWN}
    require_done(place, bodies)


def test_while_the_store_is_down_for_ten_minutes_nothing_is_received(place: Place) -> None:
    bodies = toys.messages(8)
    place.queue.send(bodies)
    down = threading.Event()

    def refuse(call: Call) -> None:
        if down.is_set():
            raise StoreError(f"503: {call.method}")

    place.store.before = refuse
    down.set()
    draining = Draining(place.worker(until_empty=True))
    wait_until(lambda: place.queue.count("extend") == 2)
    receives = place.queue.count("receive")
    place.queue.clock.go_at(200)
    time.sleep(place.queue.clock.wall(600))
    place.queue.clock.go_at(SPEED)
    assert place.queue.count("receive") == receives, "a broken store must not burn receives"
    down.clear()
    progress = draining.end()
    assert progress.endings == {Ending.SUCCEEDED: 8, Ending.STORE_DOWN: 2}
    require_done(place, bodies)


def test_no_more_than_max_shards_are_received(place: Place) -> None:
    bodies = toys.messages(7)
    place.queue.send(bodies)
    assert drained(place.worker(max_shards=5)).received == 5
    assert place.queue.facts().visible == 2


def test_until_empty_ends_with_the_last_shard(place: Place) -> None:
    bodies = toys.messages(5)
    place.queue.send(bodies)
    assert drained(place.worker(until_empty=True)).received == 5
    assert drained(place.worker(until_empty=True)).received == 0


def test_an_idle_worker_ends_after_its_idle_timeout(place: Place) -> None:
    bodies = toys.messages(2)
    place.queue.send(bodies)
    began_at = place.queue.clock()
    assert drained(place.worker(idle_timeout=20)).received == 2
    assert place.queue.clock() - began_at >= 20


@pytest.mark.parametrize("where", ["store", "queue"])
def test_what_nobody_foresaw_ends_the_drain(place: Place, where: str) -> None:
    place.queue.send(toys.messages(2))

    def fail(call: object) -> None:
        raise ZeroDivisionError(call)

    if where == "store":
        place.store.before = fail
    else:
        place.queue.before = fail
    with pytest.raises(ZeroDivisionError):
        place.worker().drain()
    assert len(place.queue.bodies) == 2


def test_a_lease_says_how_old_it_is_and_a_worker_what_it_does(place: Place) -> None:
    place.queue.send(toys.messages(1))
    seen: list[WorkerProgress] = []
    worker = place.worker(max_shards=1)
    worker.observe = seen.append
    drained(worker)
    assert max(each.running for each in seen) == 1
    assert all(0 <= each.oldest_lease < LEASE for each in seen)
    assert seen[-1].endings == {Ending.SUCCEEDED: 1}


def test_until_empty_waits_for_what_it_handed_back(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    crash = "if first('crash'): tell('running-1'); wait_for('go'); sys.exit(3)"
    draining = Draining(place.worker(crash, until_empty=True))
    wait_until(lambda: place.queue.count("receive") >= 4)
    place.tell("go")
    assert draining.end().endings == {Ending.RETRY: 1, Ending.SUCCEEDED: 1}
    require_done(place, bodies)

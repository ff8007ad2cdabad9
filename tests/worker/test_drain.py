"""A worker around a queue and a store that fail: what it acknowledges, hands back, and leaves behind."""

import logging
from typing import TYPE_CHECKING

import pytest
from fakes import toys
from fakes.faulty import Call, QueueCall, QueueFault, StoreFault
from fakes.simulated_engine import Step
from fakes.toy_model import refused, running
from worker import whole
from worker.in_process import LEASE, Draining, Place, crash, drained, drained_to_the_last, failed, require_done, times

from sweepctl.errors import QueueError, StoreError
from sweepctl.records import layout
from sweepctl.shard.slow_point import SlowPoint
from sweepctl.worker.events import Ending

if TYPE_CHECKING:
    from sweepctl.worker.tally import WorkerProgress


def require_acknowledged_after_outcome(place: Place, bodies: list[bytes]) -> None:
    """Have every delete checked: the shard's outcome stands already."""
    keys = {body: _keys(body).outcome for body in bodies}

    def check(call: QueueCall) -> None:
        if call.method == "delete":
            message, _ = place.messages.delivery(call.receipt)
            assert place.inner.read(keys[message.body]) is not None, "acknowledged before its outcome was committed"

    place.queue.before = check


def _keys(body: bytes) -> layout.ShardKeys:
    return layout.ShardKeys(toys.RUN_ID, toys.RUN_DATE, toys.decoded(body).shard_id)


def test_every_message_is_acknowledged_after_its_outcome(place: Place) -> None:
    bodies = toys.messages(12)
    place.send(bodies)
    require_acknowledged_after_outcome(place, bodies)
    progress = drained(place, place.worker(until_empty=True))
    assert progress.endings == {Ending.SUCCEEDED: 12}
    assert progress.points == 12 * toys.POINTS
    assert not progress.has_failures
    require_done(place, bodies)


def test_a_conflict_is_recorded_with_its_shard_and_handed_back(place: Place) -> None:
    bodies = toys.messages(3)
    place.send(bodies)
    drained(place, place.worker(until_empty=True))
    conflict = toys.message(0, 3, seed=2)
    place.send([conflict])
    progress = drained(place, place.worker(max_shards=1))
    assert progress.endings == {Ending.REJECTED: 1}
    assert place.bodies == [conflict]
    found = whole.objects(place.inner)
    whole.require_whole(found, bodies)
    (attempt,) = whole.attempts(found)
    assert (attempt.status, attempt.shard_id) == ("conflict", 0)
    assert not any(key.startswith("rejected/") for key in found)


def test_a_crashed_engines_shard_comes_back_with_growing_delay_until_it_succeeds(place: Place) -> None:
    bodies = toys.messages(1)
    place.send(bodies)
    progress = drained(place, place.worker(times(3, crash), max_shards=4))
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


@pytest.mark.parametrize("error_code", ["invalid_parameters", "point_failed"])
def test_a_permanent_failure_is_acknowledged_after_its_outcome(place: Place, error_code: str) -> None:
    def fail(shard: int, good: list[Step]) -> list[Step]:
        if shard != 1:
            return good
        return [refused("x: must be > 0", "x")] if error_code == "invalid_parameters" else failed(shard, good)

    bodies = toys.messages(3)
    place.send(bodies)
    require_acknowledged_after_outcome(place, bodies)
    progress = drained(place, place.worker(fail, until_empty=True))
    assert progress.endings == {Ending.SUCCEEDED: 2, Ending.FAILED: 1}
    assert progress.has_failures
    assert place.bodies == []
    standing = whole.require_whole(whole.objects(place.inner), bodies)
    assert [standing[shard].status for shard in range(3)] == ["success", "failure", "success"]
    assert standing[1].error_code == error_code
    assert not standing[1].retryable


def test_a_message_for_another_engine_is_handed_back_and_leaves_no_trace(place: Place) -> None:
    other = toys.message(0, 1, model="queue")
    place.send([other])
    progress = drained(place, place.worker(max_shards=1))
    assert progress.endings == {Ending.WRONG_WORKER: 1}
    assert place.bodies == [other]
    assert whole.objects(place.inner) == {}


def test_the_same_messages_at_two_workers_at_once_leave_one_outcome_each(place: Place) -> None:
    bodies = toys.messages(10)
    place.send([body for body in bodies for _ in range(2)])
    workers = [Draining(place, place.worker(until_empty=True)) for _ in range(2)]
    endings = [worker.end().endings for worker in workers]
    count = {ending: sum(each.get(ending, 0) for each in endings) for ending in Ending}
    assert count[Ending.SUCCEEDED] + count[Ending.SKIPPED] == 20
    require_done(place, bodies)


def test_a_lease_known_to_be_lost_deletes_nothing(place: Place) -> None:
    bodies = toys.messages(1)
    place.send(bodies)
    first = Draining(place, place.worker(place.hold, max_shards=1))
    place.wait_until(lambda: place.held == 1)
    place.expire()
    second = Draining(place, place.worker(place.hold, max_shards=1))
    place.wait_until(lambda: place.held == 2)
    # Its first renewal is due at a third of the lease, and refused: the receipt is stale.
    place.wait_until(lambda: any(call.method == "extend" and call.receipt == "m0/0" for call in place.queue.calls))
    place.wait(1)
    place.free = True
    assert first.end().lost_leases == 1
    assert second.end().lost_leases == 0
    assert [call.receipt for call in place.queue.calls if call.method == "delete"] == ["m0/1"]
    require_done(place, bodies)


def test_a_lease_that_ended_unseen_leaves_the_shard_whole(place: Place) -> None:
    bodies = toys.messages(1)
    place.send(bodies)
    first = Draining(place, place.worker(place.hold, max_shards=1))
    place.wait_until(lambda: place.held == 1)

    def lose_renewals_of_first(call: QueueCall) -> None:
        if call.method == "extend" and call.receipt == "m0/0":
            raise QueueError("no answer")

    place.queue.before = lose_renewals_of_first
    second = Draining(place, place.worker(place.hold, max_shards=1))
    place.wait_until(lambda: place.held == 2)  # the lease ran out
    place.free = True
    assert first.end().received == 1
    assert second.end().lost_leases == 0
    require_done(place, bodies)


def test_a_long_run_keeps_its_lease(place: Place) -> None:
    bodies = toys.messages(1)
    place.send(bodies)
    worker = Draining(place, place.worker(place.hold, max_shards=1))
    place.wait_until(lambda: place.held == 1)
    rival = Draining(place, place.worker(place.hold, idle_timeout=1.5 * LEASE))
    assert rival.end().received == 0
    place.free = True
    assert worker.end().lost_leases == 0
    require_done(place, bodies)


def test_a_queue_that_does_not_answer_for_a_minute_costs_nothing(place: Place) -> None:
    bodies = toys.messages(8)
    place.send(bodies)
    worker = Draining(place, place.worker(until_empty=True))
    place.wait_until(lambda: place.queue.count("delete") >= 2)
    place.queue.down = True
    place.wait(60)
    place.queue.down = False
    assert worker.end().endings.keys() <= {Ending.SUCCEEDED, Ending.SKIPPED}
    require_done(place, bodies)


@pytest.mark.parametrize("fault", QueueFault)
def test_a_fault_at_any_call_of_the_queue_is_healed(fault: QueueFault) -> None:
    """Concurrency 1 and one shard: receive, delete."""
    for call in range(2):
        place = Place()
        place.queue.schedule = {call: fault}
        bodies = toys.messages(1)
        place.send(bodies)
        progress = drained_to_the_last(place, place.worker(concurrency=1))
        assert progress.endings.keys() <= {Ending.SUCCEEDED, Ending.SKIPPED}
        assert len(place.queue.calls) > call
        require_done(place, bodies)


@pytest.mark.parametrize("fault", [StoreFault.ERROR_BEFORE, StoreFault.ERROR_AFTER])
def test_a_burst_of_store_errors_is_survived(place: Place, fault: StoreFault) -> None:
    bodies = toys.messages(6)
    place.send(bodies)
    place.store.schedule = dict.fromkeys((3, 4, 5, 9, 14, 20, 21, 22, 30), fault)
    progress = drained_to_the_last(place, place.worker())
    assert progress.endings[Ending.STORE_DOWN] >= 1
    assert progress.endings.keys() <= {Ending.SUCCEEDED, Ending.SKIPPED, Ending.STORE_DOWN}
    require_done(place, bodies)


def test_while_the_store_is_down_for_ten_minutes_nothing_is_received(place: Place) -> None:
    bodies = toys.messages(8)
    place.send(bodies)
    down = True

    def refuse(call: Call) -> None:
        if down:
            raise StoreError(f"503: {call.method}")

    place.store.before = refuse
    draining = Draining(place, place.worker(until_empty=True))
    place.wait_until(lambda: place.queue.count("extend") == 2)
    receives = place.queue.count("receive")
    place.wait(600)
    assert place.queue.count("receive") == receives, "a broken store must not burn receives"
    down = False
    progress = draining.end()
    assert progress.endings == {Ending.SUCCEEDED: 8, Ending.STORE_DOWN: 2}
    require_done(place, bodies)


def test_a_point_that_stands_still_is_told_while_it_does(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.send(toys.messages(1))
    told: list[SlowPoint] = []
    worker = place.worker(lambda _, good: [good[0], running(0, 61.0), lambda: bool(told), *good[1:]], max_shards=1)
    worker.observe = lambda progress: told.extend([progress.slow] if progress.slow else [])
    with caplog.at_level(logging.INFO, "sweepctl"):
        progress = drained(place, worker)
    assert told[0] == SlowPoint(0, 0, 61.0)
    assert (progress.endings, progress.slow) == ({Ending.SUCCEEDED: 1}, None)
    assert "point_running" in caplog.messages


def test_no_more_than_max_shards_are_received(place: Place) -> None:
    bodies = toys.messages(7)
    place.send(bodies)
    assert drained(place, place.worker(max_shards=5)).received == 5
    assert place.visible == 2


def test_until_empty_ends_with_the_last_shard(place: Place) -> None:
    bodies = toys.messages(5)
    place.send(bodies)
    assert drained(place, place.worker(until_empty=True)).received == 5
    assert drained(place, place.worker(until_empty=True)).received == 0


def test_an_idle_worker_ends_after_its_idle_timeout(place: Place) -> None:
    bodies = toys.messages(2)
    place.send(bodies)
    began_at = place.now()
    assert drained(place, place.worker(idle_timeout=20)).received == 2
    assert place.now() - began_at >= 20


def test_what_nobody_foresaw_of_the_queue_ends_the_drain(place: Place) -> None:
    place.send(toys.messages(2))

    def fail(call: object) -> None:
        raise ZeroDivisionError(call)

    place.queue.before = fail
    with pytest.raises(ZeroDivisionError):
        drained(place, place.worker())
    assert len(place.bodies) == 2


def test_what_nobody_foresaw_of_a_shard_returns_its_message_and_leaves_the_others(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    bodies = toys.messages(3)
    place.send(bodies)
    defects = [ZeroDivisionError()]

    def fail(call: Call) -> None:
        if "shard-00000001" in call.key and defects:
            raise defects.pop()

    place.store.before = fail
    with caplog.at_level(logging.INFO, "sweepctl"):
        progress = drained(place, place.worker(concurrency=1, until_empty=True))
    assert progress.endings == {Ending.SUCCEEDED: 3, Ending.RETRY: 1}
    require_done(place, bodies)
    (told,) = [vars(line)["fields"] for line in caplog.records if line.getMessage() == "defect"]
    assert "ZeroDivisionError" in told["trace"]


def test_a_lease_says_how_old_it_is_and_a_worker_what_it_does(place: Place) -> None:
    place.send(toys.messages(1))
    seen: list[WorkerProgress] = []
    worker = place.worker(max_shards=1)
    worker.observe = seen.append
    drained(place, worker)
    assert max(each.running for each in seen) == 1
    assert all(0 <= each.oldest_lease < LEASE for each in seen)
    assert seen[-1].endings == {Ending.SUCCEEDED: 1}


def test_until_empty_waits_for_what_it_handed_back(place: Place) -> None:
    bodies = toys.messages(1)
    place.send(bodies)
    held_and_crashed = times(1, lambda shard, good: [*place.hold(shard, good)[:1], 3])
    draining = Draining(place, place.worker(held_and_crashed, until_empty=True))
    place.wait_until(lambda: place.queue.count("receive") >= 4)
    place.free = True
    assert draining.end().endings == {Ending.RETRY: 1, Ending.SUCCEEDED: 1}
    require_done(place, bodies)

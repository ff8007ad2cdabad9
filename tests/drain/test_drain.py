"""A worker around a queue and a store that fail: what it acknowledges, what it hands back, and what it leaves behind.

Time runs SPEED times as fast as the wall's, for the worker and its queue alike: leases, delays and graces are the real
ones.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from drain import toys, whole
from drain.memory_queue import Call as QueueCall
from drain.memory_queue import Clock, MemoryQueue, QueueFault
from store.faulty import Call, FaultyStore, StoreFault, T

from sweepctl import layout, lease
from sweepctl.drain import Progress, Worker
from sweepctl.engine import Engine
from sweepctl.errors import QueueError, StoreError
from sweepctl.lease import Ending, Policy
from sweepctl.shard import Conditions
from sweepctl.store import open_store
from sweepctl.store.contract import Store

SPEED = 20
LEASE, GRACE = 60, 30
SOON = 10.0  # wall seconds within which everything that must come has come

pytestmark = pytest.mark.timeout(60)


class HastyWorker(Worker):
    """Waits as its fast clock says."""

    def _next_event(self, wake_at: float | None) -> lease.Event:
        if wake_at is not None:
            assert isinstance(self.monotonic, Clock)
            now = self.monotonic()
            wake_at = now + self.monotonic.wall(wake_at - now)
        return super()._next_event(wake_at)


@dataclass
class WatchedStore(FaultyStore):
    """`before` sees every call before it happens, probes too, and may raise."""

    before: Callable[[Call], None] = lambda _: None

    def probe(self) -> None:
        self.before(Call("probe", ""))
        super().probe()

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        self.before(Call(method, key))
        return super()._call(method, key, action)


@dataclass
class Place:
    """A queue, a store, and engines."""

    folder: Path
    queue: MemoryQueue
    inner: Store
    store: WatchedStore
    workers: list[Worker] = field(default_factory=list)

    def worker(self, engine: str | Engine = "", *, queue: MemoryQueue | None = None, **policy: Any) -> Worker:  # noqa: ANN401
        worker = HastyWorker(
            queue or self.queue,
            toys.engine(self.folder, engine) if isinstance(engine, str) else engine,
            self.store,
            Policy(**{"concurrency": 2, "lease": LEASE, "grace": float(GRACE), **policy}),
            Conditions(),
            monotonic=self.queue.clock,
        )
        self.workers.append(worker)
        return worker

    def tell(self, name: str) -> None:
        (self.folder / name).touch()

    def is_told(self, name: str) -> bool:
        return (self.folder / name).exists()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    store = open_store(str(tmp_path / "store"))
    return Place(tmp_path, MemoryQueue(Clock(SPEED), max_receive_count=10), store, WatchedStore(store))


def drained(worker: Worker) -> Progress:
    """Drain; whatever happened, every message that was received has come to one ending."""
    progress = worker.drain()
    assert sum(progress.endings.values()) == progress.received
    assert progress.running == 0
    return progress


class Draining:
    """A worker that drains in the background."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._progress: Progress | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def end(self) -> Progress:
        self._thread.join(SOON)
        assert not self._thread.is_alive(), "the worker does not end"
        if self._error is not None:
            raise self._error
        assert self._progress is not None
        return self._progress

    def _drain(self) -> None:
        try:
            self._progress = drained(self.worker)
        except BaseException as error:  # noqa: BLE001  `end` raises it
            self._error = error


def drained_to_the_last(place: Place, worker: Worker) -> Progress:
    """Drain until nothing is left, delayed messages included."""
    draining = Draining(worker)
    toys.wait_until(lambda: not place.queue.bodies)
    worker.stop()
    return draining.end()


class Gate:
    """Holds up the first call that `matches`, until it is opened."""

    def __init__(self, matches: Callable[[Any], bool]) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()
        self._matches = matches

    def __call__(self, call: object) -> None:
        if self._matches(call) and not self.reached.is_set():
            self.reached.set()
            assert self._open.wait(SOON)

    def await_call(self) -> None:
        assert self.reached.wait(SOON), "the call never came"

    def open(self) -> None:
        self._open.set()


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


def require_done(place: Place, bodies: list[bytes]) -> None:
    assert place.queue.bodies == []
    assert place.queue.dead == []
    standing = whole.require_whole(whole.objects(place.inner), bodies)
    assert all(outcome.status == "success" for outcome in standing.values())


def test_every_message_is_acknowledged_after_its_outcome(place: Place) -> None:
    bodies = toys.messages(12)
    place.queue.send(bodies)
    require_acknowledged_after_outcome(place, bodies)
    progress = drained(place.worker(until_empty=True))
    assert progress.endings == {Ending.SUCCEEDED: 12}
    assert progress.points == 12 * toys.POINTS
    assert not progress.has_failures
    require_done(place, bodies)


BAD = [
    b"poison",
    b"{}",
    toys.message(5, 6, bucket="elsewhere"),
    toys.message(5, 6, total_points=7),
]


def test_poison_messages_are_recorded_and_left_to_the_dead_letters(place: Place) -> None:
    bodies = toys.messages(20)
    place.queue = MemoryQueue(Clock(SPEED), max_receive_count=2)
    place.queue.send([*bodies[:3], *BAD[:2], *bodies[3:], *BAD[2:]])
    worker = place.worker(concurrency=4)
    progress = drained_to_the_last(place, worker)
    assert progress.endings == {Ending.SUCCEEDED: 20, Ending.REJECTED: 8}
    assert progress.has_failures
    assert sorted(message.body for message in place.queue.dead) == sorted(BAD)
    found = whole.objects(place.inner)
    whole.require_whole(found, bodies)
    for message in place.queue.dead:
        digest = hashlib.sha256(message.body).hexdigest()
        record = json.loads(found[f"rejected/{digest}.json"])
        assert (record["body_sha256"], record["bytes"]) == (digest, len(message.body))
        assert record["reason"]
        assert record["message_id"] == message.message_id
    assert sum(key.startswith("rejected/") for key in found) == len(BAD)


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


WAIT = "tell(f'running-{os.getpid()}')\nwait_for('go')"


def running(place: Place) -> int:
    return len(list(place.folder.glob("running-*")))


def test_a_lease_known_to_be_lost_deletes_nothing(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    shared = toys.engine(place.folder, WAIT)
    first = Draining(place.worker(shared, max_shards=1))
    toys.wait_until(lambda: running(place) == 1)
    place.queue.expire()
    second = Draining(place.worker(shared, max_shards=1))
    toys.wait_until(lambda: running(place) == 2)
    # Its first renewal is due at a third of the lease, and refused: the receipt is stale.
    toys.wait_until(
        lambda: any(call.method == "extend" and call.receipt == "message-0/1" for call in place.queue.calls)
    )
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
    toys.wait_until(lambda: running(place) == 1)

    def lose_renewals_of_first(call: QueueCall) -> None:
        if call.method == "extend" and call.receipt == "message-0/1":
            raise QueueError("no answer")

    place.queue.before = lose_renewals_of_first
    second = Draining(place.worker(shared, max_shards=1))
    toys.wait_until(lambda: running(place) == 2)  # the lease ran out
    place.tell("go")
    assert first.end().received == 1
    assert second.end().lost_leases == 0
    require_done(place, bodies)


def test_a_long_run_keeps_its_lease(place: Place) -> None:
    bodies = toys.messages(1)
    place.queue.send(bodies)
    worker = Draining(place.worker(WAIT, max_shards=1))
    rival = Draining(place.worker(toys.engine(place.folder, WAIT), idle_timeout=1.5 * LEASE))
    toys.wait_until(lambda: running(place) == 1)
    assert rival.end().received == 0
    place.tell("go")
    assert worker.end().lost_leases == 0
    require_done(place, bodies)


def test_a_queue_that_does_not_answer_for_a_minute_costs_nothing(place: Place) -> None:
    bodies = toys.messages(8)
    place.queue.send(bodies)
    worker = Draining(place.worker(until_empty=True))
    toys.wait_until(lambda: place.queue.count("delete") >= 2)
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
    toys.wait_until(lambda: place.queue.count("extend") == 2)
    receives = place.queue.count("receive")
    place.queue.clock.go_at(200)
    time.sleep(place.queue.clock.wall(600))
    place.queue.clock.go_at(SPEED)
    assert place.queue.count("receive") == receives, "a broken store must not burn receives"
    down.clear()
    progress = draining.end()
    assert progress.endings == {Ending.SUCCEEDED: 8, Ending.STORE_DOWN: 2}
    require_done(place, bodies)


def test_a_stop_in_an_idle_poll_strands_nothing(place: Place) -> None:
    worker = place.worker()
    draining = Draining(worker)
    toys.wait_until(lambda: place.queue.count("receive"))
    worker.stop()
    bodies = toys.messages(1)
    place.queue.send(bodies)  # received by the poll in flight, or by nobody
    progress = draining.end()
    assert progress.endings == {Ending.UNUSED: 1}
    assert place.queue.facts().visible == 1
    assert whole.objects(place.inner) == {}
    drained(place.worker(max_shards=1))
    require_done(place, bodies)


def test_a_stop_while_a_shard_runs_lets_it_finish(place: Place) -> None:
    bodies = toys.messages(4)
    place.queue.send(bodies)
    worker = place.worker(WAIT)
    draining = Draining(worker)
    toys.wait_until(lambda: running(place) == 2)
    worker.stop()
    time.sleep(0.05)
    place.tell("go")
    progress = draining.end()
    assert progress.endings == {Ending.SUCCEEDED: 2}
    assert place.queue.facts().visible == 2
    drained(place.worker(until_empty=True))
    require_done(place, bodies)


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


def test_when_the_grace_is_over_the_engine_is_killed_and_its_message_visible_at_once(place: Place) -> None:
    bodies = toys.messages(2)
    place.queue.send(bodies)
    worker = place.worker(WAIT)
    draining = Draining(worker)
    toys.wait_until(lambda: running(place) == 2)
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
    toys.wait_until(lambda: place.queue.count("extend") == 1)
    worker.stop()
    assert draining.end().endings == {Ending.STORE_DOWN: 1}


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
    seen: list[Progress] = []
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
    toys.wait_until(lambda: place.queue.count("receive") >= 4)
    place.tell("go")
    assert draining.end().endings == {Ending.RETRY: 1, Ending.SUCCEEDED: 1}
    require_done(place, bodies)


def test_a_message_handed_back_at_the_stop_is_not_received_again(place: Place) -> None:
    place.queue.send(toys.messages(1))
    worker = place.worker(WAIT, grace=0.0)
    draining = Draining(worker)
    toys.wait_until(lambda: running(place) == 1 and place.queue.count("receive") >= 2)
    worker.stop()
    assert draining.end().endings == {Ending.INTERRUPTED: 1}

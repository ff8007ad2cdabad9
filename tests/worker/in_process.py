"""Workers in this process, in the simulation's virtual time, on its queue and a store that fails when it is told to.

Nothing here waits: time passes when every task of the workers does, and a lease of a minute is over at once. Chance has
no part: what the simulation draws is always the same, messages come in the order in which they were sent, and nothing
goes wrong but what a test says. Threads, processes and real engines are those of test_processes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from fakes import bucket, toy_model, toys
from fakes.faulty import Call, FaultyQueue, FaultyStore, T
from fakes.message_queue import Client, MessageQueue
from fakes.simulated_engine import Behaviour, SimulatedEngine, Step
from simulation.faults import Plan
from simulation.gate import Gate, Outside
from simulation.log import Log
from simulation.scheduler import Inbox, Process, Scheduler
from worker import whole

from sweepctl.engine.client import Engine
from sweepctl.queue.sqs import SqsClients
from sweepctl.shard.run import USUAL, Conditions
from sweepctl.store.s3 import S3Store
from sweepctl.worker.drain import Worker
from sweepctl.worker.lease import Policy
from sweepctl.worker.tally import WorkerProgress

LEASE, GRACE = 60, 30
LONGEST = 1e6  # seconds of virtual time in which whatever must come has come


class Steady(Plan):
    """Nothing goes wrong, everything takes as long, and the first of several choices is taken."""

    def __init__(self) -> None:
        super().__init__(seed=0, density=0.0, only={})

    def latency(self, usual: float) -> float:
        return usual / 50

    def choice(self, _count: int) -> int:
        return 0


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


Script = Callable[[int, list[Step]], list[Step]]  # of a shard and the steps of a good run of it


@dataclass(frozen=True)
class Scripted(Behaviour):
    script: Script = field(kw_only=True)

    def steps(
        self, command: str, request: dict[str, Any], strikes: Callable[[], str | None], blamed: int | None
    ) -> Sequence[Step]:
        good = list(super().steps(command, request, strikes, blamed))
        return self.script(request["start_index"] // toys.POINTS, good) if command == "run" else good


def well(_shard: int, good: list[Step]) -> list[Step]:
    return good


def crash(_shard: int, good: list[Step]) -> list[Step]:
    """Crash after the first point."""
    return [*good[:2], 3]


def failed(_shard: int, good: list[Step]) -> list[Step]:
    """Have the first point fail by itself."""
    start, first, *others, _ = good
    assert isinstance(first, str)
    index = json.loads(first)["point_index"]
    return [start, toy_model.failed_point(index), *others, toy_model.finished(len(others) + 1, failed=1)]


def replicate(_shard: int, good: list[Step]) -> list[Step]:
    """Say the one point of a shard of `toys.replicates`."""
    start, point, end = good
    assert isinstance(point, str)
    index = json.loads(point)["point_index"]
    return [start, toy_model.point(0, point_index=index, replicate=index), end]


def times(number: int, script: Script) -> Script:
    """Do as `script` so many times, and well after that."""
    left = count(number, -1)
    return lambda shard, good: script(shard, good) if next(left) > 0 else good


@dataclass
class Place:
    """A queue, a store, and workers at both."""

    max_receive_count: int = 10
    scheduler: Scheduler = field(default_factory=Scheduler)
    held: int = 0  # engines that came to `hold`
    free: bool = False  # they go on

    def __post_init__(self) -> None:
        self._gate = Gate(Outside(self.scheduler, Steady(), Log()), Process("outside"))
        self.messages = MessageQueue(self._gate.outside, self.max_receive_count)
        client: Any = Client(self.messages, self._gate, LEASE)
        self.queue = FaultyQueue("memory://queue", SqsClients(client, client, client), self.scheduler.sleep)
        objects = bucket.Bucket()
        self.inner = self._store(bucket.Client(objects))  # to look from outside, where no time passes
        self.store = WatchedStore(self._store(bucket.Client(objects, self._gate)))

    def _store(self, client: Any) -> S3Store:  # noqa: ANN401  boto3's, or what stands for it
        return S3Store("memory", "", client, self.scheduler.sleep)

    def now(self) -> float:
        return self.scheduler.now

    def worker(
        self,
        script: Script = well,
        *,
        engine: Engine | None = None,
        conditions: Conditions = USUAL,
        **policy: Any,  # noqa: ANN401
    ) -> Worker:
        process = Process("worker")
        return Worker(
            self.queue,
            engine or SimulatedEngine(Scripted(script=script), self._gate, self.now),
            self.store,
            Policy(**{"concurrency": 2, "lease": LEASE, "grace": float(GRACE), **policy}),
            conditions,
            monotonic=self.now,
            start=lambda task: self.scheduler.start(process, task),
            _events=Inbox(self.scheduler),
        )

    def send(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            self.messages.send(body)

    def hold(self, _shard: int, good: list[Step]) -> list[Step]:
        """Do nothing until all are free, and then well."""
        self.held += 1
        return [lambda: self.free, *good]

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Let things happen until something has that must."""
        assert self.scheduler.run(self.now() + LONGEST, lambda: bool(condition())), "it never came"

    def wait(self, seconds: float) -> None:
        """Let things happen for so long."""
        until = self.now() + seconds
        self.scheduler.run(until, lambda: False)
        self.scheduler.now = until

    def expire(self) -> None:
        """End every lease now, as a pause of this process would."""
        for message in self.messages.messages.values():
            message.visible_at = self.now()

    @property
    def bodies(self) -> list[bytes]:
        """What is on the queue, hidden or not."""
        return [message.body for message in self.messages.messages.values()]

    @property
    def visible(self) -> int:
        return sum(message.visible_at <= self.now() for message in self.messages.messages.values())


class Draining:
    """A worker that drains; whatever happens, every message that it receives comes to one ending."""

    def __init__(self, place: Place, worker: Worker) -> None:
        self._place = place
        self._worker = worker
        self._progress: WorkerProgress | None = None
        self._error: BaseException | None = None
        place.scheduler.start(Process("worker"), self._drain)

    def end(self) -> WorkerProgress:
        """Return what it did, when it has ended."""
        self._place.wait_until(lambda: self._progress or self._error)
        if self._error is not None:
            raise self._error
        assert self._progress is not None
        assert sum(self._progress.endings.values()) == self._progress.received
        assert self._progress.running == 0
        return self._progress

    def _drain(self) -> None:
        try:
            self._progress = self._worker.drain()
        except Exception as error:  # noqa: BLE001  `end` raises it
            self._error = error


def drained(place: Place, worker: Worker) -> WorkerProgress:
    return Draining(place, worker).end()


def drained_to_the_last(place: Place, worker: Worker) -> WorkerProgress:
    """Drain until nothing is left, delayed messages included."""
    draining = Draining(place, worker)
    place.wait_until(lambda: not place.bodies)
    worker.stop()
    return draining.end()


def require_done(place: Place, bodies: list[bytes]) -> None:
    assert place.bodies == []
    assert place.messages.dead == []
    standing = whole.require_whole(whole.objects(place.inner), bodies)
    assert all(outcome.status == "success" for outcome in standing.values())
    if bodies:
        whole.require_verified(place.inner, toys.RUN_ID)

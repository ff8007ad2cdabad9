"""One history: workers of a run among faults, then without any until all is settled, then judged.

    history = play(seed)
    history.findings  # nothing, or what must not be

The production code from `drain` down to `S3Store` or `LocalStore`, `Queue` and `EngineRun` runs unchanged. Handed
in are clock, sleep, the start of a task and the worker's inbox, the two clients of boto3 or the system calls of the
store, the engine's child process, and its files.
"""

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar, cast
from unittest.mock import patch

from fakes import bucket, message_queue
from fakes.message_queue import HeldMessage
from fakes.simulated_engine import Behaviour, SimulatedEngine
from fakes.toys import RUN_ID
from simulation.case import EPOCH, FIRST_DELAY, LEASE, Case, decoded, draw
from simulation.checker import Checker
from simulation.faults import Fault, Plan
from simulation.final import Inline, is_unfinished, judge_end
from simulation.gate import Gate, Outside
from simulation.local import Machine
from simulation.log import Log
from simulation.memory import File, in_memory
from simulation.operators import start_operators
from simulation.scheduler import Inbox, Lock, Process, Scheduler

from sweepctl.compact import run
from sweepctl.design import Space
from sweepctl.errors import DefectError
from sweepctl.queue.sqs import Queue, SqsClients
from sweepctl.records import design as stored_design
from sweepctl.records import layout
from sweepctl.shard import commit
from sweepctl.shard.run import run_shard
from sweepctl.store import local, s3
from sweepctl.store.contract import Store
from sweepctl.store.local import LocalStore
from sweepctl.store.s3 import S3Store
from sweepctl.verify import proof
from sweepctl.worker import events, lease
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.drain import Worker
from sweepctl.worker.events import Ending
from sweepctl.worker.lease import Policy
from sweepctl.worker.tally import WorkerProgress

T = TypeVar("T")
TROUBLE_SECONDS = 600.0  # of faults, at the most
SETTLE_SECONDS = 30_000.0
MOST_WORKERS = 15  # that are started in one history while there are faults
REDRIVES = 6
LONGEST_POLL = 20  # seconds that SQS allows
PATIENT_POLL = 600  # once nothing goes wrong with a poll any more: the fewer, the better


_UNSEEN = cast("WorkerProgress", None)


@dataclass
class StrictWorker(Worker):
    """Ends with the exceptions that nobody foresaw, each of which is a finding, and not its message's own failure."""

    on_ended: Callable[[Delivery], None] = lambda _: None

    def _progress(self, state: lease.WorkerState) -> WorkerProgress:
        # Nobody looks before the end: what is shown would take a twentieth of the time.
        return super()._progress(state) if state.finished else _UNSEEN

    def _run(self, delivery: Delivery) -> events.Event:
        ended = super()._run(delivery)
        self.on_ended(delivery)
        if isinstance(delivery.error, DefectError):
            raise delivery.error
        return ended


@dataclass(frozen=True)
class History:
    seed: int
    log: Log
    faults: Mapping[int, Fault]

    @property
    def findings(self) -> list[str]:
        return self.log.findings


def play(seed: int, only: Mapping[int, Fault] | None = None) -> History:
    """Play the history of a seed; with `only`, just these faults happen in it."""
    case = draw(seed)
    world = _World(seed, case, Plan(seed, case.density, case.focus, lies=case.lies, only=only))
    with quiet(), in_memory():
        world.play()
    return History(seed, world.log, world.plan.happened)


@contextmanager
def quiet() -> Iterator[None]:
    logger = logging.getLogger("sweepctl")
    was, logger.disabled = logger.disabled, True
    try:
        with ExitStack() as patches:
            patches.enter_context(patch.object(lease, "replace", _replaced))
            for module in (proof, s3, local, run):
                patches.enter_context(patch.object(module, "ThreadPoolExecutor", Inline))
            yield
    finally:
        logger.disabled = was


def _replaced(old: T, /, **changes: object) -> T:
    """Do what `dataclasses.replace` does for leases and states of a worker, in a third of the time."""
    new = object.__new__(type(old))
    new.__dict__.update(old.__dict__, **changes)
    return new


class _Kept:
    """The stored designs that each process keeps, under a lock for which its tasks wait in virtual time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._of: dict[str, stored_design._Kept] = {}

    def get(self, store: Store, sha256: str) -> Space:
        name = self._scheduler.current.process.name
        if name not in self._of:
            self._of[name] = stored_design._Kept()
            self._of[name].__dict__["_lock"] = Lock(self._scheduler)
        return self._of[name].get(store, sha256)


@dataclass
class _World:
    seed: int
    case: Case
    plan: Plan
    log: Log = field(default_factory=Log)
    scheduler: Scheduler = field(default_factory=Scheduler)
    workers: dict[str, Worker] = field(default_factory=dict)
    living: list[Process] = field(default_factory=list)
    operators: list[Process] = field(default_factory=list)
    gates: dict[str, Gate] = field(default_factory=dict)  # of workers
    machine: Machine | None = None  # of all workers, where their store is a folder

    def __post_init__(self) -> None:
        self.random = Random(f"world {self.seed}")
        self.outside = Outside(self.scheduler, self.plan, self.log)
        self.bucket = bucket.Bucket()
        self.queue = message_queue.MessageQueue(self.outside, self.case.max_receive_count)
        self.checker = Checker(self.bucket, self.log, RUN_ID, lambda: self.scheduler.now, decoded, self._work_of)
        self.bucket.on_put = self.checker.on_put
        self.queue.on_delete = self.checker.on_delete
        self.queue.on_close = self.checker.on_close
        self.queue.on_receive = self.checker.on_receive
        self.queue.on_arrive = self.checker.on_arrive

    def play(self) -> None:
        with (
            patch.object(stored_design, "_kept", _Kept(self.scheduler)),
            patch.object(File, "on_write", self._write_temporary),
        ):
            if self.case.disk == "local":
                with Machine.of(self) as self.machine:
                    self._play()
            else:
                self._play()

    def _write_temporary(self, where: str) -> None:
        process = self.scheduler.running
        if self.case.disk and process is not None and process.name in self.gates:
            self.gates[process.name].write_temporary(where)

    def _play(self) -> None:
        if self.case.stored is not None:
            stored_design.put(self.store(), self.case.stored)
        self._lose_design()
        if self.case.planned is not None:
            commit.pin_run(self.store(), self.case.planned)
        if self.case.failed_before:
            self._fail_shards()
        if self.machine is not None:
            self.machine.install(self.bucket.objects)
        for body in (*self.case.bodies, *self.case.strangers, *self.case.rivals, *self.case.usurpers):
            self.queue.send(body)
        director = Process("director")
        self.scheduler.start(director, self._direct)
        self.scheduler.run(TROUBLE_SECONDS, self._is_quiet)
        self.scheduler.kill(director)
        if self.machine is not None and self.machine.is_damaged:
            self._end()
            return
        self.queue.least_wait = PATIENT_POLL
        self._settle()
        judge_end(self)

    def _is_quiet(self) -> bool:
        """Say whether nothing is left that faults could disturb; on buckets, operators meet enough of them before."""
        operators = [] if self.machine is None else self.operators
        return not self.queue.messages and not any(process.tasks for process in operators)

    def _fail_shards(self) -> None:
        """Have each shard tried, and end the engine at each point."""
        for message in self.case.shards.values():
            points = frozenset(range(message.total_points))
            engine = SimulatedEngine(Behaviour(poison=points), None, lambda: 0.0)
            now = partial(self._utc_now, dt.timedelta())
            run_shard(
                message,
                engine,
                self.store(),
                self.case.conditions(force=False),
                now=now,
                new_attempt_id=self._new_attempt_id,
            )

    def _lose_design(self) -> None:
        stored = self.case.stored
        if not self.case.lost_design or stored is None:
            return
        del self.bucket.objects[self._design_key]
        if self.case.lost_design == "altered":
            self.bucket.objects[self._design_key] = stored.replace(b"[0", b"[8")

    def _restore_design(self) -> None:
        """As an operator does who reads that a design is missing or altered."""
        if self.case.stored is not None:
            self.bucket.objects[self._design_key] = self.case.stored
            if self.machine is not None:
                self.machine.install({self._design_key: self.case.stored})

    @property
    def _design_key(self) -> str:
        assert self.case.stored is not None
        return layout.stored_design(stored_design.digest(self.case.stored))

    def _direct(self) -> None:
        """Start the workers, and others where some have ended."""
        while len(self.workers) < MOST_WORKERS:
            self.living = [process for process in self.living if process.tasks]
            while len(self.living) < self.case.workers and len(self.workers) < MOST_WORKERS:
                other = self.case.other_version and self.random.random() < 0.5
                self._start_worker(self._behaviour(other=other), until_empty=self.random.random() < 0.25)
            start_operators(self)
            if self.case.lost_design and self.random.random() < 0.1:
                self._restore_design()
            self.scheduler.sleep(5 + 40 * self.random.random())

    def _settle(self) -> None:
        """Without faults, with sound workers and with every message given another chance, all must come to an end."""
        self.plan.enabled = False
        self._restore_design()
        self.outside.down_until = {"store": 0.0, "queue": 0.0}
        self.living = [process for process in self.living if process.tasks]
        for other in (False, True) if self.case.other_version else (False,):
            self._start_worker(self._behaviour(other=other))
        until = self.scheduler.now + SETTLE_SECONDS
        for _ in range(REDRIVES):
            self.queue.redrive()
            if not self.scheduler.run(until, lambda: not self.queue.messages):
                self.log.find("unsettled", f"{sorted(self.queue.messages)} are still there")
                break
            # What was under way when the faults ended may have used up the receives.
            if not any(is_unfinished(self, message.body) for message in self.queue.dead):
                break
            self._stop_wrong_workers()
        for process in self.living:
            self.workers[process.name].stop()
        if not self.scheduler.run(until + 1_000, lambda: not any(process.tasks for process in self.living)):
            self.log.find("unended", "a worker that was stopped does not end")
        self._end()

    def _stop_wrong_workers(self) -> None:
        """As an operator does who reads that a run is pinned to another version than some workers' engines have."""
        for process in self.living:
            worker = self.workers[process.name]
            if worker._tally.endings[Ending.WRONG_WORKER]:
                worker.stop()

    def _end(self) -> None:
        """Leave no task behind."""
        for process in (*self.living, *self.operators, self.outside.network):
            self.scheduler.kill(process)
        self.scheduler.run(self.scheduler.now + 1, lambda: False)
        for name, error in self.scheduler.crashes:
            self.log.find("stray_task", f"{name}: {error!r}")

    def _behaviour(self, *, other: bool) -> Behaviour:
        return Behaviour("2") if other else self.case.behaviour

    def _start_worker(self, behaviour: Behaviour, *, until_empty: bool = False) -> None:
        process = Process(f"w{len(self.workers)}")
        gate = Gate(self.outside, process)
        skew = dt.timedelta(hours=self.random.choice([0, 0, -12, 12, self.random.uniform(-12, 12)]))
        clock = lambda: self.scheduler.now  # noqa: E731
        client: Any = message_queue.Client(self.queue, gate, LEASE)
        engine = SimulatedEngine(behaviour, gate, clock)
        worker = StrictWorker(
            Queue("memory://queue", SqsClients(client, client, client), self.scheduler.sleep),
            engine,
            self.store(gate),
            Policy(
                concurrency=self.case.concurrency,
                lease=LEASE,
                grace=self.case.grace,
                until_empty=until_empty,
                first_delay=FIRST_DELAY,
                poll_seconds=LONGEST_POLL,
            ),
            self.case.conditions(force=self.case.forces and self.random.random() < 0.5),
            now=lambda: self._utc_now(skew),
            monotonic=clock,
            start=lambda task: self.scheduler.start(process, task),
            new_attempt_id=self._new_attempt_id,
            report_seconds=3600.0,  # the loop reports to whoever watches: nobody does, and looking is dear
            _events=Inbox(self.scheduler),
            on_ended=lambda delivery: self.checker.on_ended(delivery, engine.asked_by(self.scheduler.current)),
        )
        gate.stop = worker.stop
        self.gates[process.name] = gate
        self.workers[process.name] = worker
        self.living.append(process)
        self.log.note(self.scheduler.now, process.name, "life", "starts", f"skew {skew}")
        self.scheduler.start(process, lambda: self._live(process, worker))

    def _live(self, process: Process, worker: Worker) -> None:
        progress = worker.drain()
        if worker._deliveries:
            self.log.find("left_behind", f"{process.name} ends, and holds {sorted(worker._deliveries)}")
        if self.machine is not None:
            self.machine.end(process)
        self.log.note(self.scheduler.now, process.name, "life", "ends", str(progress.why))

    def store(self, gate: Gate | None = None) -> S3Store | LocalStore:
        """Open the store; without a gate, nothing goes wrong, and it is a bucket."""
        if gate is not None and self.machine is not None:
            return self.machine.store(gate)
        sleep = (lambda _seconds: None) if gate is None else self.scheduler.sleep
        return S3Store("memory", "", cast("Any", bucket.Client(self.bucket, gate)), sleep)

    def _utc_now(self, skew: dt.timedelta) -> dt.datetime:
        now = EPOCH + dt.timedelta(seconds=self.scheduler.now) + skew
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _new_attempt_id(self) -> str:
        attempt_id = f"{len(self.checker.began_at) + 1:032x}"
        self.checker.began_at[attempt_id] = self.scheduler.now
        return attempt_id

    def _work_of(self, delivery: HeldMessage) -> Delivery | None:
        return self.workers[delivery.process.name]._deliveries.get(delivery.receipt)

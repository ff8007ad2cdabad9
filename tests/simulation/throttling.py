"""A fleet of workers at a bucket and a queue that refuse what exceeds their rates, in virtual time.

    python tests/simulation/throttling.py SHARDS [WORKERS]

The worker's code runs unchanged, from its loop down to `S3Store` and `Queue`. Nothing else goes wrong: requests take as
long each time, and one that is refused is asked again by botocore's own rules, with as many attempts as sweepctl sets.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError
from botocore.retries.quota import RetryQuota
from botocore.retries.standard import (
    ExponentialBackoff,
    RetryContext,
    RetryEventAdapter,
    RetryPolicy,
    RetryQuotaChecker,
    StandardRetryConditions,
    ThrottlingErrorDetector,
)
from fakes import bucket, message_queue, toys
from fakes.simulated_engine import SimulatedEngine
from simulation.case import EPOCH, LEASE
from simulation.faults import Fault
from simulation.gate import Gate, Outside, refusal
from simulation.log import Log
from simulation.memory import in_memory
from simulation.scheduler import Inbox, Process, Scheduler
from simulation.world import quiet
from worker.in_process import Scripted, Steady, replicate

from sweepctl.queue.sqs import LEASE_ATTEMPTS, POLL_ATTEMPTS, Queue, SqsClients
from sweepctl.records import layout, table
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.shard import commit
from sweepctl.shard.run import USUAL
from sweepctl.store.s3 import REQUEST_ATTEMPTS, S3Store
from sweepctl.worker.drain import Worker
from sweepctl.worker.lease import Policy

T = TypeVar("T")
# Requests a second: of S3 as AWS publishes them for a partition. Of each action of a standard queue AWS says "nearly
# unlimited": so many are taken for it.
PUBLISHED = {"put": 3_500.0, "get": 5_500.0, "queue": 3_000.0}
MOST_RECEIVES = 10  # as the deployment's queue has it
WAY = 0.01  # seconds to a service, or back
LONGEST = 100_000.0


def whole_bucket(_key: str) -> str:
    """Put all keys into one partition, as a new bucket does."""
    return ""


def by_folder(key: str) -> str:
    """Put each table into a partition of its own, as S3 does in time where requests stay many."""
    return key.partition("/")[0]


@dataclass
class Rate:
    """So many requests a second, and no more at once than of one second."""

    of_a_second: float
    left: float
    at: float = 0.0

    def admits(self, now: float) -> bool:
        self.left = min(self.of_a_second, self.left + (now - self.at) * self.of_a_second)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass
class Services:
    """The bucket and the queue, as far as they count requests."""

    partition_of: Callable[[str], str]
    limits: Mapping[str, float]
    asked: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _rates: dict[tuple[str, str], Rate] = field(default_factory=dict)

    def admit(self, call: str, where: str, now: float) -> None:
        """Raise what boto3 does where a request is one too many."""
        self.asked[call] += 1
        is_store = call in {"put", "get", "list"}
        kind = ("put" if call == "put" else "get") if is_store else "queue"
        limit = self.limits[kind]
        partition = (call, "") if kind == "queue" else (kind, self.partition_of(where))
        if not self._rates.setdefault(partition, Rate(limit, limit)).admits(now):
            self.refused[call] += 1
            raise refusal(503) if is_store else refusal(400, "RequestThrottled")


class Retries:
    """botocore's standard mode, of one client: its own classes, in virtual time."""

    def __init__(self, attempts: int, random: Random) -> None:
        detector = ThrottlingErrorDetector(RetryEventAdapter())
        self._policy = RetryPolicy(
            StandardRetryConditions(max_attempts=attempts),
            ExponentialBackoff(random=random.random, throttling_detector=detector),
        )
        self._quota = RetryQuotaChecker(RetryQuota(), detector)

    def delay(self, error: ClientError, attempt: int, request: dict[str, Any]) -> float | None:
        """Return how long to wait before the request is sent again; None if it is not."""
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        context = RetryContext(
            attempt_number=attempt,
            parsed_response=error.response,
            http_response=SimpleNamespace(status_code=status, headers={}),
            request_context=request,
        )
        if not self._policy.should_retry(context) or not self._quota.acquire_retry_quota(context):
            return None
        return self._policy.compute_retry_delay(context)

    def succeeded(self, request: dict[str, Any]) -> None:
        """Give back what a request has taken of the quota."""
        self._quota.release_retry_quota(cast("RetryContext", request), SimpleNamespace(status_code=200))


@dataclass
class ThrottledGate(Gate):
    """What lies between one client and its service: it asks again what is refused for its rate."""

    services: Services = field(kw_only=True)
    retries: Retries = field(kw_only=True)

    def call(self, call: str, where: str, effect: Callable[[Fault | None], T]) -> T:
        scheduler = self.outside.scheduler
        request: dict[str, Any] = {}
        for attempt in count(1):
            scheduler.sleep(WAY)
            try:
                self.services.admit(call, where, scheduler.now)
            except ClientError as error:
                scheduler.sleep(WAY)
                delay = self.retries.delay(error, attempt, request)
                if delay is None:
                    raise
                scheduler.sleep(delay)
            else:
                break
        answer = effect(None)
        self.retries.succeeded(request)
        scheduler.sleep(WAY)
        return answer


@dataclass
class Fleet:
    """A run of shards of one point, its messages, and workers that all start at once."""

    shards: int
    workers: int = 1_000
    partition_of: Callable[[str], str] = whole_bucket
    limits: Mapping[str, float] = field(default_factory=lambda: PUBLISHED)
    scheduler: Scheduler = field(default_factory=Scheduler)
    findings: list[str] = field(default_factory=list)
    running: list[Worker] = field(default_factory=list)
    receives: Counter[int] = field(default_factory=Counter)
    attempts: int = 0
    seconds: float = 0.0  # until the last message was gone

    def __post_init__(self) -> None:
        self.services = Services(self.partition_of, self.limits)
        self.outside = Outside(self.scheduler, Steady(), Log())
        self.bucket = bucket.Bucket(on_put=self._on_put)
        self.queue = message_queue.MessageQueue(self.outside, MOST_RECEIVES)
        self.queue.on_delete = self._on_delete
        self.queue.on_receive = lambda _message, delivery: self.receives.update([delivery.receive_count])

    def drain(self) -> None:
        """Have all messages worked off, then stop the workers."""
        with quiet(), in_memory():
            bodies = toys.replicates(self.shards)
            self._plan(bodies[0])
            for body in bodies:
                self.queue.send(body)
            processes = [self._start(number) for number in range(self.workers)]
            if not self.scheduler.run(LONGEST, lambda: not self.queue.messages):
                self.findings.append(f"{len(self.queue.messages)} messages are still there")
            self.seconds = self.scheduler.now
            for worker in self.running:
                worker.stop()
            if not self.scheduler.run(self.seconds + LONGEST, lambda: not any(each.tasks for each in processes)):
                self.findings.append("a worker that was stopped does not end")
            self._judge()

    def _plan(self, body: bytes) -> None:
        message = toys.decoded(body)
        record = RunRecord(
            run_id=toys.RUN_ID,
            run_date=toys.RUN_DATE,
            spec_json=message.spec.to_json(),
            spec_fingerprint=message.spec.fingerprint,
            total_points=message.total_points,
            shard_points=1,
            created_at=EPOCH,
        )
        commit.pin_run(S3Store("memory", "", cast("Any", bucket.Client(self.bucket)), lambda _seconds: None), record)

    def _start(self, number: int) -> Process:
        process = Process(f"w{number}")
        random = Random(number)

        def gate(attempts: int) -> ThrottledGate:
            retries = Retries(attempts, random)
            return ThrottledGate(self.outside, process, services=self.services, retries=retries)

        def client(attempts: int) -> Any:  # noqa: ANN401  boto3's, or what stands for it
            return message_queue.Client(self.queue, gate(attempts), LEASE)

        now = lambda: self.scheduler.now  # noqa: E731
        leases = client(LEASE_ATTEMPTS)
        store_client: Any = bucket.Client(self.bucket, gate(REQUEST_ATTEMPTS))
        worker = Worker(
            Queue("memory://queue", SqsClients(client(POLL_ATTEMPTS), leases, leases), self.scheduler.sleep),
            SimulatedEngine(Scripted(script=replicate), gate(1), now),
            S3Store("memory", "", store_client, self.scheduler.sleep),
            Policy(lease=LEASE),
            USUAL,
            now=lambda: EPOCH,
            monotonic=now,
            start=lambda task: self.scheduler.start(process, task),
            new_attempt_id=self._new_attempt_id,
            report_seconds=3600.0,
            _events=Inbox(self.scheduler),
        )
        self.running.append(worker)
        self.scheduler.start(process, worker.drain)
        return process

    def _new_attempt_id(self) -> str:
        self.attempts += 1
        return f"{self.attempts:032x}"

    def _outcome(self, shard: int) -> Outcome | None:
        body = self.bucket.objects.get(layout.ShardKeys(toys.RUN_ID, toys.RUN_DATE, shard).outcome)
        return None if body is None else table.decode(Outcome, body, "memory")

    def _on_put(self, process: str, key: str, old: bytes | None, _new: bytes) -> None:
        if old is not None and not key.startswith(".sweepctl/"):
            self.findings.append(f"{process} wrote over {key}")

    def _on_delete(self, message: message_queue.Message, delivery: message_queue.HeldMessage) -> None:
        if self._outcome(toys.decoded(message.body).shard_id) is None:
            self.findings.append(f"{delivery.process.name} deletes {message.message_id} without an outcome")

    def _judge(self) -> None:
        """Each shard has one success, each message its end, and nothing else is in the store."""
        self.findings += [f"{len(self.queue.dead)} messages are dead letters"] * bool(self.queue.dead)
        self.findings += [f"{name}: {error!r}" for name, error in self.scheduler.crashes]
        for shard in range(self.shards):
            outcome = self._outcome(shard)
            if outcome is None or outcome.status != "success":
                self.findings.append(f"shard {shard} has {outcome and outcome.error_code}")
        folders = Counter(key.partition("/")[0] for key in self.bucket.objects if not key.startswith(".sweepctl/"))
        tables = dict.fromkeys(("shard_outcomes", "effective_parameters", "point_outcomes"), self.shards)
        if folders != {"runs": 2, **tables}:
            self.findings.append(f"the store holds {folders}")

    def __str__(self) -> str:
        asked, refused = self.services.asked, self.services.refused
        rates = ", ".join(f"{call} {(asked[call] - refused[call]) / self.seconds:,.0f}" for call in sorted(asked))
        shares = ", ".join(f"{call} {refused[call] / asked[call]:.0%}" for call in sorted(refused)) or "none"
        again = sum(number for receive, number in self.receives.items() if receive > 1)
        return (
            f"{self.shards:,} shards, {self.workers:,} workers, {self.seconds:,.1f} s: "
            f"{self.shards / self.seconds:,.0f} shards a second; admitted a second: {rates}; refused: {shares}; "
            f"redelivered: {again:,}, at most {max(self.receives)} receives; findings: {self.findings or 'none'}"
        )


def main(shards: int, workers: int = 1_000) -> int:
    findings = 0
    for partition_of in (whole_bucket, by_folder):
        fleet = Fleet(shards, workers, partition_of)
        fleet.drain()
        print(f"{partition_of.__name__}: {fleet}", flush=True)
        findings += len(fleet.findings)
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))

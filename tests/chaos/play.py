"""A run whose processes are killed, one about every second, until its queue is empty; and what must hold of it then.

Real `sweepctl drain` processes work on a real queue server and a real S3 server. A seed decides what is killed and
when, as far as that can be decided: which processes there are at that moment is chance.
"""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from chaos import models, processes
from chaos.processes import Process
from fakes.servers import BUCKET, Server
from waiting import wait_until
from worker.processes import SWEEPCTL, environment

from sweepctl.queue.sqs import Queue, open_queue

WORKERS = 4
LEASE = 5  # seconds: little beside the run, so that shards of killed workers come back
RECEIVES = 1_000  # before a message is a dead letter: none may be
GAP = 1.0  # seconds between kills, on average
MOST_LOOKS = 1_500  # at a queue that no message leaves, five a second: some sixty leases
RUN_ID = "disturbed"
ROWS = "SELECT point_index, replicate, x, point_fingerprint, status, y, z FROM points ORDER BY point_index"
DELIVERIES = "SELECT sum(attempt_number), max(attempt_number) FROM shard_outcomes"
ATTEMPTS = "SELECT coalesce(error_code, status), count(*) FROM shard_attempts GROUP BY ALL ORDER BY ALL"


@dataclass
class Place:
    """What the processes of one run share: a folder of their own, a queue, a store."""

    folder: Path
    queue: Queue
    environment: dict[str, str]

    @property
    def temporary(self) -> Path:
        return self.folder / "temporary"

    def start(self, *arguments: str, **pipes: Any) -> "subprocess.Popen[str]":  # noqa: ANN401
        command = [*SWEEPCTL, *arguments]
        return subprocess.Popen(command, env=self.environment, cwd=self.folder / "model", text=True, **pipes)

    def sweepctl(self, *arguments: str) -> str:
        """Run a command that must exit with 0, and return what it prints."""
        with self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            output, errors = process.communicate()
        assert process.returncode == 0, f"sweepctl {' '.join(arguments)}: {process.returncode}: {output}{errors}"
        return output

    def held(self, suffix: str = "") -> int:
        """How many messages the queue has, or the one of dead letters, hidden ones too."""
        facts = Queue(self.queue.url + suffix, self.queue._clients, time.sleep).facts()
        return facts.visible + facts.in_flight + facts.delayed

    def left_over(self) -> list[str]:
        """What lies in the temporary folder, but for the place of work folders and its lock."""
        own = f"sweepctl-{os.getuid()}"
        return [str(path) for path in self.temporary.rglob("*") if path.name not in {own, "lock"}]


def new_place(folder: Path, queues: Server, stores: Server, model: str, shards: int) -> Place:
    folder.mkdir()
    models.write(folder / "model", model, shards)
    (folder / "temporary").mkdir()
    name = f"chaos-{os.getpid()}-{folder.name}"
    url = queues.queue(name, max_receive_count=RECEIVES)
    settings = {
        "TMPDIR": str(folder / "temporary"),
        "SWEEPCTL_STORE": f"s3://{BUCKET}/{name}",
        "SWEEPCTL_ENDPOINT_URL": stores.endpoint_url,
        "SWEEPCTL_QUEUE_URL": url,
        "SWEEPCTL_PROGRAMS": "chaos.toml",
    }
    engine = {"SWEEPCTL_ENGINE": os.environ["SWEEPCTL_ENGINE"]} if "SWEEPCTL_ENGINE" in os.environ else {}
    return Place(folder, open_queue(url), {**environment(), **engine, **settings})


@dataclass
class Crew:
    """Some workers; one that has ended is started again."""

    place: Place
    workers: list["subprocess.Popen[str]"] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    ended: list[str] = field(default_factory=list)  # workers that ended although nobody killed them
    hurt: set[int] = field(default_factory=set)  # engines one of whose children was killed

    def __enter__(self) -> Self:
        self.workers = [self._start() for _ in range(WORKERS)]
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def _start(self) -> "subprocess.Popen[str]":
        with (self.place.folder / "workers.log").open("a") as log:
            options = ["--lease", str(LEASE), "--threads", "1", "--log-format", "json"]
            return self.place.start("drain", *options, stdout=subprocess.DEVNULL, stderr=log)

    def renew(self) -> None:
        for slot, worker in enumerate(self.workers):
            if worker.poll() is not None:
                if worker.returncode != -signal.SIGKILL:
                    self.ended.append(f"a worker exited with {worker.returncode}")
                self.workers[slot] = self._start()

    def victims(self) -> list[Process]:
        """What may be killed: of an engine's children only one, since a point that ends two of them has failed."""
        found = processes.of_workers([worker.pid for worker in self.workers])
        return [each for each in found if each.engine not in self.hurt]

    def kill(self, victim: Process) -> None:
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            self.kills[victim.kind] += 1
            if victim.engine:
                self.hurt.add(victim.engine)

    def stop(self) -> None:
        """Have all workers end in order, but for the last one killed. A young one does once it knows the signal."""
        for worker in self.workers:
            wait_until(partial(_knows_its_stop, worker))
            worker.send_signal(signal.SIGTERM)
        codes = [worker.wait() for worker in self.workers]
        self.ended += [f"a stopped worker exited with {code}" for code in codes if code not in {0, -signal.SIGKILL}]


def _knows_its_stop(worker: "subprocess.Popen[str]") -> bool:
    return worker.poll() is not None or processes.catches(worker.pid, signal.SIGTERM)


def disturb(crew: Crew, draw: random.Random, held: Callable[[], int], sent: int) -> None:
    """Kill a process about every second until the queue is empty, one at least.

    No kill comes before a message has left the queue since the last one: so the run ends on the slowest machine, too.

    Raises:
        AssertionError: no message leaves the queue any more.
    """
    former = least = left = sent
    due, looks = time.monotonic(), 0
    while left or not crew.kills:
        if left < former and time.monotonic() >= due:
            kind = draw.choice(processes.KINDS)
            # There is a host only where an engine has just ended.
            for each in ("engine", "host") if kind == "host" else (kind,):
                strike(crew, each, draw)
            former, due = left, time.monotonic() + draw.uniform(0.5, 1.5) * GAP
        crew.renew()
        time.sleep(GAP / 5)
        left, looks = held(), looks + 1
        if left < least:
            least, looks = left, 0
        assert looks < MOST_LOOKS, f"{left} messages stay in the queue"


def strike(crew: Crew, kind: str, draw: random.Random) -> None:
    """Kill a process of a kind, or a worker if there is none within a second."""
    until = time.monotonic() + GAP
    while not (victims := [each for each in crew.victims() if each.kind == kind]):
        if time.monotonic() > until:
            kind = "worker"
        time.sleep(0.01)
    crew.kill(draw.choice(victims))


@dataclass(frozen=True)
class Played:
    """What became of a run. It has no findings where every promise was kept."""

    kills: Counter[str]
    seconds: float
    deliveries: int
    most_deliveries: int
    attempts: dict[str, int]  # recorded beside the outcomes, by error code
    verdict: str
    findings: list[str]

    def __str__(self) -> str:
        kills = ", ".join(f"{kind} {self.kills[kind]}" for kind in processes.KINDS if self.kills[kind])
        attempts = ", ".join(f"{code} {count}" for code, count in self.attempts.items()) or "none"
        return (
            f"{self.seconds:.0f} s, {self.kills.total()} kills ({kills}); {self.deliveries:,} deliveries, at most "
            f"{self.most_deliveries} of a shard; recorded attempts that failed: {attempts}; {self.verdict}; "
            f"findings: {'; '.join(self.findings) or 'none'}"
        )


def undisturbed(place: Place) -> list[list[str]]:
    """Return the rows of the same sweep in one shard, in a store of its own, where nothing is killed."""
    place.sweepctl("run", "undisturbed.toml", "--run-id", "undisturbed", "--store", "undisturbed", "--threads", "8")
    return _rows(place, ROWS, "undisturbed", "--store", "undisturbed")


def play(place: Place, seed: int, expected: list[list[str]]) -> Played:
    """Play one run in a new place."""
    place.sweepctl("submit", "sweep.toml", "--run-id", RUN_ID)
    started, sent = time.monotonic(), place.held()
    with Crew(place) as crew:
        disturb(crew, random.Random(seed), place.held, sent)
        seconds = time.monotonic() - started
        crew.stop()
    # What killed processes have left is removed by the next that runs a shard.
    place.sweepctl("run", "after.toml", "--run-id", "after")
    wait_until(lambda: not processes.with_temporary(place.temporary))
    verdict = json.loads(place.sweepctl("verify", RUN_ID, "--json"))["verdict"]
    (deliveries, most), *_ = _rows(place, DELIVERIES)
    findings = [
        *crew.ended,
        *[f"left behind: {path}" for path in place.left_over()],
        *["dead letters"] * bool(place.held("-dead")),
        *["other rows"] * (_rows(place, ROWS) != expected),
        *[f"verify: {verdict}"] * (verdict != "whole"),
    ]
    attempts = {code: int(count) for code, count in _rows(place, ATTEMPTS)}
    return Played(crew.kills, seconds, int(deliveries), int(most), attempts, verdict, findings)


def _rows(place: Place, query: str, run_id: str = RUN_ID, *options: str) -> list[list[str]]:
    shown = place.sweepctl("query", run_id, query, *options, "--json")
    return [list(row.values()) for row in json.loads(shown)["rows"]]

"""Workers as processes, on a real queue server: what the tests that break them share.

`conftest` makes the nursery and the places; `worker` tells what a job may say.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakes import toys
from fakes.servers import SETTINGS, Server
from paths import TESTS
from waiting import wait_until
from worker import whole

import sweepctl
from sweepctl.queue.sqs import Queue
from sweepctl.records.outcome import Outcome
from sweepctl.store import open_store

if TYPE_CHECKING:
    import subprocess

# The command, as the environment below has it.
SWEEPCTL = (sys.executable, "-P", "-c", "from sweepctl.cli import main; main()")
# What every worker's lease is, but where a test is about its end: none ends by itself, however slow the machine.
LONG_LEASE = 3_600
LEASE = 3

SCENARIOS = {
    # receive; run record read, created; outcome read; pin read, created; two data; outcome read, created; delete
    "success": "",
    # as above, with partial data and the attempt's row before the outcome, and a hand-back instead of the delete
    "crash": "if first('crash'): start(); point(begin); sys.exit(3)",
}


def environment() -> dict[str, str]:
    """The sweepctl that this test imported, whatever folder it lies in, and the helpers of tests."""
    package = str(Path(sweepctl.__file__).parents[1])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([package, str(TESTS)]), **SETTINGS}


class Nursery:
    """Starts worker processes, and tells how they ended."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, **job: Any) -> int:  # noqa: ANN401  any JSON value
        return int(self._ask(job))

    def wait(self, pid: int) -> int | None:
        """Wait until a worker has ended, or a signal has stopped it; None: it still runs."""
        answer: int | None = self._ask({"wait": pid})
        return answer

    def _ask(self, job: dict[str, Any]) -> Any:  # noqa: ANN401  a number or None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@dataclass(frozen=True)
class Place:
    """A queue and a store of their own, and an engine that several places may share."""

    server: Server
    queue: Queue
    store: str
    engine: Path
    store_endpoint_url: str | None = None

    def job(self, **policy: Any) -> dict[str, Any]:  # noqa: ANN401  fields of a policy
        return {
            "queue_url": self.queue.url,
            "endpoint_url": self.server.endpoint_url,
            "store": self.store,
            "store_endpoint_url": self.store_endpoint_url,
            "engine": str(self.engine),
            "policy": {"concurrency": 1, "lease": LONG_LEASE, "grace": 1.0, **policy},
        }

    def tell(self, name: str) -> None:
        (self.engine.parent / name).touch()

    def is_told(self, name: str) -> bool:
        return (self.engine.parent / name).exists()

    def calls(self) -> int:
        """How many calls a worker made that has ended in order."""
        return int((self.engine.parent / "calls").read_text())

    def end_leases(self) -> None:
        """End the leases of workers that are dead or stand still, as time does."""
        receipts = self.engine.parent / "receipts"
        for receipt in receipts.read_text().split() if receipts.exists() else ():
            self.queue.extend(receipt, 0)

    def objects(self) -> dict[str, bytes]:
        return whole.objects(open_store(self.store, endpoint_url=self.store_endpoint_url))

    def held(self) -> int:
        """How many messages the queue has, hidden ones too."""
        facts = self.queue.facts()
        return facts.visible + facts.in_flight + facts.delayed

    def dead(self) -> list[bytes]:
        dead = Queue(f"{self.queue.url}-dead", self.queue._clients, time.sleep)
        return [each.body for each in dead.receive(10, wait=0, visibility=60)]

    def require_done(self, bodies: Sequence[bytes], dead: Sequence[bytes] = ()) -> dict[int, Outcome]:
        standing = whole.require_whole(self.objects(), bodies)
        assert all(outcome.status == "success" for outcome in standing.values())
        if bodies:
            whole.require_verified(open_store(self.store, endpoint_url=self.store_endpoint_url), toys.RUN_ID)
        assert self.held() == 0
        assert self.dead() == list(dead)
        return standing


MakePlace = Callable[..., Place]


def counted(make_place: MakePlace, nursery: Nursery, behaviour: str, bodies: Sequence[bytes]) -> int:
    """Return how many calls a worker makes for one message when nothing befalls it."""
    place = make_place(behaviour, bodies)
    assert nursery.wait(nursery.start(**place.job(max_shards=1))) == 0
    return place.calls()


def end_in_order(nursery: Nursery, workers: Sequence[int]) -> None:
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
    assert [nursery.wait(worker) for worker in workers] == [0] * len(workers)


def heal(nursery: Nursery, places: Sequence[Place]) -> None:
    """Have a healthy worker at each place until its queue is empty."""
    workers = [nursery.start(**place.job(poll_seconds=1)) for place in places]
    for place in places:
        wait_until(lambda place=place: place.held() == 0)  # type: ignore[misc]
    end_in_order(nursery, workers)

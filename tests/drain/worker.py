"""Queue workers as processes that can be killed: one line of JSON on standard input starts one.

    {"queue_url": …, "store": …, "engine": …, "policy": {…}, "kill": [3, "before"]}   answers with its process id
    {"wait": 1234}                                                                    answers with its exit status

Each is a fork of this process, which has imported everything and has no threads: it starts in no time. `kill` names a
call of the store or the queue, counted from 0, at which the worker kills itself. Renewals do not count: when they come
is chance.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from drain.toys import engine_at
from store.faulty import FaultyStore

from sweepctl import lease
from sweepctl.drain import Worker
from sweepctl.lease import Policy
from sweepctl.shard import Conditions
from sweepctl.sqs import Queue, QueueFacts, Received, open_queue
from sweepctl.store import open_store

T = TypeVar("T")
STOPS = {signal.SIGTERM}


class Death:
    """Kills this process before or after the call with a certain number."""

    def __init__(self, call: int, side: str) -> None:
        self._call = call
        self._side = side
        self._seen = -1
        self._lock = threading.Lock()

    def at(self, action: Callable[[], T]) -> T:
        with self._lock:
            self._seen += 1
            is_it = self._seen == self._call
        if is_it and self._side == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = action()
        if is_it:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class MortalStore(FaultyStore):
    death: Death

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        return self.death.at(lambda: super(MortalStore, self)._call(method, key, action))


class MortalQueue(Queue):
    def __init__(self, inner: Queue, death: Death, renewal: int) -> None:  # no client of its own
        self.url = inner.url
        self._inner = inner
        self._death = death
        self._renewal = renewal

    def receive(self, most: int, *, wait: int, visibility: int) -> list[Received]:
        return self._death.at(lambda: self._inner.receive(most, wait=wait, visibility=visibility))

    def extend(self, receipt: str, seconds: int) -> bool:
        if seconds == self._renewal:
            return self._inner.extend(receipt, seconds)
        return self._death.at(lambda: self._inner.extend(receipt, seconds))

    def delete(self, receipt: str) -> bool:
        return self._death.at(lambda: self._inner.delete(receipt))

    def send(self, bodies: Sequence[bytes]) -> None:
        self._inner.send(bodies)

    def facts(self) -> QueueFacts:
        return self._inner.facts()


@cache
def opened(endpoint_url: str) -> Queue:
    """A client takes longer to make than most workers here live; until its first request it has no connection."""
    return open_queue(f"{endpoint_url}/0/any")


def queue_of(job: dict[str, Any]) -> Queue:
    return Queue(job["queue_url"], opened(job["endpoint_url"])._client, time.sleep)


def work(job: dict[str, Any]) -> None:
    # Nobody waits for the delays of operation.
    lease.WAIT_SECONDS = job.get("wait_seconds", 2)
    lease.FIRST_DELAY = 1
    policy = Policy(**job["policy"])
    death = Death(*job.get("kill") or (-1, ""))
    store = MortalStore(open_store(job["store"]))
    store.death = death
    queue = MortalQueue(queue_of(job), death, policy.lease)
    worker = Worker(queue, engine_at(job["engine"]), store, policy, Conditions())
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    done = worker.drain()
    assert sum(done.endings.values()) == done.received


def start(job: dict[str, Any]) -> int:
    opened(job["endpoint_url"])  # before the fork, for all
    # A stop must not come before the child is ready for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        return child
    status = 1
    try:
        # Else its engines and a sibling would keep this pipe, and each other, alive.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        work(job)
        status = 0
    except BaseException:  # noqa: BLE001  a fork must never return into its parent's loop
        import traceback  # noqa: PLC0415  only a failed worker needs it

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def main() -> None:
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        if "wait" in job:
            _, status = os.waitpid(job["wait"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = start(job)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

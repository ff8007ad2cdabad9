"""Queue workers as processes that signals can hit anywhere: one line of JSON on standard input starts one.

    {"queue_url": …, "store": …, "engine": …, "policy": {…}, "kill": [3, "before"]}   answers with its process id
    {"wait": 1234}                                                                    answers how that one ended

Each is a fork of this process, which has imported everything and has no threads: it starts in no time. `kill` names a
call of the store or the queue, counted from 0, before or after which the worker kills itself, or sends itself the
signal that `signal` names, TERM or STOP; once it goes on after a STOP, an hour has passed by its clock. Renewals do not
count: when they come is chance. A wait ends with the exit status, or with minus the signal that ended or stopped the
worker. In the engine's folder, a worker notes the receipts of what it receives (`receipts`) and, when it has ended in
order, how many calls it made (`calls`).
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from fakes.faulty import FaultyStore
from waiting import LIMIT

from sweepctl.engine.client import Engine
from sweepctl.queue import sqs
from sweepctl.queue.contract import Bodies, QueueFacts, Received
from sweepctl.queue.sqs import Queue, open_queue
from sweepctl.shard.run import Conditions
from sweepctl.store import Store, open_store, place_in_s3
from sweepctl.store.s3 import open_s3
from sweepctl.worker.drain import Worker
from sweepctl.worker.lease import Policy

# Nobody waits here for the delays of operation.
HASTE = {"poll_seconds": 2, "first_delay": 1, "longest_pause": 1.0}
ATTEMPTS = 2  # of each request: a lost reply is still followed by the same request
T = TypeVar("T")
STOPS = {signal.SIGTERM}


class Strike:
    """Sends this process a signal before or after the call with a certain number."""

    def __init__(self, call: int, side: str, number: signal.Signals) -> None:
        self._call = call
        self._side = side
        self._number = number
        self.calls = 0
        self._stood = 0.0  # seconds
        self._lock = threading.Lock()

    def at(self, action: Callable[[], T]) -> T:
        with self._lock:
            side = self._side if self.calls == self._call else None
            self.calls += 1
        if side == "before":
            self._strike()
        result = action()
        if side == "after":
            self._strike()
        return result

    def monotonic(self) -> float:
        return time.monotonic() + self._stood

    def _strike(self) -> None:
        if self._number is signal.SIGTERM:
            os.kill(os.getpid(), self._number)  # for the main thread, which handles it
        else:
            # For this thread, so that it goes no step further: not into a lock that other workers then wait for.
            signal.pthread_kill(threading.get_ident(), self._number)
        if self._number is signal.SIGSTOP:
            self._stood = 3_600.0


class StruckStore(FaultyStore):
    strike: Strike

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        return self.strike.at(lambda: super(StruckStore, self)._call(method, key, action))


class StruckQueue(Queue):
    def __init__(self, inner: Queue, strike: Strike, renewal: int, receipts: Path) -> None:  # no client of its own
        self.url = inner.url
        self._inner = inner
        self._strike = strike
        self._renewal = renewal
        self._receipts = receipts

    def receive(self, most: int, *, wait: int, visibility: int) -> list[Received]:
        return self._strike.at(lambda: self._receive(most, wait, visibility))

    def _receive(self, most: int, wait: int, visibility: int) -> list[Received]:
        received = self._inner.receive(most, wait=wait, visibility=visibility)
        with self._receipts.open("a") as file:
            file.writelines(f"{each.receipt}\n" for each in received)
        return received

    def extend(self, receipt: str, seconds: int) -> bool:
        if seconds == self._renewal:
            return self._inner.extend(receipt, seconds)
        return self._strike.at(lambda: self._inner.extend(receipt, seconds))

    def delete(self, receipt: str) -> bool:
        return self._strike.at(lambda: self._inner.delete(receipt))

    def send(self, bodies: Bodies) -> None:
        self._inner.send(bodies)

    def facts(self) -> QueueFacts:
        return self._inner.facts()


@cache
def opened(endpoint_url: str) -> Queue:
    """A client takes longer to make than most workers here live; until its first request it has no connection."""
    # A message whose reply is given up is hidden for as long as its lease, here an hour: no slow server may do that.
    sqs.POLL_READ_TIMEOUT = sqs.LEASE_READ_TIMEOUT = sqs.CONNECT_TIMEOUT = int(LIMIT)
    return open_queue(f"{endpoint_url}/0/any", attempts=ATTEMPTS)


def queue_of(job: dict[str, Any]) -> Queue:
    return Queue(job["queue_url"], opened(job["endpoint_url"])._clients, time.sleep)


def store_of(job: dict[str, Any]) -> Store:
    place = place_in_s3(job["store"])
    if place is None:
        return open_store(job["store"])
    return open_s3(*place, endpoint_url=job["store_endpoint_url"], attempts=ATTEMPTS)


def work(job: dict[str, Any]) -> None:
    policy = Policy(**HASTE | job["policy"])
    call, side = job.get("kill") or (-1, "")
    strike = Strike(call, side, signal.Signals[f"SIG{job.get('signal', 'KILL')}"])
    store = StruckStore(store_of(job))
    store.strike = strike
    engine = Path(job["engine"])
    queue = StruckQueue(queue_of(job), strike, policy.lease, engine.with_name("receipts"))
    worker = Worker(queue, Engine(engine), store, policy, Conditions(), monotonic=strike.monotonic)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    done = worker.drain()
    assert sum(done.endings.values()) == done.received
    engine.with_name("calls").write_text(str(strike.calls))


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


def wait(pid: int) -> int | None:
    """Return null at the limit: less than a test's time-out, so that it is the test that fails."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        changed, status = os.waitpid(pid, os.WUNTRACED | os.WNOHANG)
        if changed:
            return -os.WSTOPSIG(status) if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def main() -> None:
    running: set[int] = set()
    for line in iter(sys.stdin.readline, ""):
        job = json.loads(line)
        if "wait" in job:
            answer = wait(job["wait"])
            if answer not in {None, -signal.SIGSTOP}:
                running.remove(job["wait"])
        else:
            answer = start(job)
            running.add(answer)
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()
    # Those of a test that failed: nobody else would ever end them.
    for pid in running:
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()

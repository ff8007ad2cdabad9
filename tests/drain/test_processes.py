"""Workers as processes that are killed anywhere, on a real queue server; afterwards, another one heals everything."""

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from drain import toys, whole
from servers import SETTINGS, Server

import sweepctl
from sweepctl.sqs import Queue, open_queue
from sweepctl.store import open_store

TESTS = Path(__file__).parents[1]
SWEEPCTL = (sys.executable, "-P", "-c", "from sweepctl.cli import main; main()")
LEASE = 3
SEEDS = int(os.environ.get("SWEEPCTL_TEST_SEEDS", "1"))
SHARDS = int(os.environ.get("SWEEPCTL_TEST_SHARDS", "60"))
WORKERS = 4
_numbers = itertools.count()

pytestmark = [pytest.mark.servers, pytest.mark.timeout(120)]


def environment() -> dict[str, str]:
    """The sweepctl that this test imported, whatever folder it lies in, and the helpers of tests."""
    package = str(Path(sweepctl.__file__).parents[1])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([package, str(TESTS)]), **SETTINGS}


class Nursery:
    """Starts worker processes, and tells how they ended."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def start(self, **job: Any) -> int:  # noqa: ANN401  any JSON value
        return self._ask(job)

    def wait(self, pid: int) -> int:
        return self._ask({"wait": pid})

    def _ask(self, job: dict[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-P", str(TESTS / "drain" / "worker.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        yield Nursery(process)


@dataclass(frozen=True)
class Place:
    """A queue and a store of their own, and an engine that several places may share."""

    server: Server
    queue: Queue
    store: str
    engine: Path

    def job(self, **policy: Any) -> dict[str, Any]:  # noqa: ANN401  fields of a policy
        return {
            "queue_url": self.queue.url,
            "endpoint_url": self.server.endpoint_url,
            "store": self.store,
            "engine": str(self.engine),
            "policy": {"concurrency": 1, "lease": LEASE, "grace": 1.0, **policy},
        }

    def require_done(self, bodies: list[bytes]) -> None:
        standing = whole.require_whole(whole.objects(open_store(self.store)), bodies)
        assert all(outcome.status == "success" for outcome in standing.values())
        facts = self.queue.facts()
        assert (facts.visible, facts.in_flight, facts.delayed) == (0, 0, 0)


MakePlace = Callable[..., Place]


@pytest.fixture
def make_place(ministack_server: Server, tmp_path: Path) -> MakePlace:
    """Return a maker of places. Each has an engine that tells things in a folder of its own."""
    client = open_queue(f"{ministack_server.endpoint_url}/0/any")._client

    def make(behaviour: str, bodies: list[bytes], max_receive_count: int = 1_000) -> Place:
        number = next(_numbers)
        folder = tmp_path / str(number)
        folder.mkdir()
        url = ministack_server.queue(f"processes-{number}", max_receive_count=max_receive_count)
        queue = Queue(url, client, time.sleep)
        queue.send(bodies)
        return Place(ministack_server, queue, str(folder / "store"), toys.engine_path(folder, behaviour))

    return make


SCENARIOS = {
    # receive; run record read, created; outcome read; pin read, created; two data; outcome read, created; delete
    "success": ("", 11),
    # as above, with partial data and the attempt's row before the outcome, and a hand-back instead of the delete
    "crash": ("if first('crash'): start(); point(begin); sys.exit(3)", 12),
}
SIDES = ("before", "after")


def test_a_worker_killed_before_or_after_any_call_is_healed_by_the_next(
    make_place: MakePlace, nursery: Nursery
) -> None:
    bodies = toys.messages(1)
    kills = [
        (scenario, call, side) for scenario, (_, calls) in SCENARIOS.items() for call in range(calls) for side in SIDES
    ]
    places = [make_place(SCENARIOS[scenario][0], bodies) for scenario, _, _ in kills]
    require_killed(nursery, places, [(call, side) for _, call, side in kills])
    # One call more than there are: nobody dies.
    for behaviour, calls in SCENARIOS.values():
        place = make_place(behaviour, bodies)
        assert nursery.wait(nursery.start(**place.job(max_shards=1), kill=(calls, "before"))) == 0
        places.append(place)
    heal(nursery, places)
    for place in places:
        place.require_done(bodies)


def test_a_worker_killed_while_it_rejects_a_message_leaves_it_to_the_next(
    make_place: MakePlace, nursery: Nursery
) -> None:
    """Receive; rejection created; hand-back."""
    kills = [(call, side) for call in range(3) for side in SIDES]
    places = [make_place("", [b"poison"], max_receive_count=3) for _ in kills]
    require_killed(nursery, places, kills)
    heal(nursery, places)
    for place in places:
        place.require_done([])
        assert list(whole.objects(open_store(place.store))) == [
            f"rejected/{hashlib.sha256(b'poison').hexdigest()}.json"
        ]
        dead = Queue(f"{place.queue.url}-dead", place.queue._client, time.sleep)
        assert [each.body for each in dead.receive(10, wait=1, visibility=60)] == [b"poison"]


def require_killed(nursery: Nursery, places: list[Place], kills: list[tuple[int, str]]) -> None:
    """Have a worker at each place kill itself at its call."""
    workers = [nursery.start(**place.job(max_shards=1), kill=kill) for place, kill in zip(places, kills, strict=True)]
    assert {kill: nursery.wait(pid) for kill, pid in zip(kills, workers, strict=True)} == dict.fromkeys(
        kills, -signal.SIGKILL
    )


def heal(nursery: Nursery, places: list[Place]) -> None:
    """Have a healthy worker at each place until its queue is empty."""
    workers = [nursery.start(**place.job(), wait_seconds=1) for place in places]
    for place, worker in zip(places, workers, strict=True):
        toys.wait_until(lambda place=place: _is_empty(place.queue), 60)  # type: ignore[misc]
        os.kill(worker, signal.SIGTERM)
    assert [nursery.wait(pid) for pid in workers] == [0] * len(workers)


def test_a_killed_engine_is_a_failed_attempt_and_its_shard_comes_back(make_place: MakePlace, nursery: Nursery) -> None:
    bodies = toys.messages(3)
    place = make_place("if shard == 1 and first('killed'): start(); os.kill(os.getpid(), signal.SIGKILL)", bodies)
    pid = nursery.start(**place.job(max_shards=4))
    assert nursery.wait(pid) == 0
    place.require_done(bodies)
    (attempt,) = whole.attempts(whole.objects(open_store(place.store)))
    assert (attempt.shard_id, attempt.error_code) == (1, "engine_crashed")


@dataclass
class Command:
    """A running `sweepctl drain`."""

    process: "subprocess.Popen[str]"

    def end(self, seconds: float) -> tuple[int, dict[str, Any]]:
        """Return its exit status and what it printed as JSON."""
        output, _ = self.process.communicate(timeout=seconds)
        told: dict[str, Any] = json.loads(output) if output else {}
        return self.process.returncode, told


@pytest.fixture
def drain() -> Iterator[Callable[..., Command]]:
    running: list[subprocess.Popen[str]] = []

    def start(place: Place, *options: str) -> Command:
        arguments = ["drain", "--queue-url", place.queue.url, "--store", place.store, "--engine", str(place.engine)]
        command = [*SWEEPCTL, *arguments, "--json", "--log-format", "json", *options]
        running.append(
            subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        )
        return Command(running[-1])

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_stop_signal_in_an_idle_poll_ends_the_command_in_order(
    make_place: MakePlace, drain: Callable[..., Command]
) -> None:
    """Once a first shard is done, the worker polls."""
    bodies = toys.messages(1)
    place = make_place("", bodies)
    commands = [drain(place), drain(place)]
    toys.wait_until(lambda: _is_empty(place.queue))
    for command, number in zip(commands, (signal.SIGTERM, signal.SIGINT), strict=True):
        command.process.send_signal(number)
    ended = [command.end(10) for command in commands]
    assert [status for status, _ in ended] == [0, 0]
    assert sum(told["received"] for _, told in ended) == 1
    place.require_done(bodies)


WAIT = "tell('running')\nwait_for('go')"


def test_a_stop_signal_in_a_run_waits_for_the_grace_and_gives_the_message_back(
    make_place: MakePlace, drain: Callable[..., Command]
) -> None:
    bodies = toys.messages(1)
    place = make_place(WAIT, bodies)
    command = drain(place, "--grace", "0.5", "--concurrency", "1")  # no poll in flight
    toys.wait_until((place.engine.parent / "running").exists)
    command.process.send_signal(signal.SIGTERM)
    status, told = command.end(10)
    assert status == 0
    assert (told["received"], told["interrupted"]) == (1, 1)
    assert place.queue.facts().visible == 1
    (place.engine.parent / "go").touch()
    assert drain(place, "--max-shards", "1").end(20)[0] == 0
    place.require_done(bodies)


def test_a_second_signal_is_immediate_and_takes_the_engine_with_it(
    make_place: MakePlace, drain: Callable[..., Command]
) -> None:
    bodies = toys.messages(1)
    place = make_place(f"open(told('pid'), 'w').write(str(os.getpid()))\n{WAIT}", bodies)
    command = drain(place, "--lease", str(LEASE))
    toys.wait_until((place.engine.parent / "running").exists)
    command.process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    assert command.process.poll() is None, "the first one waits for the shard"
    command.process.send_signal(signal.SIGTERM)
    assert command.end(2)[0] == -signal.SIGTERM
    engine = int((place.engine.parent / "pid").read_text())
    toys.wait_until(lambda: not _is_running(engine), 5)
    (place.engine.parent / "go").touch()
    assert drain(place, "--max-shards", "1").end(20)[0] == 0
    place.require_done(bodies)


def test_two_commands_on_one_queue_of_duplicates(make_place: MakePlace, drain: Callable[..., Command]) -> None:
    bodies = toys.messages(12)
    place = make_place("", [body for body in bodies for _ in range(2)])
    commands = [drain(place) for _ in range(2)]
    toys.wait_until(lambda: _is_empty(place.queue), 60)
    for command in commands:
        command.process.send_signal(signal.SIGTERM)
    ended = [command.end(20) for command in commands]
    assert [status for status, _ in ended] == [0, 0]
    assert sum(told["received"] for _, told in ended) == 24
    place.require_done(bodies)


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_one_kill_a_second(make_place: MakePlace, nursery: Nursery, seed: int) -> None:
    """Small shards over four workers, one of which is killed every second until the queue is empty."""
    draw = random.Random(seed)
    bodies = toys.messages(SHARDS)
    draw.shuffle(bodies)
    place = make_place(f"time.sleep({0.1 if SHARDS < 100 else 0.02})", bodies)
    job = place.job(concurrency=2)
    workers = [nursery.start(**job) for _ in range(WORKERS)]
    kills = 0
    while not _is_empty(place.queue):
        time.sleep(1)
        victim = draw.choice(workers)
        os.kill(victim, signal.SIGKILL)
        assert nursery.wait(victim) == -signal.SIGKILL
        workers[workers.index(victim)] = nursery.start(**job)
        kills += 1
    assert kills >= 2
    for worker in workers:
        os.kill(worker, signal.SIGTERM)
    assert [nursery.wait(worker) for worker in workers] == [0] * WORKERS
    place.require_done(bodies)


def _is_empty(queue: Queue) -> bool:
    facts = queue.facts()
    return facts.visible + facts.in_flight + facts.delayed == 0


def _is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False

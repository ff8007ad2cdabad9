"""Workers as processes that are killed or stopped anywhere, on a real queue server; another one heals everything."""

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fakes import toys
from waiting import wait_until
from worker import whole
from worker.processes import (
    LEASE,
    SCENARIOS,
    SWEEPCTL,
    MakePlace,
    Nursery,
    Place,
    counted,
    end_in_order,
    environment,
    heal,
)

SEEDS = int(os.environ.get("SWEEPCTL_TEST_SEEDS", "1"))
SHARDS = int(os.environ.get("SWEEPCTL_TEST_SHARDS", "60"))
WORKERS = 4
FEW = 6  # shards between two kills

pytestmark = pytest.mark.servers


def kills_of(calls: int) -> list[tuple[int, str]]:
    """Return a kill before each call and one after the last: between two calls, nothing changes outside the worker."""
    return [*((call, "before") for call in range(calls)), (calls - 1, "after")]


def require_killed(nursery: Nursery, places: Sequence[Place], kills: Sequence[tuple[int, str]]) -> None:
    """Have a worker at each place kill itself at its call."""
    workers = [nursery.start(**place.job(max_shards=1), kill=kill) for place, kill in zip(places, kills, strict=True)]
    assert [nursery.wait(worker) for worker in workers] == [-signal.SIGKILL] * len(kills)
    for place in places:
        place.end_leases()


def test_a_worker_killed_before_or_after_any_call_is_healed_by_the_next(
    make_place: MakePlace, nursery: Nursery
) -> None:
    bodies = toys.messages(1)
    kills = [
        (behaviour, kill)
        for behaviour in SCENARIOS.values()
        for kill in kills_of(counted(make_place, nursery, behaviour, bodies))
    ]
    places = [make_place(behaviour, bodies) for behaviour, _ in kills]
    require_killed(nursery, places, [kill for _, kill in kills])
    heal(nursery, places)
    for place in places:
        place.require_done(bodies)


def test_a_worker_killed_while_it_rejects_a_message_leaves_it_to_the_next(
    make_place: MakePlace, nursery: Nursery
) -> None:
    """Receive; rejection created; hand-back."""
    kills = kills_of(counted(make_place, nursery, "", [b"poison"]))
    places = [make_place("", [b"poison"], max_receive_count=3) for _ in kills]
    require_killed(nursery, places, kills)
    heal(nursery, places)
    for place in places:
        place.require_done([], dead=[b"poison"])
        assert list(place.objects()) == [f"rejected/{hashlib.sha256(b'poison').hexdigest()}.json"]


def test_a_worker_told_to_stop_at_any_call_ends_its_shard_or_hands_it_back(
    make_place: MakePlace, nursery: Nursery
) -> None:
    """Nothing but the signal ends these workers, and no lease of theirs ends while the test runs."""
    bodies = toys.messages(1)
    stops = [
        (behaviour, call)
        for behaviour in SCENARIOS.values()
        for call in range(counted(make_place, nursery, behaviour, bodies))
    ]
    places = [make_place(behaviour, bodies) for behaviour, _ in stops]
    workers = [
        nursery.start(**place.job(grace=0.0), kill=(call, "before"), signal="TERM")
        for place, (_, call) in zip(places, stops, strict=True)
    ]
    assert [nursery.wait(worker) for worker in workers] == [0] * len(workers)
    # At once, or a failed attempt's short while later.
    wait_until(lambda: all(place.queue.facts().in_flight == 0 for place in places))
    for place in places:
        is_done = any(outcome.status == "success" for outcome in whole.outcomes(place.objects()).values())
        assert place.held() == (0 if is_done else 1)
    heal(nursery, [place for place in places if place.held()])
    for place in places:
        place.require_done(bodies)


def test_a_killed_engine_is_a_failed_attempt_and_its_shard_comes_back(make_place: MakePlace, nursery: Nursery) -> None:
    bodies = toys.messages(3)
    place = make_place("if shard == 1 and first('killed'): start(); os.kill(os.getpid(), signal.SIGKILL)", bodies)
    pid = nursery.start(**place.job(max_shards=4))
    assert nursery.wait(pid) == 0
    place.require_done(bodies)
    (attempt,) = whole.attempts(place.objects())
    assert (attempt.shard_id, attempt.error_code) == (1, "engine_crashed")


@dataclass
class Command:
    """A running `sweepctl drain`."""

    process: "subprocess.Popen[str]"
    log: Path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Tell it to stop, and wait until it has heard."""
        self.process.send_signal(number)
        wait_until(lambda: "stopping" in self.log.read_text())

    def end(self) -> tuple[int, dict[str, Any]]:
        """Return its exit status and what it printed as JSON."""
        output, _ = self.process.communicate()
        told: dict[str, Any] = json.loads(output) if output else {}
        return self.process.returncode, told


# A shard begins once there is one of each of two workers.
MEET = """
tell(f"worker-{os.getppid()}")
while sum(name.startswith("worker-") for name in os.listdir(told("."))) < 2: time.sleep(0.01)
"""


@pytest.fixture
def drain() -> Iterator[Callable[..., Command]]:
    numbers = itertools.count()

    def start(place: Place, *options: str) -> Command:
        arguments = ["drain", "--queue-url", place.queue.url, "--store", place.store, "--engine", str(place.engine)]
        command = [*SWEEPCTL, *arguments, "--json", "--log-format", "json", *options]
        log = place.engine.parent / f"log-{next(numbers)}"
        with log.open("w") as file:
            process = running.enter_context(
                subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=file, text=True)
            )
        running.callback(process.kill)
        return Command(process, log)

    with ExitStack() as running:
        yield start


WAIT = "tell('running')\nwait_for('go')"


def test_a_stop_signal_in_a_run_waits_for_the_grace_and_gives_the_message_back(
    make_place: MakePlace, drain: Callable[..., Command]
) -> None:
    bodies = toys.messages(1)
    place = make_place(WAIT, bodies)
    command = drain(place, "--grace", "0.5", "--concurrency", "1")  # no poll in flight
    wait_until(lambda: place.is_told("running"))
    command.process.send_signal(signal.SIGTERM)
    status, told = command.end()
    assert status == 0
    assert (told["received"], told["interrupted"]) == (1, 1)
    assert place.queue.facts().visible == 1
    place.tell("go")
    assert drain(place, "--max-shards", "1").end()[0] == 0
    place.require_done(bodies)


def test_a_second_signal_is_immediate_and_takes_the_engine_with_it(
    make_place: MakePlace, drain: Callable[..., Command]
) -> None:
    bodies = toys.messages(1)
    place = make_place(f"open(told('pid'), 'w').write(str(os.getpid()))\n{WAIT}", bodies)
    command = drain(place, "--lease", str(LEASE))
    wait_until(lambda: place.is_told("running"))
    command.stop()
    assert command.process.poll() is None, "the first one waits for the shard"
    command.process.send_signal(signal.SIGTERM)
    assert command.end()[0] == 128 + signal.SIGTERM
    engine = int((place.engine.parent / "pid").read_text())
    wait_until(lambda: not _is_running(engine))
    place.tell("go")
    assert drain(place, "--max-shards", "1").end()[0] == 0
    place.require_done(bodies)


def test_two_commands_on_one_queue_of_duplicates_end_in_order_when_signalled_in_an_idle_poll(
    make_place: MakePlace, drain: Callable[..., Command]
) -> None:
    bodies = toys.messages(12)
    place = make_place(MEET, [body for body in bodies for _ in range(2)])
    commands = [drain(place) for _ in range(2)]
    wait_until(lambda: place.held() == 0)
    for command, number in zip(commands, (signal.SIGTERM, signal.SIGINT), strict=True):
        command.process.send_signal(number)
    ended = [command.end() for command in commands]
    assert [status for status, _ in ended] == [0, 0]
    assert sum(told["received"] for _, told in ended) == 24
    place.require_done(bodies)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_kill_every_few_shards(make_place: MakePlace, nursery: Nursery, seed: int) -> None:
    """Small shards over four workers, one of which is killed whenever some more are done."""
    draw = random.Random(seed)
    bodies = toys.messages(SHARDS)
    draw.shuffle(bodies)
    place = make_place(f"time.sleep({0.1 if SHARDS < 100 else 0.02})", bodies)
    job = place.job(concurrency=2, lease=LEASE)
    workers = [nursery.start(**job) for _ in range(WORKERS)]
    for count in range(FEW, SHARDS, FEW):
        wait_until(lambda count=count: done(place) >= count)  # type: ignore[misc]
        victim = draw.choice(workers)
        os.kill(victim, signal.SIGKILL)
        assert nursery.wait(victim) == -signal.SIGKILL
        workers[workers.index(victim)] = nursery.start(**job)
    wait_until(lambda: place.held() == 0)
    end_in_order(nursery, workers)
    place.require_done(bodies)


def done(place: Place) -> int:
    """How many shards of a place have an outcome."""
    return sum(1 for _ in Path(place.store).glob("shard_outcomes/*/*/*.parquet"))


def _is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False

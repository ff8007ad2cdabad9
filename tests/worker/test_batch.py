"""A batch in the hands of a function: every message comes to one ending, whatever becomes of its neighbours."""

import datetime as dt
import errno
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fakes import crashing, toys
from fakes.faulty import Call
from worker import whole
from worker.in_process import WatchedStore

from sweepctl import messages
from sweepctl.engine.client import Engine
from sweepctl.errors import StoreError
from sweepctl.messages import MAX_BYTES, body_digest
from sweepctl.queue.contract import Received
from sweepctl.records import table
from sweepctl.records.outcome import Rank, rank
from sweepctl.store import open_store
from sweepctl.worker import batch, delivery
from sweepctl.worker.batch import COMMIT_SECONDS, LEAST_SECONDS, LambdaWorker
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.events import Ending
from sweepctl.worker.lambda_event import answer

TELL = "tell(f'ran-{shard}')\n"  # which shards have had an engine
ENOUGH = 900.0


@dataclass
class Place:
    """A store, and the time as the function sees it."""

    folder: Path
    store: WatchedStore
    now: float = 0.0
    worker: LambdaWorker = field(init=False)

    def open(self, behaviour: str = "", engine: Engine | None = None) -> LambdaWorker:
        self.worker = LambdaWorker(engine or toys.engine(self.folder, TELL + behaviour), self.store, lambda: self.now)
        return self.worker

    def process(self, bodies: Sequence[bytes], seconds: float = ENOUGH, receives: int = 1) -> list[Delivery]:
        received = [Received(f"m{number}", f"r{number}", body, receives) for number, body in enumerate(bodies)]
        works = self.worker.process(received, seconds)
        assert [work.received for work in works] == received
        return works

    @property
    def ran(self) -> list[int]:
        return sorted(int(path.name.removeprefix("ran-")) for path in self.folder.glob("ran-*"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "engine-folder").mkdir()
    return Place(tmp_path / "engine-folder", WatchedStore(open_store(str(tmp_path / "store"))))


def endings(works: Sequence[Delivery]) -> list[Ending]:
    return [work.ending for work in works]


def handed_back(works: Sequence[Delivery]) -> list[str]:
    return [each["itemIdentifier"] for each in answer(works)["batchItemFailures"]]


def kinds(works: Sequence[Delivery]) -> list[str | None]:
    return [None if work.error is None else work.error.kind for work in works]


def failing(method: str, part: str = "") -> Any:  # noqa: ANN401
    def fail(call: Call) -> None:
        if call.method == method and part in call.key:
            raise StoreError("503", remedy="Wait.")

    return fail


BAD = {
    "poison": (b"poison", Ending.REJECTED),
    "empty": (b"", Ending.REJECTED),
    "too large": (b" " * (MAX_BYTES + 1), Ending.REJECTED),
    "a design that nobody stored": (toys.of_absent_design(1, 3), Ending.REJECTED),
    "an unknown model": (toys.message(1, 3, model="queue"), Ending.WRONG_WORKER),
}


@pytest.mark.parametrize(("bad", "ending"), BAD.values(), ids=BAD.keys())
def test_a_bad_message_alone_comes_again(place: Place, bad: bytes, ending: Ending) -> None:
    place.open()
    first, _, last = toys.messages(3)
    works = place.process([first, bad, last])
    assert endings(works) == [Ending.SUCCEEDED, ending, Ending.SUCCEEDED]
    assert handed_back(works) == ["m1"]
    found = whole.objects(place.store.inner)
    whole.require_whole(found, [first, last])
    assert (f"rejected/{body_digest(bad)}.json" in found) == (ending is Ending.REJECTED)
    again = place.process([first, bad, last], receives=2)
    assert endings(again) == [Ending.SKIPPED, ending, Ending.SKIPPED]
    assert place.ran == [0, 2]


def test_a_shard_that_fails_for_good_is_acknowledged_and_one_that_crashed_comes_again(place: Place) -> None:
    place.open("if shard == 0: run(failing=(begin,))\nif shard == 1 and first('crash'): start(); sys.exit(3)")
    bodies = toys.messages(3)
    works = place.process(bodies)
    assert endings(works) == [Ending.FAILED, Ending.RETRY, Ending.SUCCEEDED]
    assert handed_back(works) == ["m1"]
    assert endings(place.process(bodies[1:2], receives=2)) == [Ending.SUCCEEDED]
    standing = whole.require_whole(whole.objects(place.store.inner), bodies)
    assert standing[1].attempt_number == 2


def test_a_message_twice_in_a_batch_is_run_once_and_acknowledged_twice(place: Place) -> None:
    place.open()
    (body,) = toys.messages(1)
    works = place.process([body, body])
    assert endings(works) == [Ending.SUCCEEDED, Ending.SKIPPED]
    assert handed_back(works) == []


@pytest.mark.slow
def test_an_engine_at_the_deadline_is_ended_and_another_attempt_succeeds(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LEAST_SECONDS", 0.5)
    place.open("if not os.path.exists(told('quick')): start(); point(begin); wait_for('the end of the test')")
    (body,) = toys.messages(1)
    (work,) = place.process([body], COMMIT_SECONDS + 0.5)
    assert (work.ending, handed_back([work])) == (Ending.RETRY, ["m0"])
    assert work.attempt is not None
    assert (work.attempt.error_code, work.attempt.complete) == ("engine_timeout", False)
    found = whole.objects(place.store.inner)
    assert rank(whole.outcomes(found)[0]) is Rank.RETRYABLE_FAILURE
    whole.require_whole(found, [body])
    (place.folder / "quick").touch()
    assert endings(place.process([body], receives=2)) == [Ending.SUCCEEDED]
    whole.require_verified(place.store.inner, toys.RUN_ID)


def test_with_too_little_time_nothing_is_begun(place: Place) -> None:
    place.open()
    works = place.process(toys.messages(2), COMMIT_SECONDS + LEAST_SECONDS - 0.1)
    assert endings(works) == [Ending.UNUSED] * 2
    assert kinds(works) == ["out_of_time"] * 2
    assert handed_back(works) == ["m0", "m1"]
    assert (place.ran, whole.objects(place.store.inner)) == ([], {})


def test_a_shard_is_begun_where_one_as_long_as_the_longest_would_end_in_time_or_as_the_first(place: Place) -> None:
    place.open()

    def pass_time(call: Call) -> None:
        if call.method == "create" and call.key.startswith("shard_outcomes/"):
            place.now += 300

    place.store.before = pass_time
    bodies = toys.messages(4)
    works = place.process(bodies, 900)
    assert endings(works) == [Ending.SUCCEEDED, Ending.SUCCEEDED, Ending.UNUSED, Ending.UNUSED]
    assert kinds(works[2:]) == ["out_of_time"] * 2
    assert handed_back(works) == ["m2", "m3"]
    assert endings(place.process(bodies[2:], 100)) == [Ending.SUCCEEDED, Ending.UNUSED]


def test_a_slow_batch_takes_nothing_from_the_next(place: Place) -> None:
    place.open()

    def pass_time(call: Call) -> None:
        if call.method == "create" and call.key.startswith("shard_outcomes/"):
            place.now += 300

    place.store.before = pass_time
    first, *rest = toys.messages(4)
    assert endings(place.process([first])) == [Ending.SUCCEEDED]
    place.store.before = lambda _: None
    assert endings(place.process(rest, 100)) == [Ending.SUCCEEDED] * 3


def test_a_store_is_proven_once(place: Place) -> None:
    probes = []
    place.store.before = lambda call: probes.append(call) if call.method == "probe" else None
    place.open()
    for body in toys.messages(3):
        assert endings(place.process([body])) == [Ending.SUCCEEDED]
    assert len(probes) == 1


def test_a_store_that_is_down_costs_no_engine_and_is_asked_again(place: Place) -> None:
    place.open()
    bodies = toys.messages(2)
    place.store.before = failing("probe")
    for _ in range(2):
        works = place.process(bodies)
        assert (endings(works), kinds(works)) == ([Ending.UNUSED] * 2, ["store"] * 2)
        assert handed_back(works) == ["m0", "m1"]
    assert place.ran == []
    place.store.before = lambda _: None
    assert endings(place.process(bodies)) == [Ending.SUCCEEDED] * 2


def test_a_store_that_fails_amid_a_batch_hands_all_the_rest_back_and_is_proven_anew(place: Place) -> None:
    place.open()
    bodies = toys.messages(4)
    assert endings(place.process(bodies[:1])) == [Ending.SUCCEEDED]
    place.store.before = failing("create", "shard_outcomes/")
    works = place.process(bodies)
    assert endings(works) == [Ending.SKIPPED, Ending.STORE_DOWN, Ending.UNUSED, Ending.UNUSED]
    assert handed_back(works) == ["m1", "m2", "m3"]
    assert place.ran == [0, 1]
    place.store.before = failing("probe")
    assert endings(place.process(bodies)) == [Ending.UNUSED] * 4
    place.store.before = lambda _: None
    assert handed_back(place.process(bodies)) == []
    whole.require_whole(whole.objects(place.store.inner), bodies)


def test_a_disk_that_one_shard_fills_is_empty_for_the_next(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = table.DatasetWriter.finish
    fills = iter([True])

    def fill(writer: table.DatasetWriter, digest: str | None) -> object:
        if next(fills, False):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return finish(writer, digest)

    monkeypatch.setattr(table.DatasetWriter, "finish", fill)
    place.open()
    works = place.process(toys.messages(2))
    assert endings(works) == [Ending.RETRY, Ending.SUCCEEDED]
    assert kinds(works) == ["scratch", None]
    assert handed_back(works) == ["m0"]


def test_an_engine_that_is_gone_hands_all_the_rest_back(place: Place) -> None:
    engine = toys.engine(place.folder)
    assert engine.description.models
    engine.path.unlink()
    place.open(engine=engine)
    works = place.process(toys.messages(2))
    assert endings(works) == [Ending.RETRY, Ending.UNUSED]
    assert kinds(works) == ["engine_unavailable"] * 2


def test_a_defect_that_one_message_brings_out_is_told_and_leaves_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:

    def stumble(body: bytes, today: dt.date) -> object:
        if body == b"stumble":
            raise ZeroDivisionError
        return messages.decode(body, today)

    monkeypatch.setattr(delivery, "decode", stumble)
    place.open()
    first, last = toys.messages(2)
    with caplog.at_level(logging.INFO, "sweepctl"):
        works = place.process([first, b"stumble", last])
    assert endings(works) == [Ending.SUCCEEDED, Ending.RETRY, Ending.SUCCEEDED]
    assert handed_back(works) == ["m1"]
    (told,) = [vars(line)["fields"] for line in caplog.records if line.getMessage() == "defect"]
    assert told["message_id"] == "m1"
    assert "ZeroDivisionError" in told["trace"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
@pytest.mark.parametrize(("mode", "limits", "begins"), [(mode, *each) for mode, each in crashing.BAD_POINTS.items()])
def test_a_point_that_crashes_hangs_or_takes_all_memory_fails_its_shard_alone(
    place: Place, mode: str, limits: dict[str, Any] | None, begins: str
) -> None:
    place.open(engine=Engine(crashing.TEST_ENGINE))
    works = place.process([crashing.body(mode, shard, limits=limits) for shard in range(4)])
    assert endings(works) == [Ending.SUCCEEDED, Ending.SUCCEEDED, Ending.FAILED, Ending.SUCCEEDED]
    assert handed_back(works) == []
    attempt = works[2].attempt
    assert attempt is not None
    assert (attempt.error_message or "").startswith(begins)
    assert (attempt.points_succeeded, attempt.points_failed) == (crashing.SHARD - 1, 1)

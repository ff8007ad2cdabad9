"""How a drain ends, with which exit code, and what it says of each message and of what keeps it from working."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes import toys
from fakes.faulty import Call, QueueCall
from simulation.scheduler import Process
from worker import whole
from worker.in_process import Draining, Place, Script, crash, drained, failed, times, well

from sweepctl.errors import QueueError, QueueRefusedError, ScratchError, StoreError
from sweepctl.worker.drain import DEPTH_SECONDS
from sweepctl.worker.events import Ending, Why

if TYPE_CHECKING:
    from sweepctl.worker.tally import WorkerProgress


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "sweepctl")
    return caplog


def lines(log: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    return [vars(record).get("fields", {}) for record in log.records if record.getMessage() == name]


@pytest.mark.parametrize("method", ["receive", "delete", "extend"])
def test_a_queue_that_refuses_ends_the_drain_in_order(place: Place, method: str) -> None:
    place.send(toys.messages(6))

    def refuse(call: QueueCall) -> None:
        if call.method == method and place.queue.count("receive") > 1:
            raise QueueRefusedError("denied", remedy="Allow it.")

    place.queue.before = refuse
    progress = drained(place, place.worker(crash if method == "extend" else well, concurrency=1))
    assert progress.why is Why.QUEUE_REFUSES
    assert (progress.exit_code, progress.error and progress.error.remedy) == (6, "Allow it.")
    assert progress.received == (1 if method == "receive" else 2)


def test_an_outage_of_the_queue_is_told_once_and_seen(place: Place, log: pytest.LogCaptureFixture) -> None:
    worker = place.worker()
    seen: list[WorkerProgress] = []
    worker.observe = seen.append
    draining = Draining(place, worker)
    for outage in (1, 2):
        place.wait_until(lambda: worker.backlog() is not None)
        place.queue.down = True
        tries = place.queue.count("receive")
        place.wait_until(lambda tries=tries: place.queue.count("receive") >= tries + 4)  # type: ignore[misc]
        assert worker.backlog() is None, "what the queue once held says nothing now"
        assert seen[-1].queue_down
        place.queue.down = False
        place.wait_until(lambda outage=outage: len(lines(log, "queue_answers")) == outage)  # type: ignore[misc]
    place.wait_until(lambda: not seen[-1].queue_down)
    worker.stop()
    assert draining.end().exit_code == 0
    assert len(lines(log, "queue_unreachable")) == 2


def test_a_depth_that_can_no_longer_be_asked_is_dropped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = place.worker()
    place.wait_until(lambda: worker.backlog() is not None)

    def fail() -> None:
        raise QueueError("no answer")

    monkeypatch.setattr(place.queue, "facts", fail)
    place.wait(DEPTH_SECONDS)
    place.wait_until(lambda: worker.backlog() is None)


def test_an_engine_that_is_gone_ends_the_drain_and_its_message_comes_back_soon(place: Place, tmp_path: Path) -> None:
    engine = toys.engine(tmp_path)
    assert engine.description.models
    engine.path.unlink()
    bodies = toys.messages(1)
    place.send(bodies)
    progress = drained(place, place.worker(engine=engine, concurrency=1))
    assert (progress.endings, progress.why) == ({Ending.RETRY: 1}, Why.ENGINE_UNAVAILABLE)
    assert (progress.exit_code, progress.error and progress.error.kind) == (4, "engine_unavailable")
    assert [call.seconds for call in place.queue.calls if call.method == "extend"] == [5]


def test_a_message_for_another_engine_is_put_off_for_long_and_keeps_nobody_from_working(place: Place) -> None:
    bodies = toys.messages(1)
    place.send([toys.message(0, 1, model="queue"), *bodies])
    progress = drained(place, place.worker(concurrency=1, max_shards=2))
    assert progress.endings == {Ending.WRONG_WORKER: 1, Ending.SUCCEEDED: 1}
    assert [call.seconds for call in place.queue.calls if call.method == "extend"] == [900]


@pytest.mark.parametrize(
    ("script", "messages", "most", "code"),
    [
        (crash, 1, 1, 4),
        (times(1, crash), 1, 2, 0),
        (lambda shard, good: (crash if shard else failed)(shard, good), 2, 2, 1),
        (failed, 1, 1, 1),
        (well, 2, 2, 0),
    ],
    ids=["handed back", "done at last", "one failed for good", "failed", "done"],
)
def test_a_drain_that_ended_by_itself_tells_by_its_exit_code_what_is_left(
    place: Place, script: Script, messages: int, most: int, code: int
) -> None:
    place.send(toys.messages(messages))
    assert drained(place, place.worker(script, max_shards=most)).exit_code == code


def test_a_message_for_another_engine_leaves_the_exit_code_of_an_engine(place: Place) -> None:
    place.send([toys.message(0, 1, model="queue")])
    assert drained(place, place.worker(max_shards=1)).exit_code == 4


@pytest.mark.parametrize(
    ("error", "name"), [(StoreError, "store_unreachable"), (ScratchError, "scratch_unusable")], ids=["store", "scratch"]
)
def test_what_kept_a_message_from_being_done_leaves_its_exit_code(
    place: Place, log: pytest.LogCaptureFixture, error: type[StoreError], name: str
) -> None:
    place.send(toys.messages(2))

    def refuse(call: Call) -> None:
        if call.method != "probe":
            raise error("full", remedy="Wait.")

    place.store.before = refuse
    progress = drained(place, place.worker(max_shards=3))
    assert progress.endings == {Ending.STORE_DOWN: 3}
    assert progress.exit_code == 5
    logged = {each: lines(log, each) for each in ("store_unreachable", "scratch_unusable") if lines(log, each)}
    assert logged == {name: [{"error": "full", "remedy": "Wait."}]}, "once an outage"


def test_each_of_two_outages_in_a_row_is_logged(place: Place, log: pytest.LogCaptureFixture) -> None:
    place.send(toys.messages(1))
    errors = [ScratchError("full", remedy="Free space."), *2 * [StoreError("503", remedy="Wait.")]]

    def refuse(call: Call) -> None:
        if call.method != "probe":
            raise errors.pop(0)

    place.store.before = refuse
    assert drained(place, place.worker(max_shards=3)).endings == {Ending.STORE_DOWN: 3}
    assert lines(log, "scratch_unusable") == [{"error": "full", "remedy": "Free space."}]
    assert lines(log, "store_unreachable") == [{"error": "503", "remedy": "Wait."}]


def test_a_drain_that_was_stopped_leaves_messages_behind_and_no_exit_code(place: Place) -> None:
    place.send(toys.messages(1))
    worker = place.worker(crash)
    draining = Draining(place, worker)
    place.wait_until(lambda: place.queue.count("extend"))
    worker.stop()
    progress = draining.end()
    assert progress.endings.keys() == {Ending.RETRY}
    assert (progress.why, progress.exit_code) == (Why.SIGNAL, 0)


def test_a_stop_says_how_long_it_may_take_and_of_what(place: Place, log: pytest.LogCaptureFixture) -> None:
    place.send(toys.messages(1))
    worker = place.worker(place.hold)
    draining = Draining(place, worker)
    place.wait_until(lambda: place.held)
    worker.stop()
    place.free = True
    draining.end()
    assert "stopping: up to 30 s for 1 shard to finish; signal again to exit now" in log.messages


def test_points_of_a_running_shard_are_counted(place: Place) -> None:
    place.send(toys.messages(1))
    worker = place.worker(lambda _, good: [*good[:-1], lambda: place.free, good[-1]], max_shards=1)
    seen: list[WorkerProgress] = []
    worker.observe = seen.append
    draining = Draining(place, worker)
    place.wait_until(lambda: seen and seen[-1].points == toys.POINTS)
    assert (seen[-1].running, seen[-1].endings) == (1, {})
    place.free = True
    assert draining.end().points == toys.POINTS


def test_each_message_has_a_line_that_names_its_shard_and_this_attempt(
    place: Place, log: pytest.LogCaptureFixture
) -> None:
    place.send(toys.messages(1))
    drained(place, place.worker(times(1, crash), max_shards=2))
    place.send(toys.messages(1))
    drained(place, place.worker(max_shards=1))
    crashed, done, again = lines(log, "shard_finished")
    found = whole.objects(place.inner)
    (attempt,), standing = whole.attempts(found), whole.outcomes(found)[0]
    assert {(line["run_id"], line["shard_id"]) for line in (crashed, done, again)} == {(toys.RUN_ID, 0)}
    assert (crashed["attempt_id"], crashed["status"], crashed["error_code"]) == (
        attempt.attempt_id, "failure", "engine_crashed",
    )  # fmt: skip
    assert crashed["error"]
    assert crashed["remedy"]
    assert (done["attempt_id"], done["ending"]) == (standing.attempt_id, "succeeded")
    assert "standing_attempt_id" not in done
    assert (again["ending"], again["standing_attempt_id"]) == ("skipped", standing.attempt_id)
    assert again["attempt_id"] != standing.attempt_id
    assert {"receive_seconds", "run_seconds", "encode_seconds", "commit_seconds", "acknowledge_seconds"} <= done.keys()


def test_a_line_names_the_shard_whatever_became_of_it(place: Place, log: pytest.LogCaptureFixture) -> None:
    place.send([toys.message(3, 4, model="queue"), b"poison"])
    drained(place, place.worker(concurrency=1, max_shards=2))
    other, poison = lines(log, "shard_finished")
    assert (other["run_id"], other["shard_id"], other["ending"]) == (toys.RUN_ID, 3, "wrong_worker")
    assert "'queue' is not in this engine" in other["error"]
    assert other["remedy"]
    assert (poison["ending"], poison["error_code"]) == ("rejected", "bad_message")
    assert "run_id" not in poison


def test_a_message_that_was_never_started_is_named_too(place: Place, log: pytest.LogCaptureFixture) -> None:
    worker = place.worker()
    draining = Draining(place, worker)
    place.wait_until(lambda: place.queue.count("receive"))
    worker.stop()
    place.send(toys.messages(1))
    draining.end()
    (unused,) = lines(log, "shard_finished")
    assert (unused["ending"], unused["run_id"], unused["shard_id"]) == ("unused", toys.RUN_ID, 0)
    assert "attempt_id" not in unused


def test_the_first_failures_that_differ_are_kept(place: Place) -> None:
    place.send([*toys.messages(3), b"poison", b"venom"])
    worker = place.worker(lambda shard, good: (failed if shard else crash)(shard, good), concurrency=1, max_shards=5)
    progress = drained(place, worker)
    assert [(each.ending, each.run_id, each.shard_id, each.error_code) for each in progress.failures] == [
        ("retry", toys.RUN_ID, 0, "engine_crashed"),
        ("failed", toys.RUN_ID, 1, "point_failed"),
        ("rejected", None, None, "bad_message"),
    ]
    told = progress.to_json()
    assert {ending.value for ending in Ending} <= told.keys()
    assert (told["ended"], told["exit_code"], told["succeeded"], told["error"]) == ("max_shards", 1, 0, None)


def test_until_empty_waits_for_a_message_that_another_worker_has(place: Place) -> None:
    place.send(toys.messages(1))
    (held,) = place.messages.take(1, 40, Process("another"), twice=False)
    assert held.receive_count == 1
    began_at = place.now()
    assert drained(place, place.worker(until_empty=True)).endings == {Ending.SUCCEEDED: 1}
    assert place.now() - began_at >= 40

"""What a worker is told of a point that stands still: the point by its name, shown, logged and recorded."""

import datetime as dt
import io
import json
import logging
from pathlib import Path
from threading import Event

import pytest
from fakes import toys
from fakes.crashing import AT, TEST_ENGINE, body
from fakes.engines import clock_until, scripted
from fakes.toy_model import running
from rich.console import Console

from sweepctl.engine import points
from sweepctl.engine.client import Engine
from sweepctl.engine.points import Requests
from sweepctl.errors import InterruptedRunError
from sweepctl.messages import decode
from sweepctl.queue.contract import Received
from sweepctl.records.outcome import UNKNOWN_CALLER
from sweepctl.runs.local import run_shards
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.shard.slow_point import SlowPoint, SlowPointLog
from sweepctl.store.contract import Store
from sweepctl.view.shard import show_result
from sweepctl.worker.delivery import Delivery
from sweepctl.worker.events import Ending
from sweepctl.worker.tally import Tally

MESSAGE = toys.decoded(toys.message(0, 1))


def test_the_point_that_stands_still_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "REPORT_SECONDS", 0.1)
    stop, reached = Event(), list[tuple[int, SlowPoint | None]]()

    def progress(count: int, slow: SlowPoint | None) -> None:
        reached.append((count, slow))
        if slow is not None and slow.point_index == AT:
            stop.set()

    message = decode(body("hang"), dt.date(2026, 2, 14))
    with pytest.raises(InterruptedRunError):
        run_shard(message, Engine(TEST_ENGINE), store, Conditions(threads=1), progress=progress, stop=stop)
    count, slow = reached[-1]
    assert slow is not None
    assert (slow.shard_id, slow.point_index) == (2, AT)
    assert count <= AT - 50


def test_only_an_engine_with_a_host_is_asked_for_reports() -> None:
    assert MESSAGE.space is not None
    sent = [json.loads(Requests(MESSAGE, MESSAGE.space, 1, has_host=has_host).whole) for has_host in (True, False)]
    assert [request.get("report_seconds") for request in sent] == [points.REPORT_SECONDS, None]


@pytest.mark.parametrize("index", [0, 4])
def test_a_report_of_another_point_is_a_lie(tmp_path: Path, store: Store, index: int) -> None:
    engine = Engine(scripted(tmp_path, f"start(); point(0); say({running(index)!r}); wait_for('nothing')"))
    outcome = run_shard(MESSAGE, engine, store).outcome
    assert (outcome.error_code, outcome.retryable, outcome.points_succeeded) == ("engine_invalid_output", True, 1)


@pytest.mark.parametrize(("others", "point"), [(0, 2), (1, None)])
def test_a_shard_out_of_time_names_the_point_that_was_running_alone(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, others: int, point: int | None
) -> None:
    clock = clock_until(monkeypatch, b'"running"')
    behaviour = f"start(); point(0); point(1); say({running(2, others=others)!r}); wait_for('nothing')"
    engine = Engine(scripted(tmp_path, behaviour), monotonic=clock)
    outcome = run_shard(MESSAGE, engine, store, Conditions(timeout=1.0), monotonic=clock).outcome
    assert (outcome.error_code, outcome.error_point_index) == ("engine_timeout", point)
    assert outcome.error_message == "the engine did not finish within 1 s; point 2 had been running for 241 s"


@pytest.mark.parametrize("is_named", [True, False])
def test_out_of_time_with_a_point_that_is_named_has_the_remedy_of_a_point(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, *, is_named: bool
) -> None:
    """Another attempt would end like this one: `run`, `run-shard` and workers say what helps."""
    clock = clock_until(monkeypatch, b'"running"' if is_named else b'"point_index":0')
    behaviour = f"start(); point(0); {f'say({running(1)!r}); ' * is_named}wait_for('nothing')"
    engine = Engine(scripted(tmp_path, behaviour), monotonic=clock)
    result = run_shard(MESSAGE, engine, store, Conditions(timeout=1.0), monotonic=clock)
    assert result.outcome.error_code == "engine_timeout"
    done = run_shards([MESSAGE], lambda *_: result, slots=1, stop=Event())
    assert (done.points, done.partial) == (0, 1)
    with_outputs = MESSAGE.model_copy(update={"outputs": ("parts",)})
    assert run_shards([with_outputs], lambda *_: result, slots=1, stop=Event()).partial == 0
    local = done.failures[0].remedy
    show_result(Console(file=(shown := io.StringIO()), width=60), result, store, UNKNOWN_CALLER)
    tally, received = Tally(), Received("m", "r", b"", 1)
    tally.take(Delivery(received, "a", {}, message=MESSAGE, ending=Ending.RETRY, result=result))
    again = f"sweepctl run FILE --run-id {MESSAGE.run_id}-again --reuse {MESSAGE.run_id}`"
    for remedy in (local, shown.getvalue(), tally.failures[0].remedy):
        assert remedy is not None
        for said in ("[limits] point_seconds", "longer --timeout", again):
            assert (said in remedy) == is_named
        assert ("may succeed" in remedy or "may be faster" in remedy) != is_named


def test_a_shard_logs_its_slow_point(tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    behaviour = """
start(); point(0)
for seconds in (5.0, 61.0, 66.0): say(toy_model.running(1, seconds)); wait_for(str(seconds))
for i in (1, 2, 3): point(i)
say(toy_model.finished(4))
"""
    engine = Engine(scripted(tmp_path, behaviour))

    def progress(_points: int, slow: SlowPoint | None) -> None:
        (tmp_path / str(slow and slow.seconds)).touch()

    with caplog.at_level(logging.INFO, "sweepctl"):
        result = run_shard(MESSAGE, engine, store, progress=progress)
    assert result.outcome.status == "success"
    (record,) = (each for each in caplog.records if each.message == "point_running")
    assert record.__dict__["fields"] == {
        "run_id": MESSAGE.run_id,
        "shard_id": 0,
        "attempt_id": result.outcome.attempt_id,
        "point_index": 1,
        "seconds": 61.0,
    }


def test_a_slow_point_is_logged_each_time_its_minutes_have_doubled(caplog: pytest.LogCaptureFixture) -> None:
    log = SlowPointLog(shard_id=0)
    with caplog.at_level(logging.INFO, "sweepctl"):
        for seconds in range(0, 1000, 5):
            log.note(SlowPoint(0, 7, float(seconds)))
            log.note(None)
        for slow in (SlowPoint(0, 7, 70.0), SlowPoint(0, 8, 300.0), SlowPoint(0, 8, 305.0), SlowPoint(0, 8, 485.0)):
            log.note(slow)
    logged = [(each.__dict__["fields"]["point_index"], each.__dict__["fields"]["seconds"]) for each in caplog.records]
    assert logged == [(7, 60), (7, 120), (7, 240), (7, 480), (7, 960), (7, 70), (8, 300), (8, 485)]

"""What a person sees of a worker: at work, and when it has ended."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sweepctl.queue.backlog import Backlog
from sweepctl.shard.slow_point import SlowPoint
from sweepctl.view.wording import duration
from sweepctl.view.worker import _worker, show_worker_summary, watching_worker
from sweepctl.worker.events import Ending, Why
from sweepctl.worker.tally import FailedMessage, WorkerProgress

PROGRESS = WorkerProgress(
    received=4,
    endings={Ending.SUCCEEDED: 2, Ending.FAILED: 1},
    lost_leases=1,
    points=1_200,
    running=1,
    oldest_lease=7.0,
    store_down=False,
    queue_down=False,
    returned=frozenset(),
    failures=(),
    why=None,
    error=None,
)


def console() -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=200, force_terminal=True, color_system=None), output


def test_a_summary_says_why_it_ended_and_what_came_of_every_message() -> None:
    told, output = console()
    failures = [
        FailedMessage("failed", "m1", "r", 3, "point_failed", "domain_error: [x]", "It would fail again."),
        FailedMessage("rejected", "m2", None, None, "bad_message", "not JSON", None),
    ]
    show_worker_summary(told, replace(PROGRESS, why=Why.UNTIL_EMPTY, failures=failures))
    lines = output.getvalue().splitlines()
    assert lines[0] == "4 messages received, 1,200 points run: the queue is empty"
    assert lines[1].strip() == "1  failed permanently: recorded and acknowledged"
    assert lines[2].split() == ["2", "succeeded"]
    assert "after their lease was lost" in lines[3]
    assert lines[4:] == [
        "point_failed shard 3 of run r: domain_error: [x]",
        "→ It would fail again.",
        "bad_message message m2: not JSON",
    ]


@pytest.mark.parametrize("why", Why)
def test_every_end_has_its_words(why: Why) -> None:
    told, output = console()
    show_worker_summary(told, replace(PROGRESS, why=why))
    assert "points run: " in output.getvalue()


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "draining"),
        ({"store_down": True}, "waiting for the store"),
        ({"queue_down": True, "store_down": True}, "waiting for the queue"),
        ({"why": Why.SIGNAL, "queue_down": True}, "stopping"),
    ],
)
def test_a_live_view_says_what_the_worker_does(changes: dict[str, object], state: str) -> None:
    told, output = console()
    told.print(_worker(replace(PROGRESS, **changes), 10.0, Backlog(50, 4_000.0)))  # type: ignore[arg-type]
    drawn = output.getvalue()
    assert state in drawn
    assert "120 points/s" in drawn
    assert "50 waiting" in drawn
    assert "about 1 h 06 min left" in drawn


def test_a_live_view_without_a_known_depth_tells_no_end() -> None:
    told, output = console()
    told.print(_worker(PROGRESS, 10.0, None))
    assert "waiting" not in output.getvalue()
    assert "left" not in output.getvalue()


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    output = io.StringIO()
    with watching_worker(Console(file=output), lambda: None) as observe:
        observe(PROGRESS)
    assert output.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.0, "59 s"), (60.0, "1 min 00 s"), (3_599.6, "1 h 00 min"), (90_000.0, "25 h 00 min")],
)
def test_a_time_span_has_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_live_view_names_the_point_that_stands_still() -> None:
    told, output = console()
    told.print(_worker(replace(PROGRESS, slow=SlowPoint(2, 57, 241.0)), 10.0, None))
    assert output.getvalue().splitlines()[-1].strip() == "shard 2: point 57 has been running for 4 min 01 s"

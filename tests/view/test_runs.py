"""What a person sees of runs on a terminal."""

import io

from rich.console import Console
from runs.test_status import RUN, after, seen

from sweepctl.queue.backlog import Backlog
from sweepctl.queue.contract import QueueFacts
from sweepctl.runs.status import summarize_outcomes
from sweepctl.runs.submit import Submission
from sweepctl.view.runs import reading, show_submission, watching

FACTS = QueueFacts(120, 3, 0, 30, None, None, fifo=False)


def console(*, is_terminal: bool) -> tuple[Console, io.StringIO]:
    output = io.StringIO()
    return Console(file=output, width=200, force_terminal=is_terminal, color_system=None), output


def test_a_submission_tells_what_was_sent_and_how_to_follow_it() -> None:
    told, output = console(is_terminal=False)
    show_submission(told, Submission("demo-001", "2026-03-01", 4_200, 4_000, 200, 2.0))
    assert output.getvalue().splitlines() == [
        "✓ run demo-001 of 4,200 shards",
        "  4,000 messages sent in 2.0 s, 2,000 messages/s",
        "  not sent, since they have an outcome: 200 shards",
        "→ sweepctl status demo-001 --watch",
    ]


def test_a_watch_draws_over_itself_on_a_terminal_and_tells_changes_elsewhere() -> None:
    statuses = [summarize_outcomes(RUN, seen(ends), 0, 0, after(60)) for ends in ([10], [10], [10, 20])]
    for is_terminal, lines in ((True, 3), (False, 2)):
        told, output = console(is_terminal=is_terminal)
        with watching(told) as show:
            for status in statuses:
                show(status, FACTS, Backlog(120, 60.0))
        assert output.getvalue().count("about 120 visible, 3 in flight") == lines + is_terminal
        assert ("\x1b[2K" in output.getvalue()) is is_terminal
        assert ("empty in about 1 min 00 s" in output.getvalue()) is is_terminal


def test_bars_are_for_terminals() -> None:
    for is_terminal in (True, False):
        told, output = console(is_terminal=is_terminal)
        with reading(told) as progress:
            progress(1_234)
        assert ("reading outcomes: 1,234" in output.getvalue()) is is_terminal

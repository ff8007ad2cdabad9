"""What a person sees of runs on a terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from runs.test_status import RUN, after, seen

from sweepctl.cli.terminal import open_console
from sweepctl.queue.backlog import Backlog
from sweepctl.queue.contract import QueueFacts
from sweepctl.runs.index import StoredRun
from sweepctl.runs.status import summarize_outcomes
from sweepctl.runs.submit import Submission
from sweepctl.view.runs import reading, show_runs, show_submission, watching

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


def stored(run_id: str) -> StoredRun:
    status = summarize_outcomes(RUN, seen([10, 20]), 0, 3, after(60))
    return replace(StoredRun.of(RUN, status), run_id=run_id, total_points=200_000)


@pytest.mark.parametrize("width", [50, 80, 120, 200])
@pytest.mark.parametrize("run_id", ["surge-pricing-2026-11-28-95f72cab", "a" * 64])
def test_run_ids_and_numbers_are_never_cut(width: int, run_id: str) -> None:
    output = io.StringIO()
    show_runs(Console(file=output, width=width), "st", [stored(run_id)], [])
    lines = output.getvalue().splitlines()
    assert "".join(line[2:].split("  ")[0].strip() for line in lines[3:]).startswith(run_id)
    assert "200,000" in output.getvalue()
    assert "2 of 10" in output.getvalue()
    assert ("not shown here:" in output.getvalue()) is (width < 140)
    assert all(len(line) <= width for line in lines if "not shown" not in line)


def test_a_pipe_has_all_columns_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    show_runs(open_console(stderr=False), "st", [stored("a" * 64)], [])
    (row,) = [line for line in capsys.readouterr().out.splitlines() if "aaa" in line]
    assert row.split() == ["a" * 64, "under", "way", "200,000", "2", "of", "10", "03-01", "12:00Z", "queue",
                           "2026-03-01", "3"]  # fmt: skip


def test_bars_are_for_terminals() -> None:
    for is_terminal in (True, False):
        told, output = console(is_terminal=is_terminal)
        with reading(told) as progress:
            progress(1_234)
        assert ("reading outcomes: 1,234" in output.getvalue()) is is_terminal

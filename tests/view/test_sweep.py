"""What a person sees of a run while it goes on."""

import io
from collections.abc import Sequence

import pytest
from rich.console import Console

from sweepctl.records.outcome import Caller
from sweepctl.runs.local import RunProgress
from sweepctl.runs.reuse import Source
from sweepctl.shard.slow_point import SlowPoint
from sweepctl.verify.report import Verdict
from sweepctl.view.sweep import running, show_done, show_left, show_next, show_source


def shown_while_running(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=150)
    with running(console, 1_000, 200, is_watched=True) as observe:
        observe(RunProgress(succeeded=3, failed=1, points=300, seconds=2.0))
        observe(RunProgress(succeeded=4, failed=1, points=400, seconds=2.0))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rate_and_time_left_are_told_on_a_terminal() -> None:
    told = shown_while_running(terminal=True)
    assert "600/1,000 points" in told
    assert "200 points/s, 5 shards" in told
    assert "1 failed" in told
    assert "about 2 s left" in told


def test_results_of_failed_shards_are_told() -> None:
    for partial in (7, 0):
        output = io.StringIO()
        show_done(Console(file=output, width=150), RunProgress(failed=1, seconds=12.0, partial=partial))
        assert ("7 points of failed shards have results, which --reuse takes over" in output.getvalue()) == (
            partial > 0
        )


def shown_with(seconds: float) -> str:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=150)
    with running(console, 100, 0, is_watched=True) as observe:
        observe(RunProgress(points=76, seconds=38.0, slow=SlowPoint(2, 57, seconds)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_point_that_stands_still_is_named() -> None:
    told = shown_with(6.0)
    assert "shard 2: point 57 has been running for 6 s" in told
    assert "about 12 s left" in told


def test_no_time_is_told_that_a_point_has_exceeded_already() -> None:
    told = shown_with(241.0)
    assert "shard 2: point 57 has been running for 4 min 01 s" in told
    assert " left" not in told


def test_the_bar_and_the_time_left_are_seen_at_80_columns() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=80)
    total = 1_000_000_000
    with running(console, total, 0, is_watched=True) as observe:
        observe(RunProgress(succeeded=12_345, failed=999, points=123_456_789, seconds=1_000.0, slow=None))
    drawn = output.getvalue()
    assert "123,456,789/1,000,000,000 points" in drawn
    assert "about 1 h 58 min left" in drawn
    assert "123,457 points/s, 13,344 shards, 999 failed" in drawn
    assert "━━ " in drawn
    assert "…" not in drawn


@pytest.mark.parametrize(
    ("verdict", "exit_code", "told", "untold"),
    [
        (Verdict.WHOLE, 0, ["results: s3://b/p", "sweepctl summary r --store s3://b/p", "report r", "query r"], "done"),
        (Verdict.FAILURES, 1, ["done, but not whole", "--accept-failures", "sweepctl summary r"], "goes on"),
        (Verdict.FAILURES, 0, ["sweepctl summary r"], "not whole"),
        (Verdict.INCOMPLETE, 1, ["not done", "sweepctl run s.toml --run-id r --threads 2 goes on"], "summary"),
        (Verdict.CORRUPT, 1, ["results: s3://b/p"], "summary"),
    ],
)
def test_the_end_of_a_run_says_whether_it_is_done_and_what_comes_next(
    verdict: Verdict, exit_code: int, told: Sequence[str], untold: str
) -> None:
    output = io.StringIO()
    show_next(
        Console(file=output, width=150),
        "r",
        verdict,
        store="s3://b/p",
        options=" --store s3://b/p",
        caller=Caller("s.toml", " --threads 2"),
        exit_code=exit_code,
    )
    assert all(each in output.getvalue() for each in told)
    assert untold not in output.getvalue()


def test_a_retry_says_whether_another_could_change_anything() -> None:
    for is_left, may_succeed, told in ((True, True, "not done"), (True, False, "nothing to retry"), (False, False, "")):
        output = io.StringIO()
        show_left(Console(file=output, width=150), is_left=is_left, may_succeed=may_succeed)
        assert output.getvalue().startswith(told)
        assert bool(output.getvalue()) is bool(told)


def test_nothing_is_drawn_elsewhere() -> None:
    assert shown_while_running(terminal=False).strip() == ""


def test_shards_that_are_not_used_are_told() -> None:
    console = Console(file=io.StringIO(), width=150)
    source = Source("old", "queue", unsound=[f"shard {number} is damaged" for number in range(12)], left_out=3)
    show_source(console, source)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert "left out, for lack of memory: 3 points" in told
    assert told.count("is damaged") == 10
    assert "not used: 2 more" in told

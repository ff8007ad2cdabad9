"""What a person sees of a run while it goes on."""

import io

from rich.console import Console

from sweepctl.runs.local import RunProgress
from sweepctl.runs.reuse import Source
from sweepctl.view.sweep import running, show_source


def shown_while_running(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=150)
    with running(console, "r", 1_000, 200, is_watched=True) as observe:
        observe(RunProgress(succeeded=3, failed=1, points=300, seconds=2.0))
        observe(RunProgress(succeeded=4, failed=1, points=400, seconds=2.0))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rate_and_time_left_are_told_on_a_terminal() -> None:
    told = shown_while_running(terminal=True)
    assert "600/1,000 points, 200 points/s, 5 shards" in told
    assert "1 failed" in told
    assert "about 2 s left" in told


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

"""What a person sees of a shard while it runs."""

import io

from fakes import toys
from rich.console import Console

from sweepctl.shard.slow_point import SlowPoint
from sweepctl.view.shard import progress_of


def test_the_point_that_stands_still_is_below_the_bar() -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=True, color_system=None, width=60)
    with progress_of(console, toys.decoded(toys.message(2, 3))) as reach:
        reach(1, SlowPoint(2, 57, 241.0))
    assert "shard 2: point 57 has been running for 4 min 01 s" in output.getvalue()

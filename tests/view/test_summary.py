"""What a summary prints of strings that are not its own."""

import io
from typing import Any

from results.analysis.views import connect, grid, subject_of
from rich.console import Console

from sweepctl.results.analysis.summary import summarize
from sweepctl.view.summary import show_summary

HOSTILE = "\x1b[2J\x9b1m[red]"


def test_no_string_of_a_run_steers_the_terminal() -> None:
    def function(cell: Any, _replicate: int) -> Any:  # noqa: ANN401
        return HOSTILE if cell["b"] == 3 else {HOSTILE: cell["b"], f"other{HOSTILE}": 1}

    design = grid(a=[HOSTILE, "x"], b=[1, 2, 3])
    cells = [{"a": a, "b": b} for a in (HOSTILE, "x") for b in (1, 2, 3)]
    connection = connect(cells, function)
    output = io.StringIO()
    show_summary(Console(file=output, width=400), summarize(connection, subject_of(connection, design, 1, HOSTILE), 2))
    printed = output.getvalue()
    assert not {"\x1b", "\x9b"} & {*printed}
    # A level, the metric and the other one, both ends' titles, columns and values, the code and its message.
    assert printed.count(r"\x1b[2J\x9b1m[red]") >= 10

"""What a summary prints: levels under their own dimension, and no string of a run raw."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from rich.console import Console

from sweepctl.results.analysis.summary import summarize
from sweepctl.view.summary import show_summary

Function = Callable[[Mapping[str, Any], int], Any]


def printed_of(design: dict[str, Any], function: Function, replications: int = 1) -> str:
    connection = connect(cells_of(design), function, replications)
    output = io.StringIO()
    summary = summarize(connection, subject_of(connection, design, replications, "m"), 2)
    show_summary(Console(file=output, width=400), summary)
    return output.getvalue()


@pytest.mark.parametrize("without", [1, 2, 3])
def test_each_level_is_under_its_own_dimension_although_one_has_no_value(without: int) -> None:
    design = grid(a=[0.5, 0.7], b=[1, 2, 3])
    printed = printed_of(design, lambda cell, _: "bad" if cell["b"] == without else {"m": 1.0})
    table = printed.partition("mean by level")[2].partition("lowest")[0]
    values = {level: ["–", "0"] if level == without else ["1", "2"] for level in (1, 2, 3)}
    rows = [row.split() for row in table.splitlines()]
    place = rows.index(["b", "1", *values[1]])
    assert rows[place + 1 : place + 4] == [["2", *values[2]], ["3", *values[3]], []]
    assert [row[0] for row in rows[place - 2 : place]] == ["a", "0.7"]


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

"""What a summary prints: levels under their own dimension, and no string of a run raw."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from rich.console import Console

from sweepctl.results.analysis.overview import make_overview
from sweepctl.results.analysis.summary import summarize
from sweepctl.view.page.metrics import section
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


UNIFORM = {"uniform": {"low": 0.0, "high": 1.0}}
DESIGNS = {
    "grid": grid(a=[*range(40)], b=[0, 1, 2, 3, 4]),
    "zip": {"kind": "zip", "dimensions": {"a": [*range(200)], "b": [*range(200)]}},
    "table": {"kind": "table", "columns": ["a", "b"], "rows": [[place, place % 5] for place in range(200)]},
    **{
        kind: {"kind": kind, "samples": 200, "dimensions": {"a": UNIFORM, "b": UNIFORM}}
        for kind in ("random", "latin_hypercube", "sobol")
    },
    "saltelli": {"kind": "saltelli", "base_samples": 50, "dimensions": {"a": UNIFORM, "b": UNIFORM}},
    "morris": {"kind": "morris", "trajectories": 50, "dimensions": dict.fromkeys("abc", UNIFORM)},
    "cross": {
        "kind": "cross",
        "parts": [grid(a=[*range(40)]), {"kind": "random", "samples": 5, "dimensions": {"b": UNIFORM}}],
    },
}


@pytest.mark.filterwarnings("default")  # of what SALib imports
@pytest.mark.parametrize("why", ["failed", "unrecorded", "without_value", "complete"])
@pytest.mark.parametrize("kind", DESIGNS)
def test_numbers_over_what_is_left_of_a_design_say_so_everywhere(kind: str, why: str) -> None:
    def function(cell: Any, _replicate: int) -> Any:  # noqa: ANN401
        is_whole = cell["a"] < 150 or why in ("complete", "unrecorded")
        return {"m": float(cell["b"])} if is_whole else "bad" if why == "failed" else {"m": None}

    cells = [{"a": place, "b": place % 5, "c": 0} for place in range(150 if why == "unrecorded" else 200)]
    connection = connect(cells, function)
    overview = make_overview(connection, subject_of(connection, DESIGNS[kind], 1, "m"))
    output = io.StringIO()
    show_summary(Console(file=output, width=400), overview.summary)
    page = section(overview, {})
    (told,) = overview.summary.to_json()["metrics"]
    said = "50 of 200 points (25 %) have no value: the others may be no random part of the design"
    if why == "complete":
        assert (told["missing"], told["missing_share"], told["warning"]) == (0, 0.0, None)
        assert "no random part" not in output.getvalue() + page
    else:
        assert (told["missing"], told["missing_share"]) == (50, 0.25)
        assert all(said in text for text in (told["warning"], output.getvalue(), page))


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


def test_the_level_that_others_are_compared_with_is_named() -> None:
    design = grid(policy=["none", "buffer"], servers=[2, 1])

    def function(cell: Mapping[str, Any], replicate: int) -> dict[str, float]:
        return {"m": 3.0 * cell["servers"] + 5 * (cell["policy"] == "buffer") + replicate}

    table = printed_of(design, function, 2).partition("mean by level")[2].partition("lowest")[0]
    rows = [row.split()[-5:] for row in table.splitlines() if "±" in row]
    assert [row for row in rows if row[-2] == "first"] == [
        ["5", "±", "6.353", "first", "4"],
        ["9", "±", "6.353", "first", "4"],
    ]
    connection = connect(cells_of(design), function, 2)
    page = section(make_overview(connection, subject_of(connection, design, 2, "m")), {})
    assert "by policy, less none<" in page
    assert "by servers, less 2<" in page
    assert page.count("difference of m by") == 2

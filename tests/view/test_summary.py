"""What a summary prints: levels under their own dimension, and no string of a run raw."""

import html
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from rich.console import Console

from sweepctl.results.analysis.overview import Overview, make_overview
from sweepctl.results.analysis.sensitivity.indices import PairIndex
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


def told_of(
    design: dict[str, Any], cells: Sequence[Mapping[str, Any]], function: Function, replications: int = 1
) -> str:
    """Return what is printed, and the page's part about metrics."""
    connection = connect(cells, function, replications)
    return shown_of(make_overview(connection, subject_of(connection, design, replications, "m")))


def shown_of(overview: Overview) -> str:
    output = io.StringIO()
    show_summary(Console(file=output, width=400), overview.summary)
    return output.getvalue() + section(overview, {})


def test_each_of_morris_measures_has_its_interval() -> None:
    design = {"kind": "morris", "trajectories": 5, "levels": 4, "dimensions": {"a": UNIFORM}}
    values = [0.0, 2.0, 0.0, 4.0, 0.0, -2.0, 0.0, 1.0, 0.0, 3.0]
    cells = [{"a": place % 2 * 2 / 3} for place in range(10)]
    order = iter(values)
    told = told_of(design, cells, lambda *_: {"m": next(order)})
    assert re.search(r"a +3\.6 ± \d\S* +2\.4 ± \d\S* +3\.\d+ ± \d", told)
    assert re.search(r"3\.6 ± \d[^ ]*</td><td[^>]*>2\.4 ± \d[^ ]*</td><td[^>]*>3\.\d+ ± \d", told)


def test_pairs_of_dimensions_are_in_the_order_of_what_is_certain() -> None:
    widths = {"unsure": (0.89, 2.586), "small": (0.02, 0.01), "large": (0.4, 0.1), "none": (0.0, 0.05)}
    pairs = tuple(PairIndex(("a", name), *each) for name, each in widths.items())
    connection = connect([{"a": 1}, {"a": 2}], lambda cell, _: {"m": cell["a"]})
    overview = make_overview(connection, subject_of(connection, grid(a=[1, 2]), 1, "m"))
    (metric,) = overview.summary.metrics
    sensitivity = replace(metric.sensitivity, pairs=pairs)
    summary = replace(overview.summary, metrics=(replace(metric, sensitivity=sensitivity),))
    told = shown_of(replace(overview, summary=summary))
    order = ["large", "small", "none", "unsure"]
    assert re.findall(r"a and (\w+)", told) == [*order, *order]


@pytest.mark.parametrize("replications", [1, 2])
def test_intervals_of_a_cross_name_the_chance_that_they_leave_out(replications: int) -> None:
    scenarios = {"kind": "latin_hypercube", "samples": 3, "dimensions": {"s": UNIFORM}}
    parts = [grid(a=[1, 2]), scenarios]
    cells = [{"a": a, "s": s} for a in (1, 2) for s in (0.1, 0.5, 0.9)]
    told = told_of({"kind": "cross", "parts": parts}, cells, lambda cell, r: {"m": cell["s"] + r}, replications)
    said = "Intervals are over replicates alone: they take the 3 draws of the sampled part as given."
    assert told.count(said) == (2 if replications > 1 else 0)
    assert told.count("over the 3 draws of the sampled part") == (0 if replications > 1 else 2)
    of_grid = told_of(grid(a=[1, 2]), [{"a": 1}, {"a": 2}], lambda _, r: {"m": r}, replications)
    assert "over replicates alone" not in of_grid


def test_what_is_missing_of_sensitivity_is_named_once() -> None:
    dimensions = {"a": UNIFORM}
    cells = [{"a": place % 2 * 2 / 3} for place in range(6)]
    morris = told_of({"kind": "morris", "trajectories": 3, "dimensions": dimensions}, cells, lambda *_: {"m": 1})
    assert "\n! no elementary effects: 4 trajectories are needed, and 3 have all their values" in morris
    assert '<p class="note">No elementary effects: 4 trajectories' in morris
    zipped = told_of({"kind": "zip", "dimensions": {"a": [0, 2]}}, [{"a": 0}, {"a": 2}], lambda *_: {"m": 1})
    assert "\n! no Sobol indices: the cells of a zip" in zipped


def test_differences_of_a_balanced_table_are_shown_and_named() -> None:
    rows = [[a, b] for a in (1, 2) for b in (1, 2)]
    table = {"kind": "table", "columns": ["a", "b"], "rows": rows}
    cells = [{"a": a, "b": b} for a, b in rows]
    told = told_of(table, cells, lambda cell, r: {"m": 3.0 * cell["a"] + r}, 2)
    assert re.search(r"a +1 +3\.5 ± \S+ +first +4 *\n +2 +6\.5 ± \S+ +3 ± 0 +4 *\n", told)
    said = "difference of the levels' means, in which other dimensions' own effects cancel, but not interactions"
    assert f'use "less the first": the {said}.' in told
    assert f"The {html.escape(said)}. Both sides share their random numbers." in told
    assert "that differ in this dimension alone" not in told
    assert "a zip, a table or a classical design" in told
    of_grid = told_of(grid(a=[1, 2], b=[1, 2]), cells, lambda cell, r: {"m": cell["a"] + r}, 2)
    assert of_grid.lower().count("first, of points that differ in this dimension alone.") == 2
    assert said not in of_grid


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

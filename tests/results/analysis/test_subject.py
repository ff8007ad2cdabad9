"""Which metrics are analysed, and in which order."""

from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of

from sweepctl.spec import Value

DESIGN = grid(x=[1, 2, 3])


@pytest.mark.parametrize(
    ("headlines", "order"),
    [((), "abdc"), (("d", "c"), "dabc"), (("b", "d", "absent"), "bdac"), (("a", "b", "c", "d"), "abdc")],
)
def test_headlines_come_first_and_what_does_not_vary_last(headlines: tuple[str, ...], order: str) -> None:
    connection = connect(cells_of(DESIGN), lambda cell, _: {"a": cell["x"], "b": -cell["x"], "c": 1.5, "d": cell["x"]})
    assert subject_of(connection, DESIGN, headlines=headlines).metrics == tuple(order)
    few = subject_of(connection, DESIGN, headlines=headlines, most=2)
    assert (few.metrics, few.other_metrics) == (tuple(order[:2]), tuple(order[2:]))
    assert subject_of(connection, DESIGN, 1, "c", "a", headlines=headlines).metrics == ("c", "a")


def levels_and_base(design: dict[str, Any], cells: list[dict[str, Value]], replications: int = 2) -> list[Any]:
    connection = connect(cells, lambda _, r: {"m": r}, replications)
    found = subject_of(connection, design, replications).dimensions
    return [([level.low for level in each.levels], each.levels[each.base].low) for each in found]


def test_levels_are_those_that_the_design_lists_and_the_first_is_the_base() -> None:
    design = grid(n=[2, 1, 3], on=[True, False], policy=["none", "buffer", "express", "none"])
    numbers, switches = ([1, 2, 3], 2), ([True, False], True)
    expected = [numbers, switches, (["none", "buffer", "express"], "none")]
    cells = cells_of(design)
    assert levels_and_base(design, cells) == expected
    # An inner axis that is recorded from its second value on still has its own order.
    some = connect(cells, lambda _, r: {"m": r})
    some.execute("CREATE OR REPLACE TEMP TABLE late AS FROM effective_parameters WHERE point_index >= 1")
    some.execute("DROP VIEW points")
    some.unregister("effective_parameters")
    some.execute("CREATE VIEW effective_parameters AS FROM late")
    assert subject_of(some, design).dimensions[2].levels[0].low == "none"


def test_words_of_a_table_and_of_a_choice_are_in_their_listed_order() -> None:
    words: list[Value] = ["b", "c", "a"]
    table = {"kind": "table", "columns": ["w"], "rows": [[word] for word in words]}
    assert levels_and_base(table, [{"w": word} for word in words]) == [(words, "b")]
    drawn = {"kind": "random", "samples": 3, "dimensions": {"w": {"choice": [*words, "b"]}}}
    assert levels_and_base(drawn, [{"w": word} for word in "acb"]) == [(words, "b")]

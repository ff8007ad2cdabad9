"""Which metrics are analysed, and in which order."""

from collections.abc import Mapping
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of

from sweepctl.results.analysis import subject
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


def test_what_varies_by_replicate_alone_comes_after_what_varies_over_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    def function(cell: Mapping[str, Any], replicate: int) -> dict[str, Value]:
        rare = cell["x"] if replicate == 2 else 0
        return {"constant": 1, "by_replicate": replicate, "rare": rare, "either": cell["x"] == 1}

    connection = connect(cells_of(DESIGN), function, 3)
    headlines = ("constant", "by_replicate")
    order = ("rare", "either", "by_replicate", "constant")
    assert subject_of(connection, DESIGN, 3, headlines=headlines).metrics == order
    assert subject_of(connection, DESIGN, 3, most=1).other_metrics == order[1:]
    monkeypatch.setattr(subject, "LOOKED_AT", 2)
    assert subject_of(connection, DESIGN, 3).metrics == ("either", "by_replicate", "rare", "constant")
    one = grid(x=[1])
    assert subject_of(connect(cells_of(one), function, 3), one, 3).metrics[:2] == ("by_replicate", "rare")


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

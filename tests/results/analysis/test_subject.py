"""Which metrics are analysed, and in which order."""

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of

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

"""The lowest and the highest points as lines over all dimensions."""

import re
from itertools import product
from typing import Any

from results.analysis.views import connect, grid, subject_of

from sweepctl.results.analysis.summary import summarize
from sweepctl.view.page.parallel import LEFT, WIDTH, parallel


def drawn(function: Any, design: dict[str, Any], top: int = 2) -> str:  # noqa: ANN401  as views.connect takes it
    axes = design["dimensions"]
    cells = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    connection = connect(cells, function)
    subject = subject_of(connection, design)
    return parallel(summarize(connection, subject, top).metrics[0], subject.dimensions, {"a": "km"})


def places(figure: str) -> list[list[float]]:
    """Return where each line crosses the axes, as parts of them."""
    lines = re.findall(r'<path d="M([^"]*)" class="(?:low|high)"><title>', figure)
    return [[(float(at.split()[0]) - LEFT) / WIDTH for at in line.split("L")] for line in lines]


def test_each_point_at_an_end_is_a_line_over_metric_and_dimensions() -> None:
    design = grid(a=[*range(20)], kind=["slow", "fast"], on=[False, True])
    figure = drawn(lambda cell, _: {"m": cell["a"] + 100 * cell["on"] + 0.5 * (cell["kind"] == "fast")}, design)
    lines = places(figure)
    assert len(lines) == 4
    assert figure.count('class="low"><title>') == figure.count('class="high"><title>') == 2
    assert "<title>point 0: 0</title>" in figure
    assert [round(line[0], 2) for line in lines] == [0, 0, 1, 1]  # the metric
    assert [round(line[1], 2) for line in lines] == [0, 0, 1, 1]  # a, from 0 to 19
    assert [line[2] < 0.5 for line in lines] == [True, False, False, True]  # slow is listed first
    assert [line[3] < 0.5 for line in lines] == [True, True, False, False]
    for text in ("2 lowest", "2 highest", "a [km]", "fast", "slow", "false", "true", "19", "119.5"):
        assert f">{text}</text>" in figure, text


def test_long_names_are_cut_and_lines_of_one_level_are_apart() -> None:
    design = grid(a_name_that_is_longer_than_its_room=["a word without any end", "b", "c"], b=[1, 2])
    figure = drawn(lambda cell, _: {"m": cell["b"]}, design, 3)
    assert ">a_name_that_is_l…</text>" in figure
    assert ">a word wit…</text>" in figure
    lowest = [line[2] for line in places(figure)[:3]]
    assert len({round(place, 2) for place in lowest}) == 3
    assert all(0 < place < 0.5 for place in lowest)


def test_one_value_of_a_metric_is_in_the_middle() -> None:
    assert {line[0] for line in places(drawn(lambda *_: {"m": 5.0}, grid(a=[1, 2])))} == {0.5}

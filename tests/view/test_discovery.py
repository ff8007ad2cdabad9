"""What is printed and drawn of the boxes in which a condition holds."""

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, subject_of
from rich.console import Console
from view.page.pages import HOSTILE

from sweepctl.results.analysis import discovery as discoveries
from sweepctl.results.analysis.discovery import Discovery, discover
from sweepctl.results.analysis.subject import Subject
from sweepctl.view.discovery import show_discovery
from sweepctl.view.page import discovery as page
from sweepctl.view.page import scatter

NUMBERS = [0.5, 1.0, 1.5, 2.0]
FINE = [float(place) for place in range(24)]  # so many that its levels are intervals
Function = Callable[[Mapping[str, Any], int], Any]


def found(where: str, function: Function, replications: int = 4, **dimensions: Any) -> tuple[Subject, Discovery]:  # noqa: ANN401
    design = grid(**dimensions)
    connection = connect(cells_of(design), function, replications)
    subject = subject_of(connection, design, replications)
    return subject, discover(connection, subject, where)


def printed(discovery: Discovery) -> str:
    output = io.StringIO()
    show_discovery(Console(file=output, width=200), discovery)
    return output.getvalue()


def figures(subject: Subject, discovery: Discovery) -> list[str]:
    return re.findall(r"<svg.*?</svg>", page.section(discovery, subject.dimensions, {"a": "km"}))


def outlines(svg: str) -> list[list[float]]:
    """Return x, y, width and height of the drawn box, in parts of the axes from the left and from the bottom."""
    shapes = re.findall(r'<rect x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)" class="box"/>', svg)
    return [
        [
            (float(x) - scatter.LEFT) / scatter.WIDTH,
            1 - (float(y) + float(height) - scatter.TOP) / scatter.HEIGHT,
            float(width) / scatter.WIDTH,
            float(height) / scatter.HEIGHT,
        ]
        for x, y, width, height in shapes
    ]


def test_a_box_is_printed_with_its_limits_and_how_it_was_peeled() -> None:
    _, discovery = found(
        "m > 5", lambda cell, _: {"m": 6.0 * (cell["a"] >= 1.5 and cell["w"] != "y")}, a=NUMBERS, w=["x", "y", "z"]
    )
    text = printed(discovery)
    assert "where m > 5  holds at 16 of 48 points (33.3 %)" in text
    assert "box 1: holds at 16 of 16 points: coverage 100 %, density 100 %, mass 33.3 %" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["a", "≥", "1.5"] in [row[:3] for row in rows]
    assert ["w", "x,", "z"] in [row[:3] for row in rows]
    assert ["48", "100", "%", "33.3", "%", "100", "%", "none"] in rows
    assert sum(row[:1] == ["→"] for row in rows) == 1
    assert "in no earlier box" not in text


def test_what_does_not_count_and_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discoveries, "MAX_POINTS", 50)
    subject, discovery = found("m > 5", lambda cell, r: {"m": None if r else 6.0 * (cell["a"] > 12)}, 4, a=FINE)
    text = printed(discovery)
    assert "holds at 11 of 96 points (11.5 %), null at 72, which count as not met" in text
    assert "boxes are made of 50 of 96 points, selected pseudo-randomly" in text
    assert "Boxes are made of 50 of 96 points" in page.section(discovery, subject.dimensions, {})


def test_no_box_is_a_sentence() -> None:
    subject, discovery = found("m > 5", lambda _cell, _: {"m": 1.0}, a=NUMBERS)
    assert "! no box: the condition holds at no point" in printed(discovery)
    section = page.section(discovery, subject.dimensions, {})
    assert "No box: the condition holds at no point." in section
    assert "<svg" not in section


def test_a_pairs_plot_has_the_points_and_the_box_where_they_are() -> None:
    subject, discovery = found(
        "m", lambda cell, _: {"m": cell["a"] in (1.0, 1.5) and cell["b"] >= 6}, 2, a=NUMBERS, b=FINE
    )
    (figure,) = figures(subject, discovery)
    names = "".join(re.findall(r'aria-label="([^"]*)"', figure))
    across, up = names.split(" by ")[1].removesuffix(", and the box").split(" and ")
    (box,) = outlines(figure)
    where = {across: (box[0], box[2]), up: (box[1], box[3])}
    assert where["a"] == pytest.approx((0.25, 0.5), abs=0.01)  # the two slots in the middle of four
    assert where["b"] == pytest.approx((6 / 23, 17 / 23), abs=0.01)
    met, missed = (re.findall(r"M\d+ \d+h0", found) for found in re.findall(r'<path d="([^"]*)"', figure)[::-1])
    assert (len(met), len(missed)) == (2 * 2 * 18, 2 * (4 * 24 - 2 * 18))
    left, bottom = scatter.LEFT + box[0] * scatter.WIDTH, scatter.TOP + (1 - box[1]) * scatter.HEIGHT
    for dot in met:
        x, y = (float(part) for part in dot.removeprefix("M").removesuffix("h0").split())
        assert left - 1 <= x <= left + box[2] * scatter.WIDTH + 1
        assert bottom - box[3] * scatter.HEIGHT - 1 <= y <= bottom + 1


def test_values_that_are_not_next_to_each_other_have_an_outline_each() -> None:
    subject, discovery = found(
        "m", lambda cell, _: {"m": cell["w"] in ("x", "z")}, 8, w=["w", "x", "y", "z"], v=["a", "b"]
    )
    (figure,) = figures(subject, discovery)  # the second dimension is not restricted
    assert [each[:1] + each[2:3] for each in outlines(figure)] == [
        pytest.approx([0.25, 0.25], abs=0.01),
        pytest.approx([0.75, 0.25], abs=0.01),
    ]
    assert [each[1::2] for each in outlines(figure)] == [[pytest.approx(0), pytest.approx(1)]] * 2


def test_at_most_three_dimensions_and_a_thousand_points_are_drawn() -> None:
    subject, discovery = found(
        "m", lambda cell, _: {"m": min(cell.values()) > 0}, 30, **{name: [0, 1, 2] for name in "abcd"}
    )
    assert len(discovery.boxes[0].restrictions) == 4
    drawn = figures(subject, discovery)
    assert len(drawn) == 3
    assert [figure.count("h0") for figure in drawn] == [discoveries.MOST_DRAWN] * 3


def test_one_dimension_has_no_pair() -> None:
    subject, discovery = found("m", lambda cell, _: {"m": cell["a"] > 1}, 20, a=NUMBERS)
    assert len(discovery.boxes) == 1
    assert figures(subject, discovery) == []


def test_no_string_becomes_markup() -> None:
    subject, discovery = found(
        f"w = '{HOSTILE.replace(chr(39), chr(39) * 2)}'", lambda _cell, _: {"m": 1.0}, 20, w=["x", HOSTILE], a=[1, 2]
    )
    section = page.section(discovery, subject.dimensions, {})
    assert len(discovery.boxes) == 1
    assert "<script" not in section
    assert "<img" not in section
    assert HOSTILE in printed(discovery)

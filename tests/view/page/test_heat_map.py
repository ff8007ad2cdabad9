"""Heat maps: numbers where they fit, a scale everywhere, and colours that can be told apart and read."""

import re
from importlib.resources import files
from itertools import pairwise

import pytest

from sweepctl.results.analysis.effects import MeanEstimate, Places
from sweepctl.results.analysis.subject import Dimension, Level
from sweepctl.view.page.heat_map import SHADES, heat_map

STYLE = files("sweepctl.view.page").joinpath("style.css").read_text()


def dimension(name: str, size: int) -> Dimension:
    return Dimension(name, tuple(Level(value, value) for value in range(size)), is_number=True, is_log=False)


def drawn(size: int, factor: float = 1.0, *, is_log: bool = False) -> str:
    means: dict[Places, list[MeanEstimate | None]] = {
        (a, b): [MeanEstimate(10.0 ** (a + b) if is_log else factor * (a * size + b), None, 1, 1)]
        for a in range(size)
        for b in range(size)
        if (a, b) != (0, 1)
    }
    return heat_map("m", dimension("a", size), dimension("b", size), {**means, (0, 1): [None]})


def numbers(figure: str) -> list[str]:
    return re.findall(r'class="on\d">([^<]*)<', figure)


def ticks(figure: str) -> list[str]:
    """Return the labels of the scale."""
    return re.findall(r'<text x="[^"]*">([^<]*)<', figure.rpartition("<g")[2])


def test_each_cell_with_a_value_has_its_number_where_numbers_fit() -> None:
    assert sorted(map(float, numbers(drawn(3)))) == [0, 2, 3, 4, 5, 6, 7, 8]
    assert {len(text) for text in numbers(drawn(3))} == {len("2.00")}
    assert {len(text) for text in numbers(drawn(8, 100))} == {1, 3, 4}  # a map with fewer digits than would fit
    assert numbers(drawn(16)) == []


def test_the_ends_of_intervals_are_not_cut() -> None:
    ends = [0.00123 * place for place in range(13)]
    cut = Dimension("a", tuple(map(Level, ends[:-1], ends[1:])), is_number=True, is_log=False)
    figure = heat_map("m", cut, dimension("b", 2), {(0, 0): [MeanEstimate(1.0, None, 1, 1)]})
    assert ">0.00246</text>" in figure
    assert "…" not in figure


def test_no_number_is_minus_zero() -> None:
    means: dict[Places, list[MeanEstimate | None]] = {
        (0, 0): [MeanEstimate(-0.001, None, 1, 1)],
        (1, 0): [MeanEstimate(50.0, None, 1, 1)],
    }
    assert numbers(heat_map("m", dimension("a", 2), dimension("b", 1), means)) == ["0.0", "50.0"]


def test_every_map_has_a_scale_with_round_values() -> None:
    assert ticks(drawn(16)) == ["0", "50", "100", "150", "200", "250"]
    assert ticks(drawn(3, is_log=True)) == ["1", "10", "100", "1,000", "10,000"]
    assert drawn(16).count('class="frame"') == 2


def test_values_that_are_all_equal_have_one_shade() -> None:
    figure = drawn(3, 0.0)
    assert set(numbers(figure)) == {"0"}
    assert '<text x="120.6" y="275" class="start">0</text>' in figure


def brightness(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_shades_rise_in_brightness_and_numbers_on_them_can_be_read(scheme: int) -> None:
    colours = {name: found[scheme] for name in ("on-low", "on-high", *(f"h{each}" for each in range(SHADES)))
               if (found := re.findall(rf"--{name}: (#\w{{6}})", STYLE))}  # fmt: skip
    shades = [brightness(colours[f"h{each}"]) for each in range(SHADES)]
    steps = [second - first for first, second in pairwise(shades)]
    assert all(step > 0 for step in steps) or all(step < 0 for step in steps)
    for shade in range(SHADES):
        (rule,) = re.findall(rf"svg \.on{shade}\b[^{{]*\{{ fill: ([^;]*);", STYLE)
        ink = colours.get(rule.removeprefix("var(--").removesuffix(")"), rule)
        assert contrast(ink, colours[f"h{shade}"]) >= 4.5, shade

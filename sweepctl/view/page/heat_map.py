"""Means by two dimensions as a map of shades, with its scale and, where they fit, the numbers, as inline SVG."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sweepctl.results.analysis.effects import MeanEstimate, MeansByLevel, Places
from sweepctl.results.analysis.subject import LOG_RATIO, Dimension
from sweepctl.view.page import axes
from sweepctl.view.page.axes import CHARACTER, Scale, label, labels
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.plots import drawing
from sweepctl.view.wording import shown

SHADES = 9  # style.css has their colours, and those of the numbers on them
LEFT, TOP, WIDTH, HEIGHT = 78.0, 8.0, 320.0, 224.0
LEAST_HEIGHT = 13.0  # of a cell with a number in it
LARGEST = 1e6  # from here on, powers of ten are shorter


def heat_map(metric: str, across: Dimension, up: Dimension, found: MeansByLevel) -> Markup:
    """Draw the means of a metric by two dimensions, the first horizontal and the second vertical."""
    known = {cell: each for cell, (each,) in found.items() if each is not None}
    shades = _Shades.of([each.mean for each in known.values()])
    w, h = WIDTH / len(across.levels), HEIGHT / len(up.levels)
    cells: dict[int, list[Markup]] = {}
    for (column, row), each in known.items():
        named = f"{label(across.levels[column])}, {label(up.levels[row])}: {shown(each.mean)}"
        cell = element("rect", element("title", named), x=column, y=len(up.levels) - 1 - row)
        cells.setdefault(shades.shade(each.mean), []).append(cell)
    shaded = (element("g", *cells[shade], class_=f"h{shade}") for shade in sorted(cells))
    return drawing(
        f"Mean of {metric} by {across.name} and {up.name}",
        LEFT + WIDTH + 20,
        TOP + HEIGHT + 74,
        element("rect", x=LEFT, y=TOP, width=WIDTH, height=HEIGHT, class_="none"),
        # A page may have thousands of cells: as unit squares, sized in the style sheet, by shade, they take few bytes.
        element("g", *shaded, class_="cells", transform=f"translate({LEFT} {TOP}) scale({w:.3f} {h:.3f})"),
        element("path", d=_borders(len(across.levels), len(up.levels)), class_="borders"),
        element("rect", x=LEFT, y=TOP, width=WIDTH, height=HEIGHT, class_="frame"),
        _numbers(known, shades, w, h),
        axes.beside(up, LEFT, TOP + HEIGHT, h),
        axes.below(across, LEFT, TOP + HEIGHT, w),
        _scale(shades) if known else "",
    )


def _borders(columns: int, rows: int) -> str:
    """Return the lines between cells."""
    return "".join(f"M{LEFT + place * WIDTH / columns:.1f} {TOP:.0f}v{HEIGHT:.0f}" for place in range(1, columns)) + (
        "".join(f"M{LEFT:.0f} {TOP + place * HEIGHT / rows:.1f}h{WIDTH:.0f}" for place in range(1, rows))
    )


@dataclass(frozen=True)
class _Shades:
    """Maps values to the shades of a heat map."""

    low: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        return cls(min(values, default=0.0), max(values, default=0.0))

    @property
    def is_log(self) -> bool:
        """Whether the values span orders of magnitude, where linear shades would show only the largest."""
        return self.low > 0 and self.high / self.low >= LOG_RATIO

    def scale(self, start: float, end: float) -> Scale:
        return Scale(self.low, self.high, start, end, is_log=self.is_log)

    def shade(self, value: float) -> int:
        return min(SHADES - 1, int(self.scale(0, SHADES).at(value)))

    def text(self, value: float, digits: int) -> str:
        """Return a number with so many digits of the spread of all of them."""
        spread = self.high - self.low
        if self.is_log or not spread or max(abs(self.low), abs(self.high)) >= LARGEST:
            return f"{value:.{digits}g}"
        decimals = max(0, digits - 1 - math.floor(math.log10(spread)))
        return f"{value:z.{decimals}f}"


def _numbers(known: Mapping[Places, MeanEstimate], shades: _Shades, width: float, height: float) -> Markup:
    """Draw the number of each cell, with three digits or fewer, if all of them fit."""
    for digits in (3, 2, 1):
        texts = {cell: shades.text(each.mean, digits) for cell, each in known.items()}
        if max(map(len, texts.values()), default=0) * CHARACTER + 2 <= width and height >= LEAST_HEIGHT:
            break
    else:
        return Markup()
    return join(
        element(
            "text",
            text,
            x=LEFT + (column + 0.5) * width,
            y=TOP + HEIGHT - (row + 0.5) * height,
            class_=f"on{shades.shade(known[column, row].mean)}",
        )
        for (column, row), text in texts.items()
    )


def _scale(shades: _Shades) -> Markup:
    """Draw the scale of the shades, with ticks."""
    top, step = TOP + HEIGHT + 38, WIDTH / SHADES
    if shades.low == shades.high:
        bar = element("rect", x=LEFT, y=top, width=step, height=10, class_=f"h{shades.shade(shades.low)}")
        return join((bar, element("text", shown(shades.low), x=LEFT + step + 7, y=top + 5, class_="start")))
    x = shades.scale(LEFT, LEFT + WIDTH)
    marks = x.marks(6)
    bar = join(
        element("rect", x=LEFT + each * step, y=top, width=step, height=10, class_=f"h{each}") for each in range(SHADES)
    )
    lines = "".join(f"M{x.at(mark):.1f} {top + 10:.0f}v4" for mark in marks)
    texts = labels((x.at(mark), shown(float(mark))) for mark in marks)
    return join(
        (
            bar,
            element("rect", x=LEFT, y=top, width=WIDTH, height=10, class_="frame"),
            element("path", d=lines, class_="axis") if lines else "",
            element("g", texts, transform=f"translate(0 {top + 23:.0f})"),
            element("text", "log", x=LEFT - 7, y=top + 5, class_="y") if shades.is_log else "",
        )
    )

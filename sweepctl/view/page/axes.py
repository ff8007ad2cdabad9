"""Scales and axes of the figures: from values to pixels, with labels that do not overlap."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweepctl.results.analysis.subject import Dimension, Level
from sweepctl.spec import Value
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.wording import shown, span

CHARACTER = 6.2  # average width in pixels at the figures' text size
GAP = 10.0  # pixels between two labels
MOST_BESIDE = 12  # labels of a vertical axis
SMALLEST_STEP = 1e-300  # between the marks of an axis: below it, powers of ten lose digits
SIZE_OF_NUMBER = 12  # characters, at most


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map from values to pixels."""

    low: float
    high: float
    start: float  # the pixel of `low`
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        if self.low == self.high:
            return (self.start + self.end) / 2
        part = (value - self.low) / (self.high - self.low)
        if math.isinf(self.high - self.low):
            # Of halves: the ends of double precision are further apart than it reaches.
            part = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        if self.is_log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def marks(self, most: int) -> Sequence[float]:
        """Return round values along the scale."""
        return powers(self.low, self.high) if self.is_log else ticks(self.low, self.high, most)


def label(level: Level) -> str:
    """Return the text of a level."""
    return span(level.low, level.high)


def middle(level: Level, *, is_log: bool) -> float:
    """Return the number at which a level is drawn."""
    low, high = _number(level.low), _number(level.high)
    return math.sqrt(low) * math.sqrt(high) if is_log else low / 2 + high / 2


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def places(dimension: Dimension, start: float, end: float) -> tuple[list[float], Markup]:
    """Return the pixel of each level along a horizontal axis, and the axis' labels."""
    if not dimension.is_number or any(level.low is None for level in dimension.levels):
        slot = (end - start) / len(dimension.levels)
        found = [start + (place + 0.5) * slot for place in range(len(dimension.levels))]
        longest = max(3, int((slot - 2) / CHARACTER))
        return found, labels((x, cut(label(level), longest)) for x, level in zip(found, dimension.levels, strict=True))
    middles = [middle(level, is_log=dimension.is_log) for level in dimension.levels]
    low, high = _number(dimension.levels[0].low), _number(dimension.levels[-1].high)
    scale = Scale(low, high, start + GAP, end - GAP, is_log=dimension.is_log)
    found = [scale.at(value) for value in middles]
    marks = scale.marks(5)
    if not dimension.is_cut and len(dimension.levels) <= 6:  # noqa: PLR2004  that many labels fit
        marks = middles
    return found, labels((scale.at(mark), shown(_whole(mark))) for mark in marks)


def edges(dimension: Dimension) -> list[tuple[float, str]]:
    """Return the labels of an axis of equal slots, positions in slots; intervals are labelled at their ends."""
    if not dimension.is_cut:
        return [(place + 0.5, label(level)) for place, level in enumerate(dimension.levels)]
    # Missing values have a slot of their own, before the intervals.
    slots = [(0.5 if level.low is None else float(place), label(level) if level.low is None else shown(level.low))
             for place, level in enumerate(dimension.levels)]  # fmt: skip
    return [*slots, (float(len(dimension.levels)), shown(dimension.levels[-1].high))]


def beside(dimension: Dimension, x: float, bottom: float, height: float) -> Markup:
    """Return the labels left of a vertical axis of equal slots, each `height` high."""
    texts = edges(dimension)[:: -(-len(dimension.levels) // MOST_BESIDE)]
    return join(element("text", cut(text, 11), x=x - 7, y=bottom - place * height, class_="y") for place, text in texts)


def below(dimension: Dimension, left: float, bottom: float, width: float) -> Markup:
    """Return the labels below a horizontal axis of equal slots, each `width` wide."""
    # The ends of intervals are numbers, of which those that do not fit are left out.
    longest = SIZE_OF_NUMBER if dimension.is_cut else max(6, int(width / CHARACTER))
    texts = labels((left + place * width, cut(text, longest)) for place, text in edges(dimension))
    return element("g", texts, transform=f"translate(0 {bottom + 16:.0f})")


def labels(texts: Iterable[tuple[float, str]]) -> Markup:
    """Return labels below a horizontal axis, without those that would overlap the one before."""
    kept, free_from = [], -math.inf
    for x, text in texts:
        half = len(text) * CHARACTER / 2
        if x - half >= free_from:
            kept.append(element("text", text, x=x))
            free_from = x + half + GAP / 2
    return join(kept)


def cut(text: str, longest: int) -> str:
    """Return a text shortened to at most `longest` characters."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _whole(value: float) -> Value:
    return int(value) if value == int(value) and abs(value) < 1e9 else value  # noqa: PLR2004  as `shown` does


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    if not SMALLEST_STEP < (high - low) / most < math.inf:
        return [low, high]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * most >= high - low)
    # As a quotient where the step is below 1: 3 x 0.1 is not 0.3.
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place / round(1 / step) if step < 1 else place * step for place in range(first, last + 1)]


def powers(low: float, high: float) -> list[float]:
    """Return the ticks of a logarithmic axis: powers of ten, with halves and fifths where there are few of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1,) if last - first > 3 else (1, 2, 5)  # noqa: PLR2004  decades
    found = [factor * 10.0**power for power in range(first, last + 1) for factor in factors]
    return [tick for tick in found if low <= tick <= high]

"""A plot of some points in which the reader chooses metric and dimension; without a script it shows the first choice.

Every axis is drawn once and carries the places of all points along it, so that the script only connects two of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweepctl.results.analysis.overview import Overview, largest
from sweepctl.results.analysis.points import Distribution
from sweepctl.results.analysis.subject import LOG_RATIO, Dimension
from sweepctl.spec import Value
from sweepctl.view.page import axes
from sweepctl.view.page.axes import Scale
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.plots import drawing, y_axis
from sweepctl.view.page.scatter import STEPS, places, slots
from sweepctl.view.page.tables import with_unit
from sweepctl.view.wording import counted

LEFT, TOP, WIDTH, HEIGHT = 64.0, 10.0, 360.0, 250.0
MARGIN = 0.02  # above and below the points
FINEST = 36 * 36 - 1  # the last place along an axis, of two digits of base 36
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

Part = float | None  # of an axis, from 0 to 1


def section(overview: Overview, units: Mapping[str, str]) -> Markup:
    """Return the plot with its two controls, or nothing where there is nothing to plot."""
    subject, rows = overview.summary.subject, overview.sample
    if not rows or not subject.dimensions or not subject.metrics:
        return Markup()
    effects = largest(overview.summary.metrics[0], 1)
    first = effects[0][0] if effects else subject.dimensions[0]
    across = [(each, _across(each, [row.parameters[each.name] for row in rows])) for each in subject.dimensions]
    up = [(name, *_up([row.metrics[name] for row in rows])) for name in subject.metrics]
    names = with_unit(up[0][0], units), with_unit(first.name, units)
    chosen = next(found for each, found in across if each is first)
    figure = drawing(
        f"{names[0]} by {names[1]}",
        LEFT + WIDTH + 24,
        TOP + HEIGHT + 30,
        element("rect", x=LEFT, y=TOP, width=WIDTH, height=HEIGHT, class_="none"),
        *(_x_axis(each, found, is_on=each is first) for each, found in across),
        *(_y_axis(scale, found, is_on=place == 0) for place, (_, scale, found) in enumerate(up)),
        element("path", d=_dots(chosen, up[0][2]), class_="dots"),
    )
    controls = element(
        "p",
        _select("Metric", [with_unit(name, units) for name, *_ in up], 0),
        _select("by", [with_unit(each.name, units) for each, _ in across], subject.dimensions.index(first)),
        class_="choose",
        hidden=True,
    )
    return element(
        "section",
        element("h2", "Any metric by any dimension"),
        element("p", _note(len(rows), overview.summary.metrics[0].distribution), class_="note"),
        controls,
        element("figure", element("figcaption", f"{names[0]} by {names[1]}"), figure, class_="explore wide"),
    )


def _note(drawn: int, spread: Distribution) -> str:
    points = spread.points + spread.missing
    return (
        f"{drawn:,} of {counted('points', points)} that succeeded"
        f"{', selected pseudo-randomly' if drawn < points else ''}. Points of one level are spread around it; points "
        "without a value are left out."
    )


def _select(label: str, texts: Sequence[str], chosen: int) -> Markup:
    options = (element("option", text, selected=place == chosen) for place, text in enumerate(texts))
    return element("label", f"{label} ", element("select", *options))


def _across(dimension: Dimension, values: Sequence[Value]) -> list[Part]:
    return [place / slots(dimension) for place in places(dimension, values, STEPS[0])]


def _up(values: Sequence[Value]) -> tuple[Scale, list[Part]]:
    """Return the scale of a metric in these points, and where they are on it."""
    numbers = [float(value) if isinstance(value, int | float) else None for value in values]
    known = [number for number in numbers if number is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = Scale(low, high, MARGIN, 1 - MARGIN, is_log=low > 0 and high / low >= LOG_RATIO)
    return scale, [None if number is None else scale.at(number) for number in numbers]


def _x_axis(dimension: Dimension, found: Sequence[Part], *, is_on: bool) -> Markup:
    texts = axes.below(dimension, LEFT, TOP + HEIGHT, WIDTH / slots(dimension))
    return element("g", texts, class_=_class("across", is_on=is_on), data_places=_packed(found))


def _y_axis(scale: Scale, found: Sequence[Part], *, is_on: bool) -> Markup:
    drawn = y_axis(replace(scale, start=TOP + HEIGHT * (1 - MARGIN), end=TOP + HEIGHT * MARGIN), LEFT, LEFT + WIDTH)
    return element("g", drawn, class_=_class("up", is_on=is_on), data_places=_packed(found))


def _class(name: str, *, is_on: bool) -> str:
    return name if is_on else f"{name} off"


def _packed(parts: Sequence[Part]) -> str:
    """Return places along an axis as two digits each, `--` for none."""
    whole = [None if part is None else round(part * FINEST) for part in parts]
    return "".join("--" if each is None else _DIGITS[each // 36] + _DIGITS[each % 36] for each in whole)


def _dots(across: Sequence[Part], up: Sequence[Part]) -> str:
    return "".join(
        f"M{LEFT + x * WIDTH:.0f} {TOP + HEIGHT - y * HEIGHT:.0f}h0"
        for x, y in zip(across, up, strict=True)
        if x is not None and y is not None
    )

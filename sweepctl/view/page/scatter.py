"""Points by two dimensions, those that meet a condition set apart, with the box in which it holds, as inline SVG."""

from collections.abc import Sequence
from itertools import product

from sweepctl.results.analysis.discovery import Box
from sweepctl.results.analysis.subject import Dimension
from sweepctl.spec import Value
from sweepctl.view.page import axes
from sweepctl.view.page.axes import Scale
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.plots import drawing

LEFT, TOP, WIDTH, HEIGHT = 78, 8, 320, 224
SPREAD = 0.7  # of a slot, over which the points of one level are spread
# Fractions of these are spread evenly, and those of one unlike those of the other (Roberts' sequence in the plane).
STEPS = (0.7548776662466927, 0.5698402909980532)


def scatter(where: str, box: Box, across: Dimension, up: Dimension) -> Markup:
    """Draw a box, and points in no earlier one, by two dimensions, the first horizontal and the second vertical."""
    width, height = WIDTH / slots(across), HEIGHT / slots(up)
    xs = [LEFT + width * place for place in places(across, box.drawn[across.name], STEPS[0])]
    ys = [TOP + HEIGHT - height * place for place in places(up, box.drawn[up.name], STEPS[1])]
    # One path for all dots of a kind: a round end of a line without length.
    paths = {True: "", False: ""}
    for x, y, met in zip(xs, ys, box.drawn_met, strict=True):
        paths[met] += f"M{x:.0f} {y:.0f}h0"
    outlines = (
        element("rect", x=LEFT + width * left, y=TOP + HEIGHT - height * high,
                width=width * (right - left), height=height * (high - low), class_="box")
        for (left, right), (low, high) in product(_runs(box, across), _runs(box, up))
    )  # fmt: skip
    return drawing(
        f"Points where {where} by {across.name} and {up.name}, and the box",
        LEFT + WIDTH + 20,
        TOP + HEIGHT + 30,
        element("rect", x=LEFT, y=TOP, width=WIDTH, height=HEIGHT, class_="none"),
        element("path", d=paths[False], class_="missed") if paths[False] else "",
        element("path", d=paths[True], class_="met") if paths[True] else "",
        *outlines,
        axes.beside(up, LEFT, TOP + HEIGHT, height),
        axes.below(across, LEFT, TOP + HEIGHT, width),
    )


def slots(dimension: Dimension) -> int:
    """Return how many equal slots the axis of a dimension has: one for each level."""
    return len(dimension.levels)


def _nulls(dimension: Dimension) -> int:
    """Return how many slots come before the intervals of a dimension: one if values are missing."""
    return sum(level.low is None for level in dimension.levels)


def places(dimension: Dimension, values: Sequence[Value], step: float) -> list[float]:
    """Return where values are along an axis, in slots; those of one level are spread over a part of its slot."""
    if dimension.is_cut:
        return [_place(dimension, value) for value in values]
    shifts = ((place * step % 1 - 0.5) * SPREAD for place in range(len(values)))
    return [dimension.place(value) + 0.5 + shift for value, shift in zip(values, shifts, strict=True)]


def _place(dimension: Dimension, value: Value) -> float:
    """Return where a value is along the axis of a dimension whose levels are intervals."""
    if not isinstance(value, int | float):
        return 0.5
    ends = [end for level in dimension.levels for end in (level.low, level.high) if isinstance(end, int | float)]
    return Scale(ends[0], ends[-1], _nulls(dimension), slots(dimension), is_log=dimension.is_log).at(value)


def _runs(box: Box, dimension: Dimension) -> list[tuple[float, float]]:
    """Return the stretches of an axis that are in the box, in slots."""
    of = next((each for each in box.restrictions if each.dimension == dimension.name), None)
    if of is None:
        return [(0, slots(dimension))]
    if not dimension.is_cut or of.values is not None:
        held = [place for place, level in enumerate(dimension.levels) if of.holds(level.low)]
        starts = [place for place in held if place - 1 not in held]
        return list(zip(starts, [place + 1 for place in held if place + 1 not in held], strict=True))
    low = _nulls(dimension) if of.low is None else _place(dimension, of.low)
    high = slots(dimension) if of.high is None else _place(dimension, of.high)
    return [(low, high), *([(0.0, 1.0)] if _nulls(dimension) and of.holds(None) else [])]

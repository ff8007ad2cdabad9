"""Parallel coordinates: the lowest and the highest points of a metric as lines over all dimensions, as inline SVG.

The axes are horizontal, one below the other, so that names have room and the figure suits a narrow page.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from sweepctl.results.analysis.points import Row
from sweepctl.results.analysis.subject import Dimension
from sweepctl.results.analysis.summary import MetricSummary
from sweepctl.spec import Value
from sweepctl.view.page.axes import CHARACTER, Scale, cut, label
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.plots import drawing
from sweepctl.view.page.scatter import STEPS, places, slots
from sweepctl.view.page.tables import with_unit
from sweepctl.view.wording import shown

LEFT, WIDTH, TOTAL = 128.0, 218.0, 412.0
FIRST, STEP = 44.0, 42.0  # pixels to the first axis, and from one to the next
SHORTEST = 5  # characters of a level's name; where there is no room for them, only the ends have names
LONGEST = 17  # characters beside the axes


def parallel(metric: MetricSummary, dimensions: Sequence[Dimension], units: Mapping[str, str]) -> Markup:
    """Draw the lowest and the highest points of a metric, over the metric and these dimensions."""
    rows = [*metric.lowest, *metric.highest]
    xs = [_along_metric(metric, rows), *(_along(each, [row.parameters[each.name] for row in rows])
                                         for each in dimensions)]  # fmt: skip
    ys = [FIRST + STEP * place for place in range(len(xs))]
    axes = [_ends(ys[0], _title(metric.name, units), metric.distribution.minimum, metric.distribution.maximum)]
    axes += [_axis(y, each, units) for y, each in zip(ys[1:], dimensions, strict=True)]
    lines = (
        element("path", element("title", f"point {row.point_index:,}: {shown(row.metrics[metric.name])}"),
                d="M" + "L".join(f"{x[place]:.0f} {y:.0f}" for x, y in zip(xs, ys, strict=True)),
                class_="low" if place < len(metric.lowest) else "high")
        for place, row in enumerate(rows)
    )  # fmt: skip
    return drawing(
        f"Lowest and highest points of {metric.name}",
        TOTAL,
        ys[-1] + 22,
        _legend(len(metric.lowest), len(metric.highest)),
        element("path", d="".join(f"M{LEFT:.0f} {y:.0f}h{WIDTH:.0f}" for y in ys), class_="scale"),
        element("g", *lines, class_="lines"),
        *axes,
    )


def _along_metric(metric: MetricSummary, rows: Iterable[Row]) -> list[float]:
    low, high = metric.distribution.minimum or 0.0, metric.distribution.maximum or 0.0
    scale = Scale(float(low), float(high), LEFT, LEFT + WIDTH)
    values = (row.metrics[metric.name] for row in rows)
    return [scale.at(float(value) if isinstance(value, int | float) else scale.low) for value in values]


def _along(dimension: Dimension, values: Sequence[Value]) -> list[float]:
    return [LEFT + WIDTH * place / slots(dimension) for place in places(dimension, values, STEPS[0])]


def _axis(y: float, dimension: Dimension, units: Mapping[str, str]) -> Markup:
    """Draw the name of an axis with those of all levels, or of its ends where they do not fit or are intervals."""
    name, levels = _title(dimension.name, units), dimension.levels
    width = WIDTH / len(levels)
    texts = [label(level) for level in levels]
    room = int(width / CHARACTER)
    if dimension.is_cut or room < min(SHORTEST, max(map(len, texts))):
        return _ends(y, name, levels[0].low, levels[-1].high)
    named = (
        element("text", cut(text, room), x=LEFT + (place + 0.5) * width, y=y + 12) for place, text in enumerate(texts)
    )
    return join((_name(y, name), element("g", *named, class_="halo")))


def _ends(y: float, name: str, low: Value, high: Value) -> Markup:
    return join(
        (
            _name(y - 6, name),
            element("text", cut(shown(low), LONGEST), x=LEFT - 8, y=y + 7, class_="y"),
            element("text", cut(shown(high), LONGEST // 2), x=LEFT + WIDTH + 8, y=y, class_="start"),
        )
    )


def _title(name: str, units: Mapping[str, str]) -> str:
    """Return a name with its unit if there is room for it."""
    whole = with_unit(name, units)
    return whole if len(whole) <= LONGEST else cut(name, LONGEST)


def _name(y: float, name: str) -> Markup:
    return element("text", name, x=LEFT - 8, y=y, class_="y name")


def _legend(lowest: int, highest: int) -> Markup:
    kinds = (("low", f"{lowest} lowest", LEFT), ("high", f"{highest} highest", LEFT + WIDTH / 2))
    return join(
        chain.from_iterable(
            (
                element("path", d=f"M{x:.0f} 12h24", class_=kind),
                element("text", text, x=x + 30, y=12, class_="start"),
            )
            for kind, text, x in kinds
        )
    )

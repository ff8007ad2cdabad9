"""The figures, as inline SVG. Colours come from the style sheet, so that one figure serves light and dark mode."""

from collections.abc import Iterable, Iterator, Sequence

from sweepctl.results.analysis.effects import MeanEstimate, MeansByLevel
from sweepctl.results.analysis.points import Distribution
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.shards import MapCell, ShardMap
from sweepctl.results.analysis.subject import Dimension
from sweepctl.view.page.axes import Scale, cut, label, labels, places, ticks
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.wording import counted, shown, span

WIDTH, HEIGHT = 300, 190
LEFT, RIGHT, TOP, BOTTOM = 54.0, 292.0, 10.0, 166.0


def drawing(name: str, width: float, height: float, *children: str) -> Markup:
    """Return a figure with its name for those who cannot see it."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        role="img",
        aria_label=name,
    )


def y_axis(scale: Scale, left: float = LEFT, right: float = RIGHT) -> Markup:
    """Return lines at round values, and their labels."""
    marks = [*zip(scale.marks(5), map(scale.at, scale.marks(5)), strict=True)]
    lines = "".join(f"M{left:.0f} {y:.1f}h{right - left:.0f}" for _, y in marks)
    texts = (element("text", shown(float(mark)), x=left - 7, y=y, class_="y") for mark, y in marks)
    return join((element("path", d=lines, class_="grid"), *texts))


def effect_range(effects: Sequence[MeansByLevel]) -> tuple[float, float]:
    """Return the lowest and highest end of all intervals, so that a metric's figures share one axis."""
    known = [each for found in effects for values in found.values() for each in values if each is not None]
    lows = [each.mean - (each.half_width or 0) for each in known]
    highs = [each.mean + (each.half_width or 0) for each in known]
    low, high = min(lows, default=0.0), max(highs, default=0.0)
    room = (high - low) * 0.06 or abs(low) * 0.1 or 1.0
    return low - room, high + room


def effect(metric: str, dimension: Dimension, found: MeansByLevel, ends: tuple[float, float], overall: float) -> Markup:
    """Draw the means of a metric by level, with their intervals, and the mean over all points."""
    y = Scale(*ends, BOTTOM, TOP)
    xs, below = places(dimension, LEFT, RIGHT)
    known = [(xs[place], dimension.levels[place], each) for (place,), (each,) in found.items() if each is not None]
    whiskers = "".join(
        f"M{x:.1f} {y.at(each.mean - each.half_width):.1f}V{y.at(each.mean + each.half_width):.1f}"
        for x, _, each in known
        if each.half_width is not None
    )
    line = "M" + "L".join(f"{x:.1f} {y.at(each.mean):.1f}" for x, _, each in known)
    dots = (
        element(
            "circle",
            element("title", f"{label(level)}: {estimate_text(each)}"),
            cx=x,
            cy=y.at(each.mean),
        )
        for x, level, each in known
    )
    return drawing(
        f"Mean of {metric} by {dimension.name}",
        WIDTH,
        HEIGHT,
        y_axis(y),
        element("path", d=f"M{LEFT:.0f} {y.at(overall):.1f}H{RIGHT:.0f}", class_="overall"),
        element("path", d=line, class_="means") if dimension.is_number and known else "",
        element("path", d=whiskers, class_="whiskers") if whiskers else "",
        element("g", *dots, class_="dot"),
        element("g", below, transform=f"translate(0 {BOTTOM + 16:.0f})"),
    )


def with_base(dimension: Dimension, differences: MeansByLevel) -> MeansByLevel:
    """Return differences to the base with the base itself, whose own is 0."""
    return {**differences, (dimension.base,): [MeanEstimate(0.0, None, 0, 0)]}


def estimate_text(each: MeanEstimate) -> str:
    """Return an estimate as text."""
    if each.half_width is None:
        return f"{shown(each.mean)}, {counted('points', each.points)}"
    return f"{shown(each.mean)} ± {shown(each.half_width)}, {counted('points', each.points)}"


def bars_of(values: Sequence[float], titles: Iterable[str], y: Scale, left: float, right: float) -> Iterator[Markup]:
    """Draw side by side a bar for each value that is not 0, from the foot of the scale up, with its title."""
    foot, step = y.at(0), (right - left) / len(values)
    for place, (value, title) in enumerate(zip(values, titles, strict=True)):
        if value:
            yield element(
                "rect",
                element("title", title),
                x=left + place * step + 0.5,
                y=y.at(value),
                width=step - 1,
                height=foot - y.at(value),
                class_="bar",
            )


def histogram(metric: str, spread: Distribution) -> Markup:
    """Draw the number of points by value."""
    low, high = spread.minimum or 0.0, spread.maximum or 0.0
    x = Scale(low, high, LEFT, RIGHT)
    y = Scale(0, max(spread.counts), BOTTOM, TOP)
    titles = (
        f"{span(low + bar * spread.width, low + (bar + 1) * spread.width)}: {count:,}"
        for bar, count in enumerate(spread.counts)
    )
    bars = bars_of(spread.counts, titles, y, LEFT, RIGHT)
    below = labels((x.at(tick), shown(float(tick))) for tick in ticks(low, high, 4))
    return drawing(
        f"Distribution of {metric}",
        WIDTH,
        HEIGHT,
        y_axis(y),
        *bars,
        element("g", below, transform=f"translate(0 {BOTTOM + 16:.0f})"),
    )


def indices(metric: str, sensitivity: Sensitivity) -> Markup:
    """Draw first-order indices as bars, and total indices as outlines."""
    row, width = 38.0, 400.0
    x = Scale(0, 1, 0, width)
    drawn = []
    for place, index in enumerate(sensitivity.indices):
        y = place * row + 10
        first = max(0.0, min(1.0, index.first_order))
        total = 0.0 if index.total is None else max(0.0, min(1.0, index.total))
        text = (
            f"{index.first_order:.2f}"
            if index.half_width is None
            else f"{index.first_order:.2f} ± {index.half_width:.2f}"
        )
        if index.total is not None:
            interval = "" if index.total_half_width is None else f" ± {index.total_half_width:.2f}"
            text += f", total {index.total:.2f}{interval}"
        drawn += [
            element("text", cut(index.dimension, 56 - len(text)), x=0, y=y, class_="start name"),
            element("text", text, x=width, y=y, class_="y"),
            element("rect", x=0, y=y + 9, width=width, height=10, class_="none"),
            element("rect", x=0, y=y + 9, width=x.at(first), height=10, class_="bar"),
            element("rect", x=0.5, y=y + 9, width=x.at(total), height=10, class_="total") if total else "",
        ]
    return drawing(f"Sobol indices of {metric}", width + 2, row * len(sensitivity.indices), *drawn)


STATES = ("whole", "partly", "missing", "points", "retryable", "failed")


def state(cell: MapCell) -> str:
    """Return the worst state among a map cell's shards."""
    if cell.failed:
        return "failed"
    if cell.retryable:
        return "retryable"
    if cell.points_failed:
        return "points"
    if cell.missing:
        return "partly" if cell.succeeded else "missing"
    return "whole"


def shard_map_figure(found: ShardMap) -> Markup:
    """Draw all shards in order, row by row; one path per state, since there may be many shards."""
    width = 900
    size = 12 if len(found.cells) > 200 else 20  # noqa: PLR2004  they fill some rows either way
    columns = width // size
    paths = dict.fromkeys(STATES, "")
    side = size - 2
    for place, cell in enumerate(found.cells):
        x, y = place % columns * size + 1, place // columns * size + 1
        shape = f"M{x} {y}h{side}v{side}h-{side}z"
        paths[state(cell)] += shape
    rows = -(-len(found.cells) // columns)
    shapes = (element("path", d=path, class_=f"shard {name}") for name, path in paths.items() if path)
    return drawing("Completeness of shards", width if rows > 1 else len(found.cells) * size, rows * size, *shapes)

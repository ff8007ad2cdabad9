"""The distribution of a metric by level of a dimension: one strip of quantiles for each level, as inline SVG."""

from collections.abc import Iterable
from itertools import pairwise

from sweepctl.results.analysis.quantiles import Quantiles, QuantilesByLevel
from sweepctl.results.analysis.subject import LOG_RATIO, Dimension
from sweepctl.view.page.axes import Scale, label, places
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, drawing, y_axis
from sweepctl.view.wording import shown

WIDEST = 11.0  # pixels of a strip
NOTE = (
    "A strip for each level: thin from the 5 % to the 95 % quantile, thick from 25 % to 75 %, with a line at the "
    "median. They are of all points of the level, replicates included."
)


def quantile_scale(found: Iterable[QuantilesByLevel]) -> Scale:
    """Return the axis that all strips of a metric share."""
    known = [each for levels in found for each in levels if each is not None]
    low, high = min((each[0] for each in known), default=0.0), max((each[-1] for each in known), default=0.0)
    if low > 0 and high / low >= LOG_RATIO:
        return Scale(low, high, BOTTOM - 4, TOP + 4, is_log=True)
    room = (high - low) * 0.04 or abs(low) * 0.1 or 1.0
    return Scale(low - room, high + room, BOTTOM, TOP)


def strips(metric: str, dimension: Dimension, found: QuantilesByLevel, y: Scale) -> Markup:
    """Draw the quantiles of a metric by level."""
    xs, below = places(dimension, LEFT, RIGHT)
    width = min(WIDEST, 0.6 * min((b - a for a, b in pairwise(xs)), default=WIDEST))
    known = [(x, level, each) for x, level, each in zip(xs, dimension.levels, found, strict=True) if each is not None]
    reach = "".join(f"M{x:.1f} {y.at(each[0]):.1f}V{y.at(each[-1]):.1f}" for x, _, each in known)
    middle = "".join(f"M{x - width / 2:.1f} {y.at(each[2]):.1f}h{width:.1f}" for x, _, each in known)
    boxes = (
        element("rect", element("title", f"{label(level)}: {_text(each)}"), x=x - width / 2, y=y.at(each[3]),
                width=width, height=y.at(each[1]) - y.at(each[3]))
        for x, level, each in known
    )  # fmt: skip
    return drawing(
        f"Distribution of {metric} by {dimension.name}",
        WIDTH,
        HEIGHT,
        y_axis(y),
        element("path", d=reach, class_="reach"),
        element("g", *boxes, class_="half"),
        element("path", d=middle, class_="median"),
        element("g", below, transform=f"translate(0 {BOTTOM + 16:.0f})"),
    )


def _text(quantiles: Quantiles) -> str:
    return " | ".join(map(shown, quantiles or ()))

"""The figure of a run's pace over time."""

import datetime as dt
from dataclasses import dataclass

from sweepctl.view.page.axes import Scale, labels
from sweepctl.view.page.markup import Markup, element
from sweepctl.view.page.plots import bars_of, drawing, y_axis
from sweepctl.view.wording import duration, shown

WIDTH, HEIGHT = 900, 150
LEFT, RIGHT, TOP, BOTTOM = 70.0, 850.0, 8.0, 124.0
MINUTE = 60.0


@dataclass(frozen=True)
class Pace:
    """Points settled per second, in equal parts of the time from the first shard's start."""

    since: dt.datetime
    until: dt.datetime
    bars: tuple[float, ...]


def pace_figure(pace: Pace) -> Markup:
    """Draw a bar for each part of the time."""
    y = Scale(0, max(pace.bars) or 1.0, BOTTOM, TOP)
    seconds = (pace.until - pace.since).total_seconds()
    titles = (
        f"{_time(seconds * (bar + 0.5) / len(pace.bars))}: {shown(float(value))} points/s"
        for bar, value in enumerate(pace.bars)
    )
    bars = bars_of(pace.bars, titles, y, LEFT, RIGHT)
    x = Scale(0, seconds, LEFT, RIGHT)
    below = labels((x.at(part * seconds / 4), _time(part * seconds / 4)) for part in range(5))
    return drawing(
        "Points per second over time",
        WIDTH,
        HEIGHT,
        y_axis(y, LEFT, RIGHT),
        *bars,
        element("g", below, transform=f"translate(0 {BOTTOM + 16:.0f})"),
    )


def _time(seconds: float) -> str:
    return duration(seconds) if seconds >= MINUTE else f"{shown(round(seconds, 2))} s"

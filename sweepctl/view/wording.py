"""Numbers, times, sizes and verdicts as text for people."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sweepctl import texts
from sweepctl.spec import Value
from sweepctl.verify.report import Verdict

if TYPE_CHECKING:
    from sweepctl.shard.slow_point import SlowPoint

DIGITS = 4
LARGEST, SMALLEST = 1e9, 1e-4  # outside this range, powers of ten are shorter
SMALLEST_P = 0.0001  # p-values below it are not told apart


def shown(value: Value) -> str:
    """Return a value as text: with thousands separators, floats with four digits."""
    match value:
        case None:
            return "–"
        case bool():
            return str(value).lower()
        case int():
            return f"{value:,}"
        case float():
            return _float(value)
    return value


def span(low: Value, high: Value) -> str:
    """Return an interval as text, or its single value if both ends are equal."""
    return shown(low) if low == high else f"{shown(low)} – {shown(high)}"


def limits(low: Value, high: Value, values: Sequence[Value] | None) -> str:
    """Return what a box holds of a dimension as text: these values, or those between two ends, None for no end."""
    if values is not None:
        return ", ".join(map(shown, values))
    if low is not None and high is not None:
        return span(low, high)
    return f"≤ {shown(high)}" if low is None else f"≥ {shown(low)}"


def share(part: float) -> str:
    """Return a fraction as a percentage."""
    return f"{100 * part:.3g} %"


def chance(p_value: float) -> str:
    """Return a p-value as text."""
    return f"< {SMALLEST_P}" if p_value < SMALLEST_P else f"{p_value:.4f}"


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def _float(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if not SMALLEST <= abs(value) < LARGEST:
        return f"{value:.{DIGITS - 1}e}"
    decimals = max(0, DIGITS - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def time(at: dt.datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "–" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


VERDICTS = {
    Verdict.WHOLE: ("green", "every point exists exactly once and matches its design and its outcome"),
    Verdict.FAILURES: ("yellow", "every shard has a final outcome, and some failed permanently"),
    Verdict.INCOMPLETE: ("yellow", "some points have no record yet"),
    Verdict.CORRUPT: ("red", "the store contradicts itself or the run record"),
    Verdict.UNPROVEN: ("yellow", "nothing wrong was found, but not everything could be checked"),
}


def counted(kind: str, count: int) -> str:
    """Return an amount of `kind`, a plural, or of bytes."""
    return byte_count(count) if kind == "bytes" else texts.counted(kind, count)


def duration(seconds: float) -> str:
    """Return a time span in its two largest units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def slow_point(slow: "SlowPoint") -> str:
    """Return what stands still."""
    return f"shard {slow.shard_id}: point {slow.point_index:,} has been running for {duration(slow.seconds)}"


def byte_count(count: int) -> str:
    """Return a number of bytes in the largest SI unit in which it is at least one."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004  the step between SI units
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"

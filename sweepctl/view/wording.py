"""Numbers, times, sizes and verdicts as people read them."""

import datetime as dt
import math

from sweepctl.spec import Value
from sweepctl.verify.report import Verdict

DIGITS = 4
LARGEST, SMALLEST = 1e9, 1e-4  # beyond them powers of ten are shorter


def shown(value: Value) -> str:
    """Return a value: thousands apart, floats with four digits."""
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
    """Return an interval, or the one value that it is."""
    return shown(low) if low == high else f"{shown(low)} – {shown(high)}"


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
    Verdict.WHOLE: ("green", "every point is there exactly once, as designed and as promised"),
    Verdict.FAILURES: ("yellow", "every shard has its verdict, and some failed for good"),
    Verdict.INCOMPLETE: ("yellow", "some points have no record yet"),
    Verdict.CORRUPT: ("red", "the store contradicts itself or the run record"),
    Verdict.UNPROVEN: ("yellow", "nothing is wrong in what was checked, and not everything was"),
}


def counted(kind: str, count: int) -> str:
    """Return how much of something was looked at."""
    return byte_count(count) if kind == "bytes" else f"{count:,} {kind}"


def duration(seconds: float) -> str:
    """Return a time span in the two units that matter."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def byte_count(count: int) -> str:
    """Return a number of bytes in the largest of the SI's units that leaves it at least one."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:  # noqa: PLR2004  the SI's step
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


# All but tabs and ends of lines.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}


def without_controls(text: str) -> str:
    """Return a string of a run so that it cannot steer the terminal."""
    return text.translate(_CONTROLS)

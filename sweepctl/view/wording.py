"""Numbers and times as people read them, and the ticks of an axis."""

import datetime as dt
import math

Value = None | bool | int | float | str

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


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers from `low` to `high`: multiples of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
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


def time(at: dt.datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "–" if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"

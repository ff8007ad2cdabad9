"""The levels of parameters in classical designs: coded levels become values, and nothing is rounded unseen."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Tag

from sweepctl.design.distributions import Between
from sweepctl.design.values import Values, one_of, reject
from sweepctl.spec import Value


def _is_ends(value: object) -> bool:
    return bool(value.keys() & {"low", "high"}) if isinstance(value, dict) else isinstance(value, Between)


def _ends(value: object) -> object:
    if not _is_ends(value):
        reject("must be { low = A, high = B }: two numbers, between which the design has others")
    return value


def _two(values: list[Value]) -> list[Value]:
    if len(values) != 2 or values[0] == values[1]:  # noqa: PLR2004  it says so
        reject(f"must have exactly two different values, and has {len(values)}")
    return values


def _form(value: object) -> str | None:
    return "[list]" if isinstance(value, list) else "[ends]" if _is_ends(value) else None


Ends: TypeAlias = Annotated[Between, BeforeValidator(_ends)]
TwoLevels: TypeAlias = Annotated[
    Annotated[Between, Tag("[ends]")] | Annotated[Values, AfterValidator(_two), Tag("[list]")],
    one_of(_form, "levels", "must be { low = A, high = B }, or a list of two values"),
]


def value_at(levels: Between | Sequence[Value], level: float) -> Value:
    """Return the value at a coded level: low at -1, high at 1, proportionally elsewhere.

    It is computed from the decimals as written, and rounded once; between integers it is one where it can be.

    Raises:
        OverflowError: it is not finite.
    """
    if not isinstance(levels, Between):
        return levels[level > 0]
    low, high = levels.low, levels.high
    if abs(level) == 1:
        return high if level > 0 else low
    ends = Fraction(repr(low)), Fraction(repr(high))
    value = (sum(ends) + Fraction(level) * (ends[1] - ends[0])) / 2
    is_whole = isinstance(low, int) and isinstance(high, int) and value.denominator == 1
    return int(value) if is_whole else float(value)

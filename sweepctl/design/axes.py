"""Axes: the values of a parameter, as a list or a formula; values are counted without computing them."""

import math
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Self, TypeAlias

from pydantic import Field, Tag, model_validator

from sweepctl.design.values import Number, Strict, Values, one_of, only_key, reject
from sweepctl.strict_json import INT64_MAX

MAX_EXPONENT = 308.25  # of ten: binary64 ends there
MAX_WHOLE = 1 << 126  # so that the difference of two is within the engine's 128 bits too


class Steps(Strict):
    """Evenly spaced numbers from start to stop, both included."""

    start: Number = Field(description="First value.")
    stop: Number = Field(description="Last value, included exactly.")
    num: int = Field(ge=2, le=INT64_MAX, description="Number of values, both ends included.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if not math.isfinite(float(self.stop) - float(self.start)):
            reject(f"start {self.start}, stop {self.stop}: must have a finite difference")
        return self


class Exponents(Steps):
    """Evenly spaced exponents of ten from start to stop, both included."""

    @model_validator(mode="after")
    def _are_exponents(self) -> Self:
        if max(self.start, self.stop) >= MAX_EXPONENT:
            reject(f"start {self.start}, stop {self.stop}: are exponents of ten: must be below {MAX_EXPONENT}")
        return self


class Range(Strict):
    """Numbers from start in equal steps, as in Python's range: stop is excluded."""

    start: Number = Field(description="First value.")
    stop: Number = Field(description="End of the values; excluded.")
    step: Number = Field(description="Difference between consecutive values; negative to count down, never 0.")

    @cached_property
    def count(self) -> int:
        """The number of values, exact for the decimals as written: 0, 1, 0.1 gives ten."""
        start, stop, step = self._whole
        return max(0, -((start - stop) // step))

    @cached_property
    def _whole(self) -> tuple[int, ...]:
        """The three numbers in units of the last decimal place that any of them has."""
        written = [Decimal(repr(value)) for value in (self.start, self.stop, self.step)]
        places = min(int(value.as_tuple().exponent) for value in written if value) if any(written) else 0
        return tuple(int(Fraction(value) / Fraction(10) ** places) for value in written)

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.step == 0:
            reject("step: must not be 0")
        shown = f"start {self.start}, stop {self.stop}, step {self.step}"
        if max(map(abs, self._whole)) >= MAX_WHOLE:
            reject(f"{shown}: must have magnitudes close enough to count the values exactly")
        if not 1 <= self.count <= INT64_MAX:
            reject(f"{shown}: must have at least one value, and at most {INT64_MAX}")
        return self


class LinspaceAxis(Strict):
    """Evenly spaced numbers."""

    linspace: Steps

    @property
    def count(self) -> int:
        """The number of values."""
        return self.linspace.num


class LogspaceAxis(Strict):
    """Powers of ten; the exponents are evenly spaced from start to stop."""

    logspace: Exponents

    @property
    def count(self) -> int:
        """The number of values."""
        return self.logspace.num


class RangeAxis(Strict):
    """Numbers from start in equal steps, without stop."""

    range: Range

    @property
    def count(self) -> int:
        """The number of values."""
        return self.range.count


def _axis_form(value: object) -> str | None:
    return "[list]" if isinstance(value, list) else only_key(value)


Axis: TypeAlias = Annotated[
    Annotated[Values, Tag("[list]")]
    | Annotated[LinspaceAxis, Tag("[linspace]")]
    | Annotated[LogspaceAxis, Tag("[logspace]")]
    | Annotated[RangeAxis, Tag("[range]")],
    one_of(_axis_form, "axis", "must be a list of values, or an object with one of linspace, logspace, range"),
]


def length_of(axis: Axis) -> int:
    """Return the number of values of an axis."""
    return len(axis) if isinstance(axis, list) else axis.count

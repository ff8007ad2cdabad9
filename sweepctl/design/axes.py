"""Axes: the values of a parameter, listed or by a formula whose values are counted without computing them."""

import math
from fractions import Fraction
from functools import cached_property
from typing import Annotated, Self, TypeAlias

from pydantic import Field, Tag, model_validator

from sweepctl.design.values import Number, Strict, Values, one_of, only_key, reject
from sweepctl.strict_json import INT64_MAX


class Steps(Strict):
    """Numbers from start to stop, both included, at equal distances."""

    start: Number = Field(description="The first value.")
    stop: Number = Field(description="The last value, exactly.")
    num: int = Field(ge=2, le=INT64_MAX, description="How many values there are, the two ends included.")


class Range(Strict):
    """Numbers from start on, step by step, as Python's range: stop is excluded."""

    start: Number = Field(description="The first value.")
    stop: Number = Field(description="Where the values end; excluded.")
    step: Number = Field(description="From one value to the next; negative to count down, never 0.")

    @cached_property
    def count(self) -> int:
        """How many values there are; exact, of the decimals as they are written: 0, 1, 0.1 gives ten."""
        start, stop, step = (Fraction(repr(value)) for value in (self.start, self.stop, self.step))
        return max(0, math.ceil((stop - start) / step))

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.step == 0:
            reject("step: must not be 0")
        if not 1 <= self.count <= INT64_MAX:
            shown = f"start {self.start}, stop {self.stop}, step {self.step}"
            reject(f"{shown}: must have at least one value, and at most {INT64_MAX}")
        return self


class LinspaceAxis(Strict):
    """Numbers at equal distances."""

    linspace: Steps

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.linspace.num


class LogspaceAxis(Strict):
    """Powers of ten: start and stop are exponents, at equal distances."""

    logspace: Steps

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.logspace.num


class RangeAxis(Strict):
    """Numbers from start on, step by step, without stop."""

    range: Range

    @property
    def count(self) -> int:
        """How many values there are."""
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
    """Return how many values an axis has."""
    return len(axis) if isinstance(axis, list) else axis.count

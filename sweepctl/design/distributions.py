"""Distributions of parameters; the engine applies each to one uniform number."""

import math
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, Tag, model_validator

from sweepctl.design.values import Integer, Number, Strict, Values, one_of, only_key, reject

SUPPORT = 8.5  # standard deviations from the mean: no drawn value is further away
# The least probability between low and high of a normal distribution; an engine accepts a little less.
LEAST_SHARE = 1e-280


def _below(low: float, high: float) -> bool:
    # As binary64, with which the engine computes: two integers may be equal there.
    return float(low) < float(high)


class Between(Strict):
    """An interval of numbers."""

    low: Number = Field(description="Lower bound.")
    high: Number = Field(description="Upper bound, above low.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if not _below(self.low, self.high):
            reject(f"low {self.low}, high {self.high}: must satisfy low < high")
        if not math.isfinite(float(self.high) - float(self.low)):
            reject(f"low {self.low}, high {self.high}: must have a finite difference")
        return self


class PositiveBetween(Between):
    """An interval of positive numbers."""

    @model_validator(mode="after")
    def _is_positive(self) -> Self:
        if self.low <= 0:
            reject(f"low {self.low}: must be above 0, to have a logarithm")
        return self


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")  # infinity, which JSON does not have


def _bound(absent: float, doc: str) -> Any:  # noqa: ANN401  as pydantic's Field
    return Field(default=absent, description=doc, json_schema_extra=_without_default)


class Normal(Strict):
    """A normal distribution, truncated at low and high if given."""

    mean: Number = Field(description="Mean, before truncation.")
    std: Number = Field(description="Standard deviation, above 0, before truncation.")
    low: Number = _bound(-math.inf, "Smallest value; unbounded if absent.")
    high: Number = _bound(math.inf, "Largest value; unbounded if absent.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.std <= 0:
            reject(f"std {self.std}: must be above 0")
        if not _below(self.low, self.high):
            reject(f"low {self.low}, high {self.high}: must satisfy low < high")
        if not math.isfinite(abs(float(self.mean)) + SUPPORT * float(self.std)):
            reject(f"mean {self.mean}, std {self.std}: must be small enough for all values to be finite")
        if self._share < LEAST_SHARE:
            reject(f"low {self.low}, high {self.high}: must have a larger part of the distribution between them")
        return self

    @property
    def _share(self) -> float:
        """The probability between low and high."""
        low, high = ((float(end) - float(self.mean)) / float(self.std) / math.sqrt(2) for end in (self.low, self.high))
        if low < 0 < high:
            return (math.erf(high) - math.erf(low)) / 2
        # On one side of the mean, from the tails: 1 minus a small number loses its digits.
        near, far = sorted((abs(low), abs(high)))
        return (math.erfc(near) - math.erfc(far)) / 2


class Triangular(Between):
    """A triangular distribution."""

    mode: Number = Field(description="Most likely value, between low and high.")

    @model_validator(mode="after")
    def _mode_within(self) -> Self:
        if not self.low <= self.mode <= self.high:
            reject(f"low {self.low}, mode {self.mode}, high {self.high}: must satisfy low <= mode <= high")
        return self


class Integers(Strict):
    """Integers, all equally likely."""

    low: Integer = Field(description="Smallest value.")
    high: Integer = Field(description="Largest value, included.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.low > self.high:
            reject(f"low {self.low}, high {self.high}: must satisfy low <= high")
        return self


class UniformDistribution(Strict):
    """Uniform over an interval; the upper end is excluded."""

    uniform: Between


class LogUniformDistribution(Strict):
    """Log-uniform over an interval: the logarithm is uniform."""

    log_uniform: PositiveBetween


class NormalDistribution(Strict):
    """Normally distributed numbers."""

    normal: Normal


class TriangularDistribution(Strict):
    """Triangular over an interval: most likely at the mode."""

    triangular: Triangular


class IntegerDistribution(Strict):
    """Integers, all equally likely, both ends included."""

    integer: Integers


class ChoiceDistribution(Strict):
    """One of these values, all equally likely."""

    choice: Values


Distribution: TypeAlias = Annotated[
    Annotated[UniformDistribution, Tag("[uniform]")]
    | Annotated[LogUniformDistribution, Tag("[log_uniform]")]
    | Annotated[NormalDistribution, Tag("[normal]")]
    | Annotated[TriangularDistribution, Tag("[triangular]")]
    | Annotated[IntegerDistribution, Tag("[integer]")]
    | Annotated[ChoiceDistribution, Tag("[choice]")],
    one_of(
        only_key,
        "distribution",
        "must be an object with one of uniform, log_uniform, normal, triangular, integer, choice",
    ),
]

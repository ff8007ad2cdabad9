"""Distributions of parameters; the engine applies each to one uniform number."""

import math
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, Tag, model_validator

from sweepctl.design.values import Integer, Number, Strict, Values, one_of, only_key, reject

# The rules of a normal distribution, in standard deviations. They are sums, quotients and comparisons alone, which the
# engine computes the same, bit for bit (rust/space/src/design/normal.rs): both accept the same distributions.
FURTHEST = 36.0  # from the mean: no value lies further off
NEAREST_ENDS = 1e-12  # ends that are nearer each other have no numbers between their shares of the distribution
SUPPORT = 40.0  # beyond every value that can be drawn


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

    @property
    def is_bounded(self) -> bool:
        """Whether it is truncated at both ends."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.std <= 0:
            reject(f"std {self.std}: must be above 0")
        cut = f"low {self.low}, high {self.high}"
        if not _below(self.low, self.high):
            reject(f"{cut}: must satisfy low < high")
        if not math.isfinite(abs(float(self.mean)) + SUPPORT * float(self.std)):
            reject(f"mean {self.mean}, std {self.std}: must be small enough for all values to be finite")
        low, high = ((float(end) - float(self.mean)) / float(self.std) for end in (self.low, self.high))
        if low > FURTHEST or high < -FURTHEST:
            reject(f"{cut}: must leave values within {FURTHEST:g} standard deviations of the mean")
        if high - low < NEAREST_ENDS:
            reject(f"{cut}: must be at least {NEAREST_ENDS:g} standard deviations apart")
        return self


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

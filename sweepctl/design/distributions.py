"""Distributions: how likely each value of a parameter is; each is applied to one uniform number by the engine."""

import math
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, Tag, model_validator

from sweepctl.design.values import Integer, Number, Strict, Values, one_of, only_key, reject

SUPPORT = 8.5  # so many standard deviations from the mean lies every value that can be drawn, and none beyond
# Of a normal distribution between its cuts; an engine needs a little less.
LEAST_SHARE = 1e-280


def _below(low: float, high: float) -> bool:
    # As the binary64 that the engine computes with: two integers may be one there.
    return float(low) < float(high)


class Between(Strict):
    """An interval of numbers."""

    low: Number = Field(description="The lower end.")
    high: Number = Field(description="The upper end, above the lower one.")

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
    schema.pop("default")  # infinity, which is no JSON


def _bound(absent: float, doc: str) -> Any:  # noqa: ANN401  as pydantic's Field
    return Field(default=absent, description=doc, json_schema_extra=_without_default)


class Normal(Strict):
    """A normal distribution, cut off where low or high say so."""

    mean: Number = Field(description="The mean, of the distribution without its cuts.")
    std: Number = Field(description="The standard deviation, above 0, of the distribution without its cuts.")
    low: Number = _bound(-math.inf, "No value lies below; absent, there is no such bound.")
    high: Number = _bound(math.inf, "No value lies above; absent, there is no such bound.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.std <= 0:
            reject(f"std {self.std}: must be above 0")
        if not _below(self.low, self.high):
            reject(f"low {self.low}, high {self.high}: must satisfy low < high")
        if not math.isfinite(abs(float(self.mean)) + SUPPORT * float(self.std)):
            reject(f"mean {self.mean}, std {self.std}: must be of sizes that leave all values finite")
        if self._share < LEAST_SHARE:
            reject(f"low {self.low}, high {self.high}: must have more of the distribution between them")
        return self

    @property
    def _share(self) -> float:
        """How much of the distribution lies between low and high."""
        low, high = ((float(end) - float(self.mean)) / float(self.std) / math.sqrt(2) for end in (self.low, self.high))
        if low < 0 < high:
            return (math.erf(high) - math.erf(low)) / 2
        # On one side of the mean from the tails: 1 less a small number has few of its digits.
        near, far = sorted((abs(low), abs(high)))
        return (math.erfc(near) - math.erfc(far)) / 2


class Triangular(Between):
    """A triangular distribution."""

    mode: Number = Field(description="The likeliest value, within low and high.")

    @model_validator(mode="after")
    def _mode_within(self) -> Self:
        if not self.low <= self.mode <= self.high:
            reject(f"low {self.low}, mode {self.mode}, high {self.high}: must satisfy low <= mode <= high")
        return self


class Integers(Strict):
    """Whole numbers, each as likely as another."""

    low: Integer = Field(description="The least of them.")
    high: Integer = Field(description="The greatest of them.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        if self.low > self.high:
            reject(f"low {self.low}, high {self.high}: must satisfy low <= high")
        return self


class UniformDistribution(Strict):
    """Any number of an interval, each as likely as another; the upper end is excluded."""

    uniform: Between


class LogUniformDistribution(Strict):
    """Any number of an interval, its logarithm uniform: each factor as likely as another."""

    log_uniform: PositiveBetween


class NormalDistribution(Strict):
    """Normally distributed numbers."""

    normal: Normal


class TriangularDistribution(Strict):
    """Numbers of an interval, likelier towards a mode."""

    triangular: Triangular


class IntegerDistribution(Strict):
    """Whole numbers, each as likely as another, both ends included."""

    integer: Integers


class ChoiceDistribution(Strict):
    """One of these values, each as likely as another."""

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

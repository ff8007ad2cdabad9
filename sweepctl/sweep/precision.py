"""Replications by precision: how many are enough is decided by a metric's interval, round after round.

Here is the rule alone, as the sweep file states it; `results.analysis.precision` measures a round's intervals.
"""

import math
import re
import sys
from typing import Annotated, Literal, Self

from pydantic import Field, PlainValidator, model_validator

from sweepctl.design.values import RuleError, Strict, reject
from sweepctl.names import Name

MAX_REPLICATIONS = 1 << 32
# From one round to the next. An estimate from few replicates is rough: a round should neither be far too large, nor so
# small that there are many.
LEAST_GROWTH, MOST_GROWTH = 1.25, 4
_SHARE = re.compile(r"^([0-9]{1,6}(?:\.[0-9]{1,12})?) ?%$")
Replications = Annotated[int, Field(ge=2, le=MAX_REPLICATIONS)]


def _half_width(value: object) -> float | str:
    # A union of types would report one error for each of its members.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    size = float(found[1]) if found else value if is_number else 0
    if not 0 < size <= sys.float_info.max:  # type: ignore[operator]
        reject('must be a number above 0, in the metric\'s unit, or a share of the mean, such as "5%"')
    return value  # type: ignore[return-value]


def round_name(run_id: str, replications: int) -> str:
    """Return the run_id of a round, where `run_id` was given for all of them."""
    return f"{run_id}-r{replications}"


class Precision(Strict):
    """Replications are added in rounds until the 95 % intervals of a metric's means are narrow enough."""

    min: Replications = Field(description="Replications of the first round; 10 or more give intervals to rely on.")
    max: Replications = Field(description="Replications at most, whatever the intervals.")
    metric: Name = Field(description="The metric whose mean is to be known.")
    half_width: Annotated[
        float | str,
        PlainValidator(
            _half_width,
            json_schema_input_type=Annotated[float, Field(gt=0)] | Annotated[str, Field(pattern=_SHARE.pattern)],
        ),
    ] = Field(description='Half width of the 95 % interval: in the metric\'s unit, or a share of the mean as "5%".')
    of: Literal["cells", "mean"] = Field(
        default="cells", description="Whose mean: that of every cell, or the mean over all cells."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            rule = f"must be >= min, {self.min}"
            raise RuleError(rule, "max")
        return self

    @property
    def is_relative(self) -> bool:
        """Whether the half width is a share of the mean."""
        return isinstance(self.half_width, str)

    @property
    def size(self) -> float:
        """The half width in the metric's unit, or as a fraction of the mean."""
        return float(self.half_width.rstrip(" %")) / 100 if isinstance(self.half_width, str) else self.half_width

    def most_after(self, replications: int) -> int:
        """Return how many replications the round after one of `replications` may have."""
        return min(MOST_GROWTH * replications, self.max)

    def after(self, replications: int, ratio: float | None) -> int:
        """Return how many replications the next round has.

        An interval is as narrow as 1 / sqrt(replications); `ratio` is the largest of a half width to the wanted one, or
        None if no interval is too wide, but some cells have none yet.
        """
        wanted = replications * min(ratio or 0.0, math.sqrt(MOST_GROWTH)) ** 2
        return min(math.ceil(max(wanted, LEAST_GROWTH * replications)), self.most_after(replications))

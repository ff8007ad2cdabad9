"""A run's time and cost, estimated from a pilot of some of its points.

Prices are list prices of us-east-1 in US dollars as of `PRICES_OF`, without free tiers, storage, reads and taxes. They
rarely change, but an estimate is not a bill.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

PRICES_OF = "2025-01"
LAMBDA_GB_SECOND = 0.0000166667  # x86-64
LAMBDA_REQUEST = 0.20 / 1_000_000
LAMBDA_GB_A_CORE = 1.769  # AWS gives a function one vCPU at 1,769 MB
FARGATE_CORE_HOUR = 0.04048
FARGATE_GB_HOUR = 0.004445
FARGATE_GB_A_CORE = 2
SQS_REQUEST = 0.40 / 1_000_000
S3_PUT = 0.005 / 1_000
# A message is sent, received and deleted.
REQUESTS_A_SHARD = 3

# Student's t, 97.5 %, for 1 to 30 degrees of freedom.
_T = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds of its 95 % interval."""

    mean: float
    low: float
    high: float

    def times(self, factor: float) -> "Interval":
        """Return the interval multiplied by `factor`."""
        return Interval(self.mean * factor, self.low * factor, self.high * factor)

    def plus(self, constant: float) -> "Interval":
        """Return the interval with `constant` added."""
        return Interval(self.mean + constant, self.low + constant, self.high + constant)


def interval(blocks: Sequence[float]) -> Interval:
    """Return the mean of at least two independent measurements, with its 95 % interval by Student's t."""
    mean = fmean(blocks)
    t = _T[min(len(blocks) - 2, len(_T) - 1)]
    half = t * stdev(blocks) / math.sqrt(len(blocks))
    return Interval(mean, max(0.0, mean - half), mean + half)


@dataclass(frozen=True)
class CostEstimate:
    """The estimated time and cost of a run."""

    core_seconds: Interval
    wall_seconds: Interval
    lambda_dollars: Interval
    fargate_dollars: Interval


def estimate_cost(point_seconds: Interval, points: int, shards: int, objects: int, cores: int) -> CostEstimate:
    """Return the time and cost of a run; `point_seconds` is on one core, `cores` is the number of this machine's."""
    core_seconds = point_seconds.times(points)
    requests = shards * REQUESTS_A_SHARD * SQS_REQUEST + objects * S3_PUT
    fargate = FARGATE_CORE_HOUR + FARGATE_GB_A_CORE * FARGATE_GB_HOUR
    return CostEstimate(
        core_seconds=core_seconds,
        wall_seconds=core_seconds.times(1 / cores),
        lambda_dollars=core_seconds.times(LAMBDA_GB_A_CORE * LAMBDA_GB_SECOND).plus(shards * LAMBDA_REQUEST + requests),
        fargate_dollars=core_seconds.times(fargate / 3600).plus(requests),
    )

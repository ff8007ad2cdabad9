"""The verdict on a shard, and which of two verdicts stands. Pure values: nothing here reads or writes.

Outcomes only rise: none < retryable failure < permanent failure < success (docs/architecture.md, Commit).
"""

import datetime as dt
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Literal

from sweepctl.errors import ConflictError
from sweepctl.spec import Spec

POINT_FAILED = "point_failed"
INVALID_PARAMETERS = "invalid_parameters"
INJECTED_FAILURE = "injected_failure"
MAX_ERROR_MESSAGE = 2_000  # characters; an engine's last words are unbounded, a table's cells should not be
TWO_RESULTS = (
    "The model is not deterministic, or its version did not change when its results did. Nothing was overwritten."
)

Status = Literal["success", "failure", "conflict", "interrupted"]


@dataclass(frozen=True)
class Artifact:
    """One data file of a shard as it lies in the store."""

    dataset: str
    key: str  # relative to the store
    bytes: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class RunRecord:
    """What a run_id stands for; created once by whoever touches the run first, never changed."""

    run_id: str
    run_date: str
    spec_json: str
    spec_fingerprint: str
    total_points: int
    shard_points: int | None  # how it was planned: points of each shard but the last; None where nobody planned it
    created_at: dt.datetime

    @property
    def spec(self) -> Spec:
        """What the run computes."""
        return Spec.from_json(self.spec_json)

    @property
    def shards(self) -> int | None:
        """How many shards were planned; None where none was."""
        return None if self.shard_points is None else -(-self.total_points // self.shard_points)

    def shard_bounds(self, shard_id: int) -> tuple[int, int] | None:
        """Return `start_index` and `end_index_exclusive` of a planned shard; None where none was planned."""
        if self.shard_points is None:
            return None
        start = shard_id * self.shard_points
        return start, min(start + self.shard_points, self.total_points)


@dataclass(frozen=True)
class EnginePin:
    """Which model a run's points come from; created once by the first worker, never changed."""

    run_id: str
    model: str
    model_version: str
    engine_version: str
    created_at: dt.datetime


@dataclass(frozen=True)
class Outcome:
    """One attempt's verdict on a shard: a row of `shard_outcomes`, or of `shard_attempts` where it does not stand.

    `success` and `failure` are verdicts. `conflict` and `interrupted` occur in `shard_attempts` only.
    """

    run_id: str
    shard_id: int
    start_index: int
    end_index_exclusive: int
    total_points: int
    status: Status
    attempt_id: str
    attempt_number: int | None  # the queue's receive count
    points_succeeded: int
    points_failed: int
    error_code: str | None
    error_message: str | None
    error_point_index: int | None
    retryable: bool
    started_at: dt.datetime
    finished_at: dt.datetime
    cpu_seconds: float  # of the engine process alone
    engine_version: str
    model: str
    model_version: str
    spec_fingerprint: str
    content_sha256: str | None  # None where not every point has its record
    artifacts: tuple[Artifact, ...]

    @property
    def points(self) -> int:
        """How many points the shard has."""
        return self.end_index_exclusive - self.start_index

    @property
    def complete(self) -> bool:
        """Whether every point of the shard has its record in the tables."""
        return self.content_sha256 is not None


class Rank(IntEnum):
    """How much a verdict settles."""

    RETRYABLE_FAILURE = 1
    PERMANENT_FAILURE = 2  # nothing ran, and nothing will: invalid parameters, an injected failure
    POINTS_FAILED = 3  # every point has its record, some of them a failure (docs/decisions/0002-ranks.md)
    SUCCESS = 4


def rank(outcome: Outcome) -> Rank:
    """Return how much `outcome` settles."""
    if outcome.status == "success":
        return Rank.SUCCESS
    if outcome.retryable:
        return Rank.RETRYABLE_FAILURE
    return Rank.POINTS_FAILED if outcome.complete else Rank.PERMANENT_FAILURE


class Precedence(Enum):
    """What a new outcome is to do beside the one that stands."""

    STANDS = "stands"
    REPLACE = "replace"


def judge(standing: Outcome, new: Outcome) -> Precedence:
    """Say whether the standing outcome stays.

    Raises:
        ConflictError: the two are not about the same work, or the same work gave two results.
    """
    require_same_shard(standing, new.spec_fingerprint, new.start_index, new.end_index_exclusive)
    if standing.complete and new.complete and standing.content_sha256 != new.content_sha256:
        msg = (
            f"shard {new.shard_id} of run {new.run_id} has another result: content {standing.content_sha256} "
            f"stands from attempt {standing.attempt_id}, this attempt computed {new.content_sha256}"
        )
        raise ConflictError(msg, remedy=TWO_RESULTS)
    if standing.complete and new.complete and standing.artifacts != new.artifacts:
        # Data objects are created once and then adopted: only something else can have changed them.
        msg = f"the data files of shard {new.shard_id} of run {new.run_id} are not those that its outcome names"
        raise ConflictError(msg, remedy="Something else wrote into the store. Restore these files from a copy.")
    # Equal rank stands, so that two attempts never take turns in replacing each other.
    return Precedence.STANDS if rank(standing) >= rank(new) else Precedence.REPLACE


def require_same_shard(standing: Outcome, spec_fingerprint: str, start_index: int, end_index_exclusive: int) -> None:
    """Raise ConflictError unless the standing outcome is about these points of this spec."""
    if (standing.start_index, standing.end_index_exclusive) != (start_index, end_index_exclusive):
        msg = (
            f"shard {standing.shard_id} of run {standing.run_id} stands for points "
            f"[{standing.start_index}, {standing.end_index_exclusive}), "
            f"this message asks for [{start_index}, {end_index_exclusive})"
        )
        raise ConflictError(msg, remedy="A run keeps the sharding that it was started with; use a new run_id.")
    if standing.spec_fingerprint != spec_fingerprint:
        msg = (
            f"shard {standing.shard_id} of run {standing.run_id} stands for spec {standing.spec_fingerprint}, "
            f"this message is of spec {spec_fingerprint}"
        )
        raise ConflictError(msg, remedy="A run_id means one sweep; use a new run_id.")

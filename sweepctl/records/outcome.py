"""A shard's outcome, and which of two outcomes is kept. Pure values: nothing here reads or writes.

Outcomes only rise in rank: none < retryable failure < permanent failure < success (docs/architecture.md, Commit).
"""

import datetime as dt
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import cached_property
from typing import Literal

from sweepctl.errors import RUNNING, ConflictError
from sweepctl.spec import Spec

POINT_FAILED = "point_failed"
EXCLUDED = "excluded"  # the status of a point that a constraint excludes
# The dataset of files that a program keeps of its points; no result, so that attempts may differ in it.
KEPT_FILES = "kept_files"
INVALID_PARAMETERS = "invalid_parameters"
INJECTED_FAILURE = "injected_failure"
# Failures of a point that depend on the machine: another attempt may not have them.
MACHINE_DEPENDENT = ("point_crashed", "point_timeout", "point_out_of_memory")
AGAIN = "-again"  # what a remedy adds to a run_id
MAX_RUN_ID = 64
MAX_ERROR_MESSAGE = 2_000  # characters; an engine's standard error is unbounded, a table's cells should not be
TWO_RESULTS = (
    "The model is not deterministic, or its results changed without a new model version. Nothing was overwritten."
)
_MACHINE = (
    "Points that crashed, took too long or lacked memory may succeed with higher limits ([limits] of the sweep file, "
    "--timeout) or a mended model."
)
_SLOW = (
    "A point that never ends has the shard end like this each time. Give points a limit ([limits] point_seconds of the "
    "sweep file, at most a third of --timeout), or the shard a longer --timeout."
)

Status = Literal["success", "failure", "conflict", "interrupted"]


@dataclass(frozen=True)
class Caller:
    """How somebody calls sweepctl, for the commands in remedies."""

    file: str = "FILE"  # the sweep file
    options: str = ""  # as they were given: --store, --engine and so on, each after a space

    def advice(self, outcome: "Outcome", *, has_outputs: bool) -> str | None:
        """Return how to have points after all that a machine had no time or memory for; None if there are none."""
        if outcome.depends_on_machine:
            return self.machine_advice(outcome.run_id, has_outputs=has_outputs)
        if outcome.names_slow_point:
            return f"{_SLOW} {self.again(outcome.run_id, has_outputs=has_outputs)}"
        return None

    def machine_advice(self, run_id: str, *, has_outputs: bool) -> str:
        """Return how to have points of a run after all that failed because of the machine."""
        return f"{_MACHINE} {self.again(run_id, has_outputs=has_outputs)}"

    def again(self, run_id: str, *, has_outputs: bool) -> str:
        """Return how to run the sweep of a run again, with what the run has computed if that can be reused."""
        kept = MAX_RUN_ID - len(AGAIN)
        new_id = f"{run_id[:kept]}{AGAIN}"
        if new_id == run_id:
            new_id = f"{run_id[: kept - 1]}{AGAIN}"
        run = f"sweepctl run {self.file} --run-id {new_id}"
        if has_outputs:
            how = f"with all points computed again, since rows of outputs are not reused: `{run}{self.options}`."
        else:
            how = (
                f"which computes only what has no result while the model's version is the same: "
                f"`{run} --reuse {run_id}{self.options}`."
            )
        return f"Run the sweep again under another run_id, {how}"


UNKNOWN_CALLER = Caller()


@dataclass(frozen=True, slots=True)  # of which a run may have 10^5 in memory
class Artifact:
    """One data file of a shard in the store."""

    dataset: str
    key: str  # relative to the store
    bytes: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class RunRecord:
    """What a run_id identifies; created once, by the first command or worker of the run, and never changed."""

    run_id: str
    run_date: str
    spec_json: str = field(repr=False)
    spec_fingerprint: str
    total_points: int
    shard_points: int | None  # as planned, the last shard may have fewer; None if the run was not planned
    created_at: dt.datetime

    @cached_property
    def spec(self) -> Spec:
        """What the run computes."""
        return Spec.from_json(self.spec_json)

    @property
    def shards(self) -> int | None:
        """The number of planned shards; None if the run was not planned."""
        return None if self.shard_points is None else -(-self.total_points // self.shard_points)

    def shard_bounds(self, shard_id: int) -> tuple[int, int] | None:
        """Return `start_index` and `end_index_exclusive` of a planned shard; None if the run was not planned."""
        if self.shard_points is None:
            return None
        start = shard_id * self.shard_points
        return start, min(start + self.shard_points, self.total_points)


@dataclass(frozen=True)
class EnginePin:
    """The model version that a run is pinned to; created once, by the first worker, and never changed."""

    run_id: str
    model: str
    model_version: str
    engine_version: str
    created_at: dt.datetime
    engine_sha256: str | None = None  # of the first worker's engine; None if unknown, as in earlier releases
    # What the engine declares of the model, as canonical JSON (docs/decisions/0017-proof.md); None from earlier
    # releases, or if it is too long.
    declaration_json: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt at a shard ended: a row of `shard_outcomes`, or of `shard_attempts` if it is not the outcome.

    Only `success` and `failure` can be a shard's outcome. `conflict` and `interrupted` occur in `shard_attempts` only.
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
    content_sha256: str | None  # None unless every point has a record
    artifacts: tuple[Artifact, ...]
    engine_sha256: str | None = None  # of the engine's file that ran; None if unknown, as in earlier releases
    # Of the points that failed: those with one of MACHINE_DEPENDENT. None if unknown, as in earlier releases.
    points_machine_dependent: int | None = None
    points_excluded: int | None = None  # by a constraint; None, as in earlier releases, is none

    @property
    def points(self) -> int:
        """The number of points of the shard."""
        return self.end_index_exclusive - self.start_index

    @property
    def points_recorded(self) -> int:
        """The number of points that have a record, in the tables or in `partial/`."""
        return self.points_succeeded + self.points_failed + (self.points_excluded or 0)

    @property
    def complete(self) -> bool:
        """Whether every point of the shard has a record in the tables."""
        return self.content_sha256 is not None

    @property
    def tables(self) -> tuple[Artifact, ...]:
        """The files whose rows are results."""
        return tuple(artifact for artifact in self.artifacts if artifact.dataset != KEPT_FILES)

    @property
    def depends_on_machine(self) -> bool:
        """Whether points that failed may succeed elsewhere, or with more time or memory."""
        return self.error_code == POINT_FAILED and bool(self.points_machine_dependent)

    @property
    def names_slow_point(self) -> bool:
        """Whether the time was over while a point was running that is named."""
        return self.error_code == "engine_timeout" and RUNNING in (self.error_message or "")


class Rank(IntEnum):
    """How final an outcome is: a higher rank replaces a lower one."""

    RETRYABLE_FAILURE = 1
    PERMANENT_FAILURE = 2  # nothing ran, and a retry would fail again: invalid parameters, an injected failure
    POINTS_FAILED = 3  # every point has a record, some of them a failure (docs/decisions/0002-ranks.md)
    SUCCESS = 4


def rank(outcome: Outcome) -> Rank:
    """Return the rank of `outcome`."""
    if outcome.status == "success":
        return Rank.SUCCESS
    if outcome.retryable:
        return Rank.RETRYABLE_FAILURE
    return Rank.POINTS_FAILED if outcome.complete else Rank.PERMANENT_FAILURE


class Precedence(Enum):
    """What to do with a shard's existing outcome when there is a new one."""

    KEEP = "keep"
    REPLACE = "replace"


def judge(existing: Outcome, new: Outcome) -> Precedence:
    """Return whether the existing outcome is kept or replaced by the new one.

    Raises:
        ConflictError: the two are not of the same points and spec, or these gave two different results.
    """
    require_same_shard(existing, new.spec_fingerprint, new.start_index, new.end_index_exclusive)
    # Content of another version of the digest cannot be compared here. It was, row by row, when this attempt's data
    # objects were created or adopted, before any outcome was read (shard/commit.py).
    if existing.complete and new.complete and differ(existing.content_sha256, new.content_sha256):
        msg = (
            f"shard {new.shard_id} of run {new.run_id} already has a different result: attempt {existing.attempt_id} "
            f"committed content {existing.content_sha256}, this attempt computed {new.content_sha256}"
        )
        raise ConflictError(msg, remedy=TWO_RESULTS)
    if existing.complete and new.complete and existing.tables != new.tables:
        # Data objects are created once and then adopted, so another program must have changed them.
        msg = f"the data files of shard {new.shard_id} of run {new.run_id} do not match its outcome"
        raise ConflictError(msg, remedy="Another program wrote to the store. Restore these files from a backup.")
    # Equal rank is kept, so that two attempts never take turns in replacing each other.
    return Precedence.KEEP if rank(existing) >= rank(new) else Precedence.REPLACE


def former_content(outcome: Outcome | None) -> str | None:
    """Return the content digest of an outcome that an earlier release has committed; None for any other."""
    content = None if outcome is None else outcome.content_sha256
    return None if content is None or ":" in content else content


def differ(content: str | None, other: str | None) -> bool:
    """Return whether two content digests say that results differ; those of two versions say nothing.

    `v2:` precedes the digest; that of earlier releases, of the engine's lines, has nothing before it.
    """
    versions = {(each or "").rpartition(":")[0] for each in (content, other)}
    return len(versions) == 1 and content != other


def require_same_shard(existing: Outcome, spec_fingerprint: str, start_index: int, end_index_exclusive: int) -> None:
    """Raise ConflictError unless the existing outcome is of these points of this spec."""
    if (existing.start_index, existing.end_index_exclusive) != (start_index, end_index_exclusive):
        msg = (
            f"run {existing.run_id} is sharded differently: shard {existing.shard_id} covers "
            f"[{existing.start_index}, {existing.end_index_exclusive}) in the store "
            f"and [{start_index}, {end_index_exclusive}) in this message"
        )
        raise ConflictError(msg, remedy="A run keeps the sharding that it was started with; use a new run_id.")
    if existing.spec_fingerprint != spec_fingerprint:
        msg = (
            f"shard {existing.shard_id} of run {existing.run_id} was run with spec {existing.spec_fingerprint}, "
            f"but this message has spec {spec_fingerprint}"
        )
        raise ConflictError(msg, remedy="A run_id identifies one sweep; use a new run_id.")

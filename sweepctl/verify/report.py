"""What verify finds, as values: findings with codes, what was checked, and the resulting verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from itertools import islice
from typing import Any

from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.verify.repair import MissingShards, messages_of


class Severity(Enum):
    """What a finding means for the run."""

    DAMAGE = "damage"  # the store contradicts itself or the run record
    MISSING = "missing"  # points that another attempt can compute
    FAILURE = "failure"  # points or shards that failed permanently, and are recorded
    NOTE = "note"  # worth knowing, but nothing is wrong with the results


class Check(Enum):
    """The checks of a run; docs/verify.md numbers them in this order, from 0."""

    RUN_RECORD = "run_record"
    OUTCOMES = "outcomes"
    ARTIFACTS = "artifacts"
    POINTS = "points"
    IDENTITY = "identity"
    FAILURES = "failures"
    REEXECUTION = "reexecution"
    COMPACT = "compact"


_D, _M, _F, _N = Severity.DAMAGE, Severity.MISSING, Severity.FAILURE, Severity.NOTE

# All codes of findings; docs/verify.md says what each means.
CODES: Mapping[str, Severity] = {
    "run_record.missing": _D,
    "run_record.unreadable": _D,
    "run_record.wrong_run": _D,
    "run_record.wrong_spec": _D,
    "run_record.wrong_total": _D,
    "run_record.design_missing": _D,
    "run_record.design_altered": _D,
    "run_record.pin_missing": _D,
    "run_record.pin_unreadable": _D,
    "run_record.pin_disagrees": _D,
    "run_record.row_disagrees": _D,
    "outcomes.unreadable": _D,
    "outcomes.misplaced": _D,
    "outcomes.twice": _D,
    "outcomes.out_of_range": _D,
    "outcomes.overlap": _D,
    "outcomes.wrong_spec": _D,
    "outcomes.wrong_model": _D,
    "outcomes.wrong_counts": _D,
    "outcomes.gap": _M,
    "outcomes.retryable": _M,
    "outcomes.engine_versions": _N,
    "artifacts.not_named": _D,
    "artifacts.missing": _D,
    "artifacts.wrong_size": _D,
    "artifacts.wrong_sha256": _D,
    "artifacts.unreadable": _D,
    "artifacts.wrong_schema": _D,
    "artifacts.wrong_rows": _D,
    "artifacts.orphan": _D,
    "artifacts.stray": _N,
    "artifacts.uncommitted": _N,
    "points.missing": _D,
    "points.duplicate": _D,
    "points.outside": _D,
    "points.order": _D,
    "points.replicate": _D,
    "points.join": _D,
    "points.status": _D,
    "points.counts": _D,
    "identity.parameters_json": _D,
    "identity.parameter_fingerprint": _D,
    "identity.point_fingerprint": _D,
    "identity.typed_column": _D,
    "identity.rule": _D,
    "failures.failed": _F,
    "failures.attempt_unreadable": _D,
    "failures.attempt_misplaced": _D,
    "failures.attempt_disagrees": _D,
    "failures.attempt_missing": _D,
    "failures.conflict": _N,
    "reexecution.metrics": _D,
    "reexecution.rows": _D,
    "reexecution.digest": _D,
    "reexecution.not_reproduced": _N,
    "compact.manifest": _D,
    "compact.missing": _D,
    "compact.altered": _D,
    "compact.wrong_rows": _D,
    "compact.orphan": _D,
    "compact.unfinished": _N,
}
NOT_REPRODUCED = "reexecution.not_reproduced"
# What moving the files of `Report.set_aside` away mends.
SET_ASIDE = frozenset({"artifacts.orphan", "outcomes.overlap"})


@dataclass(frozen=True)
class Finding:
    """One finding about a run: at most one per code and shard, or per code and file."""

    code: str
    message: str
    shard_id: int | None = None
    key: str | None = None
    point_index: int | None = None  # the first point concerned
    count: int = 1  # how many points, rows or files are concerned

    @property
    def check(self) -> Check:
        """The check that made the finding."""
        return Check(self.code.partition(".")[0])

    @property
    def severity(self) -> Severity:
        """The severity of its code."""
        return CODES[self.code]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"severity": self.severity.value, **asdict(self)}


class Verdict(Enum):
    """The result of verifying a run."""

    WHOLE = "whole"
    FAILURES = "failures"
    INCOMPLETE = "incomplete"
    CORRUPT = "corrupt"
    UNPROVEN = "unproven"  # no problem in what was checked, but not everything was checked


class CheckState(Enum):
    """The result of one check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"  # or not completely


@dataclass(frozen=True)
class Coverage:
    """What a check covered."""

    checked: Mapping[str, int]  # amounts examined, by kind: shards, files, bytes, points
    not_checked: str | None = None  # why the check, or part of it, was not done
    note: str | None = None  # what limits the worth of what was checked


@dataclass(frozen=True)
class Build:
    """An engine's file that computed results of the run."""

    engine_sha256: str | None  # None: unknown, of outcomes of earlier releases
    shards: int
    points_rerun: int  # points of these shards that were run again


@dataclass(frozen=True)
class FailureGroup:
    """Shards that failed with the same error code."""

    error_code: str
    retryable: bool
    shards: tuple[int, ...]
    points_failed: int
    example: str  # the first shard's message


MOST_LISTED = 100_000  # missing shards in JSON
MOST_POINTS = 10  # that are listed per error code


@dataclass(frozen=True)
class FailedPoints:
    """Points that failed with the same error code."""

    count: int
    first: tuple[int, ...]  # the lowest indices, in order

    def __add__(self, other: "FailedPoints | None") -> "FailedPoints":
        """Return both combined."""
        if other is None:
            return self
        return FailedPoints(self.count + other.count, tuple(sorted((*self.first, *other.first))[:MOST_POINTS]))


@dataclass(frozen=True)
class Report:
    """Everything that verify reports about one run."""

    run_id: str
    findings: Sequence[Finding]
    coverage: Mapping[Check, Coverage]
    total_points: int | None  # None if the run record cannot be read
    shards: int = 0
    failures: Sequence[FailureGroup] = ()
    point_failures: Mapping[str, FailedPoints] = field(default_factory=dict)  # by the points' error code
    attempts: Mapping[int, int] = field(default_factory=dict)  # by shard: the number of recorded attempts
    missing: MissingShards = field(default_factory=MissingShards)  # shards that would complete the run
    unknown_gaps: Sequence[tuple[int, int]] = ()  # points whose shard is unknown
    record: RunRecord | None = None
    builds: Sequence[Build] = ()
    points_excluded: int = 0  # by constraints, as the outcomes say
    set_aside: Sequence[str] = ()  # files that repeat points, or may: out of the tables, they do no harm
    committed: Sequence[Outcome] = field(default=(), repr=False)  # in order of their points; not in JSON

    def messages(self) -> Iterator[bytes]:
        """Yield the body of each missing shard's message."""
        return iter(()) if self.record is None else messages_of(self.record, self.missing)

    @property
    def verdict(self) -> Verdict:
        """The worst finding decides; a run is whole only if everything was checked."""
        found = {finding.severity for finding in self.findings}
        if Severity.DAMAGE in found:
            return Verdict.CORRUPT
        if Severity.MISSING in found:
            return Verdict.INCOMPLETE
        if self.unchecked:
            return Verdict.UNPROVEN
        return Verdict.FAILURES if Severity.FAILURE in found else Verdict.WHOLE

    @property
    def unchecked(self) -> Mapping[Check, str]:
        """What could not be checked, and why."""
        return {
            check: covered.not_checked for check, covered in self.coverage.items() if covered.not_checked is not None
        }

    def state(self, check: Check) -> CheckState:
        """Return the result of one check."""
        found = {finding.severity for finding in self.found_by(check)}
        if found - {Severity.NOTE}:
            return CheckState.FAILED
        return CheckState.NOT_CHECKED if check in self.unchecked else CheckState.PASSED

    def is_done(self, *, accept_failures: bool) -> bool:
        """Whether the run is whole or, if that is accepted, lacks only what failed permanently."""
        return self.verdict is Verdict.WHOLE or (accept_failures and self.verdict is Verdict.FAILURES)

    def found_by(self, check: Check) -> Sequence[Finding]:
        """Return the findings of one check."""
        return [finding for finding in self.findings if finding.check is check]

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "run_id": self.run_id,
            "verdict": self.verdict.value,
            "total_points": self.total_points,
            "shards": self.shards,
            "points_excluded": self.points_excluded,
            "checks": [
                {
                    "check": check.value,
                    "state": self.state(check).value,
                    "checked": dict(covered.checked),
                    "not_checked": covered.not_checked,
                    "note": covered.note,
                    "findings": [finding.to_json() for finding in self.found_by(check)],
                }
                for check, covered in self.coverage.items()
            ],
            "failures": [asdict(group) for group in self.failures],
            "point_failures": {code: asdict(points) for code, points in self.point_failures.items()},
            "attempts": {str(shard): attempts for shard, attempts in self.attempts.items()},
            "shards_missing": self.missing.count,
            "missing": [asdict(shard) for shard in islice(self.missing, MOST_LISTED)],
            "unknown_gaps": [list(gap) for gap in self.unknown_gaps],
            "builds": [asdict(build) for build in self.builds],
            "set_aside": list(self.set_aside),
        }

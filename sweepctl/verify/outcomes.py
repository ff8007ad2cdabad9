"""Checks 1 and 5: one outcome a shard, all points covered once, and how the failed ones failed."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from sweepctl.engine.reader import FINGERPRINT
from sweepctl.errors import StoreError
from sweepctl.records import layout, table
from sweepctl.records.outcome import INJECTED_FAILURE, INVALID_PARAMETERS, POINT_FAILED, Outcome
from sweepctl.store.contract import Store, is_key
from sweepctl.verify.report import FailureGroup, Finding
from sweepctl.verify.run import ExaminedRun


@dataclass(frozen=True)
class StoredOutcome:
    """A record of one row, and where it lies."""

    key: str
    outcome: Outcome


def read_outcomes(
    store: Store, keys: Iterable[str], unreadable: str, pool: Executor
) -> tuple[list[StoredOutcome], list[Finding]]:
    """Read outcomes or attempts; `unreadable` is the code for what is none."""

    def read(key: str) -> StoredOutcome | Finding:
        stored = store.read(key)  # the inventory gives no other names than a store takes
        if stored is None:
            return Finding(unreadable, "it was listed, and is gone", key=key)
        try:
            return StoredOutcome(key, table.decode(Outcome, stored.body, store.locate(key)))
        except StoreError as error:
            return Finding(unreadable, error.message, layout.shard_of(key), key)

    found = list(pool.map(read, keys))
    return (
        [each for each in found if isinstance(each, StoredOutcome)],
        [each for each in found if isinstance(each, Finding)],
    )


def examine_outcomes(stored: Sequence[StoredOutcome], run: ExaminedRun) -> tuple[list[Outcome], list[Finding]]:
    """Return the one outcome of each shard, by their points' order, and what is wrong with any."""
    findings: list[Finding] = []
    by_shard: dict[int, list[StoredOutcome]] = defaultdict(list)
    for each in stored:
        wrong = _misplaced(each, run)
        if wrong is None:
            by_shard[each.outcome.shard_id].append(each)
        else:
            findings.append(Finding("outcomes.misplaced", wrong, layout.shard_of(each.key), each.key))
    kept = []
    for shard_id, several in sorted(by_shard.items()):
        if len(several) > 1:
            keys = ", ".join(each.key for each in several)
            findings.append(Finding("outcomes.twice", f"{len(several)} outcomes: {keys}", shard_id, count=len(several)))
        proper = run.keys(shard_id).outcome
        standing = next((each for each in several if each.key == proper), several[0])
        findings += _examine(standing, run)
        kept.append(standing.outcome)
    findings += _same_attempts(kept)
    findings += _engine_versions(kept)
    in_range = [outcome for outcome in kept if _in_range(outcome, run.total_points)]
    in_range.sort(key=lambda outcome: (outcome.start_index, outcome.end_index_exclusive))
    return in_range, findings


def _misplaced(stored: StoredOutcome, run: ExaminedRun) -> str | None:
    """Say why an outcome is not one of the shard that its file is named after."""
    outcome = stored.outcome
    if outcome.run_id != run.record.run_id:
        return f"it is an outcome of run {outcome.run_id}"
    if outcome.shard_id != layout.shard_of(stored.key):
        return f"it is the outcome of shard {outcome.shard_id}"
    return None


def _examine(stored: StoredOutcome, run: ExaminedRun) -> Iterator[Finding]:
    outcome, record = stored.outcome, run.record

    def finding(code: str, message: str) -> Finding:
        return Finding(f"outcomes.{code}", message, outcome.shard_id, stored.key)

    proper = run.keys(outcome.shard_id).outcome
    if stored.key != proper:
        yield finding("misplaced", f"its place is {proper}")
    if not _in_range(outcome, run.total_points):
        bounds = f"[{outcome.start_index}, {outcome.end_index_exclusive})"
        yield finding("out_of_range", f"points {bounds} are not within the run's {run.total_points}")
    if outcome.spec_fingerprint != record.spec_fingerprint:
        yield finding("wrong_spec", f"it is of spec {outcome.spec_fingerprint}, the run of {record.spec_fingerprint}")
    if outcome.total_points != run.total_points:
        yield finding("wrong_spec", f"it says {outcome.total_points} points in all, the run has {run.total_points}")
    if outcome.model != run.spec.model:
        yield finding("wrong_model", f"it is of model {outcome.model}, the run of {run.spec.model}")
    elif run.pin is not None and outcome.model_version != run.pin.model_version:
        message = f"it is of model version {outcome.model_version}, the run is pinned to {run.pin.model_version}"
        yield finding("wrong_model", message)
    wrong = _wrong_counts(outcome)
    if wrong is not None:
        yield finding("wrong_counts", wrong)
    if outcome.status == "failure" and outcome.retryable:
        yield finding("retryable", f"{outcome.error_code}: {outcome.error_message}")


def _in_range(outcome: Outcome, total_points: int) -> bool:
    return 0 <= outcome.start_index < outcome.end_index_exclusive <= total_points


def _wrong_counts(outcome: Outcome) -> str | None:
    """Say which of an outcome's own fields contradict each other."""
    succeeded, failed = outcome.points_succeeded, outcome.points_failed
    if outcome.status not in {"success", "failure"}:
        return f"status {outcome.status!r} is no verdict"
    if min(succeeded, failed) < 0 or succeeded + failed > outcome.points:
        return f"{succeeded} points succeeded and {failed} failed, of {outcome.points}"
    if outcome.complete and succeeded + failed != outcome.points:
        return f"it has a content digest, and records of {succeeded + failed} points of {outcome.points}"
    if outcome.status == "success":
        errors = (outcome.error_code, outcome.error_message, outcome.error_point_index)
        if failed or not outcome.complete or outcome.retryable or errors != (None, None, None):
            return "a success with failed points, an error, or no content digest"
    elif outcome.error_message is None or not _is_known_failure(outcome):
        ends = "may be tried again" if outcome.retryable else "failed for good"
        return (
            f"{outcome.error_code} with {succeeded + failed} points recorded, of which {failed} failed, and it {ends}"
        )
    return _impossible(outcome)


def _impossible(outcome: Outcome) -> str | None:
    """Say which field has a value that no worker writes."""
    if outcome.finished_at < outcome.started_at or not 0 <= outcome.cpu_seconds < math.inf:
        return f"it ran from {outcome.started_at} to {outcome.finished_at}, for {outcome.cpu_seconds} s of CPU"
    if (outcome.attempt_number is not None and outcome.attempt_number < 1) or not outcome.attempt_id:
        return f"it is attempt {outcome.attempt_id!r}, number {outcome.attempt_number}"
    if outcome.complete and not re.fullmatch(FINGERPRINT, outcome.content_sha256 or ""):
        return f"{outcome.content_sha256!r} is no content digest"
    return None


def _is_known_failure(outcome: Outcome) -> bool:
    """Whether a worker can have written such a failure."""
    code = outcome.error_code or ""
    if outcome.complete:
        return code == POINT_FAILED and outcome.points_failed > 0 and not outcome.retryable
    return code.startswith("engine_") if outcome.retryable else code in {INVALID_PARAMETERS, INJECTED_FAILURE}


def _same_attempts(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Find attempts that more than one shard claims: an id is drawn for each execution."""
    claimed: dict[str, int] = {}
    for outcome in outcomes:
        first = claimed.setdefault(outcome.attempt_id, outcome.shard_id)
        if first != outcome.shard_id:
            message = f"shard {first} has the same attempt_id {outcome.attempt_id}"
            yield Finding("outcomes.wrong_counts", message, outcome.shard_id)


def _engine_versions(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    versions = Counter(outcome.engine_version for outcome in outcomes)
    if len(versions) > 1:
        told = ", ".join(f"{version} ({count:,} shards)" for version, count in sorted(versions.items()))
        yield Finding("outcomes.engine_versions", f"several engine builds have run it: {told}", count=len(versions))


def cover(outcomes: Sequence[Outcome], total_points: int) -> tuple[list[tuple[int, int]], list[Finding]]:
    """Return the points that no outcome covers, as ranges, and findings of gaps and overlaps.

    `outcomes` are in order of their points.
    """
    gaps: list[tuple[int, int]] = []
    findings: list[Finding] = []
    reached = 0
    for outcome in outcomes:
        if outcome.start_index > reached:
            gaps.append((reached, outcome.start_index))
        elif outcome.start_index < reached:
            count = min(reached, outcome.end_index_exclusive) - outcome.start_index
            message = f"{count} points from {outcome.start_index} on belong to another shard too"
            findings.append(
                Finding("outcomes.overlap", message, outcome.shard_id, point_index=outcome.start_index, count=count)
            )
        reached = max(reached, outcome.end_index_exclusive)
    if reached < total_points:
        gaps.append((reached, total_points))
    findings += [
        Finding("outcomes.gap", f"points [{start}, {end}) have no outcome", point_index=start, count=end - start)
        for start, end in gaps
    ]
    return gaps, findings


def examine_attempts(
    stored: Sequence[StoredOutcome], outcomes: Sequence[Outcome], run: ExaminedRun, store: Store
) -> tuple[list[Outcome], list[Finding]]:
    """Return the attempts that are this run's, and what is wrong with any, or with an outcome that should have one."""
    findings: list[Finding] = []
    kept: list[Outcome] = []
    for each in stored:
        attempt = each.outcome
        if attempt.run_id != run.record.run_id or each.key != run.keys(attempt.shard_id).attempt(attempt.attempt_id):
            message = f"it is an attempt at shard {attempt.shard_id} of run {attempt.run_id}"
            findings.append(Finding("failures.attempt_misplaced", message, layout.shard_of(each.key), each.key))
        elif attempt.status == "conflict":
            message = f"an attempt met a conflict: {attempt.error_message}"
            findings.append(Finding("failures.conflict", message, attempt.shard_id, each.key))
        elif not _agrees(attempt, run):
            message = "it is of another spec, model, size of run, or of points beyond it"
            findings.append(Finding("failures.attempt_disagrees", message, attempt.shard_id, each.key))
        else:
            kept.append(attempt)
    recorded = {attempt.attempt_id: attempt for attempt in kept}
    for outcome in outcomes:
        if not outcome.complete:
            findings += _history(outcome, recorded.get(outcome.attempt_id), run, store)
    return kept, findings


def _agrees(attempt: Outcome, run: ExaminedRun) -> bool:
    versions = {attempt.model_version} if run.pin is None else {run.pin.model_version}
    return (
        _in_range(attempt, run.total_points)
        and attempt.spec_fingerprint == run.record.spec_fingerprint
        and attempt.total_points == run.total_points
        and attempt.model == run.spec.model
        and attempt.model_version in versions
        and attempt.status in {"failure", "interrupted"}
    )


def _history(outcome: Outcome, recorded: Outcome | None, run: ExaminedRun, store: Store) -> Iterator[Finding]:
    """Compare an outcome without all records with its attempt's row, which is written before it and is equal."""
    key = run.keys(outcome.shard_id).attempt(outcome.attempt_id)
    if recorded is None:
        # It may have come after the listing, before its outcome was read.
        if not is_key(key) or store.read(key) is None:
            message = "its outcome has no row in shard_attempts"
            yield Finding("failures.attempt_missing", message, outcome.shard_id, key)
    elif recorded != outcome:
        yield Finding("failures.attempt_disagrees", "its outcome says other things than it", outcome.shard_id, key)


def failed_for_good(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Find the shards that another attempt would not help."""
    for outcome in outcomes:
        if outcome.status == "failure" and not outcome.retryable:
            message = f"{outcome.error_code}: {outcome.error_message}"
            count = outcome.points_failed if outcome.complete else outcome.points
            yield Finding(
                "failures.failed", message, outcome.shard_id, point_index=outcome.error_point_index, count=count
            )


def group_failures(outcomes: Sequence[Outcome]) -> list[FailureGroup]:
    """Group failed shards by error code, the most frequent first."""
    groups: dict[tuple[str, bool], list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.status == "failure":
            groups[outcome.error_code or "", outcome.retryable].append(outcome)
    return [
        FailureGroup(
            error_code,
            retryable,
            tuple(outcome.shard_id for outcome in group),
            sum(outcome.points_failed for outcome in group),
            group[0].error_message or "",
        )
        for (error_code, retryable), group in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def count_attempts(outcomes: Sequence[Outcome], attempts: Sequence[Outcome]) -> dict[int, int]:
    """Return how many attempts are recorded of each shard: those with a row of their own, and the outcome's."""
    by_shard: dict[int, set[str]] = defaultdict(set)
    for outcome in [*outcomes, *attempts]:
        by_shard[outcome.shard_id].add(outcome.attempt_id)
    return {shard: len(ids) for shard, ids in sorted(by_shard.items())}

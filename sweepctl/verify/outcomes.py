"""Checks 1 and 5: one outcome per shard, every point covered once, and why failed shards failed."""

import bisect
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add

from sweepctl.records import layout
from sweepctl.records.outcome import INJECTED_FAILURE, INVALID_PARAMETERS, POINT_FAILED, Outcome
from sweepctl.records.outcomes import OutcomeReader
from sweepctl.records.sharding import NO_PATTERN, Claim
from sweepctl.store.contract import Store, exists, is_key
from sweepctl.texts import counted
from sweepctl.verify.builds import build_name
from sweepctl.verify.report import FailureGroup, Finding
from sweepctl.verify.run import ExaminedRun

DIGEST = "(v2:)?[0-9a-f]{64}"  # of content, in both versions


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """An outcome or attempt in the store, and its key."""

    key: str
    outcome: Outcome


def read_outcomes(store: Store, keys: Iterable[str], unreadable: str) -> Iterator[StoredOutcome | Finding]:
    """Read outcomes or attempts; `unreadable` is the code of findings for files that are neither."""
    # The inventory has only keys that a store accepts.
    for key, found in OutcomeReader(store, exact=True).read(keys):
        if isinstance(found, Outcome):
            yield StoredOutcome(key, found)
        elif found is None:
            yield Finding(unreadable, "it was listed, but no longer exists", key=key)
        else:
            yield Finding(unreadable, found.message, layout.shard_of(key), key)


def sort_out(found: Iterable[StoredOutcome | Finding]) -> tuple[list[StoredOutcome], list[Finding]]:
    """Return what was read, and findings about what was not."""
    stored: list[StoredOutcome] = []
    findings: list[Finding] = []
    for each in found:
        if isinstance(each, Finding):
            findings.append(each)
        else:
            stored.append(each)
    return stored, findings


def examine_outcomes(stored: Sequence[StoredOutcome], run: ExaminedRun) -> tuple[list[Outcome], list[Finding]]:
    """Return the one outcome of each shard, in order of their points, and findings about outcomes."""
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
        expected = run.keys(shard_id).outcome
        chosen = next((each for each in several if each.key == expected), several[0])
        findings += _examine(chosen, run)
        kept.append(chosen.outcome)
    findings += _same_attempts(kept)
    findings += _engine_versions(kept)
    in_range = [outcome for outcome in kept if _in_range(outcome, run.total_points)]
    in_range.sort(key=lambda outcome: (outcome.start_index, outcome.end_index_exclusive))
    return in_range, findings


def _misplaced(stored: StoredOutcome, run: ExaminedRun) -> str | None:
    """Return why an outcome does not belong to the shard in its file's name; None if it does."""
    outcome = stored.outcome
    if outcome.run_id != run.record.run_id:
        return f"it belongs to run {outcome.run_id}"
    if outcome.shard_id != layout.shard_of(stored.key):
        return f"it belongs to shard {outcome.shard_id}"
    return None


def _examine(stored: StoredOutcome, run: ExaminedRun) -> Iterator[Finding]:
    outcome, record = stored.outcome, run.record

    def finding(code: str, message: str) -> Finding:
        return Finding(f"outcomes.{code}", message, outcome.shard_id, stored.key)

    expected = run.keys(outcome.shard_id).outcome
    if stored.key != expected:
        yield finding("misplaced", f"its key should be {expected}")
    for code, wrong_bounds in _wrong_bounds(outcome, run):
        yield finding(code, wrong_bounds)
    if outcome.spec_fingerprint != record.spec_fingerprint:
        yield finding("wrong_spec", f"it has spec {outcome.spec_fingerprint}, the run {record.spec_fingerprint}")
    if outcome.total_points != run.total_points:
        yield finding(
            "wrong_spec", f"it says {counted('points', outcome.total_points)} in total, the run has {run.total_points}"
        )
    if outcome.model != run.spec.model:
        yield finding("wrong_model", f"it has model {outcome.model}, the run {run.spec.model}")
    elif run.pin is not None and outcome.model_version != run.pin.model_version:
        message = f"it has model version {outcome.model_version}, the run is pinned to {run.pin.model_version}"
        yield finding("wrong_model", message)
    wrong = _wrong_counts(outcome)
    if wrong is not None:
        yield finding("wrong_counts", wrong)
    if outcome.status == "failure" and outcome.retryable:
        yield finding("retryable", f"{outcome.error_code}: {outcome.error_message}")


def _wrong_bounds(outcome: Outcome, run: ExaminedRun) -> Iterator[tuple[str, str]]:
    bounds = (outcome.start_index, outcome.end_index_exclusive)
    planned = run.record.shard_bounds(outcome.shard_id)
    text = f"[{bounds[0]}, {bounds[1]})"
    if planned is not None and planned != bounds:
        yield "misplaced", f"it has points {text}, its shard was planned with [{planned[0]}, {planned[1]})"
    if not _in_range(outcome, run.total_points):
        yield "out_of_range", f"points {text} are outside the run's [0, {run.total_points})"


def _in_range(outcome: Outcome, total_points: int) -> bool:
    return 0 <= outcome.start_index < outcome.end_index_exclusive <= total_points


def _wrong_counts(outcome: Outcome) -> str | None:
    """Return which of an outcome's own fields contradict each other; None if none do."""
    succeeded, failed = outcome.points_succeeded, outcome.points_failed
    if outcome.status not in {"success", "failure"}:
        return f"not a status of an outcome: {outcome.status!r}"
    excluded, recorded = outcome.points_excluded or 0, outcome.points_recorded
    if min(succeeded, failed, excluded) < 0 or recorded > outcome.points:
        counts = f"{counted('points', succeeded)} succeeded, {failed} failed and {excluded} were excluded"
        return f"{counts}, of {outcome.points}"
    if outcome.complete and recorded != outcome.points:
        return f"it has a content digest, but records of only {recorded} of {counted('points', outcome.points)}"
    if outcome.status == "success":
        errors = (outcome.error_code, outcome.error_message, outcome.error_point_index)
        if failed or not outcome.complete or outcome.retryable or errors != (None, None, None):
            return "a success with failed points, an error, or no content digest"
    elif outcome.error_message is None or not _is_known_failure(outcome):
        kind = "retryable" if outcome.retryable else "permanent"
        return f"a {kind} failure {outcome.error_code}, with {recorded} points recorded and {failed} failed"
    return _impossible(outcome)


def _impossible(outcome: Outcome) -> str | None:
    """Return which field has a value that no worker writes; None if none has."""
    if outcome.finished_at < outcome.started_at or not 0 <= outcome.cpu_seconds < math.inf:
        return f"it ran from {outcome.started_at} to {outcome.finished_at}, for {outcome.cpu_seconds} s of CPU"
    if (outcome.attempt_number is not None and outcome.attempt_number < 1) or not outcome.attempt_id:
        return f"not an attempt: id {outcome.attempt_id!r}, number {outcome.attempt_number}"
    if outcome.complete and not re.fullmatch(DIGEST, outcome.content_sha256 or ""):
        return f"not a content digest: {outcome.content_sha256!r}"
    return None


def _is_known_failure(outcome: Outcome) -> bool:
    """Return whether a worker can have written such a failure."""
    code = outcome.error_code or ""
    if outcome.complete:
        return code == POINT_FAILED and outcome.points_failed > 0 and not outcome.retryable
    return code.startswith("engine_") if outcome.retryable else code in {INVALID_PARAMETERS, INJECTED_FAILURE}


def _same_attempts(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Find attempt_ids in more than one shard: every execution draws its own."""
    claimed: dict[str, int] = {}
    for outcome in outcomes:
        first = claimed.setdefault(outcome.attempt_id, outcome.shard_id)
        if first != outcome.shard_id:
            message = f"shard {first} has the same attempt_id {outcome.attempt_id}"
            yield Finding("outcomes.wrong_counts", message, outcome.shard_id)


def _engine_versions(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    builds = Counter((outcome.engine_version, build_name(outcome.engine_sha256)) for outcome in outcomes)
    if len(builds) > 1:
        listed = ", ".join(f"{' '.join(build)} ({counted('shards', count)})" for build, count in sorted(builds.items()))
        yield Finding("outcomes.engine_versions", f"the run used several engine builds: {listed}", count=len(builds))


def cover(outcomes: Sequence[Outcome], total_points: int) -> tuple[list[tuple[int, int]], list[Finding]]:
    """Return the ranges of points that no outcome covers, and findings about gaps and overlaps.

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
            message = f"also in another shard: {counted('points', count)} from {outcome.start_index} on"
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


def overlapping(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes without which no point belongs to two shards.

    What is left has as many points as can be in shards of the most frequent size, which the run's other messages fit;
    then as many with records, as many at all, and as many shards.
    """
    ordered = sorted(outcomes, key=lambda each: (each.end_index_exclusive, each.start_index, each.shard_id))
    patterns = [Claim.of(each).pattern(each.total_points) for each in ordered]
    usual, times = max(Counter(patterns).items(), key=lambda item: (item[1], item[0]), default=(NO_PATTERN, 0))
    ends = [each.end_index_exclusive for each in ordered]
    best: list[tuple[int, ...]] = [(0, 0, 0, 0)]  # of the first 0, 1, 2 … outcomes
    before: list[int] = []  # how many of them end where this one starts, or earlier
    for each, pattern in zip(ordered, patterns, strict=True):
        before.append(bisect.bisect_right(ends, each.start_index, hi=len(before)))
        is_usual = times > 1 and pattern == usual != NO_PATTERN  # one shard shows no pattern
        worth = (each.points * is_usual, each.points * each.complete, each.points, 1)
        best.append(max(best[-1], tuple(map(add, best[before[-1]], worth))))
    aside, left = [], len(ordered)
    while left:
        if best[left] > best[left - 1]:
            aside += ordered[before[left - 1] : left - 1]
            left = before[left - 1]
        else:
            aside.append(ordered[left - 1])
            left -= 1
    return aside


def examine_attempts(
    stored: Sequence[StoredOutcome], outcomes: Sequence[Outcome], run: ExaminedRun, store: Store
) -> tuple[list[Outcome], list[Finding]]:
    """Return the run's attempts, and findings about them or about outcomes that lack theirs."""
    findings: list[Finding] = []
    kept: list[Outcome] = []
    for each in stored:
        attempt = each.outcome
        if attempt.run_id != run.record.run_id or each.key != run.keys(attempt.shard_id).attempt(attempt.attempt_id):
            message = f"it belongs to shard {attempt.shard_id} of run {attempt.run_id}"
            findings.append(Finding("failures.attempt_misplaced", message, layout.shard_of(each.key), each.key))
        elif attempt.status == "conflict":
            message = f"an attempt ended in a conflict: {attempt.error_message}"
            findings.append(Finding("failures.conflict", message, attempt.shard_id, each.key))
        elif not _agrees(attempt, run):
            message = "its spec, model, status, points or total are not possible in this run"
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
    """Compare an incomplete outcome with its attempt's row, which is written before it and must be equal."""
    key = run.keys(outcome.shard_id).attempt(outcome.attempt_id)
    if recorded is None:
        # It may have been written after the listing and before its outcome was read.
        if not (is_key(key) and exists(store, key)):
            message = "its outcome has no row in shard_attempts"
            yield Finding("failures.attempt_missing", message, outcome.shard_id, key)
    elif recorded != outcome:
        yield Finding("failures.attempt_disagrees", "it differs from the shard's outcome", outcome.shard_id, key)


def permanent_failures(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    """Find the shards that failed permanently."""
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
    """Return the number of recorded attempts per shard: its rows in shard_attempts, and its outcome's."""
    by_shard: dict[int, set[str]] = defaultdict(set)
    for outcome in [*outcomes, *attempts]:
        by_shard[outcome.shard_id].add(outcome.attempt_id)
    return {shard: len(ids) for shard, ids in sorted(by_shard.items())}

"""Whether every point of a run has its record, as far as its record and outcomes say: checks 0 and 1 of verify.

The files that they name are proved as they are copied (`records.compact_source`). Identities and values prove the
source: a copy can neither mend nor break them.
"""

from collections.abc import Sequence
from threading import Event

from sweepctl.compact.stop import until_stopped
from sweepctl.errors import NotWholeError
from sweepctl.records import layout
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.store.contract import Store
from sweepctl.texts import counted
from sweepctl.verify import artifacts, outcomes, run
from sweepctl.verify.report import Finding, Severity
from sweepctl.verify.run import ExaminedRun


def final_outcomes(store: Store, record: RunRecord, stop: Event) -> Sequence[Outcome]:
    """Return the outcomes of all shards, in order of their points, of a run whose files do not change any more.

    Raises:
        NotWholeError: a shard lacks its outcome or its records, or a record is damaged.
        StoreError: the store does not answer.
        InterruptedRunError: `stop` was set.
    """
    _, spec, findings = run.read_record(store, record.run_id)
    space, wrong_design = (None, []) if spec is None else run.examine_design(store, record, spec)
    findings += wrong_design
    if spec is None or space is None or findings:
        raise not_whole(record.run_id, [_reason(each) for each in findings])
    pin, wrong_pin = run.examine_pin(store, record.run_id, spec, needed=True)
    subject = ExaminedRun(record, spec, space, pin)
    folder = layout.outcomes_folder(record.run_id, record.run_date)
    listed = store.objects(folder, layout.listing_cuts(folder, record.shards))
    keys = sorted(entry.key for entry in listed if layout.shard_of(entry.key) is not None)
    found = outcomes.read_outcomes(store, keys, "outcomes.unreadable")
    stored, unreadable = outcomes.sort_out(until_stopped(stop, found))
    committed, wrong = outcomes.examine_outcomes(stored, subject)
    _, uncovered = outcomes.cover(committed, subject.total_points)
    unnamed = [finding for each in committed for finding in artifacts.examine_names(each, subject)]
    _require_final(record.run_id, committed, [*wrong_pin, *unreadable, *wrong, *uncovered, *unnamed])
    return committed


def _require_final(run_id: str, committed: Sequence[Outcome], findings: Sequence[Finding]) -> None:
    """Raise NotWholeError unless every point has its record."""
    lost = sum(not each.complete for each in committed)
    reasons = [f"{counted('shards', lost)} failed without records of their points"] if lost else []
    reasons += [_reason(each) for each in findings if each.severity in {Severity.DAMAGE, Severity.MISSING}]
    if reasons:
        raise not_whole(run_id, reasons)


def _reason(finding: Finding) -> str:
    return f"{finding.code}: {finding.message}"


def not_whole(run_id: str, reasons: Sequence[str]) -> NotWholeError:
    """Return the error of a run that cannot be compacted for these reasons."""
    more = f", and {len(reasons) - 1:,} more" if len(reasons) > 1 else ""
    return NotWholeError(
        f"run {run_id} cannot be compacted, not every point has its record: {reasons[0]}{more}",
        remedy=f"`sweepctl verify {run_id}` shows what is missing or damaged, and what mends it.",
    )

"""Compacts a run: proves it, copies the rows that its outcomes name, proves the copies, writes the manifest last.

Every write is create-only, so that a second or resumed compaction adopts what is there and equal
(docs/decisions/0021-compact.md).
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Event

from sweepctl.compact.parts import make_part
from sweepctl.compact.plan import plan_parts
from sweepctl.errors import ConflictError, DamagedError, NotWholeError
from sweepctl.records import layout
from sweepctl.records.compact import Manifest, Part, find_manifest
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.run import require_run
from sweepctl.store.contract import Put, Store
from sweepctl.texts import counted
from sweepctl.verify.proof import Observe, verify
from sweepctl.verify.report import Check, Report, Severity

# Proved by an engine, of the source: a copy can neither mend nor break them.
_NOT_NEEDED = {Check.IDENTITY, Check.REEXECUTION}


@dataclass(frozen=True)
class Compacted:
    """A run's compact files."""

    manifest: Manifest
    already: bool  # whether nothing was left to do


def compact(
    store: Store,
    run_id: str,
    *,
    observe: Observe = lambda _what, _done, _total: None,
    stop: Event | None = None,
) -> Compacted:
    """Copy the rows of a run in which every point has its record into few large files.

    Args:
        store: Where the run's results are.
        run_id: The run.
        observe: Called with the current step, the amount done and the total.
        stop: Setting it ends the work; what is written is adopted the next time.

    Raises:
        UnknownRunError: the store has no such run.
        NotWholeError: points lack their record, or verify finds damage; no manifest was written.
        ConflictError: a compact file is there that has other rows; nothing was overwritten.
        StoreError: the store does not answer or has no space, or the run's manifest is damaged.
        InterruptedRunError: `stop` was set.
    """
    stop = stop or Event()
    run = require_run(store, run_id)
    existing = find_manifest(store, run)
    if existing is not None:
        return Compacted(existing, already=True)
    report = verify(store, run_id, None, observe=observe, stop=stop)
    _require_final(report)
    # Before anything is made of them: one that a power cut takes back may be another when its shard has run again.
    store.make_all_durable([layout.ShardKeys.of(run, each.shard_id).outcome for each in report.committed])
    try:
        # What verify has proved is not taken for what is copied: each file is digested again as it is read.
        parts = _make_parts(store, run, report.committed, observe, stop)
    except DamagedError as error:
        raise _not_whole(run_id, error.message) from error
    return Compacted(_publish(store, run, parts), already=False)


def _require_final(report: Report) -> None:
    """Raise NotWholeError unless every point has its record, so that no file of the run changes any more."""
    lost = sum(not each.complete for each in report.committed)
    bad = [each for each in report.findings if each.severity in {Severity.DAMAGE, Severity.MISSING}]
    reasons = [f"{counted('shards', lost)} failed without records of their points"] if lost else []
    reasons += [f"{each.code}: {each.message}" for each in bad]
    reasons += [f"{check.value}: {why}" for check, why in report.unchecked.items() if check not in _NOT_NEEDED]
    if reasons:
        more = f", and {len(reasons) - 1:,} more" if len(reasons) > 1 else ""
        raise _not_whole(report.run_id, f"{reasons[0]}{more}")


def _not_whole(run_id: str, reason: str) -> NotWholeError:
    return NotWholeError(
        f"run {run_id} cannot be compacted: {reason}",
        remedy=f"`sweepctl verify {run_id}` shows what is missing or damaged, and what mends it.",
    )


def _make_parts(store: Store, run: RunRecord, outcomes: Sequence[Outcome], observe: Observe, stop: Event) -> list[Part]:
    planned = plan_parts(run, outcomes)
    total, done = sum(each.points for each in planned), 0
    observe("writing compact files", done, total)
    with ThreadPoolExecutor(1 + (os.cpu_count() or 1)) as pool:
        tasks = {pool.submit(make_part, store, each, stop): each for each in planned}
        try:
            for task in as_completed(tasks):
                task.result()
                done += tasks[task].points
                observe("writing compact files", done, total)
        except BaseException:
            stop.set()  # for the other parts
            pool.shutdown(cancel_futures=True)
            raise
    return [task.result() for task in tasks]


def _publish(store: Store, run: RunRecord, parts: list[Part]) -> Manifest:
    """Write the manifest, after everything that it names."""
    manifest = Manifest(run_id=run.run_id, spec_fingerprint=run.spec_fingerprint, parts=tuple(parts))
    key = layout.compact_manifest(run.run_id)
    if store.create(key, manifest.encode()) is Put.WRITTEN:
        return manifest
    # Of another compaction at the same time, or this one's own, whose reply was lost.
    if find_manifest(store, run) != manifest:
        msg = f"{store.locate(key)} is another manifest than that of the compact files"
        raise ConflictError(msg, remedy=f"`sweepctl verify {run.run_id}` shows which of them are damaged.")
    return manifest

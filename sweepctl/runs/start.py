"""Where a run begins: its record found in the store, or created there. Shards are run or sent elsewhere."""

import datetime as dt
import re
from collections.abc import Callable

from sweepctl.errors import ConflictError
from sweepctl.messages import require_run_id
from sweepctl.records import design as stored_design
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import find_run
from sweepctl.shard import commit
from sweepctl.store.contract import Store
from sweepctl.sweep.plan import FINGERPRINT_DIGITS, Draft, Plan


def pin(
    draft: Draft, store: Store, run_id: str | None, now: dt.datetime, measure: Callable[[], int]
) -> tuple[Plan, RunRecord]:
    """Settle in the store what a run is: its design, then its record, both only if they are not there.

    Without a run_id, the newest run of this very sweep is continued, if there is one. `measure` gives the points of
    a shard where neither the file nor the record does.

    Raises:
        UsageError: no run can have this run_id.
        ConflictError: the run_id stands for another sweep; nothing was written.
    """
    if run_id is not None:
        require_run_id(run_id)
    record = find_record(draft, store, run_id)
    if record is None:
        run_date = now.date().isoformat()
        proposed = RunRecord(
            run_id=draft.new_run_id(run_date) if run_id is None else run_id,
            run_date=run_date,
            spec_json=draft.spec.to_json(),
            spec_fingerprint=draft.spec.fingerprint,
            total_points=draft.total_points,
            shard_points=draft.shard_points or measure(),
            created_at=now,
        )
        draft.plan(proposed.run_id, run_date, proposed.shard_points or 1)
        if draft.stored is not None:
            # The design before the record: a record is a promise that its design is there.
            stored_design.put(store, draft.stored)
        record = commit.pin_run(store, proposed)
    if record.spec_fingerprint != draft.spec.fingerprint:
        specs = f"spec {record.spec_fingerprint}, this file says {draft.spec.fingerprint}"
        msg = f"run {record.run_id} stands for {specs}"
        raise ConflictError(msg, remedy="A run_id means one sweep: give this one another --run-id.")
    shard_points = record.shard_points or draft.shard_points or measure()
    return draft.plan(record.run_id, record.run_date, shard_points), record


def find_record(draft: Draft, store: Store, run_id: str | None) -> RunRecord | None:
    """Return the record of the run that would be continued: of this name, else the newest of this sweep."""
    return _newest(draft, store) if run_id is None else find_run(store, run_id)


def _newest(draft: Draft, store: Store) -> RunRecord | None:
    """Return the newest run of this sweep that has the name which new ones get."""
    name, digits = re.escape(draft.file.sweep.name), draft.spec.fingerprint[:FINGERPRINT_DIGITS]
    pattern = re.compile(rf"{name}-\d{{4}}-\d\d-\d\d-{digits}")
    folders = (folder.removeprefix("run=") for folder in store.folders("runs/"))
    same = sorted(run_id for run_id in folders if pattern.fullmatch(run_id))
    return find_run(store, same[-1]) if same else None

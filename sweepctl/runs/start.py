"""The start of a run: its record is found in the store, or created there. Shards are run or sent elsewhere."""

import datetime as dt
import re
from collections.abc import Callable
from itertools import chain, count

from sweepctl.errors import ConflictError
from sweepctl.messages import require_run_id
from sweepctl.records import design as stored_design
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import find_run, pinned_version
from sweepctl.shard import commit
from sweepctl.store.contract import Store
from sweepctl.sweep.plan import FINGERPRINT_DIGITS, Draft, Plan


def pin(
    draft: Draft, store: Store, run_id: str | None, now: dt.datetime, measure: Callable[[], int]
) -> tuple[Plan, RunRecord]:
    """Pin a run in the store: create its design, then its record, unless they exist.

    Without a run_id, the newest run of the same sweep and model version is continued, if there is one. `measure`
    returns the points per shard if neither the file nor the record does.

    Raises:
        UsageError: the run_id is invalid.
        ConflictError: the run_id belongs to another sweep, or the run began with another version of the model; nothing
            was written.
    """
    if run_id is not None:
        require_run_id(run_id)
    record = find_record(draft, store, run_id)
    if record is None:
        run_date = now.date().isoformat()
        proposed = RunRecord(
            run_id=_free_run_id(draft, store, run_date) if run_id is None else run_id,
            run_date=run_date,
            spec_json=draft.spec.to_json(),
            spec_fingerprint=draft.spec.fingerprint,
            total_points=draft.total_points,
            shard_points=draft.shard_points or measure(),
            created_at=now,
        )
        draft.plan(proposed.run_id, run_date, proposed.shard_points or 1)
        if draft.stored is not None:
            # The design before the record: whoever finds a record must find its design.
            stored_design.put(store, draft.stored)
        record = commit.pin_run(store, proposed)
    if record.spec_fingerprint != draft.spec.fingerprint:
        msg = commit.other_spec(record, draft.spec, "this file")
        raise ConflictError(msg, remedy="A run_id belongs to one sweep: give this one another --run-id.")
    version = pinned_version(store, record.run_id)
    if version not in (None, draft.model_version):
        model = draft.spec.model
        began = f"run {record.run_id} began with version {version} of model {model}"
        msg = f"{began}, and the engine has version {draft.model_version}"
        remedy = "All points of a run are of one version. Give another --run-id, or none, for a run of this version."
        raise ConflictError(msg, remedy=remedy)
    shard_points = record.shard_points or draft.shard_points or measure()
    return draft.plan(record.run_id, record.run_date, shard_points), record


def find_record(draft: Draft, store: Store, run_id: str | None) -> RunRecord | None:
    """Return the record of the run to continue: the one with this run_id, or else the newest of sweep and version."""
    return _newest(draft, store) if run_id is None else find_run(store, run_id)


def _newest(draft: Draft, store: Store) -> RunRecord | None:
    """Return the newest run of this sweep and model version, by the names that `_free_run_id` gives."""
    name, digits = re.escape(draft.file.sweep.name), draft.spec.fingerprint[:FINGERPRINT_DIGITS]
    pattern = re.compile(rf"{name}-(\d{{4}}-\d\d-\d\d)-{digits}(?:-(\d+))?")
    folders = (folder.removeprefix("run=") for folder in store.folders("runs/"))
    found = [match for match in map(pattern.fullmatch, folders) if match]
    for match in sorted(found, key=lambda each: (each[1], int(each[2] or 1)), reverse=True):
        record = find_run(store, match[0])
        if record is not None and pinned_version(store, match[0]) in (None, draft.model_version):
            return record
    return None


def _free_run_id(draft: Draft, store: Store, run_date: str) -> str:
    """Return the run_id of a new run; one after the first of a day, of another model version, has a number."""
    first = draft.new_run_id(run_date)
    numbered = chain([first], (f"{first}-{number}" for number in count(2)))
    return next(run_id for run_id in numbered if find_run(store, run_id) is None)

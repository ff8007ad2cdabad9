"""The runs of a store, each from its record and a listing of its outcomes. No outcome is read."""

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from sweepctl.errors import DamagedError, UsageError
from sweepctl.messages import require_run_id
from sweepctl.records import layout
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import find_record, list_attempts, list_outcomes
from sweepctl.store.contract import Store

IN_FLIGHT = 32  # concurrent requests to the store


@dataclass(frozen=True)
class StoredRun:
    """One run of a store, as its record and a listing show it."""

    run_id: str
    run_date: str
    model: str
    total_points: int
    shards: int | None  # None if the run was not planned
    outcomes: int  # shards that have one, of any status
    attempts: int  # recorded in addition to the outcomes: failed, interrupted or in conflict
    created_at: dt.datetime
    last_activity: dt.datetime

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        return asdict(self)


@dataclass(frozen=True)
class MalformedRun:
    """A folder among the runs that is not a run, or whose record cannot be read, and why."""

    folder: str
    problem: str

    def to_json(self) -> dict[str, Any]:
        """Return both."""
        return asdict(self)


def list_runs(store: Store) -> tuple[Sequence[StoredRun], Sequence[MalformedRun]]:
    """Return a store's runs, newest first, and the folders among them that are not readable runs.

    Raises:
        StoreError: the store does not answer.
    """
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        found = list(pool.map(lambda folder: _inspect(store, folder), store.folders("runs/")))
    runs = [each for each in found if isinstance(each, StoredRun)]
    return (
        sorted(runs, key=lambda run: (run.created_at, run.run_id), reverse=True),
        [each for each in found if isinstance(each, MalformedRun)],
    )


def _inspect(store: Store, folder: str) -> StoredRun | MalformedRun:
    run_id = folder.removeprefix(layout.RUN_PARTITION)
    try:
        require_run_id(run_id)
    except UsageError:
        return MalformedRun(folder, "has no valid run_id in its name")
    if not folder.startswith(layout.RUN_PARTITION):
        return MalformedRun(folder, f"is not named {layout.RUN_PARTITION}RUN_ID")
    key = layout.run_record(run_id)
    try:
        record = find_record(store, RunRecord, key)
    except DamagedError as error:
        return MalformedRun(folder, error.message)
    if record is None:
        return MalformedRun(folder, "has no run record")
    if record.run_id != run_id:
        return MalformedRun(folder, f"has the record of run {record.run_id}")
    return _count(store, record)


def _count(store: Store, record: RunRecord) -> StoredRun:
    outcomes, last_activity = 0, record.created_at
    run = (store, record.run_id, record.run_date, record.shards)
    for _, entry in list_outcomes(*run):
        outcomes += 1
        last_activity = max(last_activity, entry.modified_at)
    return StoredRun(
        run_id=record.run_id,
        run_date=record.run_date,
        model=record.spec.model,
        total_points=record.total_points,
        shards=record.shards,
        outcomes=outcomes,
        attempts=sum(1 for _ in list_attempts(*run)),
        created_at=record.created_at,
        last_activity=last_activity,
    )

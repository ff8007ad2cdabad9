"""The runs of a store, each with how far it is. Of its outcomes, those that are new or have changed are read."""

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any

from sweepctl.errors import DamagedError, UsageError
from sweepctl.messages import require_run_id
from sweepctl.records import layout
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import find_record
from sweepctl.runs import remembered
from sweepctl.runs.status import State, Status, StatusReader
from sweepctl.store.contract import Store

IN_FLIGHT = 8  # runs that are looked at together; each reads many outcomes at a time


@dataclass(frozen=True)
class StoredRun:
    """One run of a store, as its record and its outcomes show it."""

    run_id: str
    run_date: str
    model: str
    total_points: int
    shards: int | None  # None if the run was not planned
    outcomes: int  # shards that have one, of any status
    attempts: int  # recorded in addition to the outcomes: failed, interrupted or in conflict
    created_at: dt.datetime
    last_activity: dt.datetime  # when the last shard ended, or else the run was created
    state: State
    still_since: dt.datetime | None  # see `Status`
    shards_failed: int  # permanently
    shards_retryable: int  # failed, but a retry may succeed
    shards_unreadable: int
    points_done: int
    points_failed: int

    @classmethod
    def of(cls, record: RunRecord, status: Status) -> "StoredRun":
        """Return a run with its status."""
        known = status.shards_succeeded + status.shards_failed + status.shards_retryable + status.shards_unreadable
        return cls(
            run_id=record.run_id,
            run_date=record.run_date,
            model=status.model,
            total_points=record.total_points,
            shards=record.shards,
            outcomes=known,
            attempts=status.attempts,
            created_at=record.created_at,
            last_activity=status.last_activity or record.created_at,
            state=status.state,
            still_since=status.still_since,
            shards_failed=status.shards_failed,
            shards_retryable=status.shards_retryable,
            shards_unreadable=status.shards_unreadable,
            points_done=status.points_done,
            points_failed=status.points_failed,
        )

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


def list_runs(
    store: Store,
    now: dt.datetime,
    *,
    observe: Callable[[int], None] = lambda _outcomes: None,
    stop: Event | None = None,
) -> tuple[Sequence[StoredRun], Sequence[MalformedRun]]:
    """Return a store's runs, newest first, and the folders among them that are not readable runs.

    `observe` is called with the number of outcomes read so far.

    Raises:
        StoreError: the store does not answer, or there is none.
        InterruptedRunError: `stop` was set.
    """
    store.require_present()
    counts: dict[str, int] = {}

    def inspect(folder: str) -> StoredRun | MalformedRun:
        def count(outcomes: int) -> None:
            counts[folder] = outcomes
            observe(sum(counts.copy().values()))

        found = _find(store, folder)
        return found if isinstance(found, MalformedRun) else _look(store, found, now, count, stop or Event())

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        found = list(pool.map(inspect, store.folders("runs/")))
    runs = [each for each in found if isinstance(each, StoredRun)]
    return (
        sorted(runs, key=lambda run: (run.created_at, run.run_id), reverse=True),
        [each for each in found if isinstance(each, MalformedRun)],
    )


def _find(store: Store, folder: str) -> RunRecord | MalformedRun:
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
    return record


def _look(store: Store, record: RunRecord, now: dt.datetime, observe: Callable[[int], None], stop: Event) -> StoredRun:
    reader = StatusReader(store, record, observe, stop, remembered.load(store, record))
    status = reader.read(now)
    if reader.has_read:
        remembered.save(store, record, reader.seen)
    return StoredRun.of(record, status)

"""A run as it goes on: its status, the map of its shards and its pace over time, from one reader of its outcomes.

Nothing is decided here: `runs.status` reads and counts. The map has the cells of the report's, made of the outcomes
that are in memory already.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from threading import Event

from sweepctl.errors import UnknownRunError
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import require_run
from sweepctl.results.analysis.shards import MAX_CELLS, MapCell, ShardMap
from sweepctl.runs import remembered
from sweepctl.runs.status import OutcomeSummary, Status, StatusReader
from sweepctl.store.contract import Store
from sweepctl.view.page.pace import Pace

BARS = 60  # of the pace


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment."""

    status: Status
    shard_map: ShardMap
    pace: Pace | None  # None until a shard has ended


class LiveReader:
    """Reads one run again and again: unchanged outcomes are not read twice."""

    def __init__(self, store: Store, run_id: str, now: Callable[[], dt.datetime]) -> None:
        """Read run `run_id` of `store`."""
        self._store, self._run_id, self._now = store, run_id, now
        self._reader: StatusReader | None = None
        self.stop = Event()

    def read(self) -> Snapshot:
        """Return the run as it is.

        Raises:
            UnknownRunError: the store has no record of it, or not any more.
            StoreError: the store does not answer, or a record cannot be read.
            InterruptedRunError: `stop` was set.
        """
        try:
            run = require_run(self._store, self._run_id)
        except UnknownRunError:
            self._reader = None
            raise
        # Another record under this name is another run.
        if self._reader is None or self._reader.run != run:
            self._reader = StatusReader(self._store, run, stop=self.stop, seen=remembered.load(self._store, run))
        status = self._reader.read(self._now())
        seen = self._reader.seen
        return Snapshot(status, shard_map(run, seen), _pace(seen.values(), status))


def shard_map(run: RunRecord, seen: Mapping[int, OutcomeSummary]) -> ShardMap:
    """Return the map that `results.analysis.shards` makes of the same outcomes."""
    shards = max(run.shards or 0, max(seen, default=-1) + 1)
    size = max(1, -(-shards // MAX_CELLS))
    counts = Counter((shard_id // size, _state(outcome)) for shard_id, outcome in seen.items())
    cells = []
    for cell in range(-(-shards // size)):
        succeeded, points_failed, failed, retryable = (counts[cell, state] for state in range(4))
        missing = min(size, shards - cell * size) - succeeded - points_failed - failed - retryable
        cells.append(MapCell(succeeded, points_failed, failed, retryable, missing))
    return ShardMap(shards, run.shards is not None, size, tuple(cells))


def _state(outcome: OutcomeSummary) -> int:
    """Return the place among the counts of a MapCell. A failure has all its records if any point of it counts."""
    if outcome.is_success:
        return 0
    if outcome.succeeded or outcome.failed or outcome.excluded:
        return 1
    return 3 if outcome.is_retryable else 2


def _pace(seen: Collection[OutcomeSummary], status: Status) -> Pace | None:
    first, until = status.first_activity, status.at if status.state == "under_way" else status.last_activity
    if first is None or until is None or until <= first:
        return None
    width = (until - first).total_seconds() / BARS
    points = Counter[int]()
    for outcome in seen:
        if not outcome.is_retryable:
            place = int((outcome.finished_at - first).total_seconds() / width)
            points[min(BARS - 1, max(0, place))] += outcome.points
    return Pace(first, until, tuple(points[bar] / width for bar in range(BARS)))

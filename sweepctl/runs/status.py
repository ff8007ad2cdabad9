"""A run's progress, from its store: outcomes are listed, and only the new or replaced ones are read.

It counts what the outcomes say and proves nothing: `verify` does that.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from threading import Event
from typing import Any, Literal, NamedTuple

from sweepctl.errors import InterruptedRunError
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.outcomes import Found, OutcomeReader
from sweepctl.records.run import list_attempts, list_outcomes, require_run
from sweepctl.store.contract import Entry, Store

AT_ONCE = 1_000  # outcomes read between two checks of `stop`
# The pace is measured over this time before now; over more if shards take long, so that some end in it.
RECENT_SECONDS = 300.0
SHARDS_IN_RECENT = 2
STILL_SECONDS = 60.0  # without the end of a shard, at least, until a run stands still
WATCH_SECONDS = 2.0  # between two reads

State = Literal["not_begun", "under_way", "standing_still", "done"]


@dataclass(frozen=True)
class Status:
    """A run's progress."""

    run_id: str
    run_date: str
    model: str
    at: dt.datetime
    shards: int | None  # None if the run was not planned
    shards_succeeded: int
    shards_retryable: int  # failed, but a retry may succeed
    shards_failed: int  # failed permanently
    shards_unreadable: int  # their outcomes cannot be decoded
    total_points: int
    points_succeeded: int
    points_failed: int
    points_excluded: int  # by a constraint
    points_failed_limit: int | None  # how many the run allows to fail; None if it does not limit them
    points_settled: int  # of shards that need no further attempt
    failures: Mapping[str, int]  # failed shards by error code
    attempts: int  # recorded in addition to the outcomes: failed, interrupted or in conflict
    first_activity: dt.datetime | None
    last_activity: dt.datetime | None
    points_per_second: float | None  # recently; of the whole run once it is done; None if nothing ended recently
    seconds_left: float | None
    # When the last shard ended, or the run was created, if that is longer ago than shards take; None once it is done.
    still_since: dt.datetime | None

    @property
    def state(self) -> State:
        """Whether the run is done, and else whether shards end."""
        if self.is_done:
            return "done"
        if self.last_activity is None:
            return "not_begun"
        return "under_way" if self.still_since is None else "standing_still"

    @property
    def shards_missing(self) -> int | None:
        """How many shards have no outcome; None if the run was not planned."""
        if self.shards is None:
            return None
        known = self.shards_succeeded + self.shards_retryable + self.shards_failed + self.shards_unreadable
        return max(0, self.shards - known)

    @property
    def points_done(self) -> int:
        """How many points have their record in the tables."""
        return self.points_succeeded + self.points_failed + self.points_excluded

    @property
    def has_too_many_failed(self) -> bool:
        """Whether more points failed than the run's limit allows."""
        return self.points_failed_limit is not None and self.points_failed > self.points_failed_limit

    @property
    def is_done(self) -> bool:
        """Whether every point is settled."""
        return self.points_settled >= self.total_points

    @property
    def counts(self) -> tuple[object, ...]:
        """Values that change only when something happened to the run."""
        shards = (self.shards_succeeded, self.shards_retryable, self.shards_failed, self.shards_unreadable)
        return (*shards, self.points_done, self.attempts, self.last_activity)

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        names = ("state", "shards_missing", "points_done", "is_done", "has_too_many_failed")
        derived = {name: getattr(self, name) for name in names}
        return {**asdict(self), **derived}


class OutcomeSummary(NamedTuple):
    """The parts of an outcome that are kept: there may be a million of them."""

    version: str
    is_success: bool
    is_retryable: bool
    points: int
    succeeded: int  # points with their records in the tables, like `failed` and `excluded`
    failed: int
    excluded: int
    started_at: dt.datetime
    finished_at: dt.datetime
    error_code: str | None

    @classmethod
    def of(cls, outcome: Outcome, version: str) -> "OutcomeSummary":
        """Return what is kept of an outcome, which was read after `version` was listed.

        A later body may have been read: then it is read again next time.
        """
        # An attempt that did not run every point left its records in `partial/`, which is not a table.
        counts = (outcome.points_succeeded, outcome.points_failed, outcome.points_excluded or 0)
        return cls(
            version,
            outcome.status == "success",
            outcome.retryable,
            outcome.points,
            *(counts if outcome.complete else (0, 0, 0)),
            outcome.started_at,
            outcome.finished_at,
            outcome.error_code,
        )


@dataclass
class StatusReader:
    """Reads the status of one run, repeatedly if needed: unchanged outcomes are not read twice."""

    store: Store
    run: RunRecord
    observe: Callable[[int], None] = lambda _outcomes: None  # called with the number of outcomes read
    stop: Event = field(default_factory=Event)
    seen: dict[int, OutcomeSummary] = field(default_factory=dict)  # which may begin with what was read before
    has_read: bool = False  # whether any outcome was new or had changed
    _unreadable: dict[int, str] = field(default_factory=dict)  # shards, with the version that cannot be read

    def __post_init__(self) -> None:
        """Start with a reader that knows nothing."""
        self._reader = OutcomeReader(self.store)

    @classmethod
    def of(cls, store: Store, run_id: str) -> "StatusReader":
        """Return a reader of the run's status.

        Raises:
            UnknownRunError: the store has no record of it.
            StoreError: the store does not answer, or the record cannot be read.
        """
        return cls(store, require_run(store, run_id))

    def read(self, now: dt.datetime) -> Status:
        """Return the run's progress at `now`.

        Raises:
            StoreError: the store does not answer.
            InterruptedRunError: `stop` was set.
        """
        run = (self.store, self.run.run_id, self.run.run_date, self.run.shards)
        self._read_changed(list_outcomes(*run))
        attempts = sum(1 for _ in list_attempts(*run))
        return summarize_outcomes(self.run, list(self.seen.values()), len(self._unreadable), attempts, now)

    def _read_changed(self, listed: Iterable[tuple[int, Entry]]) -> None:
        present: set[int] = set()
        count = 0
        changed = self._changed(listed, present)
        while some := list(islice(changed, AT_ONCE)):
            keys = [entry.key for _, entry in some]
            for (shard_id, entry), (_, found) in zip(some, self._reader.read(keys), strict=True):
                self._keep(shard_id, entry, found)
            count += len(some)
            self.has_read = True
            self.observe(count)
            if self.stop.is_set():
                raise InterruptedRunError("stopped by a signal", remedy="Run it again; it only reads.")
        # What somebody has moved away counts no longer.
        for shard_id in self.seen.keys() - present:
            del self.seen[shard_id]
        for shard_id in self._unreadable.keys() - present:
            del self._unreadable[shard_id]

    def _changed(self, listed: Iterable[tuple[int, Entry]], present: set[int]) -> Iterator[tuple[int, Entry]]:
        for shard_id, entry in listed:
            present.add(shard_id)
            if entry.version != self._version(shard_id):
                yield shard_id, entry

    def _version(self, shard_id: int) -> str | None:
        seen = self.seen.get(shard_id)
        return self._unreadable.get(shard_id) if seen is None else seen.version

    def _keep(self, shard_id: int, entry: Entry, found: Found) -> None:
        if isinstance(found, Outcome):
            self.seen[shard_id] = OutcomeSummary.of(found, entry.version)
            self._unreadable.pop(shard_id, None)
        else:
            self._unreadable[shard_id] = entry.version
            self.seen.pop(shard_id, None)


def summarize_outcomes(
    run: RunRecord, seen: Sequence[OutcomeSummary], unreadable: int, attempts: int, now: dt.datetime
) -> Status:
    """Return the status that the outcomes add up to."""
    succeeded = sum(each.is_success for each in seen)
    retryable = sum(each.is_retryable for each in seen)
    settled = sum(each.points for each in seen if not each.is_retryable)
    is_done = settled >= run.total_points
    pace = _pace(seen, now, is_done=is_done)
    last_activity = max((each.finished_at for each in seen), default=None)
    still_since = None if is_done else _still_since(seen, last_activity or run.created_at, now)
    spec = run.spec
    return Status(
        run_id=run.run_id,
        run_date=run.run_date,
        model=spec.model,
        at=now,
        shards=run.shards,
        shards_succeeded=succeeded,
        shards_retryable=retryable,
        shards_failed=len(seen) - succeeded - retryable,
        shards_unreadable=unreadable,
        total_points=run.total_points,
        points_succeeded=sum(each.succeeded for each in seen),
        points_failed=sum(each.failed for each in seen),
        points_excluded=sum(each.excluded for each in seen),
        points_failed_limit=spec.limits.most_failed(run.total_points),
        points_settled=settled,
        failures=dict(Counter(each.error_code or "" for each in seen if not each.is_success).most_common()),
        attempts=attempts,
        first_activity=min((each.started_at for each in seen), default=None),
        last_activity=last_activity,
        points_per_second=pace,
        seconds_left=None if pace is None or still_since else max(0, run.total_points - settled) / pace,
        still_since=still_since,
    )


def _still_since(seen: Sequence[OutcomeSummary], last: dt.datetime, now: dt.datetime) -> dt.datetime | None:
    longest = max((each.finished_at - each.started_at for each in seen), default=dt.timedelta())
    return last if now - last > max(dt.timedelta(seconds=STILL_SECONDS), SHARDS_IN_RECENT * longest) else None


def _pace(seen: Sequence[OutcomeSummary], now: dt.datetime, *, is_done: bool) -> float | None:
    """Return the points settled per second, recently or, once the run is done, over all of it."""
    if not seen:
        return None
    first = min(each.started_at for each in seen)
    if is_done:
        since, until = first, max(each.finished_at for each in seen)
    else:
        mean = sum((each.finished_at - each.started_at).total_seconds() for each in seen) / len(seen)
        recent = dt.timedelta(seconds=max(RECENT_SECONDS, SHARDS_IN_RECENT * mean))
        since, until = max(first, now - recent), now
    points = sum(each.points for each in seen if each.finished_at > since and not each.is_retryable)
    seconds = (until - since).total_seconds()
    return points / seconds if points and seconds > 0 else None


def watch(
    reader: StatusReader, now: Callable[[], dt.datetime], monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Status]:
    """Yield the status repeatedly, until the run is done or the reader is stopped.

    Raises:
        StoreError: the store does not answer.
    """
    while True:
        began_at = monotonic()
        try:
            status = reader.read(now())
        except InterruptedRunError:
            return
        yield status
        # Wait at least as long as reading took, so that a bucket is not listed all the time.
        if status.is_done or reader.stop.wait(max(WATCH_SECONDS, monotonic() - began_at)):
            return

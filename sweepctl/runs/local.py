"""A run on this machine: finds the shards that lack records and runs them, several at a time. Prints nothing.

`start` creates or finds the run, and `run_shard` runs a shard and commits its outcome. Each shard has its own thread,
and one loop collects the results. The threads are daemons: a second signal ends the process at once, and its engines
too, since they watch their standard input.
"""

import datetime as dt
import random
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Self

from sweepctl import logs
from sweepctl.engine.client import Engine
from sweepctl.errors import ConflictError, DamagedError, FailedPointsError, InterruptedRunError, SweepctlError
from sweepctl.messages import ShardMessage
from sweepctl.records import layout
from sweepctl.records.outcome import UNKNOWN_CALLER, Caller, Outcome, RunRecord
from sweepctl.records.outcomes import OutcomeReader
from sweepctl.records.run import list_attempts, list_outcomes
from sweepctl.runs.start import pin
from sweepctl.shard.run import Disposition, Result
from sweepctl.shard.slow_point import Progress, SlowPoint, slowest
from sweepctl.spec import Spec
from sweepctl.store.contract import Store
from sweepctl.sweep.pilot import Pilot, ShardSize, measure_shard
from sweepctl.sweep.plan import Draft, Plan

REPORT_SECONDS = 0.25  # the longest time between two reports
MOST_FAILURES = 5  # kept for the summary, of each error code; each failure has its own log line
OF_A_SHARD = (ConflictError, DamagedError)  # errors that are a shard's own failure
# Runs one shard, and reports its progress to its second argument.
RunOne = Callable[[ShardMessage, Progress], Result]


@dataclass(frozen=True)
class Begun:
    """A run as it is in the store, and which of its shards have all their records already."""

    plan: Plan
    record: RunRecord
    is_new: bool
    complete: frozenset[int]  # about 60 bytes for each shard
    failed_points: int = 0  # of these shards; counted only if the run limits them
    pilot: Pilot | None = None  # if one was run
    is_new_version: bool = False  # whether it is new because earlier runs of the sweep are of another model version

    @cached_property
    def complete_points(self) -> int:
        """How many points have their records already."""
        bounds = map(self.plan.bounds, self.complete)
        return sum(end - start for start, end in bounds)

    def missing(self, shared: Event) -> Iterator[ShardMessage]:
        """Yield the message of each shard that lacks its records: in order, and once `shared` is set in any order.

        Two processes that go through a run in the same order would run nearly every shard twice.
        """
        for shard in range(self.plan.shards):
            if shared.is_set():
                left = array("L", (each for each in range(shard, self.plan.shards) if each not in self.complete))
                random.SystemRandom().shuffle(left)
                yield from map(self.plan.message, left)
                return
            if shard not in self.complete:
                yield self.plan.message(shard)

    @property
    def failure_limit(self) -> "FailureLimit":
        """When more failed points are too many."""
        return FailureLimit.of(self.plan.spec, self.plan.total_points, self.plan.run_id, self.failed_points)


@dataclass(frozen=True)
class FailureLimit:
    """How many points of a run may fail."""

    run_id: str
    total_points: int
    most: int | None
    before: int  # that had failed already
    has_outputs: bool

    @classmethod
    def of(cls, spec: Spec, total_points: int, run_id: str, before: int) -> Self:
        """Return the limit of a run, `before` of whose points have failed."""
        return cls(run_id, total_points, spec.limits.most_failed(total_points), before, bool(spec.outputs))

    def exceeded(self, failed: int, caller: Caller = UNKNOWN_CALLER) -> FailedPointsError | None:
        """Return the error that ends the run if `failed` more failed points are too many."""
        failed += self.before
        if self.most is None or failed <= self.most:
            return None
        msg = (
            f"stopped: {failed:,} of {self.total_points:,} points failed, more than the limit of {self.most:,} "
            "(failed_points)"
        )
        remedy = (
            f"`sweepctl retry {self.run_id}{caller.options}` explains the failures. To go on all the same, raise "
            f"failed_points in the sweep file. {caller.again(self.run_id, has_outputs=self.has_outputs)}"
        )
        return FailedPointsError(msg, remedy=remedy)


def begin_run(
    draft: Draft, engine: Engine, store: Store, run_id: str | None, *, now: dt.datetime, stop: Event | None = None
) -> Begun:
    """Create the run of a sweep in the store, or find the one to continue, and find its complete shards.

    Raises:
        ConflictError: the run_id belongs to another sweep, or the run is sharded differently.
        EngineFaultError: the engine broke its protocol in the pilot, which measures what a shard's size should be.
        InterruptedRunError: `stop` was set.
        StoreError: the store does not answer.
    """
    measured: list[ShardSize] = []

    def measure() -> int:
        measured.append(measure_shard(draft, engine, stop))
        return measured[0].points

    planned, record = pin(draft, store, run_id, now, measure)
    complete, failed_points = _complete(store, planned, record)
    pilot = measured[0].pilot if measured else None
    is_new = record.created_at == now
    is_numbered = is_new and run_id is None and record.run_id != draft.new_run_id(record.run_date)
    return Begun(planned, record, is_new, complete, failed_points, pilot, is_numbered)


def _complete(store: Store, planned: Plan, record: RunRecord) -> tuple[frozenset[int], int]:
    """Find the shards that have all their records, by listing; with how many of the points that it read have failed."""
    run = (store, record.run_id, record.run_date, record.shards)
    has_outcome = {shard for shard, _ in list_outcomes(*run)}
    tried = {shard for shard, _ in list_attempts(*run)}
    # An outcome without all records has a row in shard_attempts, which was written before it. So only the outcomes of
    # shards with both are read, few of 10^5. A run that was not planned may be sharded differently: all are read. So
    # they are where failed points count.
    is_each_read = record.shard_points is None or planned.spec.limits.failed_points is not None
    doubtful = has_outcome if is_each_read else has_outcome & tried
    failed_points = 0
    keys = {layout.ShardKeys.of(record, shard).outcome: shard for shard in sorted(doubtful)}
    for key, outcome in OutcomeReader(store).read(keys):
        if isinstance(outcome, Outcome):
            _require_same_sharding(planned, outcome)
        # With what is damaged, this shard will fail, and no other.
        if not isinstance(outcome, Outcome) or not outcome.complete:
            has_outcome.remove(keys[key])
        else:
            failed_points += outcome.points_failed
    return frozenset(has_outcome), failed_points


def _require_same_sharding(planned: Plan, outcome: Outcome) -> None:
    start, end = outcome.start_index, outcome.end_index_exclusive
    if (start, end) != planned.bounds(outcome.shard_id):
        planned_start, planned_end = planned.bounds(outcome.shard_id)
        msg = (
            f"run {planned.run_id} is sharded differently: shard {outcome.shard_id} covers [{start}, {end}) in the "
            f"store and [{planned_start}, {planned_end}) in this sweep"
        )
        remedy = (
            f"Complete it with its own messages (`sweepctl verify {planned.run_id} --missing FILE`), set its size "
            "under [shards] in the sweep file, or give this run another --run-id."
        )
        raise ConflictError(msg, remedy=remedy)


@dataclass(frozen=True)
class FailedShard:
    """One shard that was run and did not succeed."""

    shard_id: int
    error_code: str
    error: str
    retryable: bool
    remedy: str | None


@dataclass(frozen=True)
class RunProgress:
    """What has been done so far."""

    succeeded: int = 0
    failed: int = 0
    skipped: int = 0  # completed by another process meanwhile
    points: int = 0  # whose records this execution has written, or is about to write
    reused: int = 0  # of these, taken from another run
    excluded: int = 0  # of these, not simulated since they break a constraint
    skipped_points: int = 0
    seconds: float = 0.0
    partial: int = 0  # points of failed shards that have results all the same, which another run can reuse
    failures: tuple[FailedShard, ...] = ()  # the first few of each error code
    error: SweepctlError | None = None  # that ended it
    slow: SlowPoint | None = None  # the slowest of all shards at the moment

    @property
    def points_per_second(self) -> float:
        """How many points were run per second."""
        return self.points / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        error = self.error
        return {
            "succeeded": self.succeeded,
            "failed": self.failed,
            "points": self.points,
            "reused": self.reused,
            "excluded": self.excluded,
            "seconds": round(self.seconds, 3),
            "points_per_second": round(self.points_per_second, 1),
            "failures": [asdict(failure) for failure in self.failures],
            "error": error and error.to_json()["error"],
        }


def run_shards(
    messages: Iterable[ShardMessage],
    run_one: RunOne,
    *,
    slots: int,
    stop: Event,
    shared: Event | None = None,
    observe: Callable[[RunProgress], None] = lambda _: None,
    reused: Callable[[ShardMessage], int] = lambda _: 0,
    exceeded: Callable[[int, Caller], SweepctlError | None] = lambda *_: None,
    of_a_shard: tuple[type[SweepctlError], ...] = OF_A_SHARD,
    caller: Caller = UNKNOWN_CALLER,
    monotonic: Callable[[], float] = time.monotonic,
) -> RunProgress:
    """Run shards, `slots` at a time, and return what was done.

    A shard that fails, also by an error `of_a_shard`, does not stop the others. An error of this worker or its store
    does: no further shard is started, running ones finish, and the result has the error. So does `stop`, which
    `run_one` must obey too. `exceeded` is called with the number of failed points; the error that it returns ends the
    run, and `stop` is set then, so that running shards end as after a signal. `shared` is set once another process has
    completed one of the shards.
    """
    tally = _RunCounts(reused, monotonic(), shared or Event(), of_a_shard, caller=caller)
    ended: SimpleQueue[_RunningShard] = SimpleQueue()
    waiting, running = iter(messages), list[_RunningShard]()
    while True:
        if tally.error is None and stop.is_set():
            tally.error = _stopped()
        elif tally.error is None and (error := exceeded(tally.failed_points, caller)) is not None:
            tally.error = error
            stop.set()
        while len(running) < slots and tally.error is None:
            message = next(waiting, None)
            if message is None:
                break
            running.append(_start(message, run_one, ended))
        progress = tally.progress(running, monotonic())
        observe(progress)
        if not running:
            return progress
        try:
            work = ended.get(timeout=REPORT_SECONDS)
        except Empty:
            continue
        running.remove(work)
        tally.take(work)


@dataclass(eq=False)
class _RunningShard:
    """One shard in its thread."""

    message: ShardMessage
    points: int = 0  # run so far; this and the next are the only fields that are read before the end
    slow: SlowPoint | None = None
    result: Result | None = None
    error: BaseException | None = None

    def reach(self, points: int, slow: SlowPoint | None) -> None:
        self.points, self.slow = points, slow


def _start(message: ShardMessage, run_one: RunOne, ended: "SimpleQueue[_RunningShard]") -> _RunningShard:
    work = _RunningShard(message)

    def carry_out() -> None:
        try:
            work.result = run_one(message, work.reach)
        except BaseException as error:  # noqa: BLE001  the loop raises what is unexpected
            work.error = error
        ended.put(work)

    Thread(target=carry_out, daemon=True).start()
    return work


@dataclass
class _RunCounts:
    """Counts of a run; their size does not grow with the number of shards."""

    reused_of: Callable[[ShardMessage], int]
    began_at: float
    shared: Event
    of_a_shard: tuple[type[SweepctlError], ...]
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    points: int = 0
    failed_points: int = 0
    reused: int = 0
    excluded: int = 0
    skipped_points: int = 0
    partial: int = 0
    failures: list[FailedShard] = field(default_factory=list)
    error: SweepctlError | None = None
    caller: Caller = UNKNOWN_CALLER

    def take(self, work: _RunningShard) -> None:
        """Count a shard that has ended, and log it."""
        if work.result is not None:
            self._settled(work.message, work.result)
        elif isinstance(work.error, self.of_a_shard):
            error = work.error
            failure = FailedShard(
                work.message.shard_id, error.kind, error.message, retryable=False, remedy=error.remedy
            )
            self._failed(failure)
        elif isinstance(work.error, SweepctlError):
            # The first error is the cause; later ones may only follow from it.
            self.error = self.error or (_stopped() if isinstance(work.error, InterruptedRunError) else work.error)
        elif work.error is not None:
            raise work.error
        logs.event("shard_finished", **_line(work))

    def _settled(self, message: ShardMessage, result: Result) -> None:
        outcome = result.outcome
        if outcome.complete:
            self.failed_points += outcome.points_failed
        stands = result.disposition is Disposition.KEPT and outcome.complete
        if result.disposition is Disposition.SKIPPED or stands:
            # Also what was run here at the same time: it counts once, where it was committed.
            self.shared.set()
            self.skipped += 1
            self.skipped_points += message.points
            return
        if outcome.complete:
            self.points += message.points
            self.reused += self.reused_of(message)
            self.excluded += outcome.points_excluded or 0
        elif not message.outputs:
            self.partial += outcome.points_succeeded
        if outcome.status == "success":
            self.succeeded += 1
        else:
            code, text = outcome.error_code or "", outcome.error_message or ""
            remedy = self.caller.advice(outcome, has_outputs=bool(message.outputs))
            if remedy is None:
                what = "another attempt may succeed" if outcome.retryable else "explains why it would fail again"
                remedy = f"`sweepctl retry {message.run_id}{self.caller.options}`: {what}."
            self._failed(FailedShard(message.shard_id, code, text, retryable=outcome.retryable, remedy=remedy))

    def _failed(self, failure: FailedShard) -> None:
        self.failed += 1
        same_code = sum(each.error_code == failure.error_code for each in self.failures)
        if same_code < MOST_FAILURES:
            self.failures.append(failure)

    def progress(self, running: Sequence[_RunningShard], now: float) -> RunProgress:
        return RunProgress(
            self.succeeded,
            self.failed,
            self.skipped,
            self.points + sum(work.points for work in running),
            self.reused,
            self.excluded,
            self.skipped_points,
            now - self.began_at,
            self.partial,
            tuple(self.failures),
            self.error,
            slowest(work.slow for work in running),
        )


def _line(work: _RunningShard) -> dict[str, object]:
    """Return the log fields of a shard, without the unknown ones."""
    fields: dict[str, object] = {"run_id": work.message.run_id, "shard_id": work.message.shard_id}
    if isinstance(work.error, SweepctlError):
        return fields | {"error_code": work.error.kind, "error": work.error.message, "remedy": work.error.remedy}
    if work.result is None:
        return fields
    outcome = work.result.outcome
    fields |= {"disposition": work.result.disposition.value, "attempt_id": outcome.attempt_id, "status": outcome.status}
    if outcome.error_code is not None:
        fields |= {"error_code": outcome.error_code, "error": outcome.error_message}
    return fields | {f"{name}_seconds": round(seconds, 4) for name, seconds in work.result.seconds.items()}


def _stopped() -> InterruptedRunError:
    return InterruptedRunError("stopped by a signal", remedy="Run the same command again: it runs what is missing.")

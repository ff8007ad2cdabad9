"""Runs one shard, from message to outcome.

`run_shard` shows every step; the parts are elsewhere. It knows nothing about queues or terminals, and ends in one of
three ways: with the shard's outcome in the store, an error of this worker or its store, or an interruption.
"""

import datetime as dt
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from threading import Event

from sweepctl.engine.client import Engine
from sweepctl.engine.points import Clock, Requests
from sweepctl.errors import ConflictError, InterruptedRunError, MessageError, StoreError
from sweepctl.messages import ShardMessage
from sweepctl.records import design as stored_design
from sweepctl.records import layout
from sweepctl.records.outcome import Outcome, former_content, require_same_shard
from sweepctl.records.run import find_outcome
from sweepctl.shard import commit
from sweepctl.shard.attempt import Attempt, Stopwatch, ended_by, execute, scratch_errors
from sweepctl.shard.claim import claim_points, require_unclaimed
from sweepctl.shard.conditions import Conditions
from sweepctl.shard.slow_point import Progress, SlowPoint
from sweepctl.store.contract import Store
from sweepctl.texts import counted

__all__ = ["Conditions", "Disposition", "Result", "require_allowed", "run_shard", "utc_now"]


USUAL = Conditions()


def utc_now() -> dt.datetime:
    """Return the time as the store keeps it: UTC, in whole milliseconds."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def draw_attempt_id() -> str:
    """Draw an id for one execution of a shard."""
    return uuid.uuid4().hex


def _no_progress(_points: int, _slow: SlowPoint | None) -> None:
    pass


class Disposition(Enum):
    """What an execution did to the shard's outcome."""

    COMMITTED = "committed"
    SKIPPED = "skipped"  # already complete: nothing was run
    KEPT = "stands"  # it was run, but an outcome of equal or higher rank existed


@dataclass(frozen=True)
class Result:
    """The shard's outcome after an execution, and what the execution did."""

    outcome: Outcome
    disposition: Disposition
    attempt: Outcome | None  # None if nothing was executed
    seconds: Mapping[str, float]  # wall time of run, encode and commit


def run_shard(
    message: ShardMessage,
    engine: Engine,
    store: Store,
    conditions: Conditions = USUAL,
    *,
    attempt_number: int | None = None,
    progress: Progress = _no_progress,
    stop: Event | None = None,
    now: Callable[[], dt.datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
    new_attempt_id: Callable[[], str] = draw_attempt_id,
) -> Result:
    """Run the points of `message` and commit their records and the shard's outcome.

    `attempt_number` is the queue's receive count; `progress` is called with the number of points done, and with the
    one that has been running for some time, if any; setting `stop` ends the run. Equal messages give equal results,
    whoever runs them and however often.

    Raises:
        MessageError: the message requests an injected failure or a size that this worker does not allow, its stored
            design is missing, altered or not the one that the message describes, or the engine refuses the request;
            nothing of the shard was recorded.
        ConflictError: the store holds a different run or shard under these ids; recorded in `shard_attempts`.
        WrongEngineError: this worker's engine lacks the run's model or model version, or cannot keep the run's limits;
            nothing was recorded.
        EngineUnavailableError: this worker's engine cannot be used at all; nothing was recorded.
        NoRoomError: the shard's files take more space than this worker has; nothing of the shard was recorded.
        StoreError: the store did not answer; what is committed is safe, and another attempt can complete the shard.
        InterruptedRunError: `stop` was set; recorded in `shard_attempts` where possible.
    """
    require_allowed(message, conditions)
    model = engine.model(message.model)
    engine.require_limits(message.spec.limits)
    # Before the first write: a message whose design is missing or altered must leave nothing in the store.
    space = stored_design.space_of(store, message)
    described, keep = engine.description, model.program is not None and bool(model.program.keep)
    has_host, has_columns = described.host, described.columns
    requests = Requests(message, space, conditions.threads, has_host=has_host, keep=keep, has_columns=has_columns)
    run = commit.agree_run(store, message, now())
    attempt = Attempt(message, model, engine.description.engine_version, new_attempt_id(), attempt_number, now())
    try:
        commit.require_same_run(run, message)
        existing = find_outcome(store, run, message.shard_id)
        if existing is not None:
            # Before a conflict names it or the caller acknowledges: its writer may have died in between.
            store.make_durable(layout.ShardKeys.of(run, message.shard_id).outcome)
            require_same_shard(existing, run.spec_fingerprint, message.start_index, message.end_index_exclusive)
            if existing.complete and not conditions.force:
                return Result(existing, Disposition.SKIPPED, None, {})
        attempt = replace(attempt, engine_sha256=engine.sha256)
        commit.agree_engine(store, attempt.engine_pin)
        require_unclaimed(store, run, message)
        with store.scratch() as folder, scratch_errors(folder):
            began_at = monotonic()
            encoding = Stopwatch(monotonic)
            execution = execute(
                attempt,
                engine,
                requests,
                folder,
                encoding,
                room=conditions.scratch_limit(folder),
                clock=Clock(conditions.engine_seconds(began_at), monotonic),
                progress=progress,
                stop=stop or Event(),
                former_content=former_content(existing),
            )
            executed_at = monotonic()
            if engine.sha256 != attempt.engine_sha256:
                attempt = replace(attempt, engine_sha256=None)  # replaced meanwhile: which build has run is not known
            outcome = attempt.outcome(execution, now())
            if existing is not None and outcome.complete:
                commit.require_named(store, run, existing, outcome, execution.files)
            # Before anything is published, so that no point is in two shards; and only now, so that a message whose
            # shard is rejected while it runs leaves no claim that would keep others off.
            claim_points(store, run, message)
            put = commit.commit_complete if outcome.complete else commit.commit_incomplete
            committed = put(store, run, outcome, execution.files)
            seconds = {
                "run": executed_at - began_at - encoding.seconds,
                "encode": encoding.seconds,
                "commit": monotonic() - executed_at,
            }
    except ConflictError as conflict:
        with suppress(StoreError):
            commit.record_attempt(store, run, attempt.outcome(ended_by(conflict, "conflict"), now()))
        raise
    except InterruptedRunError as interruption:
        with suppress(StoreError):
            commit.record_attempt(store, run, attempt.outcome(ended_by(interruption, "interrupted"), now()))
        raise
    is_own = committed.attempt_id == outcome.attempt_id
    return Result(committed, Disposition.COMMITTED if is_own else Disposition.KEPT, outcome, seconds)


def require_allowed(message: ShardMessage, conditions: Conditions) -> None:
    """Raise MessageError if the message requests what this worker does not allow."""
    if conditions.max_points is not None and message.points > conditions.max_points:
        msg = f"a shard of {counted('points', message.points)}: this worker runs at most {conditions.max_points:,}"
        raise MessageError(msg, remedy="Plan smaller shards, or raise the worker's --max-points.")
    if not conditions.allow_failure_injection and message.shard_id in message.failure_injection_shards:
        msg = f"failure_injection_shards: names shard {message.shard_id}, which this worker does not allow"
        raise MessageError(msg, remedy="Start the worker with --allow-failure-injection, or remove the field.")

"""One shard, from message to outcome: the heart of sweepctl.

`run_shard` is the whole story; the parts are elsewhere. It decides nothing about queues or terminals, and it ends in
one of three ways: an outcome that stands in the store, an error of this worker or its store, or an interruption.
"""

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from threading import Event
from typing import Literal

from sweepctl import commit
from sweepctl.engine import Engine
from sweepctl.errors import (
    ConflictError,
    EngineFaultError,
    EngineUnavailableError,
    InterruptedRunError,
    MessageError,
    RefusedError,
    StoreError,
    SweepctlError,
)
from sweepctl.messages import ShardMessage
from sweepctl.outcome import (
    INJECTED_FAILURE,
    INVALID_PARAMETERS,
    MAX_ERROR_MESSAGE,
    POINT_FAILED,
    EnginePin,
    Outcome,
    Status,
    require_same_shard,
)
from sweepctl.protocol import Model, Started, encode_request
from sweepctl.records import RecordReader
from sweepctl.store.contract import Store
from sweepctl.table import DataFile, DatasetWriter, schemas


def utc_now() -> dt.datetime:
    """Return the time as the store keeps it: UTC, in whole milliseconds."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def draw_attempt_id() -> str:
    """Draw an id for one execution of a shard."""
    return uuid.uuid4().hex


def _no_progress(_points: int) -> None:
    pass


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a worker runs shards: its own choices, never a message's."""

    threads: int | None = None
    timeout: float | None = None  # seconds
    force: bool = False  # run again what stands already, and compare
    allow_failure_injection: bool = False


class Disposition(Enum):
    """What an execution did to the shard's outcome."""

    COMMITTED = "committed"
    SKIPPED = "skipped"  # every point had its record already: nothing was simulated
    STANDS = "stands"  # it was run, and an outcome of equal or higher rank stood


@dataclass(frozen=True)
class Result:
    """The outcome that stands after an execution, and what this execution came to."""

    outcome: Outcome
    disposition: Disposition
    attempt: Outcome | None  # None where nothing was executed
    seconds: Mapping[str, float]  # wall time of run, encode and commit


def run_shard(
    message: ShardMessage,
    engine: Engine,
    store: Store,
    conditions: Conditions = Conditions(),
    *,
    attempt_number: int | None = None,
    progress: Callable[[int], None] = _no_progress,
    stop: Event | None = None,
    now: Callable[[], dt.datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
    new_attempt_id: Callable[[], str] = draw_attempt_id,
) -> Result:
    """Run the points of `message` and commit their records and the shard's outcome.

    `attempt_number` is the queue's receive count; `progress` is told how many points are done; `stop`, once set, ends
    the work. Equal messages give equal results, whoever runs them and however often.

    Raises:
        MessageError: the message asks for an injected failure that this worker does not allow.
        ConflictError: the store holds something else under this run or shard; recorded in `shard_attempts`.
        EngineUnavailableError: this worker's engine is not the one for this run; nothing was recorded.
        StoreError: the store did not answer; what is committed is safe, and another attempt will settle the rest.
        InterruptedRunError: `stop` was set; recorded in `shard_attempts` where possible.
    """
    if not conditions.allow_failure_injection and message.shard_id in message.failure_injection_shards:
        msg = f"failure_injection_shards: names shard {message.shard_id}, which this worker does not allow"
        raise MessageError(msg, remedy="Start the worker with --allow-failure-injection, or send it without.")
    model = engine.model(message.model)
    run = commit.agree_run(store, message, now())
    attempt = _Attempt(message, model, engine.description.engine_version, new_attempt_id(), attempt_number, now())
    try:
        commit.require_same_run(run, message)
        standing = commit.standing_outcome(store, run, message.shard_id)
        if standing is not None:
            require_same_shard(standing, run.spec_fingerprint, message.start_index, message.end_index_exclusive)
            if standing.complete and not conditions.force:
                return Result(standing, Disposition.SKIPPED, None, {})
        commit.agree_engine(store, attempt.engine_pin)
        with store.scratch() as folder, _scratch_errors(folder):
            began_at = monotonic()
            encoding = _Stopwatch(monotonic)
            execution = _execute(attempt, engine, conditions, folder, encoding, progress=progress, stop=stop or Event())
            executed_at = monotonic()
            outcome = attempt.outcome(execution, now())
            put = commit.commit_complete if outcome.complete else commit.commit_incomplete
            settled = put(store, run, outcome, execution.files)
            seconds = {
                "run": executed_at - began_at - encoding.seconds,
                "encode": encoding.seconds,
                "commit": monotonic() - executed_at,
            }
    except ConflictError as conflict:
        commit.record_attempt(store, run, attempt.outcome(_ended_by(conflict, "conflict"), now()))
        raise
    except InterruptedRunError as interruption:
        with suppress(StoreError):
            commit.record_attempt(store, run, attempt.outcome(_ended_by(interruption, "interrupted"), now()))
        raise
    is_mine = settled.attempt_id == outcome.attempt_id
    return Result(settled, Disposition.COMMITTED if is_mine else Disposition.STANDS, outcome, seconds)


@contextmanager
def _scratch_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError of writing files on their way to the store into a StoreError: a full disk, most of all."""
    try:
        yield
    except OSError as error:
        msg = f"cannot write in {folder}: {error.strerror or error}"
        raise StoreError(msg, remedy="Free space there. Nothing half-written is in the store.") from error


class _Stopwatch:
    """Adds up the time within its `with` blocks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._started_at = 0.0
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._started_at = self._monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds += self._monotonic() - self._started_at


@dataclass(frozen=True)
class _Execution:
    """What came of executing a shard, before anything of it is in the store."""

    status: Status
    error_code: str | None = None
    error_message: str | None = None
    error_point_index: int | None = None
    retryable: bool = False
    succeeded: int = 0
    failed: int = 0
    cpu_seconds: float = 0.0
    content_sha256: str | None = None  # None where not every point has its record
    files: tuple[DataFile, ...] = ()


@dataclass(frozen=True)
class _Attempt:
    """One execution of a shard: what every record of it says."""

    message: ShardMessage
    model: Model
    engine_version: str
    attempt_id: str
    attempt_number: int | None
    started_at: dt.datetime

    @property
    def engine_pin(self) -> EnginePin:
        return EnginePin(
            run_id=self.message.run_id,
            model=self.model.name,
            model_version=self.model.version,
            engine_version=self.engine_version,
            created_at=self.started_at,
        )

    def outcome(self, execution: _Execution, finished_at: dt.datetime) -> Outcome:
        return Outcome(
            run_id=self.message.run_id,
            shard_id=self.message.shard_id,
            start_index=self.message.start_index,
            end_index_exclusive=self.message.end_index_exclusive,
            total_points=self.message.total_points,
            status=execution.status,
            attempt_id=self.attempt_id,
            attempt_number=self.attempt_number,
            points_succeeded=execution.succeeded,
            points_failed=execution.failed,
            error_code=execution.error_code,
            error_message=execution.error_message and execution.error_message[:MAX_ERROR_MESSAGE],
            error_point_index=execution.error_point_index,
            retryable=execution.retryable,
            started_at=self.started_at,
            finished_at=finished_at,
            cpu_seconds=execution.cpu_seconds,
            engine_version=self.engine_version,
            model=self.model.name,
            model_version=self.model.version,
            spec_fingerprint=self.message.spec.fingerprint,
            content_sha256=execution.content_sha256,
            artifacts=(),
        )


def _execute(
    attempt: _Attempt,
    engine: Engine,
    conditions: Conditions,
    folder: Path,
    encoding: _Stopwatch,
    *,
    progress: Callable[[int], None],
    stop: Event,
) -> _Execution:
    """Run the points into files under `folder`; every way in which an engine can fail ends in a value."""
    message, model = attempt.message, attempt.model
    if message.shard_id in message.failure_injection_shards:
        return _Execution("failure", INJECTED_FAILURE, "the message asked for this failure")
    request = encode_request(message.spec, message.start_index, message.end_index_exclusive, conditions.threads)
    reader = RecordReader(message, model)
    fault: EngineFaultError | None = None
    with ExitStack() as open_files:
        writers = {
            name: open_files.enter_context(DatasetWriter(name, schema, folder))
            for name, schema in schemas(model, message.outputs).items()
        }
        run = engine.start(request, timeout=conditions.timeout, stop=stop)
        try:
            with run:
                _require_described(run.begin(), model)
                for block in run.blocks():
                    with encoding:
                        batch = reader.read(block)
                        for name, rows in batch.rows.items():
                            writers[name].add(rows)
                    progress(reader.next_index - message.start_index)
                    if batch.fault is not None:
                        raise batch.fault
                reader.finish(run.finished)
        except RefusedError as refusal:
            return _refused(refusal)
        except EngineFaultError as error:
            fault = error
        with encoding:
            files = tuple(writer.finish(reader.content_sha256) for writer in writers.values())
    counts = _Execution(
        "success",
        succeeded=reader.succeeded,
        failed=reader.failed,
        cpu_seconds=run.cpu_seconds,
        files=files,
    )
    if fault is not None:
        return replace(
            counts,
            status="failure",
            error_code=fault.error_code,
            error_message=fault.message,
            error_point_index=reader.next_index,
            retryable=True,
        )
    complete = replace(counts, content_sha256=reader.content_sha256)
    first = reader.first_failure
    if first is None:
        return complete
    return replace(
        complete,
        status="failure",
        error_code=POINT_FAILED,
        error_message=f"{first.error_code}: {first.error_message}",
        error_point_index=first.point_index,
    )


def _require_described(started: Started, model: Model) -> None:
    """Raise EngineUnavailableError where the engine that runs is not the one that described itself."""
    columns = {parameter.name: parameter.type for parameter in model.parameters}
    metrics = {metric.name: metric.type for metric in model.metrics}
    described = (model.name, model.version, columns, metrics)
    if (started.model, started.model_version, started.parameters, started.metrics) != described:
        msg = f"the engine runs {started.model} version {started.model_version}, and described another"
        raise EngineUnavailableError(msg, remedy="Start the worker again: its engine was replaced under it.")


def _refused(refusal: RefusedError) -> _Execution:
    if refusal.error_code == INVALID_PARAMETERS:
        return _Execution("failure", INVALID_PARAMETERS, refusal.message)
    # The worker checked the request and asked for a model that the engine described.
    return _Execution("failure", "engine_refused", f"{refusal.error_code}: {refusal.message}", retryable=True)


def _ended_by(error: SweepctlError, status: Literal["conflict", "interrupted"]) -> _Execution:
    return _Execution(status, error.kind, error.message, retryable=status == "interrupted")

"""One execution of a shard: the engine's points into files, and what every record of the attempt says.

Nothing here is in the store yet: `shard` commits what comes of it. However an engine fails, it ends in a value.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Literal

from sweepctl.engine.client import Engine
from sweepctl.engine.reader import RecordReader
from sweepctl.errors import (
    EngineFaultError,
    EngineUnavailableError,
    RefusedError,
    ScratchError,
    SweepctlError,
)
from sweepctl.messages import ShardMessage
from sweepctl.protocol import Model, Started
from sweepctl.records.outcome import (
    INJECTED_FAILURE,
    INVALID_PARAMETERS,
    MAX_ERROR_MESSAGE,
    POINT_FAILED,
    EnginePin,
    Outcome,
    Status,
)
from sweepctl.records.table import DataFile, DatasetWriter, schemas


@dataclass(frozen=True)
class Conditions:
    """Under which conditions a worker runs shards: its own choices, never a message's."""

    threads: int | None = None
    timeout: float | None = None  # seconds
    force: bool = False  # run again what stands already, and compare
    allow_failure_injection: bool = False
    deadline: float | None = (
        None  # of an engine, by the worker's monotonic clock: whoever runs the worker ends it soon after
    )

    def engine_seconds(self, now: float) -> float | None:
        """Return how long an engine may run that starts now; None: as long as it takes."""
        left = None if self.deadline is None else max(0.0, self.deadline - now)
        return min((each for each in (self.timeout, left) if each is not None), default=None)


@contextmanager
def scratch_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError of writing files on their way to the store into a ScratchError: a full disk, most of all."""
    try:
        yield
    except OSError as error:
        msg = f"cannot write in {folder}: {error.strerror or error}"
        remedy = "Free space there, or plan smaller shards. Nothing half-written is in the store."
        raise ScratchError(msg, remedy=remedy) from error


class Stopwatch:
    """Adds up the time within its `with` blocks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Start at nothing."""
        self._monotonic = monotonic
        self._started_at = 0.0
        self.seconds = 0.0

    def __enter__(self) -> None:
        """Start."""
        self._started_at = self._monotonic()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.seconds += self._monotonic() - self._started_at


@dataclass(frozen=True)
class Execution:
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
class Attempt:
    """One execution of a shard: what every record of it says."""

    message: ShardMessage
    model: Model
    engine_version: str
    attempt_id: str
    attempt_number: int | None
    started_at: dt.datetime

    @property
    def engine_pin(self) -> EnginePin:
        """What the run is to be pinned to."""
        return EnginePin(
            run_id=self.message.run_id,
            model=self.model.name,
            model_version=self.model.version,
            engine_version=self.engine_version,
            created_at=self.started_at,
        )

    def outcome(self, execution: Execution, finished_at: dt.datetime) -> Outcome:
        """Return the record of this attempt, its artifacts still to be committed."""
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


def execute(
    attempt: Attempt,
    engine: Engine,
    seconds: float | None,
    folder: Path,
    encoding: Stopwatch,
    *,
    request: bytes,
    progress: Callable[[int], None],
    stop: Event,
) -> Execution:
    """Run what `request` asks for into files under `folder`, in so many seconds.

    Every way in which an engine can fail ends in a value.
    """
    message, model = attempt.message, attempt.model
    if message.shard_id in message.failure_injection_shards:
        return Execution("failure", INJECTED_FAILURE, "the message asked for this failure")
    reader = RecordReader(message, model)
    fault: EngineFaultError | None = None
    with ExitStack() as open_files:
        writers = {
            name: open_files.enter_context(DatasetWriter(name, schema, folder))
            for name, schema in schemas(model, message.outputs).items()
        }
        run = engine.start(request, timeout=seconds, stop=stop)
        try:
            with run:
                _require_described(run.begin(), attempt)
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
            files = tuple(writer.finish() for writer in writers.values())
    counts = Execution(
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
            error_point_index=_first_failing(reader, message),
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


def _first_failing(reader: RecordReader, message: ShardMessage) -> int | None:
    """The first point that failed by itself, else the first without a record; None when all have a good one."""
    if reader.first_failure is not None:
        return reader.first_failure.point_index
    return reader.next_index if reader.next_index < message.end_index_exclusive else None


def _require_described(started: Started, attempt: Attempt) -> None:
    """Raise EngineUnavailableError where the engine that runs is not the one that described itself."""
    model = attempt.model
    described = Started(
        record="started",
        protocol="v1",
        engine_version=attempt.engine_version,
        model=model.name,
        model_version=model.version,
        parameters={parameter.name: parameter.type for parameter in model.parameters},
        metrics={metric.name: metric.type for metric in model.metrics},
        datasets={
            dataset.name: {column.name: column.type for column in dataset.columns}
            for dataset in model.datasets
            if dataset.name in attempt.message.outputs
        },
    )
    if started != described:
        msg = f"the engine runs {started.model} version {started.model_version} and described another"
        raise EngineUnavailableError(msg, remedy="Start the worker again: its engine was replaced under it.")


def _refused(refusal: RefusedError) -> Execution:
    if refusal.error_code == INVALID_PARAMETERS:
        return Execution("failure", INVALID_PARAMETERS, refusal.message)
    # The worker checked the request, and asked for a model that the engine described: the two do not fit together.
    msg = f"the engine refused a request of this worker ({refusal.error_code}): {refusal.message}"
    raise EngineUnavailableError(msg, remedy="Give --engine a sweep-engine of this release.") from refusal


def ended_by(error: SweepctlError, status: Literal["conflict", "interrupted"]) -> Execution:
    """Return what came of an attempt that an error ended."""
    return Execution(status, error.kind, error.message, retryable=status == "interrupted")

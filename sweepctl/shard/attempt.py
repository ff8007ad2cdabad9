"""One execution of a shard: runs the engine, writes its points to files, and builds the attempt's record.

Nothing here writes to the store: `shard.commit` does. An engine that fails is returned as a value, not raised.
"""

import datetime as dt
import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Literal

import pyarrow as pa

from sweepctl.design import Grid
from sweepctl.engine.client import Engine
from sweepctl.engine.points import Clock, Requests, run_points
from sweepctl.engine.reader import RecordReader
from sweepctl.engine.run import EngineRun
from sweepctl.errors import (
    EngineFaultError,
    EngineUnavailableError,
    MessageError,
    NoRoomError,
    RefusedError,
    ScratchError,
    SweepctlError,
)
from sweepctl.messages import ShardMessage
from sweepctl.protocol import Model, Started
from sweepctl.records.outcome import (
    INJECTED_FAILURE,
    INVALID_PARAMETERS,
    KEPT_FILES,
    MAX_ERROR_MESSAGE,
    POINT_FAILED,
    EnginePin,
    Outcome,
    Status,
)
from sweepctl.records.table import POINT_OUTCOMES, DataFile, DatasetWriter, schema_of, schemas
from sweepctl.shard.conditions import ScratchLimit
from sweepctl.shard.slow_point import Progress, SlowPointLog, slow_point
from sweepctl.spec import Spec

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DEFAULTS = Grid(kind="grid", dimensions={})  # one point, of the model's default parameters


@contextmanager
def scratch_errors(folder: Path) -> Iterator[None]:
    """Turn an OSError from writing scratch files into a ScratchError, and one by a full disk into a NoRoomError."""
    try:
        yield
    except OSError as error:
        msg = f"cannot write to {folder}: {error.strerror or error}"
        remedy = "Free space there, or plan smaller shards. The store holds no incomplete file."
        kind = NoRoomError if error.errno in DISK_FULL else ScratchError
        raise kind(msg, remedy=remedy) from error


class Stopwatch:
    """Adds up the time spent in its `with` blocks."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Start at zero."""
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
    """The result of executing a shard, before any of it is in the store."""

    status: Status
    error_code: str | None = None
    error_message: str | None = None
    error_point_index: int | None = None
    retryable: bool = False
    succeeded: int = 0
    failed: int = 0
    machine_dependent: int = 0  # of the failed points
    excluded: int = 0
    cpu_seconds: float = 0.0
    content_sha256: str | None = None  # None unless every point has a record
    files: tuple[DataFile, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """One execution of a shard: the fields that all its records share."""

    message: ShardMessage
    model: Model
    engine_version: str
    attempt_id: str
    attempt_number: int | None
    started_at: dt.datetime
    engine_sha256: str | None = None  # None until the engine is to run

    @property
    def engine_pin(self) -> EnginePin:
        """The engine pin that this attempt proposes for the run."""
        return EnginePin(
            run_id=self.message.run_id,
            model=self.model.name,
            model_version=self.model.version,
            engine_version=self.engine_version,
            created_at=self.started_at,
            engine_sha256=self.engine_sha256,
            declaration_json=self.model.to_json(),
        )

    def outcome(self, execution: Execution, finished_at: dt.datetime) -> Outcome:
        """Return the record of this attempt; its artifacts are added by the commit."""
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
            finished_at=max(self.started_at, finished_at),  # a clock may be set back meanwhile
            cpu_seconds=execution.cpu_seconds,
            engine_version=self.engine_version,
            model=self.model.name,
            model_version=self.model.version,
            spec_fingerprint=self.message.spec.fingerprint,
            content_sha256=execution.content_sha256,
            artifacts=(),
            engine_sha256=self.engine_sha256,
            points_machine_dependent=execution.machine_dependent,
            points_excluded=execution.excluded,
        )


def execute(
    attempt: Attempt,
    engine: Engine,
    requests: Requests,
    folder: Path,
    encoding: Stopwatch,
    *,
    room: ScratchLimit | None,
    clock: Clock,
    progress: Progress,
    stop: Event,
    former_content: str | None = None,
) -> Execution:
    """Run the points of the attempt's shard, and write them to files under `folder`.

    `former_content` is the content digest that the file of points' results has if an earlier release has written it:
    one that is missing is then recreated with the same bytes.

    An engine that fails is returned as a failed execution.

    Raises:
        MessageError: the engine refused the request, or the files take more than the worker allows.
        NoRoomError: the files take more than this machine has room for.
        EngineUnavailableError: the engine refuses every request, or cannot be started.
        InterruptedRunError: `stop` was set.
    """
    message, model = attempt.message, attempt.model
    if message.shard_id in message.failure_injection_shards:
        return Execution("failure", INJECTED_FAILURE, "the message requested this failure")
    reader = RecordReader(message, model)
    log = SlowPointLog(run_id=message.run_id, shard_id=message.shard_id, attempt_id=attempt.attempt_id)
    with ExitStack() as open_files:
        writers = {
            name: open_files.enter_context(DatasetWriter(name, schema, folder))
            for name, schema in schemas(model, message.outputs).items()
        }

        has_begun = False

        def take(run: EngineRun) -> None:
            nonlocal has_begun
            has_begun = False
            _require_described(run.begin(), attempt, engine)
            has_begun = True
            for block in run.blocks():
                with encoding:
                    batch = reader.read(block)
                    for name, rows in batch.rows.items():
                        writers[name].add(rows)
                _require_room(writers.values(), room)
                slow = slow_point(run.running, reader, message)
                log.note(slow)
                progress(reader.next_index - message.start_index, slow)
                if batch.fault is not None:
                    raise batch.fault
            reader.finish(run.finished)

        try:
            fault, cpu_seconds = run_points(
                engine, requests, reader, take, clock=clock, stop=stop, spec=message.spec.fingerprint
            )
        except RefusedError as refusal:
            return _refused(refusal, model, engine)
        with encoding:
            digest = (former_content or reader.content_sha256) if fault is None else None
            files = tuple(writer.finish(digest if name == POINT_OUTCOMES else None) for name, writer in writers.items())
            files += _kept_files(reader, message, folder)
        _require_room(files, room)
    counts = Execution(
        "success",
        succeeded=reader.succeeded,
        failed=reader.failed,
        machine_dependent=reader.machine_dependent,
        excluded=reader.excluded,
        cpu_seconds=cpu_seconds,
        files=files,
    )
    if fault is not None:
        return replace(
            counts,
            status="failure",
            error_code=fault.error_code,
            error_message=fault.message,
            error_point_index=_culprit(fault, reader, message, has_begun=has_begun),
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


def _kept_files(reader: RecordReader, message: ShardMessage, folder: Path) -> tuple[DataFile, ...]:
    """Write the files that points with a record keep, if there are any."""
    rows = [
        {"run_id": message.run_id, "shard_id": message.shard_id, "bytes": each.size, **vars(each)}
        for each in reader.kept.of_points_before(reader.next_index)
    ]
    if not rows:
        return ()
    schema = schema_of(KEPT_FILES, ())
    with DatasetWriter(KEPT_FILES, schema, folder) as writer:
        writer.add(pa.Table.from_pylist(rows, schema=schema))
        return (writer.finish(),)


def _require_room(files: Iterable[DatasetWriter | DataFile], room: ScratchLimit | None) -> None:
    """Raise an error if the files of a shard take too many bytes."""
    if room is not None:
        room.check(sum(file.bytes for file in files))


def _culprit(fault: EngineFaultError, reader: RecordReader, message: ShardMessage, *, has_begun: bool) -> int | None:
    """Return the point that was running alone when its engine failed; None if that is not known: never a guess.

    `has_begun`: whether that engine had begun to run points.
    """
    if fault.point_index is not None:
        return fault.point_index
    return reader.next_index if has_begun and reader.next_index + 1 == message.end_index_exclusive else None


def _require_described(started: Started, attempt: Attempt, engine: Engine) -> None:
    """Raise an error unless the running engine matches its earlier description.

    Raises:
        WrongEngineError: the model is a program that has changed since.
        EngineUnavailableError: it is another engine.
    """
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
        _require_same_program(model, engine)
        msg = f"the running engine has {started.model} version {started.model_version}, which is not what it described"
        raise EngineUnavailableError(msg, remedy="Restart the worker: its engine was replaced while it ran.")


def _require_same_program(model: Model, engine: Engine) -> None:
    """Raise EngineUnavailableError if the model is a program that is another now, or gone."""
    which = None if model.program is None else engine.changed(model.name)
    if which is not None:
        msg = f"the program of model {model.name} is no longer what it was when this worker began: {which}"
        raise EngineUnavailableError(msg, remedy="Restore its files, or start the worker again, for another run.")


def _refused(refusal: RefusedError, model: Model, engine: Engine) -> Execution:
    """Blame the message for what the engine refused, unless the engine refuses what is known to be valid too."""
    if refusal.error_code == INVALID_PARAMETERS:
        return Execution("failure", INVALID_PARAMETERS, refusal.message)
    msg = f"the engine refused the request for its points ({refusal.error_code}): {refusal.message}"
    try:
        engine.identify(Spec(model.name, {}, {}, replications=1, seed=0, outputs=()), DEFAULTS, 0)
    except EngineFaultError as fault:
        return Execution("failure", fault.error_code, fault.message, retryable=True)
    except RefusedError as other:
        if other.error_code != INVALID_PARAMETERS:
            _require_same_program(model, engine)
            raise EngineUnavailableError(msg, remedy="Give --engine a sweep-engine of this release.") from refusal
    raise MessageError(msg, remedy="Correct the message; docs/protocol.md lists what an engine accepts.") from refusal


def ended_by(error: SweepctlError, status: Literal["conflict", "interrupted"]) -> Execution:
    """Return the execution of an attempt that an error ended."""
    return Execution(status, error.kind, error.message, retryable=status == "interrupted")

"""How a shard's results get into a store: the commit rules of docs/architecture.md, one function each.

Every write is conditional, data is written before the outcome that names it, and only an outcome is ever replaced.
`records.table` knows what the rows are, `store` how they are stored.
"""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from sweepctl.errors import ConflictError, MessageError, StoreError, WrongEngineError
from sweepctl.messages import ShardMessage, body_digest
from sweepctl.protocol import Model
from sweepctl.records import layout, table
from sweepctl.records.datafile import open_rows, require_damage, same_rows
from sweepctl.records.outcome import (
    KEPT_FILES,
    TWO_RESULTS,
    Artifact,
    EnginePin,
    Outcome,
    Precedence,
    RunRecord,
    judge,
)
from sweepctl.records.run import decode_engine_pin, decode_run_record, find_outcome
from sweepctl.records.table import POINT_OUTCOMES, DataFile
from sweepctl.shard.adopt import Standing, same_without, standing, without
from sweepctl.spec import Spec
from sweepctl.store.contract import Put, Store, exists

# Ranks only rise, so comparing outcomes ends; this bounds it in an inconsistent store.
MAX_JUDGEMENTS = 20
MAX_ADOPTED = 100  # times the size of this attempt's own file
MAX_KEPT_BYTES = 128 << 20  # of a file of kept files, more than any attempt writes


def agree_run(store: Store, message: ShardMessage, now: dt.datetime) -> RunRecord:
    """Return the run record, creating it if the message is the first of its run.

    The first worker also sets the run_date of messages that have none, so that a retry on another day writes to the
    same place. `require_same_run` checks that message and record agree.
    """
    proposed = RunRecord(
        run_id=message.run_id,
        run_date=message.run_date or now.date().isoformat(),
        spec_json=message.spec.to_json(),
        spec_fingerprint=message.spec.fingerprint,
        total_points=message.total_points,
        shard_points=None,
        created_at=now,
    )
    return pin_run(store, proposed)


def pin_run(store: Store, proposed: RunRecord) -> RunRecord:
    """Return the run record of the run_id: the existing one, or `proposed` if there was none."""
    return _create_or_read(store, layout.run_record(proposed.run_id), proposed, decode_run_record)


def require_same_run(run: RunRecord, message: ShardMessage) -> None:
    """Raise ConflictError if the message is of a different sweep than the run record."""
    if run.spec_fingerprint != message.spec.fingerprint:
        msg = other_spec(run, message.spec, "this message")
        raise ConflictError(msg, remedy="A run_id identifies one sweep: use another run_id for the other sweep.")
    if message.run_date not in {None, run.run_date}:
        msg = f"run {run.run_id} was created with run_date {run.run_date}, but this message has {message.run_date}"
        raise ConflictError(msg, remedy="Send the run's own run_date, or none.")
    planned = run.shard_bounds(message.shard_id)
    if planned is not None and planned != (message.start_index, message.end_index_exclusive):
        start, end = planned
        msg = (
            f"run {run.run_id} is sharded differently: shard {message.shard_id} covers [{start}, {end}) in the store "
            f"and [{message.start_index}, {message.end_index_exclusive}) in this message"
        )
        raise ConflictError(msg, remedy="Send the run's own messages, or use another run_id for the other sharding.")


def other_spec(run: RunRecord, spec: Spec, whose: str) -> str:
    """Return what to say of a spec that is not the run's: both digests, and where the two differ."""
    return (
        f"run {run.run_id} was created with spec {run.spec_fingerprint}, but {whose} has spec {spec.fingerprint}; "
        f"they differ in {run.spec.differences(spec)}"
    )


def agree_engine(store: Store, pin: EnginePin) -> None:
    """Pin the run to this worker's model version, or check that it already is.

    Raises:
        WrongEngineError: the run is pinned to another model version.
    """
    existing = _create_or_read(store, layout.engine_pin(pin.run_id), pin, decode_engine_pin)
    if (existing.model, existing.model_version) != (pin.model, pin.model_version):
        msg = (
            f"run {pin.run_id} is pinned to {existing.model} version {existing.model_version}, "
            f"but this engine has {pin.model} version {pin.model_version}"
        )
        changes = _changes(existing, pin)
        what = "Restore the program's files" if changes else "Use the engine of the run's first shard"
        raise WrongEngineError(msg + changes, remedy=f"{what}, or run under another run_id.")


def _changes(pinned: EnginePin, own: EnginePin) -> str:
    changes = changed_files(pinned.declaration_json, own.declaration_json)
    return f": {', '.join(changes)}" if changes else ""


def changed_files(pinned: str | None, own: str | None) -> list[str]:
    """Return in which files of a program two declarations of it differ; nothing if that is not known."""
    try:
        before, after = (None if text is None else Model.model_validate_json(text).program for text in (pinned, own))
    except ValidationError:
        return []  # verify reports a damaged declaration
    return before.changes(after) if before and after else []


def commit_complete(store: Store, run: RunRecord, outcome: Outcome, files: Sequence[DataFile]) -> Outcome:
    """Commit an attempt that has a record for every point; return the shard's outcome, which may be an earlier one.

    Raises:
        ConflictError: the shard already has a different result; nothing was overwritten.
    """
    # Data before the outcome: an outcome guarantees that its files exist.
    outcome = _commit_files(store, run, outcome, files)
    return _commit_outcome(store, run, outcome)


def commit_incomplete(store: Store, run: RunRecord, outcome: Outcome, files: Sequence[DataFile]) -> Outcome:
    """Record an attempt that did not run every point; return the shard's outcome, which may be an earlier one."""
    artifacts = tuple(_keep_partial(store, run, outcome, file) for file in files if file.rows)
    outcome = dataclasses.replace(outcome, artifacts=artifacts)
    # The attempt's row before the outcome: otherwise a failure that is replaced later would leave no trace.
    record_attempt(store, run, outcome)
    return _commit_outcome(store, run, outcome)


def record_attempt(store: Store, run: RunRecord, outcome: Outcome) -> None:
    """Record an attempt that is not the shard's outcome, or may be superseded."""
    key = layout.ShardKeys.of(run, outcome.shard_id).attempt(outcome.attempt_id)
    # EXISTS can only be this same row, written before its reply was lost: the attempt_id is unique.
    store.create(key, table.encode(outcome))


def record_rejection(store: Store, body: bytes, message_id: str, reason: MessageError, now: dt.datetime) -> None:
    """Record a message body that is not a shard message; the first record of a body is kept."""
    digest = body_digest(body)
    fields = {
        "body_sha256": digest,
        "bytes": len(body),
        "reason": reason.message,
        "message_id": message_id,
        "rejected_at": now.isoformat(timespec="milliseconds"),
    }
    store.create(layout.rejection(digest), json.dumps(fields).encode() + b"\n")


def _create_or_read(
    store: Store, key: str, proposed: table.Record, decode: Callable[[bytes, str], table.Record]
) -> table.Record:
    for _ in range(MAX_JUDGEMENTS):
        stored = store.read(key)
        if stored is not None:
            store.make_durable(key)  # its writer may not have, and everything that follows is based on it
            return decode(stored.body, store.locate(key))
        if store.create(key, table.encode(proposed)) is Put.WRITTEN:
            return proposed
    raise _inconsistent(store, key)


def require_named(store: Store, run: RunRecord, existing: Outcome, outcome: Outcome, files: Sequence[DataFile]) -> None:
    """Raise ConflictError if a file that the shard's outcome names is missing, and this attempt's is another one.

    To be called before any is created: what is created stays, and would not be what the outcome names.
    """
    named = {artifact.key: artifact for artifact in existing.artifacts}
    keys = layout.ShardKeys.of(run, outcome.shard_id)
    for file in files:
        key = keys.dataset(file.dataset, outcome.model)
        if file.dataset == KEPT_FILES or key not in named or exists(store, key):
            continue
        if _artifact(file, key).sha256 != named[key].sha256:
            other = f"the file of this attempt has other bytes than attempt {existing.attempt_id} committed"
            msg = f"{store.locate(key)} is missing, and cannot be recreated here: {other}"
            remedy = "Restore it from a backup; or use the release and the engine that wrote it. Nothing was changed."
            raise ConflictError(msg, remedy=remedy)


def _commit_files(store: Store, run: RunRecord, outcome: Outcome, files: Sequence[DataFile]) -> Outcome:
    """Create or adopt the data objects; return the outcome that they make."""
    artifacts = []
    stands: Standing | None = None
    for file in files:
        if file.dataset == POINT_OUTCOMES:
            artifact, stands = _commit_points(store, run, outcome, file)
        elif file.dataset == KEPT_FILES:
            artifact = _commit_kept(store, run, outcome, file)
        else:
            artifact = _commit_data(store, run, outcome, file, stands)
        artifacts.append(artifact)
    outcome = outcome if stands is None else stands.outcome(outcome)
    return dataclasses.replace(outcome, artifacts=tuple(artifacts))


def _commit_points(store: Store, run: RunRecord, outcome: Outcome, file: DataFile) -> tuple[Artifact, Standing | None]:
    """Create the file of points' results, or adopt one that differs at most in what depends on the machine.

    The second is None if the two are equal, or there was no other.
    """
    key = layout.ShardKeys.of(run, outcome.shard_id).dataset(file.dataset, outcome.model)
    created, found = _create_or_fetch(store, key, file, _adoptable(file))
    if found is None:
        return created, None
    if _equal_rows(found, file):
        return _artifact(found, key), None
    stands = standing(found.path, file.path)
    if stands is None:
        raise _other_result(store, key)
    return _artifact(found, key), stands


def _commit_data(store: Store, run: RunRecord, outcome: Outcome, file: DataFile, stands: Standing | None) -> Artifact:
    """Create a data object, or adopt an equal one that an earlier attempt left."""
    key = layout.ShardKeys.of(run, outcome.shard_id).dataset(file.dataset, outcome.model)
    if stands is not None and stands.missing and not exists(store, key):
        # The earlier attempt ended between its files, and had rows that this one could not compute.
        raise _other_result(store, key)
    if stands is not None:
        file = without(file, stands.apart)
    created, found = _create_or_fetch(store, key, file, _adoptable(file))
    if found is None:
        return created
    if stands is not None:
        if not same_without(found, file, stands.apart):
            raise _other_result(store, key)
        return _artifact(dataclasses.replace(found, rows=table.row_count(found.path)), key)
    if not _equal_rows(found, file):
        raise _other_result(store, key)
    return _artifact(found, key)


def _commit_kept(store: Store, run: RunRecord, outcome: Outcome, file: DataFile) -> Artifact:
    """Create the file of kept files, or adopt that of an earlier attempt, whatever it kept: they are no results."""
    key = layout.ShardKeys.of(run, outcome.shard_id).dataset(KEPT_FILES, outcome.model)
    created, found = _create_or_fetch(store, key, file, MAX_KEPT_BYTES)
    if found is None:
        return created
    try:
        with open_rows(found.path) as opened:
            rows = opened.metadata.num_rows
    except table.PARQUET_ERRORS as error:
        require_damage(error)
        raise _other_result(store, key) from error
    return _artifact(dataclasses.replace(found, rows=rows), key)


def _adoptable(file: DataFile) -> int:
    # Equal rows take about as many bytes, whatever library wrote them: nothing else may fill the disk.
    return MAX_ADOPTED * file.path.stat().st_size


def _create_or_fetch(store: Store, key: str, file: DataFile, most_bytes: int) -> tuple[Artifact, DataFile | None]:
    """Create an object of a file; return also the one that is there, if there is one, of at most `most_bytes`."""
    artifact = _artifact(file, key)
    if store.create(key, file.path) is Put.WRITTEN:
        return artifact, None
    found = file.path.with_suffix(".found")
    if not store.fetch(key, found, most_bytes):
        raise _inconsistent(store, key)
    return artifact, DataFile(file.dataset, found, file.rows)


def _equal_rows(found: DataFile, own: DataFile) -> bool:
    # Another library version gives other bytes for equal rows. So rows are compared, not what the file's metadata says.
    return _sha256_of(found.path) == _sha256_of(own.path) or same_rows(found.path, own.path)


def _other_result(store: Store, key: str) -> ConflictError:
    msg = f"{store.locate(key)} holds a different result than this attempt computed"
    return ConflictError(msg, remedy=TWO_RESULTS)


def _keep_partial(store: Store, run: RunRecord, outcome: Outcome, file: DataFile) -> Artifact:
    key = layout.ShardKeys.of(run, outcome.shard_id).partial(file.dataset, outcome.model, outcome.attempt_id)
    artifact = _artifact(file, key)
    store.create(key, file.path)  # EXISTS can only be this same file: its key has the attempt_id
    return artifact


def _commit_outcome(store: Store, run: RunRecord, outcome: Outcome) -> Outcome:
    """Write the outcome unless one of equal or higher rank exists; return the shard's outcome."""
    key = layout.ShardKeys.of(run, outcome.shard_id).outcome
    body = table.encode(outcome)
    for _ in range(MAX_JUDGEMENTS):
        stored = store.read(key)
        existing = None if stored is None else table.decode(Outcome, stored.body, store.locate(key))
        # This attempt's own outcome, written before its reply was lost, has equal rank and is kept like any other.
        if existing is not None and judge(existing, outcome) is Precedence.KEEP:
            # Before the caller acknowledges: its writer may have died in between.
            store.make_durable(key)
            return existing
        try:
            # The etag of the body that was judged: a newer outcome must be judged before it is replaced.
            put = store.create(key, body) if stored is None else store.replace(key, body, stored.etag)
        except StoreError:
            # The write may have succeeded; only the store knows. Every execution draws its own attempt_id, so an
            # outcome with this attempt_id is this attempt's. Otherwise the error is raised.
            found = find_outcome(store, run, outcome.shard_id)
            if found is not None and found.attempt_id == outcome.attempt_id:
                store.make_durable(key)  # if that is what failed
                return outcome
            raise
        if put is Put.WRITTEN:
            return outcome
    raise _inconsistent(store, key)


def _artifact(file: DataFile, key: str) -> Artifact:
    return Artifact(
        dataset=file.dataset,
        key=key,
        bytes=file.path.stat().st_size,
        rows=file.rows,
        sha256=_sha256_of(file.path),
    )


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inconsistent(store: Store, key: str) -> StoreError:
    msg = f"inconsistent store: {store.locate(key)} exists on create but cannot be read"
    return StoreError(msg, remedy="Use a store with strong read-after-write consistency.")

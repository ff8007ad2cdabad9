"""How a shard's results get into a store: the rules of docs/architecture.md, Commit, one function each.

Every write is conditional, data comes before the outcome that names it, and only an outcome is ever replaced. What
the rows are is `table`'s business, how they are stored is `store`'s.
"""

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sweepctl.errors import ConflictError, MessageError, StoreError, WrongEngineError
from sweepctl.messages import ShardMessage, body_digest
from sweepctl.records import layout, table
from sweepctl.records.outcome import TWO_RESULTS, Artifact, EnginePin, Outcome, Precedence, RunRecord, judge
from sweepctl.records.run import decode_engine_pin, decode_run_record, find_outcome
from sweepctl.records.table import DataFile
from sweepctl.store.contract import Put, Store

# Ranks only rise, so that a loop of judging ends; a store that contradicts itself must not make it endless.
MAX_JUDGEMENTS = 20


def agree_run(store: Store, message: ShardMessage, now: dt.datetime) -> RunRecord:
    """Return the run record that stands, creating it where the message is the first of its run.

    Whoever comes first also settles the date for those messages that name none, so that a retry on another day lands
    in the same place. Whether message and record agree is for `require_same_run`.
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
    """Return the run record that stands under the run_id, `proposed` where there was none."""
    return _create_or_read(store, layout.run_record(proposed.run_id), proposed, decode_run_record)


def require_same_run(run: RunRecord, message: ShardMessage) -> None:
    """Raise ConflictError where the message means another sweep than the run record."""
    if run.spec_fingerprint != message.spec.fingerprint:
        msg = (
            f"run {run.run_id} stands for spec {run.spec_fingerprint}, "
            f"this message is of spec {message.spec.fingerprint}"
        )
        raise ConflictError(msg, remedy="A run_id means one sweep: give the other sweep a run_id of its own.")
    if message.run_date not in {None, run.run_date}:
        msg = f"run {run.run_id} stands under run_date {run.run_date}, this message says {message.run_date}"
        raise ConflictError(msg, remedy="Send the run's own date, or none.")
    planned = run.shard_bounds(message.shard_id)
    if planned not in {None, (message.start_index, message.end_index_exclusive)}:
        msg = (
            f"shard {message.shard_id} of run {run.run_id} was planned as points {planned}, this message says "
            f"({message.start_index}, {message.end_index_exclusive})"
        )
        raise ConflictError(msg, remedy="Send the run's own messages, or give the other sharding a run_id of its own.")


def agree_engine(store: Store, pin: EnginePin) -> None:
    """Pin the run to this worker's model version, or find that it is the wrong worker.

    Raises:
        WrongEngineError: the run is pinned to another model version.
    """
    standing = _create_or_read(store, layout.engine_pin(pin.run_id), pin, decode_engine_pin)
    if (standing.model, standing.model_version) != (pin.model, pin.model_version):
        msg = (
            f"run {pin.run_id} is pinned to {standing.model} version {standing.model_version}, "
            f"this engine has {pin.model} version {pin.model_version}"
        )
        raise WrongEngineError(msg, remedy="Use the engine of the run's first shard, or start a new run.")


def commit_complete(store: Store, run: RunRecord, outcome: Outcome, files: Sequence[DataFile]) -> Outcome:
    """Commit an attempt that has a record for every point; return the outcome that stands then.

    Raises:
        ConflictError: the shard has another result already; nothing was overwritten.
    """
    # Data before the outcome: an outcome is a promise that its files are there.
    artifacts = tuple(_commit_data(store, run, outcome, file) for file in files)
    return _commit_outcome(store, run, dataclasses.replace(outcome, artifacts=artifacts))


def commit_incomplete(store: Store, run: RunRecord, outcome: Outcome, files: Sequence[DataFile]) -> Outcome:
    """Record an attempt that did not run every point; return the outcome that stands then."""
    artifacts = tuple(_keep_partial(store, run, outcome, file) for file in files if file.rows)
    outcome = dataclasses.replace(outcome, artifacts=artifacts)
    # History before the verdict: a failure that is replaced later would leave no trace otherwise.
    record_attempt(store, run, outcome)
    return _commit_outcome(store, run, outcome)


def record_attempt(store: Store, run: RunRecord, outcome: Outcome) -> None:
    """Record an attempt that is not, or may not stay, the shard's outcome."""
    key = layout.ShardKeys.of(run, outcome.shard_id).attempt(outcome.attempt_id)
    # EXISTS can only be this very row, written before its reply was lost: nobody else has the attempt_id.
    store.create(key, table.encode(outcome))


def record_rejection(store: Store, body: bytes, message_id: str, reason: MessageError, now: dt.datetime) -> None:
    """Record a message body that no shard can be made of; the first record of a body stays."""
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
            return decode(stored.body, store.locate(key))
        if store.create(key, table.encode(proposed)) is Put.WRITTEN:
            return proposed
    raise _contradiction(store, key)


def _commit_data(store: Store, run: RunRecord, outcome: Outcome, file: DataFile) -> Artifact:
    """Create a data object, or adopt the equal one that an earlier attempt left."""
    key = layout.ShardKeys.of(run, outcome.shard_id).dataset(file.dataset, outcome.model)
    artifact = _artifact(file, key)
    if store.create(key, file.path) is Put.WRITTEN:
        return artifact
    found = file.path.with_suffix(".found")
    if not store.fetch(key, found):
        raise _contradiction(store, key)
    adopted = _artifact(DataFile(file.dataset, found, file.rows), key)
    # Equal work under another library version: other bytes, the same rows. What the file says of itself proves nothing.
    if adopted.sha256 == artifact.sha256 or table.same_rows(found, file.path):
        return adopted
    msg = f"{store.locate(key)} holds another result than this attempt computed"
    raise ConflictError(msg, remedy=TWO_RESULTS)


def _keep_partial(store: Store, run: RunRecord, outcome: Outcome, file: DataFile) -> Artifact:
    key = layout.ShardKeys.of(run, outcome.shard_id).partial(file.dataset, outcome.model, outcome.attempt_id)
    artifact = _artifact(file, key)
    store.create(key, file.path)  # EXISTS can only be this very file: the key holds the attempt_id
    return artifact


def _commit_outcome(store: Store, run: RunRecord, outcome: Outcome) -> Outcome:
    """Write the outcome unless one of equal or higher rank stands; return what stands then."""
    key = layout.ShardKeys.of(run, outcome.shard_id).outcome
    body = table.encode(outcome)
    for _ in range(MAX_JUDGEMENTS):
        stored = store.read(key)
        standing = None if stored is None else table.decode(Outcome, stored.body, store.locate(key))
        # My own, written before its reply was lost, has my rank and stands like any other.
        if standing is not None and judge(standing, outcome) is Precedence.STANDS:
            return standing
        try:
            # The etag of the very body that was judged: what came after it must be judged first.
            put = store.create(key, body) if stored is None else store.replace(key, body, stored.etag)
        except StoreError:
            # The write may have happened. Only the store can tell, and an attempt_id is drawn for each execution: an
            # outcome with mine is mine. Where the store cannot tell, the error stands.
            found = find_outcome(store, run, outcome.shard_id)
            if found is not None and found.attempt_id == outcome.attempt_id:
                return outcome
            raise
        if put is Put.WRITTEN:
            return outcome
    raise _contradiction(store, key)


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


def _contradiction(store: Store, key: str) -> StoreError:
    msg = f"{store.locate(key)} is there and not there: the store contradicts itself"
    return StoreError(msg, remedy="Use a store with strong read-after-write consistency.")

"""A run's record, engine pin and outcomes: read one by one, or found by listing.

Nothing is written here: `shard.commit` does that. Listings skip names that are not of this layout; `verify` reports
them.
"""

from collections.abc import Collection, Iterator
from functools import lru_cache

from pydantic import ValidationError

from sweepctl.errors import DamagedError
from sweepctl.protocol import Model
from sweepctl.records import layout, table
from sweepctl.records.as_written import require_as_written
from sweepctl.records.named import list_run_ids, unknown_run
from sweepctl.records.outcome import EnginePin, Outcome, RunRecord
from sweepctl.store.contract import Entry, Store


def find_run(store: Store, run_id: str) -> RunRecord | None:
    """Return the run record, or None."""
    key = layout.run_record(run_id)
    stored = store.read(key)
    return None if stored is None else decode_run_record(stored.body, store.locate(key))


def require_run(store: Store, run_id: str) -> RunRecord:
    """Return the run record.

    Raises:
        UnknownRunError: there is none.
        StoreError: the store does not answer, or the record cannot be read.
    """
    record = find_run(store, run_id)
    if record is None:
        raise unknown_run(store, run_id)
    return record


def all_runs(store: Store) -> list[RunRecord]:
    """Return the record of every run of a store, in order of their ids; other folders are skipped.

    Raises:
        StoreError: the store does not answer, or a record cannot be read.
    """
    keys = [layout.run_record(each) for each in list_run_ids(store)]
    records = []
    for key, body in zip(keys, store.bodies(keys), strict=True):
        if isinstance(body, DamagedError):
            raise body
        if body is not None:
            records.append(table.decode(RunRecord, body, store.locate(key)))
    return records


def find_record(store: Store, kind: type[table.Record], key: str, *, exact: bool = False) -> table.Record | None:
    """Return the record at `key`, or None.

    Raises:
        DamagedError: it is not a record of this kind, or, with `exact`, has other bytes than it is written with.
        StoreError: the store does not answer.
    """
    stored = store.read(key)
    if stored is None:
        return None
    record = table.decode(kind, stored.body, store.locate(key))
    if exact:
        require_as_written(record, stored.body, store.locate(key))
    return record


def headlines(store: Store, run_id: str) -> Collection[str]:
    """Return the metrics that matter most, as the run's model declares them; none if that is not known.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        pin = find_record(store, EnginePin, layout.engine_pin(run_id))
        text = None if pin is None else pin.declaration_json
        return () if text is None else [each.name for each in Model.model_validate_json(text).metrics if each.headline]
    except (DamagedError, ValidationError):
        return ()  # only the order of metrics depends on it, and verify reports the damage


def pinned_version(store: Store, run_id: str) -> str | None:
    """Return the model version that a run began with; None if no shard has begun, or the pin cannot be read.

    Raises:
        StoreError: the store does not answer.
    """
    try:
        pin = find_record(store, EnginePin, layout.engine_pin(run_id))
    except DamagedError:
        return None  # which verify reports
    return None if pin is None else pin.model_version


def find_outcome(store: Store, run: RunRecord, shard_id: int) -> Outcome | None:
    """Return the outcome of a shard, or None."""
    return find_record(store, Outcome, layout.ShardKeys.of(run, shard_id).outcome)


def list_outcomes(store: Store, run_id: str, run_date: str, shards: int | None) -> Iterator[tuple[int, Entry]]:
    """Yield the shard_id of each outcome, with its entry in the listing; in no particular order.

    Args:
        store: The store.
        run_id: The run.
        run_date: Its date.
        shards: How many it has as planned, so that a listing of many is fast; None if that is not known.

    Raises:
        StoreError: the store does not answer.
    """
    folder = layout.outcomes_folder(run_id, run_date)
    for entry in store.objects(folder, layout.listing_cuts(folder, shards)):
        shard_id = layout.shard_of(entry.key)
        if shard_id is not None and entry.key == folder + layout.shard_file(shard_id):
            yield shard_id, entry


def list_attempts(store: Store, run_id: str, run_date: str, shards: int | None) -> Iterator[tuple[int, Entry]]:
    """Yield the shard_id of each recorded attempt, with its entry in the listing; as `list_outcomes`.

    Raises:
        StoreError: the store does not answer.
    """
    folder = layout.attempts_folder(run_id, run_date)
    for entry in store.objects(folder, layout.listing_cuts(folder, shards)):
        shard_id = layout.shard_of(entry.key)
        if shard_id is not None and layout.is_shard_file(entry.key, folder):
            yield shard_id, entry


# Each shard of a run reads the same two records again; decoding them takes longer than reading them.
@lru_cache(maxsize=16)
def decode_run_record(body: bytes, where: str) -> RunRecord:
    """Return the run record in `body`, which was read from `where`."""
    return table.decode(RunRecord, body, where)


@lru_cache(maxsize=16)
def decode_engine_pin(body: bytes, where: str) -> EnginePin:
    """Return the engine pin in `body`, which was read from `where`."""
    return table.decode(EnginePin, body, where)

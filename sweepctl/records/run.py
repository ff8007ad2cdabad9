"""What a listing alone tells of a run: which shards have an outcome, which attempts are recorded. Nothing is read.

Names that are not of this layout are passed over: they are for `verify` to find.
"""

from collections.abc import Iterator

from sweepctl.records import layout
from sweepctl.store.contract import Entry, Store


def outcomes(store: Store, run_id: str, run_date: str) -> Iterator[tuple[int, Entry]]:
    """Yield each shard that has an outcome, and what the listing says of it.

    Raises:
        StoreError: the store does not answer.
    """
    for entry in store.objects(layout.outcomes_folder(run_id, run_date)):
        shard_id = layout.shard_of(entry.key)
        if shard_id is not None and entry.key == layout.ShardKeys(run_id, run_date, shard_id).outcome:
            yield shard_id, entry


def attempts(store: Store, run_id: str, run_date: str) -> Iterator[tuple[int, Entry]]:
    """Yield the shard of each attempt that is recorded beside the outcomes, and what the listing says of it.

    Raises:
        StoreError: the store does not answer.
    """
    for entry in store.objects(layout.attempts_folder(run_id, run_date)):
        shard_id = layout.shard_of(entry.key)
        if shard_id is not None:
            yield shard_id, entry

"""Finds the files of a run in a store, wherever a reader of a table would read them: by listing, never by guessing."""

from collections.abc import Collection, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass

from sweepctl.names import RESERVED_DATASETS
from sweepctl.records import layout
from sweepctl.records.outcome import KEPT_FILES
from sweepctl.records.sharding import Claim
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES
from sweepctl.store.contract import Store, is_key

_RECORDS = frozenset({"shard_outcomes", "shard_attempts"})
_NO_DATES = ("/runs/", "/shard_claims/")  # but of a store two folders below this one
# Folders at the top of a store that hold no rows of points.
_OTHER = RESERVED_DATASETS - {EFFECTIVE_PARAMETERS, POINT_OUTCOMES, KEPT_FILES} | {layout.COMPACT}


@dataclass(frozen=True)
class Inventory:
    """The keys of a run's files, by kind. `stray` are those with a name that is not of the layout."""

    runs: frozenset[str]
    outcomes: frozenset[str]
    attempts: frozenset[str]
    data: frozenset[str]
    partial: frozenset[str]
    claims: frozenset[str]
    stray: frozenset[str]
    compact: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether the store has no file of the run."""
        return not (
            self.runs
            or self.outcomes
            or self.attempts
            or self.data
            or self.partial
            or self.claims
            or self.stray
            or self.compact
        )


def take_inventory(store: Store, run_id: str, pool: Executor) -> Inventory:
    """List every file of a run: of any dataset, date and model, even where only a mistake can have put it."""

    def below(folders: Iterable[str]) -> list[str]:
        inner = pool.map(lambda folder: [f"{folder}{name}/" for name in store.folders(folder)], folders)
        return [folder for found in inner for folder in found]

    def files(folders: Iterable[str], shards: int | None = None) -> set[str]:
        def keys(folder: str) -> list[str]:
            return [entry.key for entry in store.objects(folder, layout.listing_cuts(folder, shards))]

        return {key for keys in pool.map(keys, folders) for key in keys}

    def of_run(folders: Iterable[str], shards: int | None = None) -> set[str]:
        dates = (date for date in below(folders) if not date.endswith(_NO_DATES))
        return files((f"{date}run={run_id}/" for date in dates), shards)

    models = below(f"{name}/" for name in store.folders("") if name not in _OTHER)
    stores = {folder.removesuffix("runs/") for folder in models if folder.endswith("/runs/")}
    outcomes = of_run(["shard_outcomes/"])
    shards = len(outcomes)  # more or less: the run record, which knows, is read after the listing
    kinds = {
        "outcomes": outcomes,
        "attempts": of_run(["shard_attempts/"], shards),
        "data": of_run((model for model in models if not _is_of_store(model, stores)), shards),
        "partial": of_run(below(below(["partial/"]))),
    }
    named = {kind: frozenset(key for key in keys if _is_named(key)) for kind, keys in kinds.items()}
    stray = frozenset().union(*kinds.values()) - frozenset().union(*named.values())
    claims = files([layout.claims_folder(run_id)])
    compact = of_run(below(below([f"{layout.COMPACT}/"])))
    parts = {key for key in compact if is_key(key) and key.endswith(".parquet")}
    return Inventory(
        runs=frozenset(files([layout.run_folder(run_id)])),
        claims=frozenset(key for key in claims if Claim.of_key(key) is not None),
        stray=stray | {key for key in claims if Claim.of_key(key) is None} | (compact - parts),
        compact=frozenset(parts),
        **named,
    )


def _is_of_store(folder: str, stores: Collection[str]) -> bool:
    """Whether a folder is of outcomes or attempts of a store inside this one, whose files no table of this one has."""
    root, kind, _ = folder.rsplit("/", 2)
    return kind in _RECORDS and f"{root}/" in stores


def _is_named(key: str) -> bool:
    return is_key(key) and layout.shard_of(key) is not None

"""Which files of a run lie in a store, wherever a reader of a table could meet them: by listing, never by guessing."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass

from sweepctl import layout
from sweepctl.store.contract import Store
from sweepctl.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES


@dataclass(frozen=True)
class Inventory:
    """The keys of a run's files and their sizes in bytes, by kind."""

    runs: Mapping[str, int]
    outcomes: Mapping[str, int]
    attempts: Mapping[str, int]
    data: Mapping[str, int]
    partial: Mapping[str, int]

    @property
    def is_empty(self) -> bool:
        """Whether the store has nothing of the run."""
        return not (self.runs or self.outcomes or self.attempts or self.data or self.partial)


def take_inventory(store: Store, run_id: str, outputs: Iterable[str], pool: Executor) -> Inventory:
    """List every file of a run: of any date and model too, where only a mistake can have put it."""
    datasets = [EFFECTIVE_PARAMETERS, POINT_OUTCOMES, *outputs]

    def below(folders: Iterable[str]) -> list[str]:
        inner = pool.map(lambda folder: [f"{folder}{name}/" for name in store.folders(folder)], folders)
        return [folder for found in inner for folder in found]

    def files(folders: Iterable[str]) -> dict[str, int]:
        found = pool.map(lambda folder: list(store.objects(folder)), folders)
        return {entry.key: entry.bytes for entries in found for entry in entries}

    def of_run(folders: Iterable[str]) -> dict[str, int]:
        return files(f"{date}run={run_id}/" for date in below(folders))

    return Inventory(
        runs=files([layout.run_folder(run_id)]),
        outcomes=of_run(["shard_outcomes/"]),
        attempts=of_run(["shard_attempts/"]),
        data=of_run(below(f"{name}/" for name in datasets)),
        partial=of_run(below(below(["partial/"]))),
    )

"""The keys of everything in a store, relative to it (docs/store-layout.md).

Partition names (`run`, `run_date`) are never column names: readers that infer both would clash.
"""

import re
from dataclasses import dataclass
from typing import Self

from sweepctl.records.outcome import RunRecord
from sweepctl.strict_json import INT64_MAX

_SHARD_FILE = re.compile(r"shard-(\d{8,19})(?:-[A-Za-z0-9]+)?\.parquet")
RUN_PARTITION = "run="
COMPACT = "compact-v1"  # has a dash, so that no dataset can have this name
PAGE = 1_000  # keys that S3 lists by one request
CUT_FROM = 5_000  # shards: a shorter listing takes so few requests that it is not worth one more
_CUT_TO = 10**7  # shards: their numbers have eight digits, so that cuts are in order; and a run may claim any number


def run_folder(run_id: str) -> str:
    """Folder of the run record and the engine pin."""
    return f"runs/{RUN_PARTITION}{run_id}/"


def run_record(run_id: str) -> str:
    """Key of the run record."""
    return f"{run_folder(run_id)}run.parquet"


def engine_pin(run_id: str) -> str:
    """Key of the engine pin."""
    return f"{run_folder(run_id)}engine.parquet"


def claims_folder(run_id: str) -> str:
    """Folder of the claims of an unplanned run's shards."""
    return f"shard_claims/{RUN_PARTITION}{run_id}/"


def shard_of(key: str) -> int | None:
    """Return the shard_id in a file's name; None for a name that is not of this layout."""
    match = _SHARD_FILE.fullmatch(key.rpartition("/")[2])
    return None if match is None or int(match[1]) > INT64_MAX else int(match[1])


def is_shard_file(key: str, folder: str) -> bool:
    """Whether a key is of a shard's file in a folder, and not in one below it."""
    return shard_of(key) is not None and key.rpartition("/")[0] + "/" == folder


def shard_file(shard_id: int) -> str:
    """Return the name of the file that a shard has in the folder of its outcomes, and of each dataset."""
    return f"shard-{shard_id:08d}.parquet"


def listing_cuts(folder: str, shards: int | None) -> list[str]:
    """Return where to cut the listing of a folder of shards' files into parts of a page; nowhere if there are few.

    They need not fit: a folder may have fewer files, strays or several of a shard.
    """
    if shards is None or shards < CUT_FROM:
        return []
    return [folder + shard_file(first - 1) for first in range(PAGE, min(shards, _CUT_TO), PAGE)]


def outcomes_folder(run_id: str, run_date: str) -> str:
    """Folder of the outcomes of a run."""
    return f"shard_outcomes/run_date={run_date}/run={run_id}/"


def attempts_folder(run_id: str, run_date: str) -> str:
    """Folder of the recorded attempts at a run's shards."""
    return f"shard_attempts/run_date={run_date}/run={run_id}/"


def dataset_folder(name: str, model: str, run_id: str, run_date: str) -> str:
    """Folder of the rows of one dataset of a run."""
    return f"{name}/{model}/run_date={run_date}/run={run_id}/"


def compact_folder(name: str, model: str, run_id: str, run_date: str) -> str:
    """Folder of the compact files of one dataset of a run."""
    return f"{COMPACT}/{dataset_folder(name, model, run_id, run_date)}"


def compact_manifest(run_id: str) -> str:
    """Key of the manifest of a run's compact files."""
    return f"{COMPACT}/{run_folder(run_id)}manifest.json"


def rejection(body_sha256: str) -> str:
    """Key of the record of a message body that is not a shard message."""
    return f"rejected/{body_sha256}.json"


def stored_design(sha256: str) -> str:
    """Key of the design whose bytes have this digest."""
    return f"specs/{sha256}"


@dataclass(frozen=True)
class ShardKeys:
    """The keys of one shard of a run."""

    run_id: str
    run_date: str
    shard_id: int

    @classmethod
    def of(cls, run: RunRecord, shard_id: int) -> Self:
        """Return the keys of a shard of `run`."""
        return cls(run.run_id, run.run_date, shard_id)

    @property
    def outcome(self) -> str:
        """Key of the shard's one outcome."""
        return f"{outcomes_folder(self.run_id, self.run_date)}{shard_file(self.shard_id)}"

    def attempt(self, attempt_id: str) -> str:
        """Key of the record of an attempt that is not the shard's outcome, or may be superseded."""
        return f"{attempts_folder(self.run_id, self.run_date)}{self._shard}-{attempt_id}.parquet"

    def dataset(self, name: str, model: str) -> str:
        """Key of a complete attempt's rows in one dataset."""
        return f"{dataset_folder(name, model, self.run_id, self.run_date)}{shard_file(self.shard_id)}"

    def partial(self, name: str, model: str, attempt_id: str) -> str:
        """Key of the rows of an attempt that did not run every point; outside of all tables."""
        return f"partial/{dataset_folder(name, model, self.run_id, self.run_date)}{self._shard}-{attempt_id}.parquet"

    @property
    def _shard(self) -> str:
        return f"shard-{self.shard_id:08d}"

"""The files and columns of a run's tables, for readers of many files.

Only names of the layout count; `verify` finds other files. Nothing is verified here, and a table without files has no
rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from sweepctl.errors import StoreError
from sweepctl.records import layout, table
from sweepctl.records.outcome import RunRecord
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES, SHARD_ATTEMPTS, SHARD_OUTCOMES
from sweepctl.store.contract import Store

# Decoded once per distinct value, not per row: a filter on `status` takes two thirds of the time.
_REPETITIVE = ("run_id", "model", "model_version", "status", "error_code")
_POINT_FILES = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(dictionary_columns=_REPETITIVE))


@dataclass(frozen=True)
class RunTables:
    """The tables of one run that have one row per point, shard or attempt."""

    store: Store
    run: RunRecord
    filesystem: fs.FileSystem  # Arrow's access to the store
    root: str  # what comes before a key in it

    @cached_property
    def folders(self) -> Mapping[str, str]:
        """The folder of each table's files, relative to the store."""
        run_id, run_date, spec = self.run.run_id, self.run.run_date, self.run.spec
        return {
            **{
                name: layout.dataset_folder(name, spec.model, run_id, run_date)
                for name in (EFFECTIVE_PARAMETERS, POINT_OUTCOMES, *spec.outputs)
            },
            SHARD_OUTCOMES: layout.outcomes_folder(run_id, run_date),
            SHARD_ATTEMPTS: layout.attempts_folder(run_id, run_date),
        }

    def keys(self, name: str) -> Iterator[str]:
        """Yield the keys of a table's files, in no particular order.

        Raises:
            StoreError: the store does not answer.
        """
        for entry in self.store.objects(self.folders[name]):
            if layout.shard_of(entry.key) is not None:
                yield entry.key

    def dataset(self, name: str) -> ds.Dataset | None:
        """Return a table as an Arrow dataset, of which readers load only the columns and row groups that they need.

        None if there is no file.

        Raises:
            StoreError: the store does not answer, or a file cannot be read.
        """
        keys = sorted(self.keys(name))
        if not keys:
            return None
        is_of_shards = name in {SHARD_OUTCOMES, SHARD_ATTEMPTS}
        return ds.FileSystemDataset.from_paths(
            [self.root + key for key in keys],
            schema=table.OUTCOME if is_of_shards else self._schema_at(keys[0]),
            format=ds.ParquetFileFormat() if is_of_shards else _POINT_FILES,
            filesystem=self.filesystem,
        )

    def _schema_at(self, key: str) -> pa.Schema:
        try:
            return _POINT_FILES.inspect(self.root + key, self.filesystem).remove_metadata()
        except table.PARQUET_ERRORS as error:
            msg = f"{self.store.locate(key)} cannot be read: {error}"
            raise StoreError(msg, remedy=f"`sweepctl verify {self.run.run_id}` shows what else is damaged.") from error

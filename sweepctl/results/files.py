"""The files and columns of a run's tables, for readers of many files.

Of a run that is compact they are those of its manifest. Otherwise, only names of the layout count; `verify` finds other
files. Nothing is verified here, and a table without files has no rows.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from sweepctl.errors import DamagedError, StoreError
from sweepctl.records import layout, table
from sweepctl.records.compact import Manifest, Part, find_manifest, remedy_of
from sweepctl.records.datafile import (
    FOOTER_END,
    MAX_FOOTER_BYTES,
    open_rows,
    require_bounded,
    require_damage_of,
    require_footer,
)
from sweepctl.records.outcome import KEPT_FILES, Outcome, RunRecord
from sweepctl.records.outcomes import AT_ONCE, OutcomeReader
from sweepctl.records.rows import tables_of
from sweepctl.records.run import find_record
from sweepctl.records.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES, SHARD_ATTEMPTS, SHARD_OUTCOMES
from sweepctl.store.contract import MAX_BODY, Entry, Store, too_large

IN_FLIGHT = 32  # concurrent requests to the store
_RECORDS = frozenset({SHARD_OUTCOMES, SHARD_ATTEMPTS})
_RECORD_LEAVES = [
    leaf.name
    for field in table.OUTCOME
    for leaf in (field.type.value_type if pa.types.is_list(field.type) else [field])
]
# Earlier releases lack some of the last columns.
_ALLOWED_LEAVES = [
    _RECORD_LEAVES[:count] for count in range(len(_RECORD_LEAVES) + 1) if {*_RECORD_LEAVES[count:]} <= {*table.ADDED}
]
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
                for name in (EFFECTIVE_PARAMETERS, POINT_OUTCOMES, *spec.outputs, KEPT_FILES)
            },
            SHARD_OUTCOMES: layout.outcomes_folder(run_id, run_date),
            SHARD_ATTEMPTS: layout.attempts_folder(run_id, run_date),
        }

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest of the run's compact files; None if it has none."""
        return find_manifest(self.store, self.run)

    def entries(self, name: str) -> list[Entry]:
        """Return a table's files, in order of their keys.

        Raises:
            DamagedError: one is not a file, or is not the compact file that the manifest names.
            StoreError: the store does not answer.
        """
        if self.manifest is not None and (parts := self.manifest.of(name)):
            return self._compact_entries(parts)
        folder = self.folders[name]
        listed = self.store.objects(folder, layout.listing_cuts(folder, self.run.shards))
        found = [each for each in listed if layout.is_shard_file(each.key, folder)]
        for entry in found:
            if not entry.is_file:
                raise self._damaged(entry.key, "it is not a file")
        return sorted(found, key=lambda entry: entry.key)

    def _compact_entries(self, parts: Sequence[Part]) -> list[Entry]:
        found = {entry.key: entry for entry in self.store.objects(f"{parts[0].key.rpartition('/')[0]}/")}
        for part in parts:
            entry = found.get(part.key)
            if entry is None or not entry.is_file or entry.bytes != part.bytes:
                why = "it is missing" if entry is None else "it is not the file that the manifest names"
                msg = f"{self.store.locate(part.key)} cannot be read: {why}"
                raise DamagedError(msg, remedy=remedy_of(self.store, self.run.run_id))
        return [found[part.key] for part in parts]

    def _is_records(self, name: str) -> bool:
        """Whether each of a table's files is a record of one row."""
        return name in _RECORDS and (self.manifest is None or not self.manifest.of(name))

    def rows(self, name: str, *, guarded: bool = True) -> list[ds.Dataset | pa.Table]:
        """Return a table's rows: an Arrow dataset, of which readers load only the columns and row groups they need.

        Where each file is a record of one row they are read here, in bulk. Those that hold what no worker writes are a
        dataset of their own: they are shown as they are.

        Args:
            name: The table.
            guarded: Whether to read the footer of every file, once for all, and to refuse a file that is damaged or
                would take unbounded memory. Without, only that of the file that has the columns is, and no row may be
                read.

        Raises:
            DamagedError: a file cannot be read.
            StoreError: the store does not answer.
        """
        entries = self.entries(name)
        if not guarded or not self._is_records(name):
            return [self._dataset(name, entries, guarded=guarded)] if entries else []
        tables, others, held = list[pa.Table](), list[Entry](), list[Outcome]()
        keys = (entry.key for entry in entries)
        for entry, (_, found) in zip(entries, OutcomeReader(self.store).read(keys), strict=True):
            if not isinstance(found, Outcome):
                others.append(entry)
                continue
            held.append(found)
            if len(held) == AT_ONCE:
                tables.append(table.outcome_rows(held))
                held = []
        tables += [table.outcome_rows(held)] if held else []
        whole = [pa.concat_tables(tables)] if tables else []
        return whole + ([self._dataset(name, others)] if others else [])

    def _dataset(self, name: str, entries: Sequence[Entry], *, guarded: bool = True) -> ds.Dataset:
        form = ds.ParquetFileFormat() if name in _RECORDS else _POINT_FILES
        fragments = [form.make_fragment(self.root + entry.key, self.filesystem) for entry in entries]
        schema = table.OUTCOME if name in _RECORDS else self._schema_of(name, entries[0], fragments[0])
        if guarded:
            # Arrow would read a column that is missing as nulls, as it should where an earlier release wrote none.
            leaves = _ALLOWED_LEAVES if name in _RECORDS else [schema.names]
            with ThreadPoolExecutor(IN_FLIGHT) as pool:
                list(pool.map(lambda entry, found: self._require(name, entry, found, leaves), entries, fragments))
        return ds.FileSystemDataset(fragments, schema, form, self.filesystem)

    def first_damaged(self, name: str) -> DamagedError | None:
        """Read a table's files up to one that cannot be read, and return the error that names it."""
        for entry in self.entries(name):
            try:
                if self._is_records(name):
                    find_record(self.store, Outcome, entry.key)
                    continue
                with self._opened(entry.key) as file:
                    for _ in file.iter_batches():
                        pass
            except DamagedError as error:
                return error
            except table.PARQUET_ERRORS as error:
                return self._unreadable(entry.key, error)
        return None

    def _opened(self, key: str, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
        path = self.root + key
        return pq.ParquetFile(path, filesystem=self.filesystem, read_dictionary=list(dictionaries))

    def _require(
        self, name: str, entry: Entry, fragment: ds.ParquetFileFragment, leaves: Sequence[Sequence[str]]
    ) -> None:
        if self._guarded(name, entry, fragment).schema.names not in leaves:
            raise self._damaged(entry.key, "its columns are not those of the table's other files")

    def _schema_of(self, name: str, entry: Entry, fragment: ds.ParquetFileFragment) -> pa.Schema:
        self._guarded(name, entry, fragment)
        try:
            return fragment.physical_schema.remove_metadata()
        except table.PARQUET_ERRORS as error:
            raise self._unreadable(entry.key, error) from error

    def _guarded(self, name: str, entry: Entry, fragment: ds.ParquetFileFragment) -> pq.FileMetaData:
        """Return what a file's footer says, if it is a sound one of bounded row groups."""
        key = entry.key
        if self._is_records(name) and entry.bytes > MAX_BODY:
            raise too_large(self.store.locate(key), MAX_BODY)
        try:
            # No footer is longer than its file, which saves a request for nearly all.
            if entry.bytes > MAX_FOOTER_BYTES:
                with self.filesystem.open_input_file(self.root + key) as file:
                    file.seek(file.size() - FOOTER_END)
                    require_footer(file.read())
            fragment.ensure_complete_metadata()
            found = fragment.metadata
            if self._is_records(name):
                table.require_small(found, entry.bytes)
            else:
                require_bounded(found, lambda names: self._opened(key, names), _REPETITIVE)
        except (*table.PARQUET_ERRORS, ValueError) as error:
            raise self._unreadable(key, error) from error
        return found

    def _unreadable(self, key: str, error: Exception) -> DamagedError:
        """Return the error of a file that is damaged or gone; raise that of a disk or a bucket that fails."""
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            require_damage_of(self.store.locate(key), error)
            self._require_damage(key, error)
        return self._damaged(key, str(error))

    def _require_damage(self, key: str, error: OSError) -> None:
        """Raise a StoreError if a copy of the file can be read: Arrow's errors do not tell a bucket's from a file's."""
        with self.store.borrow(key) as path:
            if path is None:
                return
            try:
                with open_rows(path) as file:
                    for _ in tables_of(file):
                        pass
            except table.PARQUET_ERRORS as again:
                require_damage_of(path, again)
                return
        msg = f"{self.store.locate(key)} could not be read: {error}"
        raise StoreError(msg, remedy="Run the command again; the file itself is sound.")

    def _damaged(self, key: str, why: str) -> DamagedError:
        remedy = f"`sweepctl verify {self.run.run_id}` shows what else is damaged."
        return DamagedError(f"{self.store.locate(key)} cannot be read: {why}", remedy=remedy)

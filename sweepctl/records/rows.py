"""Rows of data files, read a bounded number at a time."""

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.records.table import ROW_GROUP_ROWS


class RowBuffer:
    """Rows of tables, returned in chunks of any requested size."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        """Buffer the rows of `tables`, in order."""
        self._tables = iter(tables)
        self._held: pa.Table | None = None

    @property
    def ready(self) -> int:
        """The rows at hand without reading more than one table; 0 at the end."""
        if self._held is None:
            self._held = next(self._tables, None)
        return 0 if self._held is None else int(self._held.num_rows)

    def take(self, rows: int) -> pa.Table | None:
        """Return the next `rows` rows, fewer at the end, and None after it."""
        gathered = [] if self._held is None else [self._held]
        count = sum(table.num_rows for table in gathered)
        while count < rows and (table := next(self._tables, None)) is not None:
            gathered.append(table)
            count += table.num_rows
        if count == 0:
            return None
        whole = gathered[0] if len(gathered) == 1 else pa.concat_tables(gathered)
        self._held = whole.slice(rows) if count > rows else None
        return whole.slice(0, rows)


def tables_of(file: pq.ParquetFile) -> Iterator[pa.Table]:
    """Yield a file's rows: a row group at a time, since a group of long rows has few, and at most ROW_GROUP_ROWS."""
    for group in range(file.metadata.num_row_groups):
        for batch in file.iter_batches(batch_size=ROW_GROUP_ROWS, row_groups=[group], use_threads=False):
            yield pa.Table.from_batches([batch])

"""What stands in for `pyarrow.parquet` within a schedule: the same calls, on Arrow's IPC files.

A Parquet file of a few rows costs ten times as much, and a schedule writes and reads dozens. Nothing of the protocol
depends on the encoding; that Parquet files hold what was written is for the tests of `table` and `verify`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pyarrow as pa


def write_table(rows: pa.Table, sink: Any, **_options: object) -> None:  # noqa: ANN401  any of Arrow's sinks
    with ParquetWriter(sink, rows.schema) as writer:
        writer.write_table(rows)


def read_metadata(path: Path) -> "ParquetFile":
    return ParquetFile(path)


class ParquetWriter:
    def __init__(self, sink: Any, schema: pa.Schema, **_options: object) -> None:  # noqa: ANN401  as above
        self._writer = pa.ipc.new_file(sink, schema)
        self._is_open = True

    def write_table(self, rows: pa.Table, **_options: object) -> None:
        self._writer.write_table(rows)

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


class ParquetFile:
    """An open file, and what its metadata and its schema say: one thing here."""

    def __init__(self, source: Any, *, read_dictionary: Sequence[str] = (), **_options: object) -> None:  # noqa: ANN401  a path or a buffer
        content = pa.BufferReader(source.read_bytes()) if isinstance(source, Path) else source
        self._rows: pa.Table = pa.ipc.open_file(content).read_all()
        self._dictionaries = read_dictionary

    @property
    def metadata(self) -> Self:
        return self

    @property
    def schema(self) -> Self:
        return self

    def to_arrow_schema(self) -> pa.Schema:
        return self._rows.schema

    @property
    def num_rows(self) -> int:
        return int(self._rows.num_rows)

    @property
    def num_row_groups(self) -> int:
        return 1

    def read(self, columns: Sequence[str] | None = None, **_options: object) -> pa.Table:
        rows = self._rows
        for name in self._dictionaries:
            at = rows.schema.get_field_index(name)
            rows = rows.set_column(at, name, rows[name].dictionary_encode())
        return rows if columns is None else rows.select(columns)

    def read_row_group(self, _group: int, **_options: object) -> pa.Table:
        return self.read()

    def iter_batches(self, **_options: object) -> Iterator[pa.RecordBatch]:
        yield from self.read().to_batches()

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

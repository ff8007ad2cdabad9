"""Tables of points in CSV or Parquet files, converted to the bytes of a stored design.

Integers stay integers, and floats keep every digit. The engine decides which values a column may hold.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sweepctl.records.design import encode_table
from sweepctl.spec import Value

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 64 << 20
ROWS_AT_ONCE = 1 << 14


def encode_file(path: Path) -> bytes:
    """Return a table file as a stored design: its columns, then one line per row.

    Raises:
        ValueError: the file cannot be read, has no rows, or has values that no parameter can have.
    """
    table = _read(path)
    if len(set(table.column_names)) < table.num_columns:
        raise _refuse(path, "must name each column once")
    try:
        return encode_table(table.column_names, table.num_rows, _rows(table))
    except ValueError as error:
        raise _refuse(path, "must hold finite numbers only") from error


def _read(path: Path) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415  heavy, and for tables only
    from pyarrow import csv, parquet  # noqa: PLC0415

    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refuse(path, "must be at most 64 MiB")
        # In the file's order: a row's position is its cell.
        options = csv.ConvertOptions(null_values=[""], strings_can_be_null=False)
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path, convert_options=options)
    except OSError as error:
        raise _refuse(path, error.strerror or str(error)) from error
    except pa.ArrowInvalid as error:
        raise _refuse(path, f"must be CSV, or Parquet if it is named .parquet: {error}") from error
    if table.num_rows == 0:
        raise _refuse(path, "must have at least one row below its header")
    for column in table.schema:
        kind = column.type
        if not any(
            of(kind)
            for of in (
                pa.types.is_integer,
                pa.types.is_floating,
                pa.types.is_boolean,
                pa.types.is_string,
                pa.types.is_large_string,
                pa.types.is_null,
            )
        ):
            raise _refuse(path, f"column {column.name!r} is {kind}: must hold numbers, text, true or false")
        if path.suffix != ".parquet" and pa.types.is_string(kind):
            _require_one_type(path, column.name, table[column.name].to_pylist())
    return table


def _require_one_type(path: Path, name: str, values: list[str]) -> None:
    """Raise ValueError for text below numbers: all would be read as text, and the first number reported as wrong."""
    row = next((row for row, value in enumerate(values) if not _is_number(value)), 0)
    if row > 0:
        raise _refuse(
            path,
            f"row {row} of column {name!r}, not counting the header, is {values[row]!r}: those above are numbers",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(table: "pa.Table") -> Iterator[Sequence[Value]]:
    for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _refuse(path: Path, rule: str) -> ValueError:
    return ValueError(f"{path}: {rule}")

"""Writes a query's rows as CSV, JSON, Parquet or an Arrow stream, batch by batch."""

import datetime as dt
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from sweepctl.errors import InterruptedRunError, QueryError
from sweepctl.names import quoted
from sweepctl.results.views import refused

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 65_536
_NESTED = frozenset({"array", "list", "map", "struct", "tuple", "union"})
# Types that hardly any format but Arrow has; `finished_at - started_at` is an interval.
_ARROW_ALONE = frozenset({"interval", "bignum", "bit", "geometry", "union"})
_ONE_CELL = frozenset(
    {
        *("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint"),
        *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint", "float", "double", "decimal"),
    }
)
_OF_TIME = ("date", "interval", "time")  # how the names of these types begin
# A spreadsheet computes a cell that begins like this, quoted or not, and some open links or programs. Texts may come
# from an engine or a message.
_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four are the wide forms of the first four
_NO_FORMULA = (  # in SQL; a text that is a number, -1 for instance, is not changed
    f"CASE WHEN ascii(CAST({{0}} AS VARCHAR)) IN ({', '.join(str(ord(each)) for each in _FORMULA)})"
    " AND TRY_CAST(CAST({0} AS VARCHAR) AS DOUBLE) IS NULL"
    " THEN concat(chr(39), CAST({0} AS VARCHAR)) ELSE CAST({0} AS VARCHAR) END"
)


def write(rows: "duckdb.DuckDBPyRelation", form: str, sink: BinaryIO) -> int:
    """Write all rows in one of `FORMS`, and return their number.

    Raises:
        QueryError: DuckDB fails on a row, or the format cannot hold one.
        StoreError: a file of the store cannot be read.
        InterruptedRunError: the query was interrupted.
    """
    return FORMS[form](rows, sink)


def portable(rows: "duckdb.DuckDBPyRelation") -> "duckdb.DuckDBPyRelation":
    """Return the rows with values of types that only Arrow has as text."""
    return _replaced(rows, lambda kind: "CAST({} AS VARCHAR)" if kind in _ARROW_ALONE else None)


@contextmanager
def record_batches(rows: "duckdb.DuckDBPyRelation") -> Iterator[pa.RecordBatchReader]:
    """Provide the rows as they are computed; errors on the way are raised as sweepctl's own."""
    import duckdb  # noqa: PLC0415  an extra

    try:
        with rows.to_arrow_reader(BATCH_ROWS) as reader:
            yield pa.RecordBatchReader.from_batches(reader.schema, _batches(reader))
    except duckdb.InterruptException as error:
        raise InterruptedRunError("the query was interrupted") from error
    except duckdb.Error as error:
        raise refused(error) from error
    except (OverflowError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        # A date after the year 9999, a blob that is not text, a struct without fields.
        raise QueryError(
            f"the output format cannot hold a value: {error}",
            remedy="Convert it with CAST(column AS VARCHAR), or use --format arrow, which holds all types.",
        ) from error


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    import duckdb  # noqa: PLC0415  as in `record_batches`

    try:
        yield from reader
    except OSError as error:  # of DuckDB's error, Arrow keeps the text; the sink's own must not be taken for one
        raise refused(duckdb.Error(str(error))) from error


def _replaced(rows: "duckdb.DuckDBPyRelation", expression_of: Callable[[str], str | None]) -> "duckdb.DuckDBPyRelation":
    """Return the rows with columns replaced by the expression for their type, if any; `{}` in it is the column."""
    replaced = [
        f"{expression.format(quoted(name))} AS {quoted(name)}"
        for name, kind in zip(rows.columns, rows.types, strict=True)
        if (expression := expression_of(kind.id)) is not None
    ]
    return rows.project(f"* REPLACE ({', '.join(replaced)})") if replaced else rows


def _cell_of(kind: str) -> str | None:
    if kind in _ONE_CELL:
        return None
    if kind in _NESTED:
        return "to_json({})"
    return "CAST({} AS VARCHAR)" if kind.startswith(_OF_TIME) else _NO_FORMULA


def _write_csv(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> int:
    with (
        record_batches(_replaced(rows, _cell_of)) as reader,
        pyarrow.csv.CSVWriter(sink, reader.schema) as writer,
    ):
        return _write_batches(reader, writer)


def _write_json(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> int:
    count = 0
    with record_batches(portable(rows)) as reader:
        columns = [{"name": field.name, "type": str(field.type)} for field in reader.schema]
        sink.write(f'{{"columns": {json.dumps(columns)}, "rows": ['.encode())
        between = "\n"
        for batch in reader:
            for row in batch.to_pylist():
                sink.write(f"{between}{json.dumps(_plain(row), allow_nan=False)}".encode())
                between = ",\n"
            count += batch.num_rows
        sink.write(b"\n]}\n")
    return count


def _write_parquet(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> int:
    with (
        record_batches(portable(rows)) as reader,
        pq.ParquetWriter(sink, reader.schema, compression="zstd") as writer,
    ):
        return _write_batches(reader, writer)


def _write_arrow(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> int:
    with record_batches(rows) as reader, pa.ipc.new_stream(sink, reader.schema) as writer:
        return _write_batches(reader, writer)


def _write_batches(reader: pa.RecordBatchReader, writer: Any) -> int:  # noqa: ANN401  Arrow's, one for each form
    count = 0
    for batch in reader:
        writer.write_batch(batch)
        count += batch.num_rows
    return count


FORMS: Mapping[str, Callable[["duckdb.DuckDBPyRelation", BinaryIO], int]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
}


def _plain(value: Any) -> Any:  # noqa: ANN401  any value of a row
    """Return a value as JSON can hold it; a number that is not finite becomes null."""
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dt.date() | dt.time():  # a datetime is a date
            return value.isoformat()
        case bytes():
            return value.hex()
        case None | bool() | int() | str():
            return value
    return str(value)

"""What a query's rows become: CSV, JSON, Parquet or an Arrow stream, batch by batch, however many there are."""

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

from sweepctl.errors import InterruptedRunError
from sweepctl.query import quoted, refused

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 65_536


def write(rows: "duckdb.DuckDBPyRelation", form: str, sink: BinaryIO) -> None:
    """Write all rows in one of `FORMS`.

    Raises:
        QueryError: DuckDB meets an error in them.
        InterruptedRunError: the query was interrupted.
    """
    FORMS[form](rows, sink)


@contextmanager
def batches(rows: "duckdb.DuckDBPyRelation") -> Iterator[pa.RecordBatchReader]:
    """Give the rows as they are computed; what goes wrong meanwhile is told as an error of ours."""
    import duckdb  # noqa: PLC0415  an extra

    try:
        with rows.to_arrow_reader(BATCH_ROWS) as reader:
            yield reader
    except duckdb.InterruptException as error:
        raise InterruptedRunError("the query was interrupted") from error
    except duckdb.Error as error:
        raise refused(error) from error


def _write_csv(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> None:
    # A cell holds one value: what is nested is written as JSON.
    nested = [name for name, kind in zip(rows.columns, rows.types, strict=True) if kind.id in {"list", "struct", "map"}]
    if nested:
        cells = ", ".join(f"to_json({quoted(name)}) AS {quoted(name)}" for name in nested)
        rows = rows.project(f"* REPLACE ({cells})")
    with batches(rows) as reader, pyarrow.csv.CSVWriter(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_json(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> None:
    with batches(rows) as reader:
        columns = [{"name": field.name, "type": str(field.type)} for field in reader.schema]
        sink.write(f'{{"columns": {json.dumps(columns)}, "rows": ['.encode())
        between = "\n"
        for batch in reader:
            for row in batch.to_pylist():
                sink.write(f"{between}{json.dumps(_plain(row), allow_nan=False)}".encode())
                between = ",\n"
        sink.write(b"\n]}\n")


def _write_parquet(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> None:
    with batches(rows) as reader, pq.ParquetWriter(sink, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_arrow(rows: "duckdb.DuckDBPyRelation", sink: BinaryIO) -> None:
    with batches(rows) as reader, pa.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


FORMS: Mapping[str, Callable[["duckdb.DuckDBPyRelation", BinaryIO], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
    "arrow": _write_arrow,
}


def _plain(value: Any) -> Any:  # noqa: ANN401  any value of a row
    """Return what JSON has for a value; for a number that is none, null."""
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

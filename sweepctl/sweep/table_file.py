"""Tables of points in CSV or Parquet files, converted to the bytes of a stored design.

A CSV's cells are text, and become what the model declares of their parameter; a cell that cannot stays text, for the
engine to refuse. Integers stay integers, and floats keep every digit. The engine decides which values a column may
hold.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from sweepctl.design import Table
from sweepctl.names import Name
from sweepctl.protocol import Parameter
from sweepctl.records.design import encode_table, rule_of
from sweepctl.spec import Value
from sweepctl.texts import counted

if TYPE_CHECKING:
    import pyarrow as pa

MAX_BYTES = 64 << 20  # of the file, and of the design that it becomes
MAX_ENCODED = 6 * MAX_BYTES  # of a Parquet file's columns before compression: numbers have eight bytes, texts four more
ROWS_AT_ONCE = 1 << 14
BLANKS = " \t"  # around a number

_NAME: TypeAdapter[str] = TypeAdapter(Name)


def is_parquet(path: Path) -> bool:
    """Whether a table's file is Parquet, by its ending; any other is CSV."""
    return path.suffix.lower() in {".parquet", ".pq"}


def shape_of(path: Path) -> Table:
    """Return the columns of a table file, and as many rows as it has, all null: its values' types are the model's.

    Raises:
        ValueError: the file cannot be read, or has no rows.
    """
    table = _read(path)
    return Table.model_construct(
        kind="table", columns=table.column_names, rows=[[None] * table.num_columns] * table.num_rows
    )


def encode_file(path: Path, declared: Mapping[str, Parameter]) -> bytes:
    """Return a table file as a stored design: its columns, then one line per row.

    `declared` are the model's parameters by name; what a CSV holds for any other is taken as text.

    Raises:
        ValueError: the file cannot be read, has no rows, or has values that no parameter can have.
    """
    table = _read(path)
    names = table.column_names
    columns = (
        _values(_plain(path, name, table[name])) if is_parquet(path) else _typed(table[name], declared.get(name))
        for name in names
    )
    return encode_table(names, table.num_rows, zip(*columns, strict=True))


def _read(path: Path) -> "pa.Table":
    """Return the table in a file, if its columns are names and it has rows."""
    table = _parsed(path)
    names = table.column_names
    for name in names:
        try:
            _NAME.validate_python(name)
        except ValidationError as error:
            raise _refuse(path, f"column {rule_of(error)}") from error
    if len(set(names)) < len(names):
        raise _refuse(path, "must name each column once")
    if table.num_rows == 0:
        raise _refuse(path, "must have at least one row below its header")
    _require_few(path, table.num_rows, table.num_columns)
    return table


def _require_few(path: Path, rows: int, columns: int) -> None:
    """Refuse more rows than a design can have, in which each value takes a character, and what separates them."""
    if (most := MAX_BYTES // (2 * columns + 2)) < rows:
        raise _refuse(path, f"it has {rows:,} rows of {counted('columns', columns)}: must be at most {most:,}")


def _parsed(path: Path) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415  heavy, and for tables only

    from sweepctl.records.footer import fixed_length_columns  # noqa: PLC0415  imports pyarrow, too

    try:
        if path.stat().st_size > MAX_BYTES:
            raise _refuse(path, "must be at most 64 MiB")
        # In the file's order: a row's position is its cell.
        return _parquet(path) if is_parquet(path) else _csv(path)
    except OSError as error:
        raise _refuse(path, error.strerror or str(error)) from error
    except pa.ArrowInvalid as error:
        raise _refuse(path, f"must be CSV, or Parquet if it is named .parquet or .pq: {error}") from error
    except pa.ArrowNotImplementedError as error:
        # Which names no column.
        suspects = ", ".join(map(repr, fixed_length_columns(path.read_bytes()))) or "of an unknown type"
        raise _refuse(path, f"column {suspects}: {error}: must hold integers, floats, text, true or false") from error


def _parquet(path: Path) -> "pa.Table":
    """Return the rows of a Parquet file, whose texts are dictionaries.

    A short file can hold one value a billion times: what it takes in memory is bounded before it is read.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    from sweepctl.records.datafile import read_metadata  # noqa: PLC0415  imports pyarrow, too

    metadata = read_metadata(path)
    schema = metadata.schema.to_arrow_schema()
    for field in schema:
        if not _is_plain(field.type):
            rule = f"column {field.name!r} is {field.type}: must hold integers, floats, text, true or false"
            raise _refuse(path, rule)
    _require_few(path, metadata.num_rows, len(schema))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    texts = [field.name for field in schema if _is_text(field.type)]
    if sum(chunk.total_uncompressed_size for chunk in chunks) <= MAX_ENCODED:
        table = parquet.read_table(path, read_dictionary=texts)
        dictionaries = (column for column in table.columns if pa.types.is_dictionary(column.type))
        if sum(map(_text_bytes, dictionaries)) <= MAX_BYTES:
            return table
    raise _refuse(path, "its values take more than 64 MiB")


def _text_bytes(column: "pa.ChunkedArray") -> int:
    import pyarrow.compute as pc  # noqa: PLC0415

    if not _is_text(column.type.value_type):
        return 0
    lengths = (pc.take(pc.binary_length(chunk.dictionary), chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(each).as_py() or 0 for each in lengths)


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa  # noqa: PLC0415

    return any(of(kind) for of in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _is_plain(kind: "pa.DataType") -> bool:
    """Whether a column holds integers, floats, text, true and false, or nothing."""
    import pyarrow as pa  # noqa: PLC0415

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    return _is_text(kind) or any(of(kind) for of in numbers)


def _csv(path: Path) -> "pa.Table":
    """Return the text of every cell; None where nothing is written, and "" where that is quoted."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    with csv.open_csv(path) as reader:
        names = reader.schema.names
    as_text = csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    # In one column, an empty line may be an empty value; elsewhere it can only be nothing.
    parsing = csv.ParseOptions(ignore_empty_lines=len(names) > 1)
    table = csv.read_csv(path, parse_options=parsing, convert_options=as_text)
    return table if len(names) > 1 else _without_last_lines(path, table)


def _without_last_lines(path: Path, table: "pa.Table") -> "pa.Table":
    """Return a table of one column without the empty lines at its end; refuse those above."""
    import pyarrow.compute as pc  # noqa: PLC0415

    filled = pc.indices_nonzero(table.column(0).is_valid())
    rows = filled[-1].as_py() + 1 if len(filled) else 0
    if len(filled) < rows:
        row = pc.index(table.column(0).is_valid(), False).as_py() + 1
        raise _refuse(path, f'row {row} is an empty line: remove it, or write "" for an empty value')
    return table.slice(0, rows)


def _typed(texts: "pa.ChunkedArray", parameter: Parameter | None) -> Iterable[Value]:
    """Return a column of a CSV as its parameter's type; from the first cell on that cannot be, as text."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if parameter is None or parameter.type == "string":
        return _values(texts if parameter is not None and parameter.nullable else texts.fill_null(""))
    trimmed = pc.utf8_trim(texts, characters=BLANKS)
    given = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
    kinds = {"int": [pa.int64()], "float": [pa.int64(), pa.float64()], "bool": [pa.bool_()]}
    for kind in kinds[parameter.type]:
        if (column := _cast(given, kind)) is not None:
            return _values(column)
    wrong = bisect_left(range(len(given)), 1, key=lambda row: _cast(given.slice(0, row + 1), kind) is None)
    # Each error names the first cell that is wrong, as it is in the file.
    return chain(_values(given.slice(0, wrong).cast(kind)), _values(given.slice(wrong)))


def _cast(texts: "pa.ChunkedArray", kind: "pa.DataType") -> "pa.ChunkedArray | None":
    """Return texts as finite numbers, or as true and false; None if one is not."""
    import pyarrow as pa  # noqa: PLC0415

    try:
        column = texts.cast(kind)
    except pa.ArrowInvalid:
        return None
    return column if _first_not_finite(column) is None else None


def _first_not_finite(column: "pa.ChunkedArray") -> int | None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if not pa.types.is_floating(column.type):
        return None
    place = pc.index(pc.is_finite(column), False).as_py()
    return None if place < 0 else place


def _plain(path: Path, name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return a column of a Parquet file as signed integers, floats, text, true and false."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
    elif pa.types.is_unsigned_integer(kind):
        try:
            column = column.cast(pa.int64())
        except pa.ArrowInvalid as error:
            row = pc.index(pc.greater(column, pa.scalar((1 << 63) - 1, kind)), True).as_py()
            rule = f"row {row + 1} of column {name!r} is {column[row]}: integers must fit in signed 64 bits"
            raise _refuse(path, rule) from error
    if (row := _first_not_finite(column)) is not None:
        raise _refuse(path, f"row {row + 1} of column {name!r} is {column[row]}: must be a finite number")
    return column


def _values(column: "pa.ChunkedArray") -> Iterator[Value]:
    # Not all at once: as Python objects they would take several times the memory.
    for start in range(0, len(column), ROWS_AT_ONCE):
        yield from column.slice(start, ROWS_AT_ONCE).to_pylist()


def _refuse(path: Path, rule: str) -> ValueError:
    return ValueError(f"{path}: {rule}")

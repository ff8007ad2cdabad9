"""How a file of a table is opened: it may come from another program, and reading it must take bounded memory.

What its footer says is compared with what a `DatasetWriter` writes, before any row is decoded.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.records.footer import footer_of, require_safe
from sweepctl.records.footer_forms import FooterForms
from sweepctl.records.table import PARQUET_ERRORS, ROW_GROUP_BYTES, ROW_GROUP_ROWS
from sweepctl.store.files import store_errors

MAX_GROUP_BYTES = 2 * ROW_GROUP_BYTES  # decoded; a writer ends a group with the row that reaches half of it
MAX_FOOTER_BYTES = 64 << 20
FOOTER_END = 8  # bytes: the footer's length, and a mark
_PLAIN = {"PLAIN", "RLE", "BIT_PACKED"}  # encodings in which a text is as long as it is

Reopen = Callable[[list[str]], pq.ParquetFile]


def open_rows(path: Path, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a file whose row groups each take bounded memory, with these text columns, if any, as dictionaries.

    Raises one of PARQUET_ERRORS if the file is none that a writer here makes.
    """
    metadata = read_metadata(path)
    require_bounded(metadata, lambda names: pq.ParquetFile(path, read_dictionary=names), dictionaries)
    known = [name for name in dictionaries if name in metadata.schema.names]
    return pq.ParquetFile(path, metadata=metadata, read_dictionary=known)


def read_metadata(path: Path) -> pq.FileMetaData:
    """Return what a file's footer says, of whose column chunks Arrow ends the process at none.

    Raises one of PARQUET_ERRORS if there are such, or none can be read.
    """
    with path.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - FOOTER_END))
        length = require_footer(opened.read())
        opened.seek(max(0, size - FOOTER_END - length))
        footer = opened.read(length)
    metadata = pq.read_metadata(path)
    require_safe(footer)
    return metadata


def open_body(body: bytes, forms: FooterForms) -> pq.ParquetFile:
    """Open a file that is in memory, as `open_rows` opens one on a disk; `forms` are those of the files before it.

    Raises one of PARQUET_ERRORS if the file is none that a writer here makes.
    """
    require_footer(body[-FOOTER_END:])
    opened = pq.ParquetFile(pa.BufferReader(body))
    forms.require_safe(footer_of(body))
    require_bounded(opened.metadata, lambda names: pq.ParquetFile(pa.BufferReader(body), read_dictionary=names))
    return opened


def require_footer(end: bytes) -> int:
    """Return the length of the footer of a file that ends with these 8 bytes.

    Raises ArrowInvalid if that is longer than any footer here.
    """
    length = int.from_bytes(end[:4], "little")
    if len(end) == FOOTER_END and length > MAX_FOOTER_BYTES:
        raise pa.ArrowInvalid(f"a footer of {length} bytes: must be at most {MAX_FOOTER_BYTES}")
    return length


def require_damage(error: Exception) -> None:
    """Raise one of PARQUET_ERRORS again if it is the disk's own, and says nothing about the file: a full disk's."""
    if isinstance(error, OSError) and error.errno is not None:  # those of Arrow about a file have no number
        raise error


def require_damage_of(what: Path | str, error: Exception) -> None:
    """Raise a StoreError that names `what`, if one of PARQUET_ERRORS is the disk's own."""
    with store_errors("read", what):
        require_damage(error)


def require_bounded(metadata: pq.FileMetaData, reopen: Reopen, dictionaries: Sequence[str] = ()) -> None:
    """Raise ArrowInvalid unless each row group takes bounded memory when it is read.

    Args:
        metadata: The file's footer.
        reopen: Opens the file once more, with these columns as dictionaries.
        dictionaries: The text columns that will be read as dictionaries.
    """
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        values = max([group.num_rows, *(column.num_values for column in columns)])
        if values > ROW_GROUP_ROWS:
            raise pa.ArrowInvalid(f"a row group of {values} rows: must be at most {ROW_GROUP_ROWS}")
        encoded = sum(column.total_uncompressed_size for column in columns)
        # No value is longer than all of them together: most files are known to be small by that alone.
        if values * encoded <= MAX_GROUP_BYTES:
            continue
        decoded = encoded + 8 * values * len(columns)
        for column in columns if decoded <= MAX_GROUP_BYTES else ():
            name = column.path_in_schema
            if column.physical_type == "BYTE_ARRAY" and name not in dictionaries and not {*column.encodings} <= _PLAIN:
                decoded += _text_bytes(reopen, number, name)
        if decoded > MAX_GROUP_BYTES:
            raise pa.ArrowInvalid(f"a row group of {decoded} bytes: must be at most {MAX_GROUP_BYTES}")


def _text_bytes(reopen: Reopen, group: int, name: str) -> int:
    """Return how many bytes a column of texts has: as a dictionary, each distinct one is decoded once."""
    with reopen([name]) as file:
        column = file.read_row_group(group, columns=[name], use_threads=False).column(0)
    if not pa.types.is_dictionary(column.type):
        raise pa.ArrowInvalid(f"{name} is long, and of type {column.type}, which no table has")
    lengths = (pc.take(pc.binary_length(chunk.dictionary), chunk.indices) for chunk in column.chunks)
    return sum(pc.sum(each).as_py() or 0 for each in lengths)


def same_rows(one: Path, other: Path) -> bool:
    """Return whether two data files hold equal rows in equal order; a damaged file equals no other."""
    try:
        with open_rows(one) as first, open_rows(other) as second:
            groups = first.metadata.num_row_groups
            return groups == second.metadata.num_row_groups and all(
                first.read_row_group(group).equals(second.read_row_group(group)) for group in range(groups)
            )
    except PARQUET_ERRORS as error:
        require_damage(error)
        return False

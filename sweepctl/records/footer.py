"""What Arrow does not check in a Parquet footer before it ends the process.

Arrow (as of 22) throws for a column chunk without metadata, an encrypted one, and one whose size statistics do not fit
its column; where Python or a filter looks at a chunk, nobody catches that. So a footer is read here first, in Thrift's
compact protocol (parquet-format, parquet.thrift: the numbers of the fields are those of that file).
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

_SCHEMA, ROW_GROUPS = 2, 4  # of FileMetaData
_TYPE = 1  # of SchemaElement and ColumnMetaData
_REPETITION, _NAME, _CHILDREN = 3, 4, 5  # of SchemaElement
COLUMNS = 1  # of RowGroup
META_DATA, _CRYPTO = 3, 8  # of ColumnChunk
_CODEC, _SIZE_STATISTICS = 4, 16  # of ColumnMetaData
_BYTE_ARRAY, _FIXED_LENGTH = 6, 7
_LAST_CODEC = 7
_BYTES, _REPETITIONS, _DEFINITIONS = 1, 2, 3  # of SizeStatistics; the last two are histograms
_REQUIRED, _REPEATED = 0, 2
# Of the protocol: types, and the length of a list whose length follows.
TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 12
LONG = 15


def require_safe(footer: bytes) -> None:
    """Raise ArrowInvalid if Arrow would end the process when it looks at a column chunk.

    `footer` is what the file's last bytes give the length of; Arrow has opened the file.
    """
    try:
        _check(struct(footer)[0])
    except (KeyError, IndexError, StopIteration, RecursionError, TypeError, AttributeError) as error:
        raise pa.ArrowInvalid("its footer is damaged") from error


def fixed_length_columns(body: bytes) -> list[str]:
    """Return the columns of a whole file that have bytes of a fixed length: wide integers, decimals."""
    footer = footer_of(body)
    found = [element[_NAME] for element in struct(footer)[0][_SCHEMA] if element.get(_TYPE) == _FIXED_LENGTH]
    return [footer[name].decode(errors="replace") for name in found]


def footer_of(body: bytes) -> bytes:
    """Return the footer of a whole file."""
    return body[footer_start(body) : -8]


def footer_start(body: bytes) -> int:
    """Return where the footer of a whole file begins."""
    return len(body) - 8 - int.from_bytes(body[-8:-4], "little")


def struct(data: bytes, at: int = 0) -> tuple[dict[int, Any], int]:
    """Return the struct that begins at `at`, as a dict by the number of the field, and where it ends.

    A list is a list, a text the slice of `data` that it takes; what nobody needs is None.
    """
    reader = Reader(data, at)
    return reader.struct(), reader.at


def _check(footer: dict[int, Any]) -> None:
    levels = list(_levels(iter(footer[_SCHEMA][1:]), footer[_SCHEMA][0].get(_CHILDREN, 0)))
    for group in footer[ROW_GROUPS]:
        chunks = group[COLUMNS]
        if len(chunks) != len(levels):
            raise pa.ArrowInvalid(f"a row group of {len(chunks)} columns in a file of {len(levels)}")
        for chunk, (kind, repetitions, definitions) in zip(chunks, levels, strict=True):
            if _CRYPTO in chunk or META_DATA not in chunk:
                raise pa.ArrowInvalid("a column that is encrypted, or has no metadata")
            found = chunk[META_DATA]
            if not 0 <= found[_CODEC] <= _LAST_CODEC or found[_TYPE] != kind:
                raise pa.ArrowInvalid("a column of an unknown compression, or of two types")
            sizes = found.get(_SIZE_STATISTICS, {})
            if _BYTES in sizes and kind != _BYTE_ARRAY:
                raise pa.ArrowInvalid("size statistics of texts for a column of numbers")
            for histogram, level in ((_REPETITIONS, repetitions), (_DEFINITIONS, definitions)):
                if histogram in sizes and len(sizes[histogram]) not in (0, level + 1):
                    raise pa.ArrowInvalid("size statistics that do not fit their column")


def _levels(elements: Iterator[dict[int, Any]], children: int, above: tuple[int, int] = (0, 0)) -> Iterator[Any]:
    """Yield type, highest repetition level and highest definition level of each leaf."""
    for _ in range(children):
        element = next(elements)
        repetition = element[_REPETITION]
        if not _REQUIRED <= repetition <= _REPEATED:
            raise pa.ArrowInvalid("a column that may occur in an unknown way")
        here = (above[0] + (repetition == _REPEATED), above[1] + (repetition != _REQUIRED))
        if element.get(_CHILDREN, 0):
            yield from _levels(elements, element[_CHILDREN], here)
        else:
            yield element[_TYPE], *here


class Reader:
    """Reads what Arrow has parsed before."""

    def __init__(self, data: bytes, at: int) -> None:
        """Begin at `at`."""
        self._data = data
        self.at = at

    def struct(self) -> dict[int, Any]:
        """Read a struct, as the function `struct` returns it."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            fields[number] = self.value(head & 15)
        return fields

    def value(self, kind: int) -> Any:  # noqa: ANN401  any Thrift value
        """Read a value of this type."""
        if kind == I32:
            return self._zigzag()
        if kind in (I16, I64):  # Arrow passes over a number of another width than it expects
            self._varint()
            return None
        if kind == BINARY:
            return self.text()
        if kind == STRUCT:
            return self.struct()
        if kind == LIST:
            return self._list()
        if kind in (TRUE, FALSE):  # which is the value, too
            return None
        if kind in (I8, DOUBLE):
            self.at += 1 if kind == I8 else 8
            return None
        raise pa.ArrowInvalid(f"a footer with a value of kind {kind}")

    def text(self) -> slice:
        """Read the length of a text, and pass over it."""
        length = self._varint()
        self.at += length
        return slice(self.at - length, self.at)

    def _list(self) -> list[Any]:
        head = self._byte()
        kind, length = head & 15, head >> 4
        if length == LONG:
            length = self._varint()
        if kind in (TRUE, FALSE):
            self.at += length
            return [None] * length
        return [self.value(kind) for _ in range(length)]

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

"""A digest of rows in their order, which does not depend on how they are stored.

Row groups, pages, chunks, dictionaries, compression and the library that wrote a file make no difference to it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc


class RowDigest:
    """The SHA-256 of rows that are added table by table.

    Every column is hashed by itself: which values there are, the values in little-endian bytes (null as zero), and for
    texts and lists their lengths. The digest is that of the columns' names, types and digests, as JSON.
    """

    def __init__(self, schema: pa.Schema) -> None:
        """Begin with no rows of this schema."""
        self.schema = schema
        self._streams: dict[str, hashlib._Hash] = {}
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Add rows, whose columns may be dictionaries."""
        self.rows += rows.num_rows
        for field, column in zip(self.schema, rows.columns, strict=True):
            for chunk in (column if column.type == field.type else column.cast(field.type)).chunks:
                self._add(field.name, chunk)

    def hexdigest(self) -> str:
        """Return the digest of the rows so far."""
        streams = sorted((name, stream.hexdigest()) for name, stream in self._streams.items())
        return hashlib.sha256(json.dumps([self.rows, self.schema.names, streams]).encode()).hexdigest()

    def _add(self, name: str, values: pa.Array) -> None:
        # Where nothing is null, which is usual, no function of Arrow's is called for it: a batch may have a single row.
        kind, has_nulls = values.type, values.null_count > 0
        if has_nulls:
            self._hash(f"{name} valid", pc.cast(values.is_valid(), pa.uint8()))
        else:
            self._stream(f"{name} valid").update(b"\1" * len(values))
        if pa.types.is_struct(kind):
            for field, inner in zip(kind, values.flatten(), strict=True):
                self._add(f"{name} {field.name}", inner)
        elif pa.types.is_list(kind):
            self._hash(f"{name} length", pc.fill_null(pc.list_value_length(values), 0))
            self._add(f"{name} item", values.flatten())
        elif pa.types.is_string(kind):
            texts = pc.fill_null(values, "") if has_nulls else values
            self._hash(f"{name} length", pc.binary_length(texts))
            self._stream(f"{name} {kind}").update(_text_of(texts))
        else:
            numbers = values
            if pa.types.is_boolean(kind) or pa.types.is_timestamp(kind):
                numbers = pc.cast(values, pa.uint8() if pa.types.is_boolean(kind) else pa.int64())
            self._hash(f"{name} {kind}", pc.fill_null(numbers, 0) if has_nulls else numbers)

    def _hash(self, name: str, numbers: pa.Array) -> None:
        width = numbers.type.bit_width // 8
        start = numbers.offset * width
        self._stream(name).update(memoryview(numbers.buffers()[1])[start : start + len(numbers) * width])

    def _stream(self, name: str) -> "hashlib._Hash":
        if name not in self._streams:
            self._streams[name] = hashlib.sha256()
        return self._streams[name]


class ContentDigest:
    """The digest of a shard's results, whatever form they come in (docs/decisions/0020-content-digest.md)."""

    def __init__(self, points: pa.Schema, datasets: Mapping[str, pa.Schema]) -> None:
        """Begin without points, which have columns of their own, and rows in each of `datasets`."""
        self._points = RowDigest(points)
        self._datasets = {name: RowDigest(schema) for name, schema in datasets.items()}

    def add(self, points: pa.Table, rows: Mapping[str, pa.Table]) -> None:
        """Add the next points, and their rows in other datasets."""
        for digest, table in ((self._points, points), *((self._datasets[name], rows[name]) for name in rows)):
            if table.num_rows:
                digest.add(table.select(digest.schema.names))

    @property
    def text(self) -> str:
        """The digest of all rows so far, with its version."""
        datasets = sorted((name, digest.hexdigest()) for name, digest in self._datasets.items())
        content = json.dumps([self._points.hexdigest(), datasets])
        return f"v2:{hashlib.sha256(content.encode()).hexdigest()}"


def _text_of(texts: pa.Array) -> memoryview:
    """Return the bytes of texts without nulls, one after the other."""
    _, offsets, content = texts.buffers()
    ends = memoryview(offsets).cast("B").cast("i")
    start, end = ends[texts.offset], ends[texts.offset + len(texts)]
    return memoryview(content or b"")[start:end]


def digest_of(schema: pa.Schema, tables: Iterable[pa.Table]) -> RowDigest:
    """Return the digest of all rows of some tables."""
    digest = RowDigest(schema)
    for table in tables:
        digest.add(table)
    return digest

"""What stands for a worker's disk and for its encoder: files in memory, and what was computed once remembered.

Records of one row are JSON. Tables are Parquet as `DatasetWriter` writes it; but equal rows are encoded once in a
process, equal bytes are decoded once, and equal lines of an engine and equal messages are parsed and checked once. A
history is the same on a real disk with all of it computed anew: a test compares them.
"""

import dataclasses
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import lru_cache
from itertools import count
from pathlib import Path, PosixPath
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, ClassVar, Self, cast
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl import messages
from sweepctl.compact import parts
from sweepctl.engine import checks, columns, reader, run
from sweepctl.errors import ScratchError, StoreError
from sweepctl.protocol import Model
from sweepctl.records import compact_source, datafile, footer, footer_forms, table
from sweepctl.records.outcome import Artifact
from sweepctl.records.table import DataFile, DatasetWriter
from sweepctl.shard import adopt, attempt
from sweepctl.store import s3
from sweepctl.store.files import store_errors
from sweepctl.worker import delivery, drain

MANY = 4096  # of each kind are remembered: most histories hold the same few tables


@contextmanager
def in_memory() -> Iterator[None]:
    """Hand them in."""
    with ExitStack() as patches:
        for owner, name, stand_in in (
            (table, "encode", encode),
            (table, "decode", decode),
            (table, "pq", _Parquet),
            (datafile, "pq", _Parquet),
            (attempt, "DatasetWriter", Writer),
            (adopt, "DatasetWriter", Writer),
            (parts, "DatasetWriter", Writer),
            (parts, "pq", SimpleNamespace(ParquetWriter=_PlainWriter)),
            (compact_source, "pq", _Parquet),
            (datafile, "require_safe", _require_safe),
            (footer_forms.FooterForms, "require_safe", lambda _forms, footer: _require_safe(footer)),
            (reader, "parse_records", _parse_records),
            (reader, "check_points", _check_points),
            (reader, "_datasets", _datasets),
            (reader, "_complete", _complete),
            (reader, "unfold", _unfold),
            (run, "decode", _decode_reply),
            (Model, "to_json", _to_json),
            (delivery, "decode", decode_message),
            (drain, "decode", decode_message),
        ):
            patches.enter_context(patch.object(owner, name, stand_in))
        patches.enter_context(patch.object(s3, "temporary_folder", folder))
        yield


class File(PosixPath):
    """The path of a file that lies in memory."""

    files: ClassVar[dict[str, bytes]] = {}
    on_write: ClassVar[Callable[[str], None]] = lambda _name: None  # may raise OSError

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:  # noqa: ANN401  as of pathlib
        if mode == "wb":
            return _Sink(str(self))
        assert mode == "rb"
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        try:
            return self.files[str(self)]
        except KeyError:
            raise FileNotFoundError(str(self)) from None

    def write_bytes(self, data: Any) -> int:  # noqa: ANN401  as of pathlib
        File.on_write(self.name)
        self.files[str(self)] = data
        return len(data)

    def stat(self, **_: Any) -> Any:  # noqa: ANN401  as of pathlib
        return SimpleNamespace(st_size=len(self.read_bytes()))

    def mkdir(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  as of pathlib
        pass

    def unlink(self, missing_ok: bool = False) -> None:  # noqa: FBT001, FBT002  as of pathlib
        assert not missing_ok
        del self.files[str(self)]


class _Sink(io.BytesIO):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def write(self, body: Any) -> int:  # noqa: ANN401  as of io
        File.on_write("a download")
        return super().write(body)

    def close(self) -> None:
        if not self.closed:
            File.files[self._name] = self.getvalue()
        super().close()


_numbers = count()


@contextmanager
def folder() -> Iterator[File]:
    """Lend a private folder as `temporary_folder` does."""
    name = f"/memory/{next(_numbers)}"
    with store_errors("create a work folder in", Path("/memory"), ScratchError):
        File.on_write("a folder")
    try:
        yield File(name)
    finally:
        for each in [each for each in File.files if each.startswith(f"{name}/")]:
            del File.files[each]


class Writer:
    """`DatasetWriter`, whose file is made when its rows are known."""

    def __init__(self, dataset: str, schema: pa.Schema, folder: Path) -> None:
        self._dataset = dataset
        self._path = folder / f"{dataset}.parquet"
        self._path.write_bytes(b"")
        self._schema = schema
        self._rows: list[pa.Table] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, rows: pa.Table) -> None:
        self._rows.append(rows)

    def finish(self, content_sha256: str | None = None) -> DataFile:
        # Remembered by its tables first: to compare rows is what takes long.
        self._path.write_bytes(_written(self._dataset, self._schema, content_sha256, *self._rows))
        return DataFile(self._dataset, self._path, sum(rows.num_rows for rows in self._rows))


class _PlainWriter:
    """A `ParquetWriter` of a file."""

    def __init__(self, path: File, schema: pa.Schema, **options: Any) -> None:  # noqa: ANN401  as of Arrow
        self._path = path
        self._sink = pa.BufferOutputStream()
        self._writer = pq.ParquetWriter(self._sink, schema, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._path.write_bytes(self._sink.getvalue().to_pybytes())

    def write_table(self, rows: pa.Table, row_group_size: int) -> None:
        self._writer.write_table(rows, row_group_size=row_group_size)


def _write(dataset: str, schema: pa.Schema, content_sha256: str | None, *tables: pa.Table) -> bytes:
    whole = pa.concat_tables(tables) if tables else schema.empty_table()
    rows = whole.cast(schema).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return _file_of(dataset, sink.getvalue().to_pybytes(), content_sha256)


@lru_cache(MANY)
def _file_of(dataset: str, rows: bytes, content_sha256: str | None) -> bytes:
    """Return what the real writer makes of a table, given as a stream of Arrow."""
    with pa.ipc.open_stream(rows) as stream:
        whole = stream.read_all()
    with TemporaryDirectory() as folder, DatasetWriter(dataset, whole.schema, Path(folder)) as writer:
        if whole.num_rows:
            writer.add(whole)
        return writer.finish(content_sha256).path.read_bytes()


class _Read:
    """A `ParquetFile` that is read, once and for all."""

    def __init__(self, body: bytes, dictionaries: tuple[str, ...]) -> None:
        self._file = pq.ParquetFile(pa.BufferReader(body), read_dictionary=list(dictionaries))
        self.metadata = self._file.metadata
        self.schema_arrow = self._file.schema_arrow
        self._batches = list(self._file.iter_batches(use_threads=False))
        self._tables: dict[tuple[str, ...] | None, pa.Table] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def iter_batches(self, *_: int, **__: int) -> Iterator[pa.RecordBatch]:
        return iter(self._batches)

    def read_row_group(self, number: int) -> pa.Table:
        return self._file.read_row_group(number)

    def read(self, *, columns: list[str] | None = None, use_threads: bool) -> pa.Table:
        assert not use_threads
        key = None if columns is None else tuple(columns)
        if key not in self._tables:
            self._tables[key] = self._file.read(columns=columns, use_threads=False)
        return self._tables[key]


_read = lru_cache(MANY)(_Read)


class _Parquet:
    """What production code uses of `pyarrow.parquet` on files."""

    ParquetWriter = pq.ParquetWriter

    @staticmethod
    def ParquetFile(  # noqa: N802
        file: File | pa.BufferReader, metadata: object = None, read_dictionary: Sequence[str] = ()
    ) -> _Read:
        del metadata
        body = file.read() if isinstance(file, pa.BufferReader) else file.read_bytes()
        return _read(body, tuple(read_dictionary))

    @staticmethod
    def read_metadata(file: File) -> pq.FileMetaData:
        return _read(file.read_bytes(), ()).metadata


def encode(record: Any) -> bytes:  # noqa: ANN401  any record
    """Stand for `table.encode`."""
    fields = _fields(record) | {"artifacts": [_fields(each) for each in getattr(record, "artifacts", ())]}
    return json.dumps([type(record).__name__, fields], default=datetime.isoformat).encode()


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401  of any dataclass; `asdict` copies what they hold
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def decode(kind: Callable[..., table.Record], body: bytes, where: str) -> table.Record:
    """Stand for `table.decode`."""
    try:
        return cast("table.Record", _decoded(kind, body))
    except ValueError as error:
        raise StoreError(f"{where} is no record: {error}") from error


@lru_cache(MANY)
def _decoded(kind: Callable[..., object], body: bytes) -> object:
    name, fields = json.loads(body)
    if name != kind.__name__:
        raise ValueError(name)
    found = tuple(Artifact(**each) for each in fields.pop("artifacts"))
    times = {name: datetime.fromisoformat(text) for name, text in fields.items() if name.endswith("_at")}
    return kind(**fields | times | ({"artifacts": found} if name == "Outcome" else {}))


_all_known: list[dict[tuple[object, ...], tuple[object, Any]]] = []


def forget() -> None:
    """Forget what came of values: the code that makes it of them is another."""
    for known in _all_known:
        known.clear()


_BY_VALUE = (str, int, type(None), tuple, pa.Schema)


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Remember what came of values that never change.

    Tables and models have no hash, or a slow one: they are told apart by which objects they are.
    """
    known: dict[tuple[object, ...], tuple[object, Any]] = {}
    _all_known.append(known)

    def remembered(*values: object) -> Any:  # noqa: ANN401  whatever it returns
        key = tuple(value if isinstance(value, _BY_VALUE) else id(value) for value in values)
        if key not in known:
            if len(known) == MANY:
                known.clear()
            known[key] = values, function(*values)
        return known[key][1]

    return remembered


_written = _once(_write)
_complete_anew = reader._complete
_completed = _once(lambda rows, schema, constant: _complete_anew(rows, schema, dict(constant)))
_checked = _once(checks.check_points)
_datasets = _once(reader._datasets)
_decode_reply = lru_cache(MANY)(run.decode)
_to_json = _once(Model.to_json)
_require_safe = lru_cache(MANY)(footer.require_safe)
_parse_records = lru_cache(MANY)(checks.parse_records)
_unfold = _once(columns.unfold)
decode_message = lru_cache(MANY)(messages.decode)


def _complete(rows: pa.Table, schema: pa.Schema, constant: Mapping[str, object]) -> Any:  # noqa: ANN401  as of Arrow
    return _completed(rows, schema, tuple(constant.items()))


def _check_points(points: pa.Table, model: Model, derived: Collection[str]) -> None:
    _checked(points, model, tuple(derived))

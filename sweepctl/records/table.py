"""The Arrow schemas of everything in a store, and Parquet files written to them. Knows neither engines nor stores.

Data files are written in row groups of one fixed size, smaller ones where rows are long, so that memory does not grow
with the shard. Records of one row (outcomes, run records, engine pins) are encoded and decoded whole.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.design.values import reject
from sweepctl.errors import DamagedError
from sweepctl.protocol import Column, Model
from sweepctl.records.design import rule_of
from sweepctl.records.footer import footer_of, require_safe
from sweepctl.records.outcome import KEPT_FILES, Artifact, EnginePin, Outcome, RunRecord
from sweepctl.records.rules import require_valid

EFFECTIVE_PARAMETERS = "effective_parameters"
POINT_OUTCOMES = "point_outcomes"
SHARD_OUTCOMES = "shard_outcomes"
SHARD_ATTEMPTS = "shard_attempts"

ROW_GROUP_ROWS = 65_536
# A row group ends with the row that reaches this size: texts in UTF-8, and eight bytes for each column.
ROW_GROUP_BYTES = 128 << 20
BUFFER_BYTES = 1 << 18
COMPRESSION_LEVEL = 1  # higher levels make these columns 1 % smaller and take twice the time

MAX_RECORD_BYTES = 64 << 20  # decoded
FOREIGN = "Another program wrote it. Move it away, or use another store or run_id."

# What Arrow raises for a damaged file.
PARQUET_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)

INT, FLOAT, BOOL, TEXT = pa.int64(), pa.float64(), pa.bool_(), pa.string()
TIME = pa.timestamp("ms", tz="UTC")
ARROW_TYPES: Mapping[str, pa.DataType] = {"int": INT, "float": FLOAT, "bool": BOOL, "string": TEXT}

_SHARD = [("run_id", TEXT), ("shard_id", INT)]
_POINT = [*_SHARD, ("point_index", INT), ("replicate", INT)]
_ARTIFACT = pa.struct([("dataset", TEXT), ("key", TEXT), ("bytes", INT), ("rows", INT), ("sha256", TEXT)])

RUN_RECORD = pa.schema(
    [
        ("run_id", TEXT),
        ("run_date", TEXT),
        ("spec_json", TEXT),
        ("spec_fingerprint", TEXT),
        ("total_points", INT),
        ("shard_points", INT),
        ("created_at", TIME),
    ],
)
ENGINE_PIN = pa.schema(
    [
        ("run_id", TEXT),
        ("model", TEXT),
        ("model_version", TEXT),
        ("engine_version", TEXT),
        ("created_at", TIME),
        ("engine_sha256", TEXT),
        ("declaration_json", TEXT),
    ],
)
OUTCOME = pa.schema(
    [
        *_SHARD,
        ("start_index", INT),
        ("end_index_exclusive", INT),
        ("total_points", INT),
        ("status", TEXT),
        ("attempt_id", TEXT),
        ("attempt_number", INT),
        ("points_succeeded", INT),
        ("points_failed", INT),
        ("error_code", TEXT),
        ("error_message", TEXT),
        ("error_point_index", INT),
        ("retryable", BOOL),
        ("started_at", TIME),
        ("finished_at", TIME),
        ("cpu_seconds", FLOAT),
        ("engine_version", TEXT),
        ("model", TEXT),
        ("model_version", TEXT),
        ("spec_fingerprint", TEXT),
        ("content_sha256", TEXT),
        ("artifacts", pa.list_(_ARTIFACT)),
        ("engine_sha256", TEXT),
        ("points_machine_dependent", INT),
        ("points_excluded", INT),
    ],
)
# Columns that earlier releases did not write. They are the last of their table, and null where they are missing.
ADDED = ("engine_sha256", "declaration_json", "points_machine_dependent", "points_excluded")


def columns_of(columns: Sequence[Column]) -> list[tuple[str, pa.DataType]]:
    """Return name and Arrow type of each declared column."""
    return [(column.name, ARROW_TYPES[column.type]) for column in columns]


# The columns that come before a model's own, in every row of a dataset.
_IDENTITY = {
    EFFECTIVE_PARAMETERS: [
        *_POINT,
        ("seed", INT),
        ("model", TEXT),
        ("model_version", TEXT),
        ("parameter_fingerprint", TEXT),
        ("point_fingerprint", TEXT),
        ("effective_parameters_json", TEXT),
    ],
    POINT_OUTCOMES: [
        *_POINT,
        ("point_fingerprint", TEXT),
        ("status", TEXT),
        ("error_code", TEXT),
        ("error_message", TEXT),
    ],
    KEPT_FILES: [*_POINT, ("name", TEXT), ("bytes", INT), ("content", pa.binary())],
}
# In both tables of points; a join of them has these once.
SHARED_COLUMNS = tuple(name for name, _ in _IDENTITY[POINT_OUTCOMES] if name in dict(_IDENTITY[EFFECTIVE_PARAMETERS]))


def schema_of(dataset: str, columns: Sequence[tuple[str, pa.DataType]]) -> pa.Schema:
    """Return the schema of a dataset whose model gives it `columns`."""
    return pa.schema([*_IDENTITY.get(dataset, _POINT), *columns])


def schemas(model: Model, outputs: Sequence[str]) -> dict[str, pa.Schema]:
    """Return the schema of every dataset that a shard of `model` writes, `outputs` being the extra ones."""
    extra = {dataset.name: dataset.columns for dataset in model.datasets}
    columns: Mapping[str, Sequence[Column]] = {
        EFFECTIVE_PARAMETERS: model.parameters,  # one row per point: its identity, and every parameter that it ran with
        POINT_OUTCOMES: model.metrics,  # one row per point: its status and metrics
        **{name: extra[name] for name in outputs if name in extra},  # the engine refuses any other
    }
    return {name: schema_of(name, columns_of(own)) for name, own in columns.items()}


CONTENT_DIGEST = "content_sha256"  # in the metadata of a file of `point_outcomes`


@dataclass(frozen=True)
class DataFile:
    """One dataset of a shard: a closed file that is not in a store yet."""

    dataset: str
    path: Path
    rows: int

    @property
    def bytes(self) -> int:
        """The size of the file."""
        return self.path.stat().st_size


class DatasetWriter:
    """Writes the rows of one dataset to a Parquet file."""

    def __init__(self, dataset: str, schema: pa.Schema, folder: Path) -> None:
        """Open `<folder>/<dataset>.parquet` for writing."""
        self.dataset = dataset
        self.path = folder / f"{dataset}.parquet"
        self._schema = schema
        self._gathered: list[pa.Table] = []
        self._rows_gathered = 0
        self._bytes_gathered = 0
        self._rows_written = 0
        # Without a buffer, Arrow makes a system call for every few bytes.
        self._sink = pa.BufferedOutputStream(pa.OSFile(str(self.path), "wb"), BUFFER_BYTES)
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=_repetitive(schema),
        )

    @property
    def bytes(self) -> int:
        """The size of the file so far; rows of an unfinished row group are not in it."""
        return self.path.stat().st_size if self._sink.closed else self._sink.tell()

    def add(self, rows: pa.Table) -> None:
        """Add rows, whose columns may be dictionaries; full row groups are written immediately."""
        self._gathered.append(rows)
        self._rows_gathered += rows.num_rows
        self._bytes_gathered += _bytes_of(rows)
        while self._rows_gathered >= ROW_GROUP_ROWS or self._bytes_gathered >= ROW_GROUP_BYTES:
            self._write_group(self._next_group())

    def finish(self, content_sha256: str | None = None) -> DataFile:
        """Write the remaining rows, and close the file; it keeps the shard's content digest, if given one."""
        if self._rows_gathered:
            self._write_group(self._rows_gathered)
        if content_sha256 is not None:
            self._writer.add_key_value_metadata({CONTENT_DIGEST: content_sha256})
        self._close()
        return DataFile(self.dataset, self.path, self._rows_written)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close an unfinished file, which is removed with its folder."""
        self._close()

    def _close(self) -> None:
        self._writer.close()
        self._sink.close()

    def _next_group(self) -> int:
        """Return the rows of the next group: the same, however the rows arrived."""
        first = pa.concat_tables(self._gathered).slice(0, ROW_GROUP_ROWS)
        if _bytes_of(first) < ROW_GROUP_BYTES:
            return ROW_GROUP_ROWS
        ends = itertools.accumulate(_row_bytes(first).to_pylist())
        return next(rows for rows, end in enumerate(ends, 1) if end >= ROW_GROUP_BYTES)

    def _write_group(self, rows: int) -> None:
        gathered = pa.concat_tables(self._gathered)
        group = gathered.slice(0, rows)
        # One chunk per column: pages end where chunks do, and equal work must give equal bytes.
        self._writer.write_table(group.cast(self._schema).combine_chunks(), row_group_size=rows)
        rest = gathered.slice(rows)
        self._gathered = [rest] if rest.num_rows else []
        self._rows_gathered = rest.num_rows
        self._bytes_gathered -= _bytes_of(group)
        self._rows_written += rows


def _bytes_of(rows: pa.Table) -> int:
    return sum(chunk.sum().as_py() or 0 for chunk in _row_bytes(rows).chunks)


def _row_bytes(rows: pa.Table) -> pa.ChunkedArray:
    """Return the size of each row."""
    import pyarrow.compute as pc  # noqa: PLC0415  slow to import, and for whoever writes rows only

    total = pa.chunked_array([pa.repeat(pa.scalar(8 * rows.num_columns, INT), rows.num_rows)])
    for column in (column for column in rows.columns if column.type == TEXT):
        total = pc.add(total, pc.fill_null(pc.binary_length(column), 0))
    return total


def row_count(path: Path) -> int:
    """Return the number of rows of a data file that was read already."""
    return int(pq.read_metadata(path).num_rows)


def _repetitive(schema: pa.Schema) -> list[str]:
    # A dictionary of values that hardly repeat is a waste, of floats too; and floats must stay plain.
    distinct = {"point_index", "parameter_fingerprint", "point_fingerprint", "effective_parameters_json", "content"}
    return [field.name for field in schema if field.type != FLOAT and field.name not in distinct]


# Columns of one-row records that may be null.
_NULLABLE = {
    "attempt_number", "error_code", "error_message", "error_point_index", "content_sha256", "shard_points", *ADDED,
}  # fmt: skip

Record = TypeVar("Record", Outcome, RunRecord, EnginePin)

_RECORD_SCHEMAS: Mapping[type, pa.Schema] = {Outcome: OUTCOME, RunRecord: RUN_RECORD, EnginePin: ENGINE_PIN}
# Both files of a run are in one folder, and most readers take the columns of the first: the pin has those of both.
RECORD_OR_PIN = pa.unify_schemas([RUN_RECORD, ENGINE_PIN])


def encode(record: Outcome | RunRecord | EnginePin) -> bytes:
    """Return the Parquet file of one row that holds `record`."""
    schema = RECORD_OR_PIN if isinstance(record, EnginePin) else _RECORD_SCHEMAS[type(record)]
    table = pa.Table.from_pylist([dataclasses.asdict(record)], schema=schema)
    sink = pa.BufferOutputStream()
    # For one row, dictionaries, a copy of Arrow's schema and compression cost time and make the file larger.
    pq.write_table(table, sink, compression="none", use_dictionary=False, store_schema=False)
    return bytes(sink.getvalue())


def _require_values(fields: Mapping[str, Any]) -> None:
    for row in (fields, *(fields.get("artifacts") or ())):
        for name, value in row.items():
            if value is None and name not in _NULLABLE:
                reject(f"{name} is null")


def _with_added(found: pa.Table, schema: pa.Schema) -> pa.Table:
    for name in ADDED:
        if name in schema.names and name not in found.schema.names:
            found = found.append_column(name, pa.nulls(found.num_rows, TEXT))
    return found


def decode(kind: type[Record], body: bytes, where: str) -> Record:
    """Return the record that `encode` wrote; `where` names it in an error.

    Raises:
        DamagedError: the body is not one row of the expected schema, or holds a value that is never written.
    """
    schema = _RECORD_SCHEMAS[kind]
    try:
        # A BufferReader: reading Parquet from a Python file object can abort the interpreter at exit.
        with pq.ParquetFile(pa.BufferReader(body)) as file:
            require_safe(footer_of(body))
            require_small(file.metadata, len(body))
            table = _with_added(file.read(use_threads=False), schema)
            if kind is EnginePin and set(table.column_names) == set(RECORD_OR_PIN.names):
                table = table.select(schema.names)
        if not table.schema.equals(schema):
            table = table.cast(schema)  # for other programs' types; it takes a tenth of the time
        (fields,) = table.to_pylist()
        return record_of(kind, fields)
    except (*PARQUET_ERRORS, ValueError, OverflowError) as error:
        reason = rule_of(error) if isinstance(error, ValueError) else str(error)
        msg = f"{where} is not a sweepctl record: {reason}"
        raise DamagedError(msg, remedy=FOREIGN) from error


def record_of(kind: type[Record], fields: dict[str, Any]) -> Record:
    """Return the record with these columns.

    Raises:
        ValueError: a value is never written.
    """
    _require_values(fields)
    require_valid(kind, fields)
    if "artifacts" in fields:
        fields["artifacts"] = tuple(Artifact(**artifact) for artifact in fields["artifacts"])
    return kind(**fields)


def outcome_rows(outcomes: Sequence[Outcome]) -> pa.Table:
    """Return the rows of `shard_outcomes` or `shard_attempts` that hold these outcomes, in their order."""
    artifacts = [artifact for outcome in outcomes for artifact in outcome.artifacts]
    ends = itertools.accumulate((len(outcome.artifacts) for outcome in outcomes), initial=0)
    lists = pa.ListArray.from_arrays(
        pa.array(ends, pa.int32()),
        pa.StructArray.from_arrays([_column(artifacts, field) for field in _ARTIFACT], fields=list(_ARTIFACT)),
    )
    columns = [lists if field.name == "artifacts" else _column(outcomes, field) for field in OUTCOME]
    return pa.table(columns, schema=OUTCOME)


def _column(values: Sequence[object], field: pa.Field) -> pa.Array:
    return pa.array([getattr(each, field.name) for each in values], field.type)


def require_small(metadata: pq.FileMetaData, size: int) -> None:
    """Raise ValueError unless a file of `size` bytes is of one record, which takes bounded memory."""
    if (metadata.num_rows, metadata.num_row_groups) != (1, 1):
        reject(f"it has {metadata.num_rows} rows, not one")
    group = metadata.row_group(0)
    columns = [group.column(place) for place in range(metadata.num_columns)]
    # What a footer says about sizes can be wrong; but what is not compressed has no value that is longer than its file.
    if any(column.compression != "UNCOMPRESSED" for column in columns):
        reject("it is compressed, which no record is")
    if (values := max(column.num_values for column in columns)) * size > MAX_RECORD_BYTES:
        reject(f"it has {values} artifacts and {size} bytes, more than any record")

"""How rows lie in Parquet files: what readers and memory bounds rely on."""

import ast
import datetime as dt
import re
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.toy_model import DESCRIPTION
from paths import ROOT
from records.test_template import outcome

import sweepctl
from sweepctl.errors import StoreError
from sweepctl.names import IDENTITY_COLUMNS, RESERVED_DATASETS
from sweepctl.protocol import Description
from sweepctl.records import table
from sweepctl.records.datafile import same_rows
from sweepctl.records.outcome import EnginePin, Outcome, RunRecord

TOY = Description.model_validate(DESCRIPTION).models[0]
SCHEMAS = table.schemas(TOY, ["parts"])
SCHEMA = SCHEMAS["point_outcomes"]


def rows(count: int) -> pa.Table:
    columns = {field.name: pa.nulls(count, field.type) for field in SCHEMA}
    columns["point_index"] = pa.arange(0, count)
    columns["m"] = pa.array([0.5] * count)
    return pa.table(columns, schema=SCHEMA)


def written(folder: Path, cuts: list[int]) -> Path:
    with table.DatasetWriter("point_outcomes", SCHEMA, folder) as writer:
        for count in cuts:
            writer.add(rows(count))
        assert writer.finish().rows == sum(cuts)
    return folder / "point_outcomes.parquet"


def test_row_groups_have_one_size_however_rows_arrive(tmp_path: Path) -> None:
    total = 2 * table.ROW_GROUP_ROWS + 5
    metadata = pq.read_metadata(written(tmp_path, [1, 100_000, total - 100_001]))
    sizes = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert sizes == [table.ROW_GROUP_ROWS, table.ROW_GROUP_ROWS, 5]


def test_row_groups_of_long_rows_have_fewer_however_rows_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "ROW_GROUP_BYTES", 10_000)
    fixed = 8 * len(SCHEMA)
    long = rows(50).set_column(
        SCHEMA.get_field_index("error_message"), "error_message", [["ä" * (37 * row) for row in range(50)]]
    )
    ends, size = [0], 0
    for row in range(50):
        size += fixed + 2 * 37 * row
        if size >= 10_000:
            ends, size = [*ends, row + 1], 0
    expected = [after - before for before, after in pairwise([*ends, 50])]
    for cuts in ([50], [1] * 50, [7, 20, 23]):
        with table.DatasetWriter("point_outcomes", SCHEMA, tmp_path) as writer:
            for count, end in zip(cuts, accumulate(cuts), strict=True):
                writer.add(long.slice(end - count, count))
            file = writer.finish()
        metadata = pq.read_metadata(file.path)
        assert [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)] == expected


def test_floats_have_no_dictionary_and_all_is_zstd(tmp_path: Path) -> None:
    group = pq.read_metadata(written(tmp_path, [1_000])).row_group(0)
    columns = {group.column(number).path_in_schema: group.column(number) for number in range(group.num_columns)}
    assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert not columns["m"].has_dictionary_page
    assert columns["status"].has_dictionary_page


def test_equal_rows_are_equal_in_any_encoding_and_damaged_ones_never(tmp_path: Path) -> None:
    path = written(tmp_path, [1_000])
    other = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(path), other, compression="none")
    assert same_rows(path, other)
    pq.write_table(pq.read_table(path).slice(1), other)
    assert not same_rows(path, other)
    body = bytearray(path.read_bytes())
    body[100] ^= 1
    other.write_bytes(body)
    assert not same_rows(path, other)
    other.write_bytes(b"no Parquet")
    assert not same_rows(path, other)
    other.unlink()
    with pytest.raises(FileNotFoundError):  # which says nothing about rows
        same_rows(path, other)


def test_no_unsigned_integers_and_no_partition_among_the_columns() -> None:
    partitioned = [table.OUTCOME, *SCHEMAS.values()]
    for schema in [*partitioned, table.RUN_RECORD, table.ENGINE_PIN]:
        assert not any(pa.types.is_unsigned_integer(field.type) for field in schema)
    for schema in partitioned:
        assert not {"run", "run_date"} & set(schema.names)


def test_identity_columns_are_those_that_no_parameter_may_be_called() -> None:
    names = {*SCHEMA.names, *SCHEMAS["effective_parameters"].names} - {"x", "m"}
    assert names | {"run", "run_date"} == IDENTITY_COLUMNS


def test_the_engine_refuses_the_same_names() -> None:
    declared = (ROOT / "rust" / "runtime" / "src" / "model" / "validate.rs").read_text()
    for constant, names in {"IDENTITY": IDENTITY_COLUMNS, "RESERVED": RESERVED_DATASETS}.items():
        text = declared.partition(f"const {constant}:")[2].partition("];")[0].partition("= [")[2]
        assert set(re.findall(r'"(\w+)"', text)) == names


@pytest.mark.parametrize("kind", [Outcome, RunRecord, EnginePin])
def test_what_is_no_record_is_told(kind: type[Any]) -> None:
    for body in (b"", b"PAR1", b"x" * 100):
        with pytest.raises(StoreError, match="is not a sweepctl record"):
            table.decode(kind, body, "somewhere")


def test_records_of_earlier_releases_lack_the_last_columns() -> None:
    pin = EnginePin("r", "toy", "1", "0.1.0", dt.datetime(2026, 2, 14, tzinfo=dt.UTC), "a" * 64)
    row = pq.read_table(pa.BufferReader(table.encode(pin)))
    assert row.column_names[-2:] == ["engine_sha256", "declaration_json"]
    sink = pa.BufferOutputStream()
    pq.write_table(row.select(row.column_names[:-2]), sink, compression="none")
    assert table.decode(EnginePin, bytes(sink.getvalue()), "") == replace(pin, engine_sha256=None)
    assert table.OUTCOME.names[-3:] == ["engine_sha256", "points_machine_dependent", "points_excluded"]
    assert table.OUTCOME.names[-1] in table.ADDED


def test_rows_of_outcomes_are_those_of_their_files() -> None:
    several = [outcome(0), replace(outcome(1), artifacts=()), replace(outcome(2), error_code=None, engine_sha256=None)]
    expected = [pq.read_table(pa.BufferReader(table.encode(each))) for each in several]
    assert table.outcome_rows(several).equals(pa.concat_tables(expected).cast(table.OUTCOME))
    assert table.outcome_rows([]).equals(table.OUTCOME.empty_table())


def test_parquet_is_read_from_paths_and_buffers_only() -> None:
    """From a Python file object pyarrow 26 can abort the interpreter at exit, in a fraction of processes."""
    readers = {"read_table", "read_metadata", "read_schema", "ParquetFile"}
    calls = [
        ast.unparse(call.args[0])
        for path in Path(sweepctl.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in readers
    ]
    assert calls
    paths = {"path", "paths[0]", "file.path", "one", "other", "found", "own", "source"}  # the last is either
    # Of an object, Arrow's own file system opens it: no object of Python.
    paths.add("root + part.key")
    assert all(argument in paths or argument.startswith("pa.BufferReader(") for argument in calls), calls

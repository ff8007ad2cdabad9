"""Tables in files: what people's programs write is taken as the model declares it, and what cannot be is named."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.sweep_files import TEST_ENGINE
from sweep.files import draft, errors

from sweepctl.engine.client import Engine
from sweepctl.records.footer import footer_of, require_safe
from sweepctl.records.table import PARQUET_ERRORS
from sweepctl.sweep import table_file

TYPED = 'name = "t"\nmodel = "typed"\nseed = 1\n[design]\nkind = "table"\nfile = "{file}"\n'


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(TEST_ENGINE)


def rows(folder: Path, engine: Engine, file: str = "t.csv") -> list[Any]:
    stored = draft(folder, TYPED.format(file=file), engine).stored
    assert stored is not None
    return [json.loads(line) for line in stored.splitlines()[1:]]


def refused(folder: Path, engine: Engine, file: str = "t.csv") -> str:
    (error,) = errors(folder, TYPED.format(file=file), engine)
    return error.removeprefix("s.toml:6: design.file").replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ("text", '"007",042,1.50', ["007", "042", "1.50"]),
        ("text", "true,FALSE", ["true", "FALSE"]),
        ("text", "07:30,2026-01-02", ["07:30", "2026-01-02"]),
        ("text", " x ,nan,NULL", [" x ", "nan", "NULL"]),
        ("flag", "true,False,TRUE,1,0", [True, False, True, True, False]),
        ("int", "1, 2 ,-3,007", [1, 2, -3, 7]),
        ("real", "1,2", [1, 2]),
        ("real", "1,2.5,1e3", [1.0, 2.5, 1000.0]),
        ("real", "9223372036854775808", [9223372036854775808.0]),
    ],
)
def test_a_csvs_cells_are_what_the_model_declares(
    tmp_path: Path, engine: Engine, column: str, cells: str, expected: list[object]
) -> None:
    lines = [column, *cells.split(",")]
    (tmp_path / "t.csv").write_text("\ufeff" + "".join(f"{line}\n" for line in lines))
    found = [row for (row,) in rows(tmp_path, engine)]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in expected]


def test_an_empty_field_is_null_where_the_parameter_takes_it(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "t.csv").write_text('text,text_or_null,int_or_null\nx,,\n,"",""\n\ny,z,1\n')
    assert rows(tmp_path, engine) == [["x", None, None], ["", "", None], ["y", "z", 1]]
    (tmp_path / "t.csv").write_text("text,int\nx,1\ny,\n")
    assert refused(tmp_path, engine).startswith(".int: row 2: int = null: must be an integer")


def test_an_empty_line_in_one_column_is_no_value(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "t.csv").write_text('text_or_null\nx\n""\ny\n\n\n')
    assert rows(tmp_path, engine) == [["x"], [""], ["y"]]
    (tmp_path / "t.csv").write_text("text_or_null\nx\n\ny\n\n")
    assert refused(tmp_path, engine).startswith(": t.csv: row 2 is an empty line")


@pytest.mark.parametrize("name", ["t.parquet", "T.PARQUET", "t.pq"])
def test_parquet_has_several_endings(tmp_path: Path, engine: Engine, name: str) -> None:
    pq.write_table(pa.table({"int": [1, 2]}), tmp_path / name)
    assert rows(tmp_path, engine, name) == [[1], [2]]


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        ("text", pa.dictionary(pa.int8(), pa.string()), ["1", "2"]),
        ("text", pa.dictionary(pa.uint32(), pa.large_string(), ordered=True), ["1", "2"]),
        ("text", pa.string_view(), ["1", "2"]),
        ("int", pa.dictionary(pa.int8(), pa.int16()), [1, 2]),
        ("int", pa.uint64(), [1, 2]),
        ("real", pa.float32(), [1.0, 2.0]),
    ],
)
def test_parquet_columns_may_be_stored_in_several_ways(
    tmp_path: Path, engine: Engine, column: str, kind: pa.DataType, expected: list[object]
) -> None:
    values = pa.array(["1", "2"])
    if pa.types.is_dictionary(kind):
        indices, of = pa.array([0, 1], kind.index_type), values.cast(kind.value_type)
        values = pa.DictionaryArray.from_arrays(indices, of, ordered=kind.ordered)
    pq.write_table(pa.table({column: values.cast(kind)}), tmp_path / "t.parquet")
    assert [row for (row,) in rows(tmp_path, engine, "t.parquet")] == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, 2**63], pa.uint64()), ": t.parquet: row 2 of column 'int' is 9223372036854775808: integers must"),
        (pa.array([1.5, float("nan")]), ": t.parquet: row 2 of column 'int' is nan: must be a finite number"),
        (pa.array([1.5, 2.0]), ".int: row 1: int = 1.5: must be an integer"),
        (
            pa.array([0]).cast(pa.timestamp("ms")),
            ": t.parquet: column 'int' is timestamp[ms]: must hold integers, floats, text",
        ),
        (pa.array([b"x"]), ": t.parquet: column 'int' is binary: must hold integers, floats, text, true or false"),
        (pa.array([b"x"]).dictionary_encode(), ": t.parquet: column 'int' is dictionary<values=binary"),
        (pa.array([[1]]), ": t.parquet: column 'int' is list<element: int64>: must hold integers, floats"),
        (pa.array(["1.5"]).cast(pa.decimal128(9, 2)), ": t.parquet: column 'int' is decimal128(9, 2): must hold int"),
    ],
)
def test_parquet_columns_that_cannot_be_taken_are_named(
    tmp_path: Path, engine: Engine, values: pa.Array, expected: str
) -> None:
    pq.write_table(pa.table({"int": values}), tmp_path / "t.parquet")
    assert refused(tmp_path, engine, "t.parquet").startswith(expected)


def test_a_parquet_type_that_arrow_lacks_is_named(tmp_path: Path, engine: Engine) -> None:
    # Of Polars' type Int128, as Polars 2.1 writes it.
    shutil.copy(Path(__file__).parent / "int128.parquet", tmp_path / "t.parquet")
    expected = ": t.parquet: column 'int': Integers with more than 64 bits not implemented: must hold integers"
    assert refused(tmp_path, engine, "t.parquet").startswith(expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["x"] * 1_024, None),
        ([1] * 1_025, ": t.parquet: it has 1,025 rows of 1 column: must be at most 1,024"),
        (["x" * 500] * 9, ": t.parquet: its values take more than 64 MiB"),
        (pa.array(["x" * 500] * 9).dictionary_encode(), ": t.parquet: its values take more than 64 MiB"),
    ],
)
def test_a_short_parquet_file_cannot_fill_the_memory(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, values: object, expected: str | None
) -> None:
    """A value that repeats takes no bytes in the file."""
    pq.write_table(pa.table({"text": values}), tmp_path / "t.parquet", compression="zstd")
    monkeypatch.setattr(table_file, "MAX_BYTES", 4_096)
    if expected is None:
        assert len(rows(tmp_path, engine, "t.parquet")) == 1_024
    else:
        assert refused(tmp_path, engine, "t.parquet") == expected


def test_nothing_of_parquet_is_read_that_is_too_much(
    tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"text": ["x" * 1_000]}), tmp_path / "t.parquet", compression="zstd")
    monkeypatch.setattr(table_file, "MAX_ENCODED", 500)
    monkeypatch.setattr(pq, "read_table", None)
    assert refused(tmp_path, engine, "t.parquet") == ": t.parquet: its values take more than 64 MiB"


def test_a_footer_at_which_arrow_would_end_the_process_is_refused(tmp_path: Path, engine: Engine) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"int": [1]}), path)
    body = path.read_bytes()
    refusals = [refused(tmp_path, engine, path.name) for each in unsafe(body) if path.write_bytes(each)]
    assert len(refusals) > 1
    assert all(each.startswith(": t.parquet: must be CSV, or Parquet if it is named") for each in refusals)


def unsafe(body: bytes) -> Iterator[bytes]:
    """Yield files that Arrow opens, with a byte of the footer changed."""
    for at in range(len(body) - 8 - len(footer_of(body)), len(body) - 8):
        changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        try:
            pq.read_metadata(pa.BufferReader(changed))
        except PARQUET_ERRORS:
            continue
        try:
            require_safe(footer_of(changed))
        except pa.ArrowInvalid:
            yield changed


def test_a_csv_has_no_more_rows_than_a_design(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("int\n" + "1\n" * 1_025)
    monkeypatch.setattr(table_file, "MAX_BYTES", 4_096)
    assert refused(tmp_path, engine) == ": t.csv: it has 1,025 rows of 1 column: must be at most 1,024"


def test_a_path_may_begin_at_home(tmp_path: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / "t.csv").write_text("int\n1\n")
    assert rows(tmp_path, engine, "~/t.csv") == [[1]]
    program = TYPED.replace("seed", 'program = "~/lv.toml"\nseed').format(file="~/t.csv")
    assert draft(tmp_path, program, engine).file.programs == (home / "lv.toml",)

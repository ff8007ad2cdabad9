"""Nulls in sweep files, and grids of one cell."""

from pathlib import Path
from typing import Any

import pytest
from fakes.sweep_files import TEST_ENGINE
from sweep.files import draft, errors

from sweepctl.engine.client import Engine
from sweepctl.sweep.file import json_schema

START = 'name = "t"\nmodel = "typed"\nseed = 1\n'


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(TEST_ENGINE)


@pytest.mark.parametrize(
    ("design", "values"),
    [
        ('kind = "grid"\ndimensions.int_or_null = [{}, 4]\n', [None, 4]),
        ('kind = "zip"\ndimensions.int_or_null = [4, { }]\n', [4, None]),
        ('kind = "table"\ncolumns = ["int_or_null"]\nrows = [[3], [{}]]\n', [3, None]),
        ('kind = "plackett_burman"\ndimensions.int_or_null = [{}, 3]\ndimensions.int = [1, 2]\n', [None, 3]),
        ('kind = "random"\nsamples = 9\ndimensions.int_or_null = { choice = [{}] }\n', [None]),
    ],
)
def test_an_empty_inline_table_among_values_is_null(
    tmp_path: Path, engine: Engine, design: str, values: list[object]
) -> None:
    text = f"{START}[base]\ntext_or_null = {{}}\nreal_or_null = 1\n[design]\n{design}"
    drafted = draft(tmp_path, text, engine)
    assert drafted.spec.base == {"text_or_null": None, "real_or_null": 1}
    points = [engine.identify(drafted.spec, drafted.file.space, index) for index in range(drafted.total_points)]
    assert {point.parameters["int_or_null"] for point in points} == set(values)


def test_the_word_is_a_text_and_the_error_says_what_null_is(tmp_path: Path, engine: Engine) -> None:
    text = START + '[base]\nreal_or_null = "null"\n[design]\nkind = "grid"\ndimensions.int_or_null = ["null"]\n'
    for error in errors(tmp_path, text + "dimensions.int = [{}]\n", engine):
        assert error.endswith("null: must be an integer, written without point or exponent") != error.endswith(
            "or null; in a sweep file, null is {}"
        )


def test_a_null_is_where_values_are_and_nowhere_else(tmp_path: Path, engine: Engine) -> None:
    assert errors(tmp_path, START.replace("1", "{}") + '[design]\nkind = "grid"\n', engine) == [
        "s.toml:3: seed: must be a valid integer"
    ]
    (error,) = errors(tmp_path, START + '[design]\nkind = "grid"\ndimensions.int_or_null = {}\n', engine)
    assert error.startswith("s.toml:6: design.dimensions.int_or_null: must be a list of values, or an object")


@pytest.mark.parametrize("dimensions", ["", "dimensions = {}\n", "[design.dimensions]\n"])
def test_a_grid_without_dimensions_is_one_cell(tmp_path: Path, engine: Engine, dimensions: str) -> None:
    drafted = draft(tmp_path, f'{START}replications = 3\n[design]\nkind = "grid"\n{dimensions}', engine)
    assert (drafted.total_points, drafted.spec.design) == (3, {"kind": "grid", "dimensions": {}})


def test_the_schema_has_nulls_as_they_are_written() -> None:
    schema: dict[str, Any] = json_schema()
    (values,) = schema["properties"]["base"]["patternProperties"].values()
    kinds = values["anyOf"]
    assert [(kind["type"], kind.get("maxProperties")) for kind in kinds[-2:]] == [("string", None), ("object", 0)]
    assert "dimensions" not in schema["$defs"]["Grid"]["required"]
    assert "dimensions" in schema["$defs"]["Zip"]["required"]

"""Parses an engine's records and checks them in bulk: what a worker can without recomputing them or knowing its shard.

Each check is one pass over a column; none knows which points are expected.
"""

from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from sweepctl.errors import EngineFaultError
from sweepctl.protocol import Column, Model
from sweepctl.records.outcome import EXCLUDED, MAX_ERROR_MESSAGE
from sweepctl.records.table import FLOAT, INT

FINGERPRINT_DIGITS, HEXADECIMAL = 64, "0123456789abcdef"
ERROR_CODE = "^[a-z][a-z0-9_]{0,62}$"
RECORD_START = b'{"record":"'


def parse_records(lines: bytes, schema: pa.Schema) -> pa.Table:
    """Return the records in whole `lines`, one row per record.

    Raises:
        EngineFaultError: a line is not a record that matches `schema`.
    """
    # At a first value that is null, Arrow's parser does not fail but ends this process.
    require(lines.startswith(RECORD_START), "a line does not hold one record")
    # One block for all lines: Arrow refuses a line that is longer than its block. UTF-8 is checked first, since Arrow's
    # parser does not.
    try:
        lines.isascii() or lines.decode("utf-8")
        table = pj.read_json(
            pa.BufferReader(lines),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        msg = f"the engine wrote a record that does not match the schema: {error}"
        raise EngineFaultError("engine_invalid_output", msg) from error
    # Each line begins a record, and there are as many records as lines, so each line holds one.
    starts = lines.count(b"\n" + RECORD_START) + lines.startswith(RECORD_START)
    require(table.num_rows == lines.count(b"\n") == starts, "a line does not hold one record")
    return table


def check_points(points: pa.Table, model: Model, derived: Collection[str]) -> None:
    """Raise EngineFaultError unless all `points` are whole and finite; `derived` parameters may have no value."""
    for name in (
        "point_index",
        "replicate",
        "effective_parameters_json",
        "parameter_fingerprint",
        "point_fingerprint",
        "status",
        "parameters",
    ):
        require(points[name].null_count == 0, f"a point has no {name}")
    require(equal(points["record"], pa.repeat("point", points.num_rows)), "a record is not a point")
    succeeded = pc.equal(points["status"], "success")
    settled = pc.is_in(points["status"], pa.array(["success", "failure", EXCLUDED]))
    require(pc.all(settled).as_py(), "a status is none of success, failure, excluded")
    for name in ("error_code", "error_message"):
        require(equal(points[name].is_null(), succeeded), f"{name} is set for a success, or missing for another point")
    codes = pc.match_substring_regex(points["error_code"], ERROR_CODE)
    require(pc.all(codes, min_count=0).as_py(), f"an error_code does not match {ERROR_CODE}")
    lengths = pc.utf8_length(points["error_message"])
    long = pc.any(pc.greater(lengths, MAX_ERROR_MESSAGE), min_count=0).as_py()
    require(not long, f"an error_message has more than {MAX_ERROR_MESSAGE} characters")
    for name in ("parameter_fingerprint", "point_fingerprint"):
        # A fifth of the time of a regular expression.
        is_long = pc.equal(pc.binary_length(points[name]), FINGERPRINT_DIGITS)
        rests = pc.binary_length(pc.ascii_trim(points[name], HEXADECIMAL))
        is_hex = pc.all(is_long).as_py() and not pc.any(pc.cast(rests, pa.bool_())).as_py()
        require(is_hex, f"a {name} is not 64 lower-case hexadecimal digits")
    require(equal(points["metrics"].is_valid(), succeeded), "metrics are missing for a success, or set for a failure")
    parameters = members(points["parameters"])
    _check_values(parameters, [each for each in model.parameters if each.name not in derived], absent=0)
    # A derived parameter may have no value, and then its point is not run.
    run = {name: values.filter(succeeded) for name, values in parameters.items() if name in derived}
    _check_values(run, [each for each in model.parameters if each.name in derived], absent=0)
    _check_values(members(points["metrics"]), model.metrics, absent=points["metrics"].null_count)


def check_rows(rows: pa.Table, places: Sequence[int], points: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """Check the `rows` records of one dataset against their points; return a table with one row per row of theirs."""
    require(len(set(places)) == len(places), "a point has two `rows` records of one dataset")
    owners = points.take(pa.array(places, INT))
    for key in ("point_index", "replicate"):
        require(equal(rows[key], owners[key]), f"a `rows` record has a different {key} than the point after it")
    require(equal(owners["status"], pa.repeat("success", len(places))), "a failed point has rows")
    require(rows["columns"].null_count == 0, "a `rows` record has no columns")
    lists = members(rows["columns"])
    require(all(column.null_count == 0 for column in lists.values()), "a `rows` record lacks a column")
    lengths = [pc.list_value_length(column) for column in lists.values()]
    require(all(equal(length, lengths[0]) for length in lengths), "a `rows` record has columns of different lengths")
    values = {name: pc.list_flatten(column) for name, column in lists.items()}
    _check_values(values, columns, absent=0)
    parents = pc.list_parent_indices(next(iter(lists.values())).combine_chunks())
    identity = {
        key: pa.DictionaryArray.from_arrays(parents, rows[key].combine_chunks()) for key in ("point_index", "replicate")
    }
    return pa.table({**identity, **values})


def _check_values(values: Mapping[str, pa.ChunkedArray], columns: Sequence[Column], *, absent: int) -> None:
    """Check that values are present and finite; `absent` rows have none at all."""
    for column in columns:
        array = values[column.name]
        require(column.nullable or array.null_count == absent, f"{column.name} is missing in a point")
        # Arrow's parser accepts NaN and Infinity, which are not JSON.
        if array.type == FLOAT:
            require(pc.all(pc.is_finite(array), min_count=0).as_py(), f"{column.name} is not finite in a point")


def members(structs: pa.ChunkedArray) -> dict[str, pa.ChunkedArray]:
    """Return the columns of a column of structs; a member of a null struct is null."""
    return {field.name: member for field, member in zip(structs.type, structs.flatten(), strict=True)}


def equal(left: pa.ChunkedArray | pa.Array, right: pa.ChunkedArray | pa.Array) -> bool:
    """Return whether two columns are equal, nulls included."""
    # Array equality distinguishes null from a value; pc.equal and pc.all ignore nulls.
    return bool(_chunked(left).equals(_chunked(right)))


def _chunked(array: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001  reads as an assertion
    """Raise EngineFaultError unless something holds of the records."""
    if not holds:
        raise EngineFaultError("engine_invalid_output", f"in the engine's output, {otherwise}")

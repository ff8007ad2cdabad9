"""A run's views in DuckDB without a store: points of a function of a design, made in Python."""

import datetime as dt
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product
from typing import Any

import duckdb
import pyarrow as pa

from sweepctl.design import DESIGN
from sweepctl.records.outcome import RunRecord
from sweepctl.records.table import ARROW_TYPES, EFFECTIVE_PARAMETERS, OUTCOME, POINT_OUTCOMES, schema_of
from sweepctl.results.analysis.subject import Subject
from sweepctl.spec import Spec, Value

Metrics = Mapping[str, Value]
Function = Callable[[Mapping[str, Any], int], Metrics | str]  # metrics of a cell's replicate, or its error code

NOW = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
_KINDS = {bool: "bool", int: "int", float: "float", str: "string"}


def record_of(design: Mapping[str, Any], replications: int, shard_points: int | None = None) -> RunRecord:
    spec = Spec("toy", design, {}, replications, 1, ())
    total = DESIGN.validate_python(design).cells * replications
    return RunRecord("r", "2026-02-14", spec.to_json(), spec.fingerprint, total, shard_points, NOW)


def grid(**dimensions: Sequence[Value]) -> dict[str, Any]:
    return {"kind": "grid", "dimensions": dict(dimensions)}


def cells_of(design: Mapping[str, Any]) -> list[dict[str, Value]]:
    names = sorted(design["dimensions"])
    return [dict(zip(names, cell, strict=True)) for cell in product(*(design["dimensions"][name] for name in names))]


def connect(
    cells: Sequence[Mapping[str, Value]], function: Function, replications: int = 1
) -> duckdb.DuckDBPyConnection:
    """Return a connection to a run of these cells; what `function` has no metrics for failed with its code."""
    return connect_runs({"r": (cells, function)}, replications)


def connect_runs(
    runs: Mapping[str, tuple[Sequence[Mapping[str, Value]], Function]], replications: int = 1
) -> duckdb.DuckDBPyConnection:
    """Return a connection to several runs, by their run_id."""
    parameters: list[dict[str, Value]] = []
    outcomes: list[dict[str, Value]] = []
    for run_id, (cells, function) in runs.items():
        for index, (cell, replicate) in enumerate(product(cells, range(replications))):
            identity = json.dumps({"constant": 7, **cell}, sort_keys=True)
            who: dict[str, Value] = {
                "run_id": run_id,
                "shard_id": 0,
                "point_index": index,
                "replicate": replicate,
                "point_fingerprint": f"{identity} {replicate}",
            }
            found = function(cell, replicate)
            ending: dict[str, Value] = (
                {"status": "failure", "error_code": found, "error_message": f"{found} at {index}"}
                if isinstance(found, str)
                else {"status": "success", **found}
            )
            model: dict[str, Value] = {"seed": 1, "model": "toy", "model_version": f"of {run_id}"}
            identities: dict[str, Value] = {"parameter_fingerprint": identity, "effective_parameters_json": identity}
            parameters.append({**who, **model, **identities, "constant": 7, **cell})
            outcomes.append({**who, **ending})
    connection = duckdb.connect()
    names = {"constant", *(name for cells, _ in runs.values() for cell in cells for name in cell)}
    metrics = dict.fromkeys(name for row in outcomes for name in row if name not in _OUTCOME)
    _register(connection, EFFECTIVE_PARAMETERS, parameters, sorted(names))
    _register(connection, POINT_OUTCOMES, outcomes, list(metrics))
    connection.register("shard_outcomes", OUTCOME.empty_table())
    connection.execute("""
        CREATE VIEW points AS SELECT p.*, o.* EXCLUDE (run_id, shard_id, point_index, replicate, point_fingerprint)
        FROM effective_parameters p JOIN point_outcomes o USING (run_id, point_index)""")
    return connection


_OUTCOME = {field.name for field in schema_of(POINT_OUTCOMES, [])}


def _register(connection: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, Value]], own: list[str]) -> None:
    kinds = {key: type(value) for row in rows for key, value in row.items() if value is not None}
    columns = [(key, ARROW_TYPES[_KINDS.get(kinds.get(key, float), "float")]) for key in own]
    connection.register(name, pa.Table.from_pylist(rows, schema=schema_of(name, columns)))


def subject_of(
    connection: duckdb.DuckDBPyConnection,
    design: Mapping[str, Any],
    replications: int = 1,
    *metrics: str,
    most: int = 9,
    headlines: Collection[str] = (),
) -> Subject:
    record = record_of(design, replications)
    return Subject.of(connection, record, DESIGN.validate_python(design), metrics, most=most, headlines=headlines)


def register_outcomes(connection: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]]) -> None:
    """Replace the shards' outcomes."""
    connection.register("shard_outcomes", pa.Table.from_pylist(rows, schema=OUTCOME))

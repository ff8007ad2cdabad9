"""The model `toy`, whoever runs it: parameter `x` (int), metric `m` (float), dataset `parts` with a column `p` (int).

What an engine says of it: the description, and the records of its points, of which point i has x = i and m = i / 2.
Engines that are processes import this too: it takes the standard library alone.
"""

import hashlib
import json
from typing import Any

COLUMN = {"nullable": False, "unit": "", "doc": ""}
RANGE = dict.fromkeys(("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "choices"))
DESCRIPTION = {
    "protocol": "v1",
    "engine_version": "0.1.0",
    "target": "test",
    "models": [
        {
            "name": "toy",
            "version": "1",
            "doc": "a toy",
            "parameters": [{"name": "x", "type": "int", "default": 0, "range": "any", **RANGE, **COLUMN}],
            "metrics": [{"name": "m", "type": "float", **COLUMN}],
            "datasets": [{"name": "parts", "doc": "", "columns": [{"name": "p", "type": "int", **COLUMN}]}],
        },
    ],
}


def line(**fields: Any) -> str:  # noqa: ANN401  any JSON value
    """Return one record as the engine writes it: no spaces, order kept."""
    return json.dumps(fields, separators=(",", ":"))


STARTED = line(
    record="started",
    protocol="v1",
    engine_version="0.1.0",
    model="toy",
    model_version="1",
    parameters={"x": "int"},
    metrics={"m": "float"},
    datasets={},
)


def _digest(**fields: Any) -> str:  # noqa: ANN401  any JSON value
    return hashlib.sha256(line(**fields).encode()).hexdigest()


def point(index: int, **changes: Any) -> str:  # noqa: ANN401  any JSON value
    """Return a good point record, with fields changed; a value of ... leaves the field out."""
    of_model, parameters = {"model": "toy"}, {"x": index}
    fields = {
        "record": "point",
        "point_index": index,
        "replicate": 0,
        "status": "success",
        "parameters": parameters,
        "effective_parameters_json": line(**parameters),
        "parameter_fingerprint": _digest(**of_model, parameters=parameters),
        "point_fingerprint": _digest(**of_model, model_version="1", parameters=parameters, replicate=0, seed=1),
        "metrics": {"m": index / 2},
        **changes,
    }
    return line(**{name: value for name, value in fields.items() if value is not ...})


def failed_point(index: int) -> str:
    """Return the record of a point that failed by itself."""
    return point(index, status="failure", metrics=..., error_code="domain_error", error_message="x is odd")


def crashed_point(index: int, code: str = "point_crashed") -> str:
    """Return the record of a point that ended its process twice."""
    return point(index, status="failure", metrics=..., error_code=code, error_message="exit status 3")


def in_columns(*lines: str, **changes: Any) -> str:  # noqa: ANN401  any JSON value
    """Return one record of the points of some records, with fields changed; a value of ... leaves the field out."""
    points = [json.loads(each) for each in lines]
    results = {name: [each.get(name) for each in points] for name in ("status", "error_code", "error_message")}
    fields = {
        "point_index": points[0].get("point_index"),
        "points": len(points),
        "parameters": {"x": [each.get("parameters", {}).get("x") for each in points]},
        "effective_parameters_json": [each.get("effective_parameters_json") for each in points],
        "parameter_fingerprint": [each.get("parameter_fingerprint") for each in points],
        "point_fingerprint": [each.get("point_fingerprint") for each in points],
        "status": results["status"],
        "metrics": {"m": [each.get("metrics", {}).get("m") for each in points]},
        "error_code": results["error_code"],
        "error_message": results["error_message"],
        **changes,
    }
    return line(record="points", **{name: value for name, value in fields.items() if value is not ...})


def identity(index: int) -> str:
    """Return the record of who a point is, of which nothing was run."""
    return point(index, status=..., metrics=...)


def rows(index: int, *values: int, **changes: Any) -> str:  # noqa: ANN401  any JSON value
    """Return the rows of dataset `parts` for one point."""
    fields = {"dataset": "parts", "point_index": index, "replicate": 0, "columns": {"p": list(values)}, **changes}
    return line(record="rows", **fields)


def finished(points: int, failed: int = 0) -> str:
    """Return the last record."""
    return line(record="finished", points=points, succeeded=points - failed, failed=failed)


def good(count: int) -> list[str]:
    """Return everything that a well-behaved engine says of points 0 to count - 1."""
    return [STARTED, *map(point, range(count)), finished(count)]


def running(index: int, seconds: float = 241.0, others: int = 0, waiting: int = 1) -> str:
    """Return what an engine says, after some silence, of the point that has been running longest."""
    return line(record="running", point_index=index, seconds=seconds, others=others, waiting=waiting)


def refused(message: str, parameter: str) -> str:
    """Return what an engine says in place of all records."""
    return line(record="refused", error_code="invalid_parameters", message=message, parameter=parameter)

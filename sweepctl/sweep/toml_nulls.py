"""What TOML cannot write, and a sweep file can: null, as an empty inline table where a parameter's value is expected.

No other place of a sweep file that holds values holds tables, so that `{}` means nothing else, and no text means null.
"""

from collections.abc import Mapping
from typing import Any

_KINDS_OF_VALUES = [{"type": kind} for kind in ("boolean", "integer", "number", "string", "null")]
_WRITTEN = {"type": "object", "maxProperties": 0, "description": "Null: {}."}


def as_values(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parsed file with its nulls, and with the dimensions of a grid that has none."""
    values = {name: _inside(value) for name, value in fields.items()}
    if isinstance(base := values.get("base"), dict):
        values["base"] = {name: _or_null(value) for name, value in base.items()}
    return values


def with_written_nulls(schema: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON Schema in which values may be null as they are written."""
    if isinstance(schema, dict):
        return {key: with_written_nulls(value) for key, value in schema.items()}
    if schema == _KINDS_OF_VALUES:
        return [*schema[:-1], _WRITTEN]
    return [with_written_nulls(value) for value in schema] if isinstance(schema, list) else schema


def _inside(value: Any) -> Any:  # noqa: ANN401  any TOML value
    if isinstance(value, list):
        return [_or_null(_inside(item)) for item in value]
    if not isinstance(value, dict):
        return value
    inside = {name: _inside(item) for name, item in value.items()}
    return {"dimensions": {}} | inside if value.get("kind") == "grid" else inside


def _or_null(value: Any) -> Any:  # noqa: ANN401  any TOML value
    return None if value == {} else value

"""Pages of files: the keys of those that users write, from their JSON Schemas, and the columns of those in a store."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from reference.markdown import code, codes, table

from sweepctl.protocol import Model
from sweepctl.records import table as stored
from sweepctl.records.outcome import KEPT_FILES
from sweepctl.strict_json import INT64_MAX
from sweepctl.sweep.file import json_schema

PROGRAM_SCHEMA = Path(__file__).parents[2] / "sweepctl/sweep/starter/program.schema.json"
COLUMN_TYPES: Mapping[pa.DataType, str] = {
    stored.INT: "int64",
    stored.FLOAT: "double",
    stored.BOOL: "boolean",
    stored.TEXT: "string",
    stored.TIME: "timestamp, ms, UTC",
    pa.binary(): "binary",
}
Schema = Mapping[str, Any]
EMPTY = "–"


def sweep_file() -> str:
    """Return the tables of a sweep file's keys."""
    return _schema_tables(json_schema())


def manifest() -> str:
    """Return the tables of a manifest's keys."""
    return _schema_tables(json.loads(PROGRAM_SCHEMA.read_text()))


def _schema_tables(schema: Schema) -> str:
    defined = schema.get("$defs", {})
    every = {schema["title"]: schema, **{name: _with_keys(each) for name, each in defined.items()}}
    types = _Types(defined)
    return "\n\n".join(_keys(name, each, types) for name, each in every.items() if each)


def _with_keys(schema: Schema) -> Schema | None:
    """Return what of a definition is an object with keys of its own, and so has a table."""
    return next((each for each in (schema, *schema.get("anyOf", ())) if "properties" in each), None)


def _keys(name: str, schema: Schema, types: "_Types") -> str:
    required = schema.get("required", ())
    rows = [
        (
            code(key),
            types.text(each),
            "required" if key in required else _absent(each),
            " ".join(each.get("description", "").split()),
        )
        for key, each in schema["properties"].items()
    ]
    described = " ".join(schema.get("description", "").split())
    return "\n\n".join([f"## {name}", described, table(["key", "value", "default", "meaning"], rows)])


def _absent(schema: Schema) -> str:
    default = schema.get("default")
    return EMPTY if default is None or default in ([], {}) else code(json.dumps(default))


class _Types:
    """Says what a value may be; what has a table on the page is a link."""

    def __init__(self, defined: Mapping[str, Schema]) -> None:
        self._defined = defined

    def text(self, schema: Schema) -> str:
        """Return the types that a schema allows."""
        if "$ref" in schema:
            return self._referred(schema["$ref"].rpartition("/")[2])
        if "const" in schema:
            return code(json.dumps(schema["const"]))
        if "enum" in schema:
            return codes(json.dumps(each) for each in schema["enum"])
        either = schema.get("anyOf") or schema.get("oneOf")
        if either:
            return " or ".join(dict.fromkeys(map(self.text, either)))
        kind = schema.get("type", "any value")
        return (
            " or ".join(kind)
            if isinstance(kind, list)
            else " ".join([self._collection(kind, schema), *_limits(schema)])
        )

    def _referred(self, name: str) -> str:
        schema, table_of = self._defined[name], _with_keys(self._defined[name])
        if table_of is None:
            return self.text(schema)
        others = [self.text(each) for each in schema.get("anyOf", ()) if each is not table_of]
        return " or ".join([*others, f"[{name}](#{name.lower()})"])

    def _collection(self, kind: str, schema: Schema) -> str:
        if kind == "array" and "items" in schema:
            return f"list of {self.text(schema['items'])}"
        inner = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        return f"name → {self.text(inner)}" if kind == "object" and isinstance(inner, dict) else kind


def _limits(schema: Schema) -> Iterator[str]:
    for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<")):
        if key in schema and abs(schema[key]) < INT64_MAX:  # beyond, a number says nothing
            yield f"{sign} {schema[key]:,}"


def columns() -> str:
    """Return the tables of the columns of everything in a store."""
    own = Model.model_validate(
        {"name": "m", "version": "1", "doc": "", "parameters": [], "metrics": [], "datasets": []}
    )
    points = stored.schemas(own, [])
    every: Mapping[str, Sequence[Any]] = {
        stored.EFFECTIVE_PARAMETERS: points[stored.EFFECTIVE_PARAMETERS],
        stored.POINT_OUTCOMES: points[stored.POINT_OUTCOMES],
        "an extra dataset": stored.schema_of("", []),
        KEPT_FILES: stored.schema_of(KEPT_FILES, []),
        f"{stored.SHARD_OUTCOMES} and {stored.SHARD_ATTEMPTS}": stored.OUTCOME,
        "run record": stored.RUN_RECORD,
        "engine pin": stored.ENGINE_PIN,
    }
    return "\n\n".join(f"## {name}\n\n{_columns(schema)}" for name, schema in every.items())


def _columns(schema: Sequence[Any]) -> str:
    return table(["column", "type"], [(code(field.name), _column_type(field.type)) for field in schema])


def _column_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of ({', '.join(f'`{each.name}` {_column_type(each.type)}' for each in kind.value_type)})"
    return COLUMN_TYPES[kind]


def models(every: Sequence[Model]) -> str:
    """Return a section for each model of the engine: its parameters, metrics and datasets."""
    return "\n\n".join(_model(each) for each in every)


def _model(model: Model) -> str:
    parameters = [
        (code(each.name), _declared(each), _of_parameter(each), EMPTY if each.default is None else code(each.default))
        for each in model.parameters
    ]
    parts = [
        f"## {model.name}",
        f"{model.doc}. Version {model.version}.",
        table(["parameter", "type", "meaning", "default"], parameters),
        table(["metric", "type", "meaning"], [(code(each.name), _declared(each), each.doc) for each in model.metrics]),
    ]
    for dataset in model.datasets:
        rows = [(code(each.name), _declared(each), each.doc) for each in dataset.columns]
        parts += [f"Dataset `{dataset.name}`: {dataset.doc}.", table(["column", "type", "meaning"], rows)]
    return "\n\n".join(parts)


def _declared(column: Any) -> str:  # noqa: ANN401  a parameter or a column
    return ", ".join([column.type, *([column.unit] if column.unit else [])])


def _of_parameter(parameter: Any) -> str:  # noqa: ANN401  a parameter
    allowed = codes(parameter.choices) if parameter.choices else parameter.range
    return f"{parameter.doc} ({allowed})" if allowed else parameter.doc

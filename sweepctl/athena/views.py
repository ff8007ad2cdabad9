"""Athena's views over a store's tables, as queries: `runs`, one row per run, and each model's `points`, one per point.

Each exists twice, like the tables: across runs, and `…_of_run`. Partitions are passed through unchanged, so that a
literal in WHERE reaches both sides of a join, and only its files are listed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sweepctl.athena.tables import OF_RUN, RUN, RUN_DATE, RUN_FILES
from sweepctl.names import quoted
from sweepctl.protocol import Model
from sweepctl.records.table import (
    EFFECTIVE_PARAMETERS,
    ENGINE_PIN,
    POINT_OUTCOMES,
    RECORD_OR_PIN,
    RUN_RECORD,
    SHARED_COLUMNS,
    TEXT,
    schemas,
)


@dataclass(frozen=True)
class View:
    """A view, its query, and the columns of the answer."""

    name: str
    query: str
    schema: pa.Schema


def views(models: Sequence[Model], database: str) -> Iterator[View]:
    """Yield every view over the tables of these models in `database`."""
    yield _runs(database, "", ["run_id"])
    yield _runs(database, OF_RUN, ["run_id", RUN])
    for model in models:
        yield _points(model, database, "", [RUN_DATE], "run_id")
        yield _points(model, database, OF_RUN, [RUN_DATE, RUN], RUN)


def _runs(database: str, suffix: str, keys: Sequence[str]) -> View:
    """Merge the record and the pin of each run; most columns have a value in only one of them."""
    names = [name for name in RECORD_OR_PIN.names if name != "run_id"]
    columns = [*map(quoted, keys), *(f"{_value(name)} AS {quoted(name)}" for name in names)]
    source = f"{quoted(database)}.{quoted(RUN_FILES + suffix)}"
    query = f"SELECT\n  {_lines(columns)}\nFROM {source}\nGROUP BY {', '.join(map(quoted, keys))}"
    schema = pa.schema([*((key, TEXT) for key in keys), *(RECORD_OR_PIN.field(name) for name in names)])
    return View(f"runs{suffix}", query, schema)


def _value(name: str) -> str:
    # If both files have a value, the record's is taken: a run is as old as its record, not its pin.
    is_of_both = name in RUN_RECORD.names and name in ENGINE_PIN.names
    return f"max({quoted(name)})" + (' FILTER (WHERE "spec_json" IS NOT NULL)' if is_of_both else "")


def _points(model: Model, database: str, suffix: str, partitions: Sequence[str], run: str) -> View:
    """Join parameters to metrics, one to one.

    With ON: USING turns a column into an expression of both sides, through which no literal would pass.
    """
    every = schemas(model, ())
    parameters, outcomes = every[EFFECTIVE_PARAMETERS], every[POINT_OUTCOMES]
    own = {
        # A model may have a parameter and a metric of the same name.
        name: f"metric_{name}" if name in parameters.names else name
        for name in outcomes.names
        if name not in SHARED_COLUMNS
    }
    columns = [
        *(f"p.{quoted(name)}" for name in (*parameters.names, *partitions)),
        *(f"o.{quoted(name)}" + (f" AS {quoted(alias)}" if alias != name else "") for name, alias in own.items()),
    ]
    match = " AND ".join(f"o.{quoted(name)} = p.{quoted(name)}" for name in (RUN_DATE, run, "point_index"))
    left, right = (
        f"{quoted(database)}.{quoted(f'{dataset}_{model.name}{suffix}')}"
        for dataset in (EFFECTIVE_PARAMETERS, POINT_OUTCOMES)
    )
    schema = pa.schema(
        [
            *parameters,
            *((name, TEXT) for name in partitions),
            *(outcomes.field(name).with_name(alias) for name, alias in own.items()),
        ]
    )
    query = f"SELECT\n  {_lines(columns)}\nFROM {left} AS p\nJOIN {right} AS o ON {match}"
    return View(f"points_{model.name}{suffix}", query, schema)


def _lines(columns: Sequence[str]) -> str:
    return ",\n  ".join(columns)

"""Athena's views over a store's tables, as queries: `runs`, one row per run, and each model's `points`, one per point.

Each exists twice, like the tables: across runs, and `…_of_run`. Partitions are passed through unchanged, so that a
literal in WHERE reaches both sides of a join, and only its files are listed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    schemas,
)


@dataclass(frozen=True)
class View:
    """A view and its query."""

    name: str
    query: str


def views(models: Sequence[Model], database: str) -> Iterator[View]:
    """Yield every view over the tables of these models in `database`."""
    yield View("runs", _runs(database, "", ["run_id"]))
    yield View(f"runs{OF_RUN}", _runs(database, OF_RUN, ["run_id", RUN]))
    for model in models:
        name = f"points_{model.name}"
        yield View(name, _points(model, database, "", [RUN_DATE], "run_id"))
        yield View(name + OF_RUN, _points(model, database, OF_RUN, [RUN_DATE, RUN], RUN))


def _runs(database: str, suffix: str, keys: Sequence[str]) -> str:
    """Merge the record and the pin of each run; most columns have a value in only one of them."""
    names = [name for name in RECORD_OR_PIN.names if name != "run_id"]
    columns = [*map(quoted, keys), *(f"{_value(name)} AS {quoted(name)}" for name in names)]
    source = f"{quoted(database)}.{quoted(RUN_FILES + suffix)}"
    return f"SELECT\n  {_lines(columns)}\nFROM {source}\nGROUP BY {', '.join(map(quoted, keys))}"


def _value(name: str) -> str:
    # If both files have a value, the record's is taken: a run is as old as its record, not its pin.
    is_of_both = name in RUN_RECORD.names and name in ENGINE_PIN.names
    return f"max({quoted(name)})" + (' FILTER (WHERE "spec_json" IS NOT NULL)' if is_of_both else "")


def _points(model: Model, database: str, suffix: str, partitions: Sequence[str], run: str) -> str:
    """Join parameters to metrics, one to one.

    With ON: USING turns a column into an expression of both sides, through which no literal would pass.
    """
    every = schemas(model, ())
    parameters, outcomes = every[EFFECTIVE_PARAMETERS].names, every[POINT_OUTCOMES].names
    own = [name for name in outcomes if name not in SHARED_COLUMNS]
    columns = [
        *(f"p.{quoted(name)}" for name in (*parameters, *partitions)),
        # A model may have a parameter and a metric of the same name.
        *(f"o.{quoted(name)}" + (f" AS {quoted(f'metric_{name}')}" if name in parameters else "") for name in own),
    ]
    match = " AND ".join(f"o.{quoted(name)} = p.{quoted(name)}" for name in (RUN_DATE, run, "point_index"))
    left, right = (
        f"{quoted(database)}.{quoted(f'{dataset}_{model.name}{suffix}')}"
        for dataset in (EFFECTIVE_PARAMETERS, POINT_OUTCOMES)
    )
    return f"SELECT\n  {_lines(columns)}\nFROM {left} AS p\nJOIN {right} AS o ON {match}"


def _lines(columns: Sequence[str]) -> str:
    return ",\n  ".join(columns)

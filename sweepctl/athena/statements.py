"""The statements that make a store's tables and views in Athena, each whole and to be run alone.

Every identifier is quoted, with backticks where Athena passes a statement to Hive and with double quotes elsewhere: a
model may call a parameter `end`, and artifacts have `rows`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sweepctl import table
from sweepctl.athena.tables import GlueTable, tables, type_of
from sweepctl.protocol import Description, Model
from sweepctl.table import EFFECTIVE_PARAMETERS, POINT_OUTCOMES

# Of both tables; a view has them once.
SHARED = ("run_id", "shard_id", "point_index", "replicate", "point_fingerprint")


@dataclass(frozen=True)
class View:
    """A view that joins parameters to metrics, a row a point."""

    name: str
    sql: str  # creates it, or replaces it


def ddl(description: Description, database: str, location: str) -> Iterator[str]:
    """Yield every statement, in the order in which they are to be run.

    Args:
        description: The engine's, whose models the tables are of.
        database: The Glue database.
        location: The store, as `s3://bucket/prefix`.
    """
    yield f"CREATE DATABASE IF NOT EXISTS `{database}`"
    for each in tables(description):
        yield _create(each, database, location)
    for view in views(description, database):
        yield view.sql


def views(description: Description, database: str) -> Iterator[View]:
    """Yield each model's `points_M`, and its `points_M_of_run`."""
    for model in description.models:
        for suffix, partitions in (("", ("run_date",)), ("_of_run", ("run_date", "run"))):
            name = f"points_{model.name}{suffix}"
            selected = ",\n  ".join(_columns(model, partitions))
            match = " AND ".join(f'p."{key}" = o."{key}"' for key in (*partitions, "run_id", "point_index"))
            yield View(
                name,
                f'CREATE OR REPLACE VIEW "{database}"."{name}" AS\nSELECT\n  {selected}\n'
                f'FROM "{database}"."{EFFECTIVE_PARAMETERS}_{model.name}{suffix}" p\n'
                f'JOIN "{database}"."{POINT_OUTCOMES}_{model.name}{suffix}" o\n  ON {match}',
            )


def _columns(model: Model, partitions: tuple[str, ...]) -> Iterator[str]:
    parameters, metrics = table.schemas(model, ()).values()
    for name in (*partitions, *parameters.names):
        yield f'p."{name}"'
    for name in metrics.names:
        if name in SHARED:
            continue
        # A model may call a parameter and a metric alike.
        yield f'o."{name}" AS "metric_{name}"' if name in parameters.names else f'o."{name}"'


def _create(each: GlueTable, database: str, location: str) -> str:
    columns = ",\n  ".join(f"`{field.name}` {type_of(field.type, '`')}" for field in each.columns)
    partitions = ", ".join(f"`{name}` string" for name in each.partitions)
    properties = ",\n  ".join(f"'{name}' = '{value}'" for name, value in each.properties(location).items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{each.name}` (\n  {columns}\n)\n"
        f"PARTITIONED BY ({partitions})\nSTORED AS PARQUET\nLOCATION '{location}/{each.folder}/'\n"
        f"TBLPROPERTIES (\n  {properties}\n)"
    )

"""A catalog as statements for Athena. Pure: nothing is sent.

Every name is quoted, since a parameter may be called `end` or `date`: in backticks in DDL, which Hive's grammar
reads, and in double quotes in views, which Trino's does.
"""

from collections.abc import Iterator

from sweepctl.athena.catalog import Catalog
from sweepctl.athena.tables import GlueTable, type_of
from sweepctl.athena.views import View
from sweepctl.names import quoted


def ddl(catalog: Catalog) -> Iterator[str]:
    """Yield the statements of the database, every table and every view, in an order in which they can be run."""
    yield f"CREATE DATABASE IF NOT EXISTS {_name(catalog.database)}"
    for table in catalog.tables:
        yield create_table(catalog, table)
    for view in catalog.views:
        yield create_view(catalog, view)


def create_table(catalog: Catalog, table: GlueTable) -> str:
    """Return the statement that makes a table where there is none of its name."""
    columns = ",\n  ".join(f"{_name(field.name)} {type_of(field.type, _name)}" for field in table.schema)
    partitions = ", ".join(f"{_name(name)} string" for name in table.partitions)
    partitioned = f"PARTITIONED BY ({partitions})\n" if partitions else ""
    properties = ",\n  ".join(f"'{key}' = '{value}'" for key, value in table.parameters(catalog.root).items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_name(catalog.database)}.{_name(table.name)} (\n  {columns}\n)\n"
        f"{partitioned}STORED AS PARQUET\nLOCATION '{table.location(catalog.root)}'\nTBLPROPERTIES (\n  {properties}\n)"
    )


def create_view(catalog: Catalog, view: View) -> str:
    """Return the statement that makes a view, or puts it in the place of the one that stands."""
    return f"CREATE OR REPLACE VIEW {quoted(catalog.database)}.{quoted(view.name)} AS\n{view.query}"


def _name(name: str) -> str:
    return f"`{name}`"

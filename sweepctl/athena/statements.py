"""A catalog as statements for Athena. Pure: nothing is sent.

Every name is quoted, since a parameter may be called `end` or `date`: with backticks in DDL, which has Hive's grammar,
and with double quotes in views, which have Trino's.
"""

from collections.abc import Iterator

from sweepctl.athena.catalog import Catalog
from sweepctl.athena.tables import GlueTable, type_of
from sweepctl.athena.views import View
from sweepctl.names import quoted


def ddl(catalog: Catalog) -> Iterator[str]:
    """Yield the statements for the database, its tables and its views, in the order in which to run them."""
    yield f"CREATE DATABASE IF NOT EXISTS {_name(catalog.database)}"
    for table in catalog.tables:
        yield create_table(catalog, table)
    for view in catalog.views:
        yield create_view(catalog, view)


def create_table(catalog: Catalog, table: GlueTable) -> str:
    """Return the statement that creates a table unless its name exists."""
    columns = ",\n  ".join(f"{_name(field.name)} {type_of(field.type, _name)}" for field in table.schema)
    partitions = ", ".join(f"{_name(name)} string" for name in table.partitions)
    partitioned = f"PARTITIONED BY ({partitions})\n" if partitions else ""
    properties = ",\n  ".join(
        f"'{key}' = '{value}'" for key, value in table.parameters(catalog.root, catalog.since).items()
    )
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {_name(catalog.database)}.{_name(table.name)} (\n  {columns}\n)\n"
        f"{partitioned}STORED AS PARQUET\nLOCATION '{table.location(catalog.root)}'\nTBLPROPERTIES (\n  {properties}\n)"
    )


def create_view(catalog: Catalog, view: View) -> str:
    """Return the statement that creates a view or replaces the existing one."""
    return f"CREATE OR REPLACE VIEW {quoted(catalog.database)}.{quoted(view.name)} AS\n{view.query}"


def _name(name: str) -> str:
    return f"`{name}`"

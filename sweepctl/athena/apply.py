"""Creates a catalog in AWS: the database and tables through Glue's API, views through statements that Athena runs.

Only Glue's API can change a table's columns in one step; only Athena can create a view. Everything is checked before
anything is changed, and every step can be repeated.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from sweepctl.athena.catalog import Catalog
from sweepctl.athena.catalog_errors import catalog_errors
from sweepctl.athena.execution import Queries, execute
from sweepctl.athena.statements import create_view
from sweepctl.athena.tables import FIRST_DAY, GlueTable, type_of
from sweepctl.athena.views import View
from sweepctl.aws_errors import error_code, open_client
from sweepctl.errors import CatalogError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import TableInputTypeDef

_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_TABLE, _VIEW = "EXTERNAL_TABLE", "VIRTUAL_VIEW"
_PARTITIONING = ("projection.", "storage.location.")  # parameters that mislead Athena if they are left over

Existing = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class CatalogClients:
    """boto3's clients of one region."""

    glue: "GlueClient"
    athena: "AthenaClient"


@dataclass(frozen=True)
class Made:
    """One object of a catalog, and what was done to it. A view is always replaced: Athena cannot compare views."""

    kind: Literal["database", "table", "view"]
    name: str
    change: Literal["created", "updated", "unchanged", "replaced"]
    differences: tuple[str, ...] = ()  # of an updated table


def open_clients(region: str | None) -> CatalogClients:
    """Create clients of both services; nothing is sent yet.

    Raises:
        CatalogError: boto3's settings cannot be used.
        UsageError: an endpoint is not a URL, or has a password.
    """
    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
    with catalog_errors("Glue and Athena"):
        session = boto3.session.Session(region_name=region)
        return CatalogClients(
            open_client("Glue", lambda: session.client("glue", config=config)),
            open_client("Athena", lambda: session.client("athena", config=config)),
        )


def apply(catalog: Catalog, clients: CatalogClients, queries: Queries) -> Iterator[Made]:
    """Create or update everything in `catalog`, and yield each step as it is done.

    Raises:
        CatalogError: the work group has no output location, or a name is taken, and nothing was changed; or AWS refused
            a step, and the steps before it stay done.
    """
    _require_output_location(clients.athena, queries)
    existing = existing_in(clients.glue, catalog.database)
    require_ours(catalog, existing or {})
    yield _make_database(clients.glue, catalog.database, exists=existing is not None)
    for table in catalog.tables:
        yield _make_table(clients.glue, catalog, table, (existing or {}).get(table.name))
    for view in catalog.views:
        yield _make_view(clients.athena, catalog, view, queries)


def table_input(table: GlueTable, root: str, since: str = FIRST_DAY) -> "TableInputTypeDef":
    """Return a table as Glue's API takes it; it is equivalent to `statements.create_table`."""
    return {
        "Name": table.name,
        "TableType": _TABLE,
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in table.partitions],
        "Parameters": dict(table.parameters(root, since)),
        "StorageDescriptor": {
            "Location": table.location(root),
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
            "Columns": [{"Name": field.name, "Type": type_of(field.type)} for field in table.schema],
        },
    }


def _require_output_location(athena: "AthenaClient", queries: Queries) -> None:
    """Raise CatalogError without one: Athena would do so only after the tables were created."""
    with catalog_errors(f"work group {queries.workgroup}"):
        found: Mapping[str, Any] = athena.get_work_group(WorkGroup=queries.workgroup)["WorkGroup"]
    settings = found.get("Configuration", {})
    is_managed = settings.get("ManagedQueryResultsConfiguration", {}).get("Enabled", False)
    if not (queries.output or is_managed or settings.get("ResultConfiguration", {}).get("OutputLocation")):
        raise CatalogError(
            f"the work group {queries.workgroup} has no output location, and Athena runs no query without one",
            remedy="Give --output s3://bucket/prefix/, outside the store, or a --workgroup that has one.",
        )


def existing_in(glue: "GlueClient", database: str) -> Existing | None:
    """Return the database's tables and views, by name; None if there is no such database."""
    with catalog_errors(f"database {database}"):
        try:
            pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
            return {each["Name"]: each for page in pages for each in page["TableList"]}
        except ClientError as error:
            if error_code(error) != "EntityNotFoundException":
                raise
            return None


def require_ours(catalog: Catalog, existing: Existing) -> None:
    """Raise CatalogError if a name is taken: by another store's table, or by another kind of object."""
    kinds = {table.name: _TABLE for table in catalog.tables} | {view.name: _VIEW for view in catalog.views}
    places = {table.name: table.location(catalog.root) for table in catalog.tables}
    for name in kinds.keys() & existing.keys():
        kind, place = existing[name].get("TableType"), existing[name].get("StorageDescriptor", {}).get("Location", "")
        if kind != kinds[name]:
            found = f"with type {kind}"
        elif name in places and place.rstrip("/") != places[name].rstrip("/"):
            found = f"with location {place}"
        else:
            continue
        raise CatalogError(
            f"{name} already exists in database {catalog.database} {found}; nothing was changed",
            remedy="Give another --database, or drop the existing one.",
        )


def _make_database(glue: "GlueClient", database: str, *, exists: bool) -> Made:
    if exists:
        return Made("database", database, "unchanged")
    with catalog_errors(f"database {database}"):
        glue.create_database(DatabaseInput={"Name": database})
    return Made("database", database, "created")


def _make_table(glue: "GlueClient", catalog: Catalog, table: GlueTable, existing: Mapping[str, Any] | None) -> Made:
    wanted = table_input(table, catalog.root, catalog.since)
    with catalog_errors(f"table {table.name}"):
        if existing is None:
            glue.create_table(DatabaseName=catalog.database, TableInput=wanted)
            return Made("table", table.name, "created")
        found = tuple(differences(existing, wanted))
        if not found:
            return Made("table", table.name, "unchanged")
        glue.update_table(DatabaseName=catalog.database, TableInput=wanted)
        return Made("table", table.name, "updated", found)


def differences(existing: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each difference between the existing and the wanted table."""
    for what, before, after in (
        ("column", existing["StorageDescriptor"]["Columns"], wanted["StorageDescriptor"]["Columns"]),
        ("partition", existing.get("PartitionKeys", []), wanted["PartitionKeys"]),
    ):
        old, new = ({each["Name"]: each["Type"] for each in columns} for columns in (before, after))
        yield from _changed(what, old, new)
        if old == new and [*old] != [*new]:
            yield f"{what}s in another order"
    mine = wanted["Parameters"]
    parameters = {
        key: value
        for key, value in existing.get("Parameters", {}).items()
        if key in mine or key.startswith(_PARTITIONING)
    }
    yield from _changed("property", parameters, mine)
    yield from _changed("format", _formats(existing), _formats(wanted))


def _changed(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in (*new, *(name for name in old if name not in new)):
        if name not in old:
            yield f"{what} {name} added: {new[name]}"
        elif name not in new:
            yield f"{what} {name} removed: {old[name]}"
        elif old[name] != new[name]:
            yield f"{what} {name}: {old[name]} is now {new[name]}"


def _formats(table: Mapping[str, Any]) -> Mapping[str, str]:
    files = table["StorageDescriptor"]
    return {
        "of input": files.get("InputFormat", ""),
        "of output": files.get("OutputFormat", ""),
        "of rows": files.get("SerdeInfo", {}).get("SerializationLibrary", ""),
    }


def view_differences(existing: Mapping[str, Any], view: View) -> Iterator[str]:
    """Yield a line for each column in which an existing view differs from the wanted one."""
    columns = existing.get("StorageDescriptor", {}).get("Columns", [])
    old = {each["Name"]: {"varchar": "string"}.get(each["Type"], each["Type"]) for each in columns}
    yield from _changed("column", old, {field.name: type_of(field.type) for field in view.schema})


def _make_view(athena: "AthenaClient", catalog: Catalog, view: View, queries: Queries) -> Made:
    execute(
        athena,
        create_view(catalog, view),
        queries,
        what=f"view {view.name}",
        database=catalog.database,
        remedy="`sweepctl athena ddl` prints its statement. Once Athena accepts it, run the command again.",
    )
    return Made("view", view.name, "replaced")

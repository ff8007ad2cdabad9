"""Makes a catalog stand in AWS: database and tables by Glue's interface, views by statements that Athena runs.

Only Glue's interface can change a table's columns in one step; only Athena can write a view. All is looked at before
anything is changed, and every step may be done again.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.athena.catalog import Catalog
from sweepctl.athena.catalog_errors import catalog_error
from sweepctl.athena.statements import create_view
from sweepctl.athena.tables import GlueTable, type_of
from sweepctl.athena.views import View
from sweepctl.aws_errors import error_code
from sweepctl.errors import CatalogError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import TableInputTypeDef

LONGEST_STATEMENT = 300.0  # seconds; one that makes a view takes one or two, and may have to wait for others
POLL_SECONDS = 0.5
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_TABLE, _VIEW = "EXTERNAL_TABLE", "VIRTUAL_VIEW"
_PARTITIONING = ("projection.", "storage.location.")  # parameters that lead Athena astray where they are left over

Standing = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class CatalogClients:
    """boto3's clients of one region."""

    glue: "GlueClient"
    athena: "AthenaClient"


@dataclass(frozen=True)
class Queries:
    """Where Athena runs statements, and where it puts their results; None: where the work group says."""

    workgroup: str
    output: str | None


@dataclass(frozen=True)
class Made:
    """One thing of a catalog, and what became of it. A view is replaced each time: Athena compares none."""

    kind: Literal["database", "table", "view"]
    name: str
    change: Literal["created", "updated", "unchanged", "replaced"]
    differences: tuple[str, ...] = ()  # of an updated table


def open_clients(region: str | None) -> CatalogClients:
    """Open both services; nothing is sent yet.

    Raises:
        CatalogError: boto3's settings cannot be used.
    """
    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})
    with _errors("Glue and Athena"):
        session = boto3.session.Session(region_name=region)
        return CatalogClients(session.client("glue", config=config), session.client("athena", config=config))


def apply(
    catalog: Catalog, clients: CatalogClients, queries: Queries, *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Made]:
    """Make everything of `catalog` stand, and yield each step as it is done.

    Raises:
        CatalogError: the work group has no place for results, or a name is taken by something else, and nothing was
            changed; or AWS refused a step, and what was done before stays.
    """
    _require_place_for_results(clients.athena, queries)
    standing = _standing(clients.glue, catalog.database)
    _require_ours(catalog, standing or {})
    yield _make_database(clients.glue, catalog.database, exists=standing is not None)
    for table in catalog.tables:
        yield _make_table(clients.glue, catalog, table, (standing or {}).get(table.name))
    for view in catalog.views:
        yield _make_view(clients.athena, catalog, view, queries, sleep)


def table_input(table: GlueTable, root: str) -> "TableInputTypeDef":
    """Return a table as Glue takes it; it says the same as `statements.create_table`."""
    return {
        "Name": table.name,
        "TableType": _TABLE,
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in table.partitions],
        "Parameters": dict(table.parameters(root)),
        "StorageDescriptor": {
            "Location": table.location(root),
            "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
            "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
            "Columns": [{"Name": field.name, "Type": type_of(field.type)} for field in table.schema],
        },
    }


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise catalog_error(error, what) from error


def _require_place_for_results(athena: "AthenaClient", queries: Queries) -> None:
    """Athena runs no statement without one, and would say so only after the tables were made."""
    with _errors(f"work group {queries.workgroup}"):
        found: Mapping[str, Any] = athena.get_work_group(WorkGroup=queries.workgroup)["WorkGroup"]
    settings = found.get("Configuration", {})
    is_managed = settings.get("ManagedQueryResultsConfiguration", {}).get("Enabled", False)
    if not (queries.output or is_managed or settings.get("ResultConfiguration", {}).get("OutputLocation")):
        raise CatalogError(
            f"the work group {queries.workgroup} has no place for results of queries, and Athena runs none without it",
            remedy="Give --output s3://bucket/prefix/, outside the store, or a --workgroup that has one.",
        )


def _standing(glue: "GlueClient", database: str) -> Standing | None:
    """Return what the database holds, by name; None where there is no such database."""
    with _errors(f"database {database}"):
        try:
            pages = glue.get_paginator("get_tables").paginate(DatabaseName=database)
            return {each["Name"]: each for page in pages for each in page["TableList"]}
        except ClientError as error:
            if error_code(error) != "EntityNotFoundException":
                raise
            return None


def _require_ours(catalog: Catalog, standing: Standing) -> None:
    """Raise CatalogError where a name belongs to something else: another store's table, or no table at all."""
    kinds = {table.name: _TABLE for table in catalog.tables} | {view.name: _VIEW for view in catalog.views}
    places = {table.name: table.location(catalog.root) for table in catalog.tables}
    for name in kinds.keys() & standing.keys():
        kind, place = standing[name].get("TableType"), standing[name].get("StorageDescriptor", {}).get("Location", "")
        if kind != kinds[name]:
            found = f"of type {kind}"
        elif name in places and place.rstrip("/") != places[name].rstrip("/"):
            found = f"over {place}"
        else:
            continue
        raise CatalogError(
            f"{name} in database {catalog.database} is something else, {found}; nothing was changed",
            remedy="Give another --database, or drop it there.",
        )


def _make_database(glue: "GlueClient", database: str, *, exists: bool) -> Made:
    if exists:
        return Made("database", database, "unchanged")
    with _errors(f"database {database}"):
        glue.create_database(DatabaseInput={"Name": database})
    return Made("database", database, "created")


def _make_table(glue: "GlueClient", catalog: Catalog, table: GlueTable, standing: Mapping[str, Any] | None) -> Made:
    wanted = table_input(table, catalog.root)
    with _errors(f"table {table.name}"):
        if standing is None:
            glue.create_table(DatabaseName=catalog.database, TableInput=wanted)
            return Made("table", table.name, "created")
        found = tuple(differences(standing, wanted))
        if not found:
            return Made("table", table.name, "unchanged")
        glue.update_table(DatabaseName=catalog.database, TableInput=wanted)
        return Made("table", table.name, "updated", found)


def differences(standing: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for whatever of a standing table is not as wanted."""
    for what, before, after in (
        ("column", standing["StorageDescriptor"]["Columns"], wanted["StorageDescriptor"]["Columns"]),
        ("partition", standing.get("PartitionKeys", []), wanted["PartitionKeys"]),
    ):
        old, new = ({each["Name"]: each["Type"] for each in columns} for columns in (before, after))
        yield from _changed(what, old, new)
        if old == new and [*old] != [*new]:
            yield f"{what}s in another order"
    mine = wanted["Parameters"]
    parameters = {
        key: value
        for key, value in standing.get("Parameters", {}).items()
        if key in mine or key.startswith(_PARTITIONING)
    }
    yield from _changed("property", parameters, mine)
    yield from _changed("format", _formats(standing), _formats(wanted))


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


def _make_view(
    athena: "AthenaClient", catalog: Catalog, view: View, queries: Queries, sleep: Callable[[float], None]
) -> Made:
    with _errors(f"view {view.name}"):
        request: Any = {
            "QueryString": create_view(catalog, view),
            "QueryExecutionContext": {"Database": catalog.database},
            "WorkGroup": queries.workgroup,
        }
        if queries.output:
            request["ResultConfiguration"] = {"OutputLocation": queries.output}
        query = athena.start_query_execution(**request)["QueryExecutionId"]
        status = _end_of(athena, query, sleep)
    if status["State"] != "SUCCEEDED":
        why = status.get("StateChangeReason", f"not done within {LONGEST_STATEMENT:g} s")
        raise CatalogError(
            f"view {view.name}: Athena's query {query} is {status['State']}: {why}",
            remedy="`sweepctl athena ddl` prints its statement. When Athena takes that, run the command again.",
        )
    return Made("view", view.name, "replaced")


def _end_of(athena: "AthenaClient", query: str, sleep: Callable[[float], None]) -> Mapping[str, Any]:
    """Return a query's last status, or that which it has when it took too long."""
    for _ in range(int(LONGEST_STATEMENT / POLL_SECONDS)):
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in {"QUEUED", "RUNNING"}:
            break
        sleep(POLL_SECONDS)
    return status

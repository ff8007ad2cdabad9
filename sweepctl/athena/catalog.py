"""Makes a store's tables and views through Glue and Athena. What stands already is left, or brought up to date.

Tables go through Glue, which answers at once and whose answers can be compared; a view is a statement that Athena runs.
No data is read, and nothing is ever dropped.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.athena.statements import View, views
from sweepctl.athena.tables import GlueTable, tables, type_of
from sweepctl.aws_errors import CREDENTIALS, LOGIN, explain
from sweepctl.errors import CatalogError
from sweepctl.protocol import Description

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_glue import GlueClient

POLL_SECONDS = 0.5
MOST_POLLS = 240
_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquet{}Format"
_ALLOW = (
    "Allow glue:GetDatabase, CreateDatabase, GetTable, CreateTable and UpdateTable on the catalog, the database and "
    "its tables, athena:StartQueryExecution and GetQueryExecution on the workgroup, and s3:PutObject where its results "
    "go."
)
_BY_CODE = {
    "AccessDeniedException": _ALLOW,
    "ExpiredTokenException": LOGIN,
    "InvalidRequestException": "Name an existing --workgroup, and with --output where it may put results in S3.",
    "InvalidSignatureException": CREDENTIALS,
    "UnrecognizedClientException": CREDENTIALS,
}


@dataclass(frozen=True)
class Made:
    """One thing of the catalog, and what became of it."""

    kind: Literal["database", "table", "view"]
    name: str
    change: Literal["created", "updated", "unchanged", "replaced"]


@dataclass(frozen=True)
class Catalog:
    """A Glue database, and the Athena workgroup that makes views in it."""

    glue: "GlueClient"
    athena: "AthenaClient"
    database: str
    workgroup: str
    output: str | None  # where the workgroup has no place of its own for results
    sleep: Callable[[float], None] = time.sleep

    def apply(self, description: Description, location: str) -> Iterator[Made]:
        """Make database, tables and views, and yield each once it is there; again, it changes nothing.

        Raises:
            CatalogError: AWS refuses, or a statement fails.
        """
        try:
            yield self._database()
            for table in tables(description):
                yield self._table(table, location)
            for view in views(description, self.database):
                yield self._view(view)
        except (BotoCoreError, ClientError) as error:
            text, remedy = explain(error, _BY_CODE, later="Try again later.", other="See AWS's documentation.")
            raise CatalogError(f"{self.database}: {text}", remedy=remedy) from error

    def _database(self) -> Made:
        try:
            self.glue.create_database(DatabaseInput={"Name": self.database})
        except self.glue.exceptions.AlreadyExistsException:
            return Made("database", self.database, "unchanged")
        return Made("database", self.database, "created")

    def _table(self, table: GlueTable, location: str) -> Made:
        wanted = table_input(table, location)
        try:
            found = self.glue.get_table(DatabaseName=self.database, Name=table.name)["Table"]
        except self.glue.exceptions.EntityNotFoundException:
            self.glue.create_table(DatabaseName=self.database, TableInput=wanted)
            return Made("table", table.name, "created")
        if _holds(found, wanted):
            return Made("table", table.name, "unchanged")
        self.glue.update_table(DatabaseName=self.database, TableInput=wanted)
        return Made("table", table.name, "updated")

    def _view(self, view: View) -> Made:
        result: Any = {} if self.output is None else {"ResultConfiguration": {"OutputLocation": self.output}}
        started = self.athena.start_query_execution(
            QueryString=view.sql,
            QueryExecutionContext={"Database": self.database},
            WorkGroup=self.workgroup,
            **result,
        )
        for _ in range(MOST_POLLS):
            execution = self.athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])
            status = execution["QueryExecution"]["Status"]
            if status["State"] == "SUCCEEDED":
                return Made("view", view.name, "replaced")
            if status["State"] in {"FAILED", "CANCELLED"}:
                why = status.get("StateChangeReason", status["State"])
                raise CatalogError(f"view {view.name}: {why}", remedy=_ALLOW)
            self.sleep(POLL_SECONDS)
        waited = f"no answer after {MOST_POLLS * POLL_SECONDS:.0f} s"
        raise CatalogError(f"view {view.name}: {waited}", remedy="See the workgroup's queue in Athena, and try again.")


def open_catalog(database: str, workgroup: str, output: str | None, region: str | None) -> Catalog:
    """Open a catalog with boto3's own settings; nothing is sent yet.

    Raises:
        CatalogError: boto3's settings cannot be used.
    """
    try:
        session = boto3.session.Session(region_name=region)
        return Catalog(session.client("glue"), session.client("athena"), database, workgroup, output)
    except BotoCoreError as error:
        text, remedy = explain(error, {}, later="", other="")
        raise CatalogError(text, remedy=remedy) from error


def table_input(table: GlueTable, location: str) -> Any:  # noqa: ANN401  the SDK's own type, which others build, too
    """Return what Glue is told of a table over the store at `location`."""
    return {
        "Name": table.name,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in table.partitions],
        "Parameters": table.properties(location),
        "StorageDescriptor": {
            "Location": f"{location}/{table.folder}/",
            "InputFormat": _FORMAT.format("Input"),
            "OutputFormat": _FORMAT.format("Output"),
            "SerdeInfo": {"SerializationLibrary": _SERDE},
            "Columns": [{"Name": field.name, "Type": type_of(field.type)} for field in table.columns],
        },
    }


def _holds(found: object, wanted: object) -> bool:
    """Whether Glue's answer says all that is wanted; it says more."""
    match wanted, found:
        case dict(), dict():
            return all(key in found and _holds(found[key], value) for key, value in wanted.items())
        case list(), list():
            return len(found) == len(wanted) and all(map(_holds, found, wanted))
    return found == wanted

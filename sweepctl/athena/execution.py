"""Runs statements in Athena, one at a time, each until it has ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweepctl.athena.catalog_errors import catalog_errors
from sweepctl.errors import CatalogError

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

LONGEST_STATEMENT = 300.0  # seconds; one that creates a view takes one or two, but may be queued
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Queries:
    """Where Athena runs statements, and where it writes their results; None: the work group's location."""

    workgroup: str
    output: str | None
    sleep: Callable[[float], None] = time.sleep


def execute(athena: "AthenaClient", sql: str, queries: Queries, *, what: str, database: str, remedy: str) -> str:
    """Run one statement, which is for `what`, to its end, and return Athena's id of it.

    Raises:
        CatalogError: AWS refused, or the statement failed or did not end, for which `remedy` is the remedy.
    """
    request: Any = {
        "QueryString": sql,
        "QueryExecutionContext": {"Database": database},
        "WorkGroup": queries.workgroup,
    }
    if queries.output:
        request["ResultConfiguration"] = {"OutputLocation": queries.output}
    with catalog_errors(what):
        query = athena.start_query_execution(**request)["QueryExecutionId"]
        status = _end_of(athena, query, queries.sleep)
    if status["State"] != "SUCCEEDED":
        why = status.get("StateChangeReason", f"not finished within {LONGEST_STATEMENT:g} s")
        raise CatalogError(f"{what}: Athena's query {query} is {status['State']}: {why}", remedy=remedy)
    return query


def only_row(athena: "AthenaClient", query: str, *, what: str) -> Sequence[str]:
    """Return the one row of a query's answer, as Athena's text."""
    with catalog_errors(what):
        answer = athena.get_query_results(QueryExecutionId=query)
    _names, row = answer["ResultSet"]["Rows"]
    return [cell["VarCharValue"] for cell in row["Data"]]


def _end_of(athena: "AthenaClient", query: str, sleep: Callable[[float], None]) -> Mapping[str, Any]:
    """Return a query's final status, or its current one after LONGEST_STATEMENT."""
    for _ in range(int(LONGEST_STATEMENT / POLL_SECONDS)):
        status = athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
        if status["State"] not in {"QUEUED", "RUNNING"}:
            break
        sleep(POLL_SECONDS)
    return status

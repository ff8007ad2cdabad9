"""The catalog: made once, brought up to date, and every refusal told with a remedy."""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from servers import Server
from typer.testing import CliRunner

from sweepctl.athena.catalog import MOST_POLLS, Catalog, open_catalog
from sweepctl.athena.statements import views
from sweepctl.athena.tables import tables
from sweepctl.cli import app
from sweepctl.engine import Engine
from sweepctl.errors import CatalogError

STORE = "s3://bucket/sweeps"


@pytest.fixture
def catalog(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    glue: Any = boto3.client("glue")
    yield open_catalog("sweeps", "primary", "s3://bucket/athena/", None)
    glue.delete_database(Name="sweeps")


def changes(catalog: Catalog, engine: Engine, store: str = STORE) -> dict[str, str]:
    return {each.name: each.change for each in catalog.apply(engine.description, store) if each.kind != "view"}


@pytest.mark.servers
def test_all_is_created_and_then_left_alone(catalog: Catalog, engine: Engine) -> None:
    names = {"sweeps", *(table.name for table in tables(engine.description))}
    assert changes(catalog, engine) == dict.fromkeys(names, "created")
    assert changes(catalog, engine) == dict.fromkeys(names, "unchanged")


@pytest.mark.servers
def test_a_table_that_is_another_is_updated(catalog: Catalog, engine: Engine) -> None:
    changes(catalog, engine)
    glue: Any = catalog.glue
    table = glue.get_table(DatabaseName="sweeps", Name="shard_outcomes")["Table"]
    altered = {key: table[key] for key in ("Name", "PartitionKeys", "Parameters", "StorageDescriptor", "TableType")}
    altered["StorageDescriptor"]["Columns"].pop()
    glue.update_table(DatabaseName="sweeps", TableInput=altered)
    again = changes(catalog, engine)
    assert {name for name, change in again.items() if change == "updated"} == {"shard_outcomes"}
    assert set(changes(catalog, engine).values()) == {"unchanged"}
    assert set(changes(catalog, engine, "s3://other/place").values()) == {"unchanged", "updated"}


@pytest.mark.servers
def test_views_are_made_by_athena(catalog: Catalog, engine: Engine) -> None:
    made = [each.name for each in catalog.apply(engine.description, STORE) if each.kind == "view"]
    assert made == [view.name for view in views(engine.description, "sweeps")]
    athena: Any = catalog.athena
    ran = athena.list_query_executions()["QueryExecutionIds"]
    texts = [athena.get_query_execution(QueryExecutionId=each)["QueryExecution"]["Query"] for each in ran]
    assert {view.sql for view in views(engine.description, "sweeps")} <= set(texts)


def answering(*states: str) -> dict[str, Any]:
    status = {"QueryExecution": {"Status": {"State": states[-1], "StateChangeReason": "line 3:1: no such column"}}}
    return {"return_value": status}


@pytest.mark.servers
@pytest.mark.parametrize(
    ("state", "told"), [("FAILED", "no such column"), ("CANCELLED", "no such"), ("QUEUED", "no answer")]
)
def test_a_view_that_fails_is_told(catalog: Catalog, engine: Engine, state: str, told: str) -> None:
    slept: list[float] = []
    hasty = Catalog(catalog.glue, catalog.athena, "sweeps", "primary", None, slept.append)
    with (
        patch.object(catalog.athena, "get_query_execution", **answering(state)),
        pytest.raises(CatalogError, match=told) as error,
    ):
        list(hasty.apply(engine.description, STORE))
    assert error.value.remedy
    assert len(slept) == (MOST_POLLS if state == "QUEUED" else 0)


@pytest.mark.servers
@pytest.mark.parametrize(
    ("refused", "code", "remedy"),
    [
        ("glue.create_database", "AccessDeniedException", "glue:GetDatabase"),
        ("athena.start_query_execution", "InvalidRequestException", "--output"),
        ("athena.start_query_execution", "ExpiredTokenException", "Log in anew"),
    ],
)
def test_a_refusal_has_its_remedy(catalog: Catalog, engine: Engine, refused: str, code: str, remedy: str) -> None:
    client, _, method = refused.partition(".")
    if method == "create_database":
        catalog.glue.create_database(DatabaseInput={"Name": "sweeps"})  # for the fixture to delete
    reply: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    refusal = ClientError(reply, method)
    with (
        patch.object(getattr(catalog, client), method, side_effect=refusal),
        pytest.raises(CatalogError, match=code) as error,
    ):
        list(catalog.apply(engine.description, STORE))
    assert error.value.remedy is not None
    assert remedy in error.value.remedy


@pytest.mark.servers
def test_the_command_tells_what_it_made(catalog: Catalog) -> None:
    done = CliRunner().invoke(
        app, ["athena", "apply", "--store", STORE, "--model", "queue", "--output", "s3://bucket/a/", "--json"]
    )
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert {"kind": "view", "name": "points_queue", "change": "replaced"} in told["made"]
    assert not any("ridehail" in each["name"] for each in told["made"])
    assert catalog.database == told["database"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "told"),
    [
        (["--store", "./results"], 2, "not in S3"),
        (["--store", "s3://b"], 2, "3 to 63"),
        (["--store", STORE, "--database", "My-Sweeps"], 2, "no name of a database"),
        (["--store", STORE, "--model", "quue"], 4, "it has: epidemic, queue, ridehail"),
        ([], 2, "--store"),
    ],
)
@pytest.mark.parametrize("command", ["ddl", "apply"])
def test_what_cannot_be(command: str, arguments: list[str], exit_code: int, told: str) -> None:
    done = CliRunner().invoke(app, ["athena", command, *arguments])
    assert done.exit_code == exit_code
    assert told in done.stderr


def test_ddl_as_text_and_as_json() -> None:
    text = CliRunner().invoke(app, ["athena", "ddl", "--store", f"{STORE}/"]).stdout
    told = json.loads(CliRunner().invoke(app, ["athena", "ddl", "--store", STORE, "--json"]).stdout)
    assert text == "".join(f"{each};\n\n" for each in told["statements"]).removesuffix("\n")
    assert "'s3://bucket/sweeps/shard_outcomes/'" in text

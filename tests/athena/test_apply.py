"""`apply` against moto's Glue and Athena; what moto cannot do, AWS's answers are put in its place."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from sweepctl.athena.apply import CatalogClients, Made, apply, differences, open_clients, table_input
from sweepctl.athena.catalog import Catalog, catalog
from sweepctl.athena.execution import Queries
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import CatalogError

DESCRIPTION = Engine(find_engine()).description
MADE = catalog(DESCRIPTION, ["queue"], database="sweeps", store="s3://bucket/sweeps")
PLACE = Queries("primary", "s3://bucket/athena-results/", sleep=lambda _: None)
OUTCOMES = "point_outcomes_queue"


def applied(clients: CatalogClients, made: Catalog = MADE, queries: Queries = PLACE) -> list[Made]:
    return list(apply(made, clients, queries))


def standing(clients: CatalogClients) -> dict[str, Any]:
    return {each["Name"]: each for each in clients.glue.get_tables(DatabaseName="sweeps")["TableList"]}


def answer(client: Any, operation: str, reply: Callable[[], Mapping[str, Any]]) -> None:  # noqa: ANN401
    """Let a client get `reply` in place of what moto answers, through botocore as from AWS."""

    def handler(**_: object) -> tuple[SimpleNamespace, Mapping[str, Any]]:
        parsed = reply()
        return SimpleNamespace(status_code=400 if "Error" in parsed else 200), parsed

    client.meta.events.register(f"before-call.{client.meta.service_model.service_id.hyphenize()}.{operation}", handler)


def refusal(code: str, message: str = "because") -> Mapping[str, Any]:
    return {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}


def test_everything_is_made_once(clients: CatalogClients) -> None:
    first = applied(clients)
    assert [each.kind for each in first] == ["database"] + ["table"] * len(MADE.tables) + ["view"] * len(MADE.views)
    assert {each.change for each in first} == {"created", "replaced"}
    made = standing(clients)
    assert set(made) == {each.name for each in MADE.tables}
    again = applied(clients)
    assert {each.change for each in again} == {"unchanged", "replaced"}
    assert [each.name for each in again] == [each.name for each in first]
    assert standing(clients) == made


def test_views_are_statements_that_athena_ran(clients: CatalogClients) -> None:
    applied(clients)
    ids = clients.athena.list_query_executions()["QueryExecutionIds"]
    run = [clients.athena.get_query_execution(QueryExecutionId=each)["QueryExecution"] for each in ids]
    assert len(run) == len(MADE.views)
    for view, query in zip(MADE.views, run, strict=True):
        assert query["Query"] == f'CREATE OR REPLACE VIEW "sweeps"."{view.name}" AS\n{view.query}'
        assert query["Status"]["State"] == "SUCCEEDED"
        assert query["QueryExecutionContext"]["Database"] == "sweeps"
        assert query["WorkGroup"] == "primary"
        assert query["ResultConfiguration"]["OutputLocation"].startswith("s3://bucket/athena-results/")


def test_a_table_with_other_columns_is_updated_and_told(clients: CatalogClients) -> None:
    applied(clients)
    changed: Any = table_input(next(each for each in MADE.tables if each.name == OUTCOMES), MADE.root)
    columns = changed["StorageDescriptor"]["Columns"]
    (gone,) = [each for each in columns if each["Name"] == "p_wait"]
    columns.remove(gone)
    columns.append({"Name": "old", "Type": "bigint"})
    next(each for each in columns if each["Name"] == "mean_wait")["Type"] = "float"
    changed["Parameters"] |= {"projection.run_date.range": "2026-01-01,NOW", "projection.hour.type": "integer"}
    clients.glue.update_table(DatabaseName="sweeps", TableInput=changed)
    changes = applied(clients)
    assert [each for each in changes if each.change not in {"unchanged", "replaced"}] == [
        Made(
            "table",
            OUTCOMES,
            "updated",
            (
                "column mean_wait: float is now double",
                "column p_wait added: double",
                "column old removed: bigint",
                "property projection.run_date.range: 2026-01-01,NOW is now 2000-01-01,NOW+1DAY",
                "property projection.hour.type removed: integer",
            ),
        )
    ]
    assert {each.change for each in applied(clients)} == {"unchanged", "replaced"}


def test_order_partitions_and_formats_are_told_too() -> None:
    (each,) = [each for each in MADE.tables if each.name == f"{OUTCOMES}_of_run"]
    wanted: Any = table_input(each, MADE.root)
    old: Any = table_input(each, MADE.root)
    old["StorageDescriptor"]["Columns"].reverse()
    old["PartitionKeys"].pop()
    old["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"] = "orc"
    assert [line.partition(":")[0] for line in differences(old, wanted)] == [
        "columns in another order",
        "partition run added",
        "format of rows",
    ]
    assert not list(differences(wanted, wanted))


@pytest.mark.parametrize("taken", [OUTCOMES, "points_queue"])
def test_what_is_not_ours_is_left_alone(clients: CatalogClients, taken: str) -> None:
    elsewhere = catalog(DESCRIPTION, ["queue"], database="sweeps", store="s3://another/sweeps")
    other: Any = table_input(next(each for each in elsewhere.tables if each.name == OUTCOMES), elsewhere.root)
    clients.glue.create_database(DatabaseInput={"Name": "sweeps"})
    clients.glue.create_table(DatabaseName="sweeps", TableInput=other | {"Name": taken})
    before = standing(clients)
    with pytest.raises(CatalogError, match=f"{taken} already exists in database sweeps") as caught:
        applied(clients)
    assert "--database" in str(caught.value.remedy)
    assert standing(clients) == before


def test_a_work_group_without_a_place_for_results(clients: CatalogClients) -> None:
    with pytest.raises(CatalogError, match="work group primary has no output location") as caught:
        applied(clients, queries=Queries("primary", None))
    assert "--output " in str(caught.value.remedy)
    assert "sweeps" not in {each["Name"] for each in clients.glue.get_databases()["DatabaseList"]}, "nothing was made"


@pytest.mark.parametrize(
    "configuration",
    [
        {"ResultConfiguration": {"OutputLocation": "s3://bucket/results/"}},
        {"ManagedQueryResultsConfiguration": {"Enabled": True}},
    ],
)
def test_a_work_group_with_one(clients: CatalogClients, configuration: Mapping[str, Any]) -> None:
    answer(clients.athena, "GetWorkGroup", lambda: {"WorkGroup": {"Name": "team", "Configuration": configuration}})
    asked = []
    clients.athena.meta.events.register(
        "provide-client-params.athena.StartQueryExecution", lambda params, **_: asked.append(params)
    )
    clients.athena.create_work_group(Name="team")
    applied(clients, queries=Queries("team", None))
    assert {each["WorkGroup"] for each in asked} == {"team"}
    assert not [each for each in asked if "ResultConfiguration" in each]


@pytest.mark.parametrize(
    ("service", "operation", "code", "what", "remedy"),
    [
        ("glue", "GetTables", "AccessDeniedException", "database sweeps", "Allow glue:GetTables"),
        ("glue", "CreateDatabase", "AccessDeniedException", "database sweeps", "Allow glue:GetTables"),
        ("glue", "CreateTable", "AlreadyExistsException", "table run_files", "Run the command again"),
        ("athena", "GetWorkGroup", "InvalidRequestException", "work group primary", "--workgroup"),
        ("athena", "StartQueryExecution", "AccessDeniedException", "view runs", "athena:StartQueryExecution"),
        ("athena", "GetQueryExecution", "TooManyRequestsException", "view runs", "Try again later"),
        ("athena", "StartQueryExecution", "NewException", "view runs", "documentation"),
    ],
)
def test_a_refusal_is_told(
    clients: CatalogClients, *, service: str, operation: str, code: str, what: str, remedy: str
) -> None:
    answer(getattr(clients, service), operation, lambda: refusal(code))
    with pytest.raises(CatalogError, match=f"{what}: {code}: because") as caught:
        applied(clients)
    assert remedy in str(caught.value.remedy)


def test_a_statement_that_fails(clients: CatalogClients) -> None:
    status = {"State": "FAILED", "StateChangeReason": "line 1:8: mismatched input"}
    answer(clients.athena, "GetQueryExecution", lambda: {"QueryExecution": {"Status": status}})
    with pytest.raises(CatalogError, match=r"view runs: Athena's query \S+ is FAILED: line 1:8: mismatched") as caught:
        applied(clients)
    assert "sweepctl athena ddl" in str(caught.value.remedy)


def test_a_statement_that_does_not_end(clients: CatalogClients) -> None:
    answer(clients.athena, "GetQueryExecution", lambda: {"QueryExecution": {"Status": {"State": "QUEUED"}}})
    with pytest.raises(CatalogError, match="is QUEUED: not finished within 300 s"):
        applied(clients)


def test_a_profile_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(CatalogError, match="nobody") as caught:
        open_clients(None)
    assert "AWS_PROFILE" in str(caught.value.remedy)

"""What `sweepctl doctor --database` says of Glue's tables and views, against moto."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from athena import sample
from fakes.servers import Server
from typer.testing import CliRunner

from sweepctl.athena.apply import open_clients, table_input
from sweepctl.athena.catalog import catalog
from sweepctl.athena.tables import DAYS, type_of
from sweepctl.cli import app
from sweepctl.doctor.catalog import check_catalog
from sweepctl.doctor.preflight import Diagnosis
from sweepctl.engine.client import Engine, find_engine
from sweepctl.records import layout
from sweepctl.store import open_store

ENGINE = Engine(find_engine())
BOTH = "point_outcomes_queue, point_outcomes_queue_of_run"
_numbers = itertools.count()


class Place:
    """A store of a test's own, and a database over it as `athena apply` and Athena make it, for one model."""

    def __init__(self) -> None:
        self.name = f"doctor-catalog-{next(_numbers)}"
        boto3.client("s3").create_bucket(Bucket=self.name)
        self.store = open_store(f"s3://{self.name}/sweeps")
        self.glue: Any = open_clients(None).glue
        made = catalog(ENGINE.description, ["queue"], database=self.name, store=self.store.url)
        self.glue.create_database(DatabaseInput={"Name": self.name})
        for table in made.tables:
            self.glue.create_table(DatabaseName=self.name, TableInput=table_input(table, made.root))
        for view in made.views:
            columns = [{"Name": field.name, "Type": type_of(field.type)} for field in view.schema]
            wanted: Any = {"Name": view.name, "TableType": "VIRTUAL_VIEW", "StorageDescriptor": {"Columns": columns}}
            self.glue.create_table(DatabaseName=self.name, TableInput=wanted)

    def change(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a table or a view."""
        there = self.glue.get_table(DatabaseName=self.name, Name=name)["Table"]
        kept = ("Name", "TableType", "StorageDescriptor", "Parameters", "PartitionKeys")
        wanted = {key: there[key] for key in kept if key in there}
        change(wanted)
        self.glue.update_table(DatabaseName=self.name, TableInput=wanted)

    def told(self, database: str | None = None) -> Diagnosis:
        (found,) = check_catalog(ENGINE, self.store, self.glue, database or self.name)
        assert found.error is None, "workers do not need it"
        return found


@pytest.fixture
def place(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    return Place()


def of_another_engine(table: dict[str, Any]) -> None:
    columns = table["StorageDescriptor"]["Columns"]
    columns[:] = [each for each in columns if each["Name"] != "p_wait"]
    columns.append({"Name": "old", "Type": "bigint"})
    next(each for each in columns if each["Name"] == "mean_wait")["Type"] = "bigint"


CHANGES = "column mean_wait: bigint is now double and column p_wait added: double and column old removed: bigint"


def test_a_catalog_of_this_engine(place: Place) -> None:
    expected = f"the 16 tables and views in database {place.name} are those of the engine"
    assert place.told() == Diagnosis("catalog", expected)


def test_tables_of_another_engine(place: Place) -> None:
    for each in BOTH.split(", "):
        place.change(each, of_another_engine)
    place.glue.delete_table(DatabaseName=place.name, Name="shard_attempts")
    found = place.told()
    assert found.finding.endswith(f"apply would change shard_attempts: missing; {BOTH}: {CHANGES}")
    assert f"athena apply --store {place.store.url} --database {place.name}" in str(found.remedy)


def test_a_view_that_an_update_of_the_stack_left_behind(place: Place) -> None:
    place.change("points_queue", of_another_engine)
    assert place.told().finding.endswith(f"apply would change points_queue: {CHANGES}")
    place.glue.delete_table(DatabaseName=place.name, Name="points_queue")
    assert place.told().finding.endswith("apply would change points_queue: missing")


def test_a_catalog_that_begins_after_a_run(place: Place, tmp_path: Path) -> None:
    fields = {"model": "queue", "dimensions": {"servers": [1, 2]}, "base": {"customers": 20}, "total_points": 10}
    sample.run(tmp_path, ENGINE, {"run_id": "early", **fields}, 0)
    record = layout.run_record("early")
    place.store.create(record, tmp_path / record)

    def begin(day: str) -> None:
        place.change("shard_outcomes", lambda table: table["Parameters"].update({DAYS: f"{day},NOW+1DAY"}))

    begin("2026-02-14")
    assert place.told().remedy is None
    begin("2026-02-15")
    expected = f"shard_outcomes: property {DAYS}: 2026-02-15,NOW+1DAY is now 2026-02-14,NOW+1DAY"
    assert place.told().finding.endswith(f"apply would change {expected}")


def test_a_catalog_that_is_not_there_or_of_another_store(place: Place) -> None:
    assert place.told("none").finding == "Glue has no database none"
    place.change("run_files", lambda table: table["StorageDescriptor"].update(Location="s3://another/runs/"))
    assert "with location s3://another/runs/" in place.told().finding


def test_the_command_has_the_finding(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["doctor", "--store", place.store.url, "--database", place.name])
    assert "✓   catalog" in done.output
    assert "those of the engine" in done.output


@pytest.mark.parametrize("arguments", [("--database", "sweeps"), ("--store", "s3://bucket/x", "--database", "No")])
def test_a_catalog_has_a_name_and_is_over_a_bucket(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, ["doctor", *arguments]).exit_code == 2

"""The Glue tables: those that the engine's description gives, over the very files that workers write."""

import io
import re
from typing import Any

import boto3
import glue_tables
import pyarrow.parquet as pq
import pytest
import sqlglot
from deploy.deployed import Deployed
from deploy.stack import TEMPLATE, stack

from sweepctl.athena.tables import type_of
from sweepctl.engine.client import Engine, find_engine

DOC = TEMPLATE.parents[2] / "docs" / "deploy.md"
PLACE = re.compile(r"s3://[^/]+/sweeps/(.*)")


def test_the_template_has_the_tables_that_the_engine_describes() -> None:
    text = TEMPLATE.read_text()
    assert glue_tables.written(text, Engine(find_engine()).description) == text, (
        "python tools/glue_tables.py writes them"
    )


def test_every_table_is_found_by_projection_and_takes_a_run_as_a_literal() -> None:
    made = {each["TableInput"]["Name"]: each["TableInput"] for each in stack().of_type("AWS::Glue::Table").values()}
    assert len(made) == 2 * (1 + 2 + 2 * 3 + 3)  # runs; outcomes and attempts; two of each model; the extra datasets
    for name, table in made.items():
        keys = [each["Name"] for each in table["PartitionKeys"]]
        dates = [] if name.startswith("run_files") else ["run_date"]
        assert keys == ([*dates, "run"] if name.endswith("_of_run") else dates)
        assert {f"projection.{key}.type" for key in keys} <= table["Parameters"].keys()
        assert table["Parameters"].get("projection.run.type") == ("injected" if "run" in keys else None)
        location = table["StorageDescriptor"]["Location"]
        template = table["Parameters"].get("storage.location.template", location)
        assert template.startswith(location)
        assert template.endswith("/")
        assert re.findall(r"\$\{(\w+)\}", template) == keys
        names = [each["Name"] for each in table["StorageDescriptor"]["Columns"]]
        assert not {*names} & {*keys}, "a partition is no column of a file"
        assert len({*names}) == len(names)


@pytest.mark.slow
def test_every_file_of_a_run_is_in_a_table_of_its_columns(deployed: Deployed) -> None:
    deployed.submit()
    deployed.sweepctl("drain", "--max-shards", 4)
    glue: Any = boto3.client("glue", endpoint_url=deployed.server.endpoint_url)
    found = glue.get_tables(DatabaseName=deployed.bucket.replace("-", "_"))["TableList"]
    keys = [key for key in deployed.server.keys("sweeps/", deployed.bucket) if "run_date=" in key]
    assert len(keys) == 3 * 4
    for key in keys:
        body = deployed.server.s3.get_object(Bucket=deployed.bucket, Key=key)["Body"].read()
        schema = pq.read_schema(io.BytesIO(body))
        folder = key.removeprefix("sweeps/").rpartition("/")[0]
        date, run = re.search(r"run_date=([^/]+)/run=(.+)", folder).groups()  # type: ignore[union-attr]
        over = [table for table in found if f"{folder}/".startswith(place(table, run_date=date, run=run))]
        assert len(over) == 2
        for table in over:
            columns = {each["Name"]: each["Type"] for each in table["StorageDescriptor"]["Columns"]}
            assert columns == {field.name: type_of(field.type) for field in schema}


def place(table: dict[str, Any], **values: str) -> str:
    """Return the folder, relative to the store, that a table looks in for a partition."""
    template = table["Parameters"].get("storage.location.template", table["StorageDescriptor"]["Location"])
    for name, value in values.items():
        template = template.replace(f"${{{name}}}", value)
    match = PLACE.fullmatch(template)
    assert match is not None
    return match[1]


def test_the_query_of_the_docs_is_athenas_and_of_these_tables() -> None:
    (text,) = re.findall(r"```sql\n(.*?)```", DOC.read_text(), re.DOTALL)
    query = sqlglot.parse_one(text, dialect="athena")
    assert isinstance(query, sqlglot.exp.Select)  # what it does not understand becomes a Command
    made = {each["TableInput"]["Name"]: each["TableInput"] for each in stack().of_type("AWS::Glue::Table").values()}
    columns = {
        name: {each["Name"] for each in [*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"]]}
        for name, table in made.items()
    }
    tables = {table.alias: columns[table.name] for table in query.find_all(sqlglot.exp.Table)}
    assert len(tables) == 2
    for column in query.find_all(sqlglot.exp.Column):
        assert column.name in tables[column.table]

"""Statements for Athena: its grammar, and columns and types that are those of the files that workers write."""

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from athena import sample
from athena.athenas_sql import NotAthenasError, parsed
from fakes.toy_model import DESCRIPTION
from sqlglot import exp

from sweepctl.athena.apply import table_input
from sweepctl.athena.catalog import Catalog, catalog
from sweepctl.athena.statements import create_table, ddl
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import UsageError
from sweepctl.protocol import Description

STORE = "s3://bucket/sweeps"
ENGINE = Engine(find_engine())
COLUMN = {"nullable": False, "unit": "", "doc": ""}


def described(parameters: list[str], metrics: list[str], name: str = "toy", dataset: str = "parts") -> Description:
    """An engine whose one model has such names."""
    (model,) = DESCRIPTION["models"]
    fields: dict[str, Any] = dict(model)  # type: ignore[arg-type]
    (parameter,), (metric,), (rows,) = fields["parameters"], fields["metrics"], fields["datasets"]
    fields |= {
        "name": name,
        "parameters": [parameter | {"name": each} for each in parameters],
        "metrics": [metric | {"name": each} for each in metrics],
        "datasets": [rows | {"name": dataset}],
    }
    return Description.model_validate(DESCRIPTION | {"models": [fields]})


AWKWARD = described(["date", "end", "order", "rate", "rows", "table"], ["from", "rate", "timestamp", "user"])


def made_by(description: Description, *models: str) -> Catalog:
    return catalog(description, models, database="sweeps", store=STORE)


@pytest.mark.parametrize("description", [ENGINE.description, AWKWARD], ids=["built in", "awkward names"])
def test_every_statement_is_athenas_and_quotes_every_name(description: Description) -> None:
    for sql in ddl(made_by(description)):
        statement = parsed(sql)
        bare = {each.name for each in statement.find_all(exp.Identifier) if not each.args["quoted"]}
        assert bare <= {"p", "o"}, sql
        quote = '"' if statement.args["kind"] == "VIEW" else "`"
        assert not {'"', "`"} - {quote} & set(sql), sql


TYPOS = [
    ("EXTERNAL", "EXTERNL"),
    ("TABLE IF", "TABEL IF"),
    ("NOT EXISTS", "NOT EXIST"),
    (" bigint", " bigit"),
    ("array<", "aray<"),
    ("PARTITIONED", "PARTITONED"),
    ("STORED", "STORD"),
    ("AS PARQUET", "AS PARKET"),
    ("LOCATION", "LOCATON"),
    ("TBLPROPERTIES", "TBLPROPERTYS"),
    ("projection.enabled", "projection.enabld"),
    ("'injected'", "'inject'"),
    ("DAYS", "DAYZ"),
    ("run=${run}", "run={run}"),
    ("OR REPLACE", "OR REPLCE"),
    ("VIEW", "VEW"),
    ("SELECT", "SELCT"),
    ("FROM", "FORM"),
    ("JOIN", "JION"),
    ("max(", "mx("),
    ("FILTER", "FLTER"),
    ("GROUP BY", "GROUP B"),
]


@pytest.mark.parametrize(("right", "wrong"), TYPOS)
def test_a_typo_is_noticed(right: str, wrong: str) -> None:
    affected = [sql for sql in ddl(made_by(ENGINE.description, "queue")) if right in sql]
    assert affected
    for sql in affected:
        with pytest.raises(NotAthenasError):
            parsed(sql.replace(right, wrong, 1))


def test_glue_and_the_statements_say_the_same() -> None:
    made = made_by(AWKWARD)
    for each in made.tables:
        statement = parsed(create_table(made, each))
        glue: Any = table_input(each, made.root)
        columns = glue["StorageDescriptor"]["Columns"]
        assert columns_in(statement.this) == [(column["Name"], hive(column["Type"])) for column in columns]
        partitioned = statement.find(exp.PartitionedByProperty)
        keys = [] if partitioned is None else columns_in(partitioned.this)
        assert keys == [(key["Name"], hive(key["Type"])) for key in glue["PartitionKeys"]]
        location = statement.find(exp.LocationProperty)
        assert location is not None
        assert location.this.name == glue["StorageDescriptor"]["Location"]
        properties = statement.args["properties"].expressions
        named = {each.name: each.args["value"].name for each in properties if type(each) is exp.Property}
        assert named == glue["Parameters"]


def columns_in(schema: exp.Expr) -> list[tuple[str, str]]:
    definitions = [each for each in schema.expressions if isinstance(each, exp.ColumnDef)]
    return [(each.name, each.args["kind"].sql(dialect="hive").replace("`", "")) for each in definitions]


def hive(kind: str) -> str:
    return exp.DataType.build(kind, dialect="hive").sql(dialect="hive").replace("`", "")


# What Athena's reader of Parquet makes of a leaf, by its physical and logical type: all that workers may write.
OF_PARQUET = {
    ("INT64", "None"): "BIGINT",
    ("DOUBLE", "None"): "DOUBLE",
    ("BOOLEAN", "None"): "BOOLEAN",
    ("BYTE_ARRAY", "String"): "STRING",
    ("INT64", "Timestamp(isAdjustedToUTC=true, timeUnit=milliseconds)"): "TIMESTAMP",
}


@pytest.fixture(scope="module")
def every_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has a file in every folder that any built-in model writes to."""
    root = tmp_path_factory.mktemp("every-file")
    sample.make_store(root, tmp_path_factory.mktemp("scratch"))
    for model, dimensions, base, outputs in (
        ("queue", {"arrival_rate": [0.5, 0.6]}, {"customers": 20}, ["customers"]),
        ("ridehail", {"num_drivers": [1, 2]}, {"num_riders": 5}, ["trips", "snapshots"]),
    ):
        fields = {"run_id": model, "model": model, "dimensions": dimensions, "base": base, "total_points": 10}
        sample.run(root, ENGINE, fields, 0, outputs)
    return root


@pytest.mark.slow
def test_columns_and_types_are_those_of_the_files(every_file: Path) -> None:
    made = made_by(ENGINE.description)
    in_athena = {each: of_leaves(parsed(create_table(made, each))) for each in made.tables}
    seen = set()
    for path in every_file.glob("*/**/*.parquet"):
        folders = path.relative_to(every_file).parts[:-1]
        if folders[0] == "partial":  # in no table
            continue
        below = "/".join(each for each in folders if "=" not in each)
        in_file = leaves(pq.ParquetFile(path).schema)
        for each in (each for each in made.tables if each.folder == below):
            seen.add(each.name)
            if below == "runs":  # the record and the pin have some of its columns each
                assert in_file.items() <= in_athena[each].items()
            else:
                assert list(in_file.items()) == list(in_athena[each].items())
                assert not set(in_athena[each]) & {"run", "run_date"}
            assert set(each.partitions) <= {name.partition("=")[0] for name in folders}
    assert seen == {each.name for each in made.tables}, "a table that was not looked at"


def leaves(schema: pq.ParquetSchema) -> dict[str, str]:
    columns = [schema.column(number) for number in range(len(schema))]
    return {
        re.sub(r"\.list\.element", "", each.path): OF_PARQUET[each.physical_type, logical(each)] for each in columns
    }


def logical(column: Any) -> str:  # noqa: ANN401  Arrow has no types
    return re.sub(
        r", is_from_converted_type=.*?(?=\))|, force_set_converted_type=.*?(?=\))", "", str(column.logical_type)
    )


def of_leaves(statement: exp.Expr) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, kind in columns_in(statement.this):
        struct = re.fullmatch(r"ARRAY<STRUCT<(.*)>>", kind)
        fields = [] if struct is None else [field.split(": ") for field in struct[1].split(", ")]
        found |= {f"{name}.{field}": of for field, of in fields} or {name: kind}
    return found


def queried(sql: str) -> exp.Query:
    query = parsed(sql)
    assert isinstance(query, exp.Query)
    return query


def test_a_metric_that_is_called_like_a_parameter_is_told_apart() -> None:
    (view, _) = [each for each in made_by(AWKWARD).views if each.name.startswith("points")]
    names = [each.alias_or_name for each in queried(view.query).selects]
    assert len(set(names)) == len(names)
    assert {"rate", "metric_rate", "timestamp"} <= set(names)


@pytest.mark.parametrize("description", [ENGINE.description, AWKWARD], ids=["built in", "awkward names"])
def test_a_view_has_the_columns_that_it_says(description: Description) -> None:
    for view in made_by(description).views:
        assert [each.alias_or_name for each in queried(view.query).selects] == view.schema.names


def test_a_literal_reaches_both_sides_of_a_join() -> None:
    for each in made_by(ENGINE.description).views:
        query = queried(each.query)
        if not query.args.get("joins"):
            continue
        (join,) = query.args["joins"]
        keys = {(on.left.table, on.left.name, on.right.table, on.right.name) for on in join.args["on"].find_all(exp.EQ)}
        partitions = {"run_date", "run"} if each.name.endswith("_of_run") else {"run_date"}
        assert {("o", name, "p", name) for name in partitions} <= keys
        passed = {column.name for column in query.selects if isinstance(column, exp.Column)}
        assert partitions <= passed, "as columns: no literal passes an expression"


def test_a_database_of_cloudformations() -> None:
    for sql in ddl(catalog(ENGINE.description, ["queue"], database="stack-database-1x", store=STORE)):
        parsed(sql)


def test_one_model_alone() -> None:
    names = {each.name for each in made_by(ENGINE.description, "queue").tables}
    assert "customers_queue_of_run" in names
    assert not [name for name in names if "epidemic" in name]
    assert {"run_files", "shard_outcomes"} <= names


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"store": "gs://bucket/x"}, "not a store: 'gs://bucket/x'"),
        ({"store": "./results"}, "'./results' is a directory: Athena reads only S3"),
        ({"store": "s3://bucket/it's"}, "allows neither ' nor *"),
        ({"names": ["queue", "qeue"]}, "no model 'qeue'"),
        ({"database": "My Sweeps"}, "not an Athena database name"),
        ({"database": ""}, "not an Athena database name"),
    ],
)
def test_bad_input_is_told(changes: dict[str, Any], told: str) -> None:
    arguments: dict[str, Any] = {
        "description": ENGINE.description,
        "names": (),
        "database": "sweeps",
        "store": STORE,
    } | changes
    with pytest.raises(UsageError, match=re.escape(told)) as caught:
        catalog(**arguments)
    assert caught.value.remedy


def test_remedies_name_what_is_near() -> None:
    with pytest.raises(UsageError) as caught:
        made_by(ENGINE.description, "qeue")
    assert caught.value.remedy == "Did you mean `queue`?"
    with pytest.raises(UsageError) as caught:
        catalog(ENGINE.description, (), database="My Sweeps", store=STORE)
    assert caught.value.remedy == "Give --database my_sweeps."


def test_two_tables_of_one_name_are_refused() -> None:
    one, other = described(["x"], ["m"], "a", "rows_b"), described(["x"], ["m"], "b_a", "rows")
    both = one.model_copy(update={"models": [*one.models, *other.models]})
    assert made_by(both, "a").tables
    with pytest.raises(UsageError, match="rows_b_a"):
        made_by(both)

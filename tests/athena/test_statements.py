"""Statements for Athena: each is understood, quoted, of the files' own columns, and answers over real files."""

import csv
import io
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from athena.over_files import athena, parsed
from sqlglot import exp

from sweepctl.athena.statements import ddl, views
from sweepctl.athena.tables import tables, type_of
from sweepctl.engine import Engine

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples" / "athena").glob("*.sql"))
DOC = (ROOT / "docs" / "analytics.md").read_text()
STORE = "s3://bucket/sweeps"


def test_every_statement_is_understood(engine: Engine) -> None:
    statements = list(ddl(engine.description, "sweeps", STORE))
    assert len(statements) == 1 + len(list(tables(engine.description))) + 2 * len(engine.description.models)
    for statement in statements:
        assert isinstance(parsed(statement), exp.Create)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("CREATE EXTERNAL TABLE", "CREATE EXTERNAL TABEL"),
        ("PARTITIONED BY", "PARTITONED BY"),
        ("LOCATION 's3", "LOCATON 's3"),
        ("` bigint", "` bigit"),
        ("CREATE OR REPLACE VIEW", "CREATE OR REPLACE VEIW"),
        ("JOIN", "JION"),
    ],
)
def test_a_typo_is_not(engine: Engine, right: str, wrong: str) -> None:
    statement = next(each for each in ddl(engine.description, "sweeps", STORE) if right in each)
    with pytest.raises(Exception):  # noqa: B017, PT011  whatever the parser makes of it
        parsed(statement.replace(right, wrong, 1))


def test_every_identifier_is_quoted(engine: Engine) -> None:
    """Words that Athena reserves are names like any other then."""
    for statement in ddl(engine.description, "sweeps", STORE):
        for name in parsed(statement).find_all(exp.Identifier):
            assert name.args["quoted"] or name.name in {"p", "o"}, name


def test_tables_have_the_columns_of_the_files(engine: Engine, root: Path) -> None:
    seen = 0
    for table in tables(engine.description):
        for path in (root / table.folder).glob("run_date=*/run=*/*.parquet"):
            seen += 1
            written = [(field.name, type_of(field.type)) for field in pq.read_schema(path)]
            assert [(field.name, type_of(field.type)) for field in table.columns] == written
            assert not {*table.partitions} & {name for name, _ in written}
    assert seen > 10


def test_a_table_of_a_run_takes_the_run_as_a_literal(engine: Engine) -> None:
    for table in tables(engine.description):
        properties = table.properties(STORE)
        template = properties["storage.location.template"]
        assert re.findall(r"\$\{(\w+)\}", template) == list(table.partitions)
        assert properties.get("projection.run.type") == ("injected" if table.name.endswith("_of_run") else None)


def test_a_view_joins_each_point_once(engine: Engine, root: Path) -> None:
    with athena(root, engine.description, "2026-12-31") as database:
        for name in ("points_queue", "points_queue_of_run"):
            columns = [column[0] for column in database.execute(f"SELECT * FROM {name}").description]
            assert len(set(columns)) == len(columns)
            assert {"run_date", "arrival_rate", "mean_wait", "status"} <= set(columns)
            counted = "count(*), count(DISTINCT (run_id, point_index))"
            assert database.execute(f"SELECT {counted} FROM {name}").fetchone() == (60, 60)


def test_views_have_what_the_model_declares(engine: Engine) -> None:
    for model, view in zip(engine.description.models, list(views(engine.description, "d"))[::2], strict=True):
        selected = parsed(view.sql).find(exp.Select)
        assert selected is not None
        names = {each.alias_or_name for each in selected.expressions}
        assert {column.name for column in (*model.parameters, *model.metrics)} <= names


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_queries_of_the_docs_print_what_is_there(path: Path, engine: Engine, root: Path) -> None:
    sql = path.read_text()
    shown = re.search(rf"```sql\n{re.escape(sql)}```\n+```text\n(.*?)```", DOC, re.DOTALL)
    with athena(root, engine.description, "2026-12-31") as database:
        answer = database.execute(parsed(sql).sql(dialect="duckdb"))
        printed = io.StringIO()
        writer = csv.writer(printed, lineterminator="\n")
        writer.writerow([column[0] for column in answer.description])
        writer.writerows(answer.fetchall())
    assert shown is not None, f"docs/analytics.md lacks {path.name}, and\n{printed.getvalue()}"
    assert shown[1] == printed.getvalue()

"""The queries of examples/athena: Athena's grammar, and their answers over real files, which the page prints."""

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from athena import sample
from athena.athenas_sql import RESERVED, NotAthenasError, parsed
from paths import ROOT
from sqlglot import exp

from sweepctl.athena.catalog import Catalog, catalog
from sweepctl.athena.tables import type_of
from sweepctl.engine.client import Engine, find_engine

EXAMPLES = {path.name: path.read_text() for path in sorted((ROOT / "examples" / "athena").glob("*.sql"))}
PAGE = (ROOT / "docs" / "analytics.md").read_text()
# On the page: a query and its answer, below the name of its file.
PRINTED = {
    name: (query, answer)
    for name, query, answer in re.findall(
        r"\(\.\./examples/athena/(\w+\.sql)\).*?\n```sql\n(.*?)```\n\n((?:\|[^\n]*\n)+)", PAGE, re.DOTALL
    )
}


@pytest.fixture(scope="module")
def made() -> Catalog:
    return catalog(Engine(find_engine()).description, (), database="sweeps", store="s3://bucket/sweeps")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    sample.make_store(root, tmp_path_factory.mktemp("scratch"))
    return root


@pytest.fixture(scope="module")
def database(root: Path, made: Catalog) -> duckdb.DuckDBPyConnection:
    return sample.over(root, made)


def names_in(made: Catalog) -> set[str]:
    return {table.name for table in made.tables} | {view.name for view in made.views}


def asked(database: duckdb.DuckDBPyConnection, query: str) -> tuple[list[str], list[tuple[object, ...]]]:
    answer = database.sql(sample.in_duckdb(query))
    return answer.columns, answer.fetchall()


def as_markdown(names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [names, ["--"] * len(names), *([cell(value) for value in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)


def test_there_are_examples_and_all_are_on_the_page() -> None:
    assert len(EXAMPLES) == 8
    assert set(PRINTED) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_prints_the_query_and_what_it_answers(database: duckdb.DuckDBPyConnection, name: str) -> None:
    query, answer = PRINTED[name]
    assert query == EXAMPLES[name]
    assert as_markdown(*asked(database, query)) == answer


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_athenas(name: str) -> None:
    query = parsed(EXAMPLES[name])
    bare = {each.name.upper() for each in query.find_all(exp.Identifier) if not each.args["quoted"]}
    assert not bare & RESERVED
    for mistake in (EXAMPLES[name].replace("SELECT", "SELCT", 1), EXAMPLES[name].replace("FROM", "FORM", 1)):
        with pytest.raises(NotAthenasError):
            parsed(mistake)


@pytest.mark.parametrize("name", EXAMPLES)
def test_whatever_is_of_a_run_gets_literals(name: str, made: Catalog) -> None:
    """Athena refuses a table whose injected partition has none; without a date it lists every day."""
    known = names_in(made)
    for select in parsed(EXAMPLES[name]).find_all(exp.Select):
        tables = [each for each in select.find_all(exp.Table) if each.parent_select is select and each.name in known]
        for each in tables:
            where = select.args["where"]
            literal = [on.left for on in where.find_all(exp.EQ) if isinstance(on.right, exp.Literal)]
            literal += [on.this for on in where.find_all(exp.Between)]
            # One that is called by a letter has its own, beside another's.
            given = {column.name for column in literal if column.table == each.alias}
            assert "run" in given or not each.name.endswith("_of_run")
            assert "run_date" in given or each.name.startswith("runs")


def test_points_that_are_recorded_twice_are_noticed(root: Path, made: Catalog, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    folder = copy / "point_outcomes" / "queue" / f"run_date={sample.RUN_DATE}" / "run=waits"
    shutil.copy(folder / "shard-00000002.parquet", folder / "shard-00000009.parquet")
    names, (row,) = asked(sample.over(copy, made), EXAMPLES["coverage.sql"])
    told = dict(zip(names, row, strict=True))
    assert (told["recorded"], told["missing"], told["duplicates"]) == (30, 10, 10)


def test_a_run_without_any_outcome_is_missing_as_a_whole(root: Path, made: Catalog, tmp_path: Path) -> None:
    copy = shutil.copytree(root, tmp_path / "copy")
    for each in ("shard_outcomes", "point_outcomes/queue", "effective_parameters/queue"):
        shutil.rmtree(copy / each / f"run_date={sample.RUN_DATE}" / "run=waits")
    database = sample.over(copy, made)
    names, (row,) = asked(database, EXAMPLES["coverage.sql"])
    assert dict(zip(names, row, strict=True)) == {
        "run_id": "waits",
        "planned": 40,
        "recorded": 0,
        "missing": 40,
        "duplicates": 0,
        "failed": 0,
        "excluded": 0,
    }
    assert asked(database, EXAMPLES["missing.sql"])[1] == [(0, 40, 40)]


def test_both_kinds_of_tables_have_the_same_rows(database: duckdb.DuckDBPyConnection, made: Catalog) -> None:
    for name in (each for each in names_in(made) if not each.endswith("_of_run")):
        count = "SELECT count(*), count(DISTINCT run_id) FROM"
        across, of_run = (database.sql(f'{count} "{each}"').fetchall() for each in (name, f"{name}_of_run"))
        assert across == of_run, name
    assert database.sql("SELECT count(*) FROM points_queue").fetchall() == [(30,)]


def test_views_have_the_types_that_they_say(database: duckdb.DuckDBPyConnection, made: Catalog) -> None:
    in_duckdb = {"bigint": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "boolean": "BOOLEAN"}
    for view in made.views:
        if "ridehail" in view.name:  # of which the store has no run
            continue
        wanted = [in_duckdb.get(type_of(field.type), "TIMESTAMP WITH TIME ZONE") for field in view.schema]
        assert [str(each) for each in database.sql(f'SELECT * FROM "{view.name}"').types] == wanted, view.name


def test_a_run_has_one_row_of_its_record_and_its_pin(database: duckdb.DuckDBPyConnection) -> None:
    is_of_record = "created_at = (SELECT min(created_at) FROM run_files WHERE run_id = 'waits')"
    rows = database.sql(
        f"SELECT run_date, total_points, model, model_version, {is_of_record} FROM runs WHERE run_id = 'waits'"
    ).fetchall()
    assert rows == [(sample.RUN_DATE, 40, "queue", "1", True)]

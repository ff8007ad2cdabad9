"""No statement changes a byte, a name or a time below the store, nor anything else that can be seen."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import duckdb
import pytest
from results import hostile_sql
from results.runs import connect

from sweepctl.errors import QueryError, StoreError
from sweepctl.results import formats, views
from sweepctl.store import open_store

OF_OTHERS = "not for statements"
# DuckDB makes them itself, or counts what is written so among another kind.
NOT_PARSED = {
    *("ANALYZE", "COPY_DATABASE", "CREATE_FUNC", "EXTENSION", "INVALID"),
    *("LOGICAL_PLAN", "MULTI", "RELATION", "VARIABLE_SET"),
}


@pytest.fixture
def base(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a store, and the only folders in which this process would leave anything."""
    shutil.copytree(root, tmp_path / "store")
    for name in ("cwd", "tmp", "home"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "secret.txt").write_text(OF_OTHERS)
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_nameless_kind_of_statement_is_refused(root: Path) -> None:
    with connect(open_store(str(root)), "a") as database, pytest.raises(QueryError, match="SELECT"):
        views.ask(database, "UPDATE EXTENSIONS")


def through_query(database: duckdb.DuckDBPyConnection, sql: str) -> object:
    with suppress(QueryError, StoreError), formats.record_batches(views.ask(database, sql)) as reader:
        return reader.read_all()
    return None


def past_every_check(database: duckdb.DuckDBPyConnection, sql: str) -> object:
    try:
        return database.execute(sql).fetchall()
    except duckdb.Error:
        return None
    finally:
        # A transaction that one of them began and an error broke would have all that follow refused.
        with suppress(duckdb.Error):
            database.rollback()


@pytest.mark.slow
def test_no_statement_writes_or_reads_another_file(base: Path) -> None:
    store, before, files = open_store(str(base / "store")), seen(base), contents(base)
    (folder,) = (base / "store/point_outcomes/queue").glob("*/run=a")
    for statements in hostile_sql.statements():
        with connect(store, "a") as database:
            for ask in (through_query, past_every_check):  # in this order: what is refused changes no database
                for sql in statements:
                    answer = ask(database, sql.replace("{folder}", str(folder)).replace("{base}", str(base)))
                    assert OF_OTHERS not in str(answer), (ask, sql)
                assert seen(base) == before, (ask, statements)
                assert database.execute("SELECT 1").fetchall() == [(1,)], "the connection is sound"
    assert contents(base) == files


def seen(base: Path) -> list[tuple[str, int, int, int, int, int]]:
    """Return every name below a folder with all that changes when it is written to."""
    stats = [(str(path), path.lstat()) for path in (base, *sorted(base.rglob("*")))]
    return [(name, s.st_ino, s.st_mode, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in stats]


def contents(base: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}


def test_the_statements_are_many_and_of_every_kind() -> None:
    kinds = set()
    with duckdb.connect() as database:
        for sql in hostile_sql.KINDS:
            with suppress(ValueError):  # a kind that has no name in Python
                kinds |= {each.type.name for each in database.extract_statements(sql)}
    assert kinds == set(duckdb.StatementType.__members__) - NOT_PARSED
    assert sum(len(set(each)) for each in hostile_sql.statements()) > 1_000


@pytest.mark.parametrize("form", [form for form in hostile_sql.FORMS if "WITH x AS" in form and "query" not in form])
@pytest.mark.usefixtures("base")
def test_an_open_database_would_write(form: str) -> None:
    """The wrappings work: it is not for their syntax that the statements above fail."""
    with duckdb.connect() as database:
        database.execute(hostile_sql.wrapped("COPY (SELECT 1 AS x) TO 'new.parquet'", form)).fetchall()
    assert Path("new.parquet").exists()

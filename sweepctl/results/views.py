"""SQL over the runs of a store: DuckDB with one view a table, nothing else within its reach.

    with connect(store, require_run(store, "demo-001")) as database:
        rows = ask(database, "SELECT count(*) FROM points").to_arrow_table()

Views: `runs`, `shard_outcomes`, `shard_attempts`, `effective_parameters`, `point_outcomes`, one for each extra dataset,
and `points`, which joins parameters to metrics, a row a point. Local files are read by DuckDB itself, those in S3
through Arrow datasets: DuckDB would have to fetch an extension for them. The database has no way to any other file, to
the network or to Python's variables, and only SELECT statements are run.
"""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import fs

from sweepctl.errors import QueryError, StoreError, UsageError
from sweepctl.names import quoted
from sweepctl.records import table
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import all_runs
from sweepctl.records.table import (
    EFFECTIVE_PARAMETERS,
    POINT_OUTCOMES,
    SHARD_ATTEMPTS,
    SHARD_OUTCOMES,
    SHARED_COLUMNS,
)
from sweepctl.results.files import RunTables
from sweepctl.store.contract import Store

if TYPE_CHECKING:
    import duckdb
    import pyarrow.dataset as ds

VIEWS = ("points", EFFECTIVE_PARAMETERS, POINT_OUTCOMES, SHARD_OUTCOMES, SHARD_ATTEMPTS, "runs")

_FILES = "shard-*.parquet"
# A pattern to DuckDB wherever they stand in a path; no escape of them passes its list of allowed directories.
_WILDCARDS = re.compile(r"[*?\[]")
# What each view has at the least, whatever has been run.
_LEAST = {
    EFFECTIVE_PARAMETERS: table.schema_of(EFFECTIVE_PARAMETERS, ()),
    POINT_OUTCOMES: table.schema_of(POINT_OUTCOMES, ()),
    SHARD_OUTCOMES: table.OUTCOME,
    SHARD_ATTEMPTS: table.OUTCOME,
}


@contextmanager
def connect(store: Store, run: RunRecord | None) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a database with the views of one run, or of all runs of the store.

    What is written to the store later on, in files that were not there, may or may not be seen.

    Args:
        store: Where the runs are.
        run: The record of the one run; None for all.

    Raises:
        StoreError: the store does not answer, or a file cannot be read.
        UsageError: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: PLC0415  an extra
    except ImportError as error:
        raise UsageError("queries need DuckDB", remedy="pip install 'sweepctl[query]'") from error

    runs = all_runs(store) if run is None else [run]
    with tempfile.TemporaryDirectory(prefix="sweepctl-query-") as scratch, duckdb.connect(":memory:") as database:
        database.execute("SET temp_directory = ?", [scratch])
        try:
            _make_views(database, store, runs)
        except duckdb.Error as error:
            remedy = "`sweepctl verify RUN_ID` tells which files are damaged."
            raise StoreError(f"the store {store.url} holds what cannot be read: {error}", remedy=remedy) from error
        _close_off(database)
        yield database


def ask(database: "duckdb.DuckDBPyConnection", sql: str) -> "duckdb.DuckDBPyRelation":
    """Return the rows of one SELECT statement, which are computed as they are fetched.

    Raises:
        QueryError: it is not one SELECT statement, or DuckDB refuses it.
    """
    import duckdb  # noqa: PLC0415  as in `connect`

    try:
        statements = database.extract_statements(sql)
        if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
            raise QueryError(
                "this is not one SELECT statement", remedy="Results are only read: ask with a single SELECT or WITH."
            )
        # Not at the top: there, DuckDB's WITH can write (`WITH x AS (COPY …) SELECT …`), into the store's folders, too.
        # And `query` tells columns of one name apart, which most forms of an answer cannot hold.
        return database.sql(f"FROM query({_text(sql)})")
    except duckdb.Error as error:
        raise refused(error) from error


def refused(error: "duckdb.Error") -> QueryError | StoreError:
    """Return what DuckDB says of a statement, as an error of ours; fetching rows raises such errors, too."""
    import duckdb  # noqa: PLC0415  as in `connect`

    message, views = str(error).strip(), ", ".join(VIEWS)
    if isinstance(error, duckdb.PermissionException):
        return QueryError(message, remedy=f"Only the store's own views can be read: {views}.")
    if isinstance(error, duckdb.IOException):
        return StoreError(message, remedy="`sweepctl verify RUN_ID` tells which files are damaged or missing.")
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)):
        return QueryError(message, remedy=f"Views: {views}. `DESCRIBE points` lists a view's columns.")
    # Met among the rows, and by its class a statement's fault and a file's damage are the same.
    return QueryError(
        message, remedy="Correct the statement; if it is sound, `sweepctl verify RUN_ID` tells which files are damaged."
    )


def _text(text: str) -> str:
    """Return a text as SQL takes it, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"


def _make_views(database: "duckdb.DuckDBPyConnection", store: Store, runs: Sequence[RunRecord]) -> None:
    """Make every view; let DuckDB into the folders that it reads itself."""
    database.register("runs", pa.Table.from_pylist([vars(run) for run in runs], schema=table.RUN_RECORD))
    selects: dict[str, list[str]] = {name: [] for name in _LEAST}
    folders = []
    filesystem, root = store.filesystem()
    # DuckDB reads local files itself.
    is_readable = isinstance(filesystem, fs.LocalFileSystem) and not _WILDCARDS.search(root)
    for run in runs:
        tables = RunTables(store, run, filesystem, root)
        for name, folder in tables.folders.items():
            rows = selects.setdefault(name, [])
            if not is_readable:
                dataset = tables.dataset(name)
                rows += [] if dataset is None else [_rows(database, f"{name} of {run.run_id}", dataset)]
            elif any(tables.keys(name)):
                folders.append(root + folder)
                files = _text(root + folder + _FILES)
                rows.append(f"SELECT * FROM read_parquet({files}, hive_partitioning = false)")  # noqa: S608  quoted
    database.execute("SET allowed_directories = ?", [folders])
    for name, rows in selects.items():
        # Not beside rows: a join of an empty table and files takes three times as long as one of the files alone.
        least = _LEAST.get(name, table.schema_of(name, ())).empty_table()
        select = " UNION ALL BY NAME ".join(rows) or _rows(database, name, least)
        database.execute(f"CREATE VIEW {quoted(name)} AS {select}")
    _make_points(database, match_run=len(runs) != 1)


def _make_points(database: "duckdb.DuckDBPyConnection", *, match_run: bool) -> None:
    # Within a run the index says it all; comparing run ids would take half as long again.
    match = "p.point_index = o.point_index" + (" AND p.run_id = o.run_id" if match_run else "")
    parameters, metrics = (set(columns(database, name)) for name in (EFFECTIVE_PARAMETERS, POINT_OUTCOMES))
    # A model may call a parameter and a metric alike.
    both = sorted(parameters & metrics - set(SHARED_COLUMNS))
    renamed = ", ".join(f"{quoted(name)} AS {quoted(f'metric_{name}')}" for name in both)
    database.execute(
        f"CREATE VIEW points AS SELECT p.*, o.* EXCLUDE ({', '.join(SHARED_COLUMNS)}) "
        f"{f'RENAME ({renamed}) ' if both else ''}"
        f"FROM {EFFECTIVE_PARAMETERS} p JOIN {POINT_OUTCOMES} o ON {match}"
    )


def columns(database: "duckdb.DuckDBPyConnection", view: str) -> list[str]:
    """Return the names of a view's columns."""
    return [name for name, *_ in database.execute(f"DESCRIBE {quoted(view)}").fetchall()]


def _rows(database: "duckdb.DuckDBPyConnection", name: str, rows: "pa.Table | ds.Dataset") -> str:
    """Hand Arrow's rows to the database; return what selects them."""
    database.register(f"arrow: {name}", rows)
    return f"SELECT * FROM {quoted(f'arrow: {name}')}"  # noqa: S608  quoted


def _close_off(database: "duckdb.DuckDBPyConnection") -> None:
    """Leave nothing within reach of a statement but the views."""
    for setting in (
        "enable_external_access = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "enable_progress_bar = false",  # it goes to standard output, amid the rows
        "TimeZone = 'UTC'",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")

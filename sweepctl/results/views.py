"""SQL over the runs of a store: DuckDB with one view per table, and access to nothing else.

    with connect(store, [require_run(store, "demo-001")]) as database:
        rows = ask(database, "SELECT count(*) FROM points").to_arrow_table()

Views: `runs`, `shard_outcomes`, `shard_attempts`, `effective_parameters`, `point_outcomes`, `kept_files`, one for each
extra dataset, and `points`, which joins parameters to metrics, one row per point. Arrow opens every file, on disk as in
S3. DuckDB itself opens none, not even to spill: a statement that gets past every other check still cannot write
anywhere. Nor can it access the network or Python's variables, and only SELECT statements are run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from sweepctl.errors import InterruptedRunError, QueryError, ScratchError, StoreError, UsageError
from sweepctl.names import quoted
from sweepctl.records import table
from sweepctl.records.outcome import KEPT_FILES, RunRecord
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
from sweepctl.texts import extra_remedy

if TYPE_CHECKING:
    import duckdb
    import pyarrow.dataset as ds

VIEWS = ("points", EFFECTIVE_PARAMETERS, POINT_OUTCOMES, SHARD_OUTCOMES, SHARD_ATTEMPTS, KEPT_FILES, "runs")

# The columns that each view has at least, whatever has been run.
_LEAST = {
    EFFECTIVE_PARAMETERS: table.schema_of(EFFECTIVE_PARAMETERS, ()),
    POINT_OUTCOMES: table.schema_of(POINT_OUTCOMES, ()),
    SHARD_OUTCOMES: table.OUTCOME,
    SHARD_ATTEMPTS: table.OUTCOME,
    KEPT_FILES: table.schema_of(KEPT_FILES, ()),
}


@contextmanager
def connect(
    store: Store, runs: Sequence[RunRecord] | None, sql: str | None = None, *, memory: str | None = None
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a database with the views of some runs, or of all runs of the store.

    Files that are written later may or may not be seen.

    Args:
        store: Where the runs are.
        runs: The records of the runs, each counted once; None for all.
        sql: The only statement that will be asked: tables that it does not name are not looked into.
        memory: What statements may take, such as `2GB`; by default, most of the machine's.

    Raises:
        DamagedError: a file cannot be read; also where a statement in the block finds that.
        StoreError: the store does not answer.
        UsageError: DuckDB is not installed.
    """
    require_duckdb()
    import duckdb  # noqa: PLC0415  an extra

    runs = all_runs(store) if runs is None else list({run.run_id: run for run in runs}.values())
    filesystem, root = store.filesystem()
    tables = [RunTables(store, each, filesystem, root) for each in runs]
    with duckdb.connect(":memory:") as database:
        _close_off(database, memory)
        try:
            _make_views(database, tables, sql)
        except duckdb.Error as error:
            remedy = "`sweepctl verify RUN_ID` shows which files are damaged."
            raise StoreError(f"a file of the store {store.url} cannot be read: {error}", remedy=remedy) from error
        try:
            yield database
        except (duckdb.Error, QueryError, StoreError) as error:
            # DuckDB does not say which file it could not read, and hardly that it was a file.
            if type(error if isinstance(error, duckdb.Error) else error.__cause__) in _unclear():
                for each in tables:
                    for name in each.folders:
                        damaged = each.first_damaged(name) if _names(sql, name) else None
                        if damaged is not None:
                            raise damaged from error
            raise


@contextmanager
def reading_errors(runs: Sequence[RunRecord]) -> Iterator[None]:
    """Have DuckDB's errors on sweepctl's own statements over some runs be errors of their files, or of this machine.

    Raises:
        InterruptedRunError: a statement was interrupted.
        ScratchError: there is too little memory.
        StoreError: a file cannot be read.
    """
    import duckdb  # noqa: PLC0415  as in `connect`

    names = " and ".join(f"run {run.run_id}" for run in runs)
    try:
        yield
    except duckdb.InterruptException as error:
        raise InterruptedRunError(
            "stopped by a signal", remedy="Nothing was written; run the command again."
        ) from error
    except duckdb.OutOfMemoryException as error:
        remedy = "Use a machine with more memory, or fewer metrics."
        raise ScratchError(f"{names} needs more memory: {error}", remedy=remedy) from error
    # Other DuckDB errors are bugs of this program, not damaged files.
    except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
        remedy = f"{' or '.join(f'`sweepctl verify {run.run_id}`' for run in runs)} shows which files are damaged."
        raise StoreError(f"the files of {names} cannot be read: {error}", remedy=remedy) from error


def require_duckdb() -> None:
    """Raise UsageError unless DuckDB is installed."""
    try:
        import duckdb  # noqa: F401, PLC0415  an extra
    except ImportError as error:
        raise UsageError("queries need DuckDB", remedy=extra_remedy("query", "duckdb")) from error


def ask(database: "duckdb.DuckDBPyConnection", sql: str) -> "duckdb.DuckDBPyRelation":
    """Return the rows of one SELECT statement; they are computed as they are fetched.

    Raises:
        QueryError: it is not one SELECT statement, or DuckDB refuses it.
    """
    import duckdb  # noqa: PLC0415  as in `connect`

    try:
        try:
            kinds = [each.type for each in database.extract_statements(sql)]
        except ValueError:  # a kind that has no name in Python, such as UPDATE EXTENSIONS
            kinds = []
        if kinds != [duckdb.StatementType.SELECT]:
            raise QueryError(
                "not a single SELECT statement", remedy="Results are read-only: use one SELECT or WITH statement."
            )
        # Not at the top level: there, DuckDB's WITH can write (`WITH x AS (INSERT …) SELECT …`).
        # And `query` renames duplicate columns, which most output formats cannot hold.
        return database.sql(f"FROM query({_text(sql)})")
    except duckdb.Error as error:
        raise refused(error) from error


def refused(error: "duckdb.Error") -> QueryError | StoreError:
    """Return DuckDB's error on a statement as sweepctl's own; fetching rows raises such errors too."""
    import duckdb  # noqa: PLC0415  as in `connect`

    # Indented, so that a value of the store that is quoted begins no line.
    message, views = str(error).strip().replace("\n", "\n  "), ", ".join(VIEWS)
    if isinstance(error, duckdb.PermissionException):
        return QueryError(message, remedy=f"Only the views can be read: {views}.")
    if isinstance(error, duckdb.IOException):
        remedy = "`sweepctl verify RUN_ID` shows which files are damaged or missing."
        return StoreError(" ".join(message.split()), remedy=remedy)
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)):
        return QueryError(message, remedy=f"Views: {views}. `DESCRIBE points` lists a view's columns.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return QueryError(message, remedy="Select fewer columns or rows, or use a machine with more memory.")
    # Raised while fetching rows: its class does not say whether the statement or a file is at fault.
    return QueryError(
        message,
        remedy="Correct the statement; if it is sound, `sweepctl verify RUN_ID` shows which files are damaged.",
    )


def _text(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _unclear() -> tuple[type[Exception], ...]:
    """Return the classes of DuckDB's errors whose cause may be a damaged file."""
    import duckdb  # noqa: PLC0415  as in `connect`

    return (
        duckdb.Error,
        duckdb.ConversionException,
        duckdb.IOException,
        duckdb.InvalidInputException,
        duckdb.SerializationException,
    )


def _names(sql: str | None, table_name: str) -> bool:
    """Whether a statement may read a table."""
    text = table_name if sql is None else sql.lower()
    return table_name in text or (table_name in {EFFECTIVE_PARAMETERS, POINT_OUTCOMES} and "points" in text)


def _make_views(database: "duckdb.DuckDBPyConnection", tables: Sequence[RunTables], sql: str | None) -> None:
    """Create every view, over Arrow's rows."""
    runs = [each.run for each in tables]
    database.register("runs", pa.Table.from_pylist([vars(run) for run in runs], schema=table.RUN_RECORD))
    selects: dict[str, list[str]] = {name: [] for name in _LEAST}
    for each in tables:
        for name in each.folders:
            if name == KEPT_FILES and not _names(sql, name):
                continue  # few runs have some, and a listing is a request
            rows = selects.setdefault(name, [])
            for number, found in enumerate(each.rows(name, guarded=_names(sql, name))):
                rows.append(_rows(database, f"{name} of {each.run.run_id}, {number}", found))
    for name, rows in selects.items():
        # Only without rows: adding an empty table to files makes a join of them take three times as long.
        least = _LEAST.get(name, table.schema_of(name, ())).empty_table()
        select = " UNION ALL BY NAME ".join(rows) or _rows(database, name, least)
        database.execute(f"CREATE VIEW {quoted(name)} AS {select}")
    _make_points(database, match_run=len(runs) != 1)


def _make_points(database: "duckdb.DuckDBPyConnection", *, match_run: bool) -> None:
    # Within a run the index is enough; comparing run_ids too would take half as long again.
    match = "p.point_index = o.point_index" + (" AND p.run_id = o.run_id" if match_run else "")
    parameters, metrics = (set(columns(database, name)) for name in (EFFECTIVE_PARAMETERS, POINT_OUTCOMES))
    # A model may have a parameter and a metric of the same name.
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
    """Register Arrow's rows with the database; return the SELECT that reads them."""
    database.register(f"arrow: {name}", rows)
    return f"SELECT * FROM {quoted(f'arrow: {name}')}"  # noqa: S608  quoted


def _close_off(database: "duckdb.DuckDBPyConnection", memory: str | None) -> None:
    """Deny statements access to everything but the views."""
    # It would go to standard output, between the rows. In notebooks that lack a package for it, it is off, and DuckDB
    # refuses to switch it off.
    bar = "enable_progress_bar"
    for setting in (
        *([f"{bar} = false"] if database.execute(f"SELECT current_setting('{bar}')").fetchall() == [(True,)] else []),
        *(() if memory is None else (f"memory_limit = '{memory}'",)),
        # It could be written to, and its name can be asked for.
        "temp_directory = ''",
        "disabled_filesystems = 'LocalFileSystem'",
        "enable_external_access = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "TimeZone = 'UTC'",
        "lock_configuration = true",
    ):
        database.execute(f"SET {setting}")

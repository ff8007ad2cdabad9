"""Athena's tables and views over files on disk, in DuckDB: each statement is transpiled and run for what it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from sweepctl.athena.statements import views
from sweepctl.athena.tables import tables
from sweepctl.protocol import Description


def parsed(sql: str) -> exp.Expr:
    """Return one statement of Athena's; what sqlglot only passes on, because it does not know it, is an error."""
    (statement,) = sqlglot.parse(sql, dialect="athena")
    assert statement is not None
    unknown = [*statement.find_all(exp.Command, exp.Anonymous)]
    assert not unknown, f"not understood: {unknown}"
    return statement


@contextmanager
def athena(root: Path, description: Description, today: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database that has, over the store at `root`, what Athena has over one in S3."""
    with duckdb.connect() as database:
        for table in tables(description):
            pattern = root / table.folder / "run_date=*" / "run=*" / "*.parquet"
            names = ", ".join(f'"{name}"' for name in (*table.columns.names, *table.partitions))
            if any(root.glob(f"{table.folder}/run_date=*/run=*/*.parquet")):
                database.execute(
                    f"CREATE VIEW {table.name} AS SELECT {names} FROM read_parquet('{pattern}', "
                    f"hive_partitioning = true, hive_types_autocast = false) WHERE run_date <= '{today}'"
                )
        there = {name for (name,) in database.execute("SELECT view_name FROM duckdb_views()").fetchall()}
        for view in views(description, "main"):
            if f"effective_parameters_{view.name.removeprefix('points_')}" in there:
                database.execute(parsed(view.sql).sql(dialect="duckdb"))
        yield database

"""What the readers of a store's tables find, by which a test tells whether any of them can see a damage."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from sweepctl.records import layout
from sweepctl.records.run import all_runs
from sweepctl.results import views
from sweepctl.store import open_store

Found = Mapping[str, list[str]]  # the rows that a question finds, in any order; or the error

NO_TABLES = {"specs", "partial", "rejected", "shard_claims", layout.COMPACT}
# A filter may skip a file by the statistics of a column.
FILTERS = {
    "runs": ("run_id = 'whole'", "run_date = '2026-02-14'", "total_points = 24", "model = 'walk'", "model IS NULL",
             "created_at IS NULL", "shard_points IS NULL"),
    "shard_outcomes": ("run_id = 'whole'", "shard_id = 1", "start_index = 6", "status = 'success'", "retryable = false",
                       "cpu_seconds >= 0", "finished_at IS NULL", "error_code IS NULL", "points_excluded = 0"),
}  # fmt: skip


def read_all(root: Path) -> Found:
    """Return what sweepctl's views, and plain SQL over the files, find in every table of a store."""
    return dict([*_of_views(root), *_of_files(root)])


def _of_views(root: Path) -> Iterator[tuple[str, list[str]]]:
    store = open_store(str(root))
    try:
        with views.connect(store, all_runs(store)) as database:
            sql = "SELECT view_name FROM duckdb_views() WHERE NOT internal AND view_name NOT LIKE 'arrow: %'"
            for (name,) in database.execute(sql).fetchall():
                yield f"view {name}", _rows(database, f'SELECT * FROM "{name}"')
    except Exception as error:  # noqa: BLE001  whatever a reader meets, it is told
        yield "views", [repr(error)]


def _of_files(root: Path) -> Iterator[tuple[str, list[str]]]:
    with duckdb.connect(":memory:") as database:
        for folder in sorted(_folders(root)):
            sql = f"FROM read_parquet('{root}/{folder}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
            yield folder, _rows(database, sql)
            for where in FILTERS.get(folder, ()):
                yield f"{folder}: {where}", _rows(database, f"SELECT count(*) {sql} WHERE {where}")


def _folders(root: Path) -> set[str]:
    compact = {f"{layout.COMPACT}/{each.name}" for each in (root / layout.COMPACT).iterdir() if each.name != "runs"}
    tops = {each.name for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")}
    return tops - NO_TABLES | compact


def _rows(database: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    try:
        return sorted(map(repr, database.sql(sql).to_arrow_table().to_pylist()))
    except duckdb.Error as error:
        return [repr(error)]

"""A run's results for notebooks: loaded on demand, as Arrow, pandas or Polars.

    run = sweepctl.open_run("demo-001", store="s3://bucket/sweeps")
    run.points(columns=["commission_rate", "revenue"], where="num_drivers > 100").pandas()

Nothing is kept open or cached: each conversion reads the store again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from sweepctl import notebook
from sweepctl.engine.client import Engine, shipped_engine
from sweepctl.errors import UsageError
from sweepctl.messages import require_run_id
from sweepctl.names import quoted
from sweepctl.records.compact import find_manifest
from sweepctl.records.design import resolve
from sweepctl.records.named import find_run_id
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import headlines, require_run
from sweepctl.results import formats, views
from sweepctl.results.analysis.comparison import Comparison, compare
from sweepctl.results.analysis.discovery import Discovery, discover
from sweepctl.results.analysis.subject import Subject
from sweepctl.results.analysis.summary import Summary, summarize
from sweepctl.store import Store, open_store
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.texts import did_you_mean
from sweepctl.verify import Report, verify

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, repr=False)
class Rows:
    """The rows of a query on one run; the query runs each time that they are loaded.

    Every method raises QueryError if DuckDB refuses the query, StoreError if the store does not answer, and UsageError
    if a package is not installed.
    """

    store: Store
    run: RunRecord
    sql: str
    columns: tuple[str, ...] = ()  # of the view `points` that the query selects

    def __repr__(self) -> str:
        """Return the query; its rows are only read when they are asked for."""
        return f"<Rows of run {self.run.run_id}: {notebook.shown(self.sql)}>"

    def arrow(self) -> pa.Table:
        """Return all rows."""
        with self._reader() as reader:
            return reader.read_all()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they are computed: memory does not grow with their number."""
        with self._reader() as reader:
            yield from reader

    def pandas(self) -> "pd.DataFrame":
        """Return all rows as a pandas data frame."""
        try:
            frame: pd.DataFrame = self.arrow().to_pandas()
        except ImportError as error:
            raise UsageError("pandas is not installed", remedy="pip install pandas") from error
        return frame

    def polars(self) -> "pl.DataFrame":
        """Return all rows as a Polars data frame."""
        try:
            import polars as pl  # noqa: PLC0415  optional
        except ImportError as error:
            raise UsageError("Polars is not installed", remedy="pip install polars") from error
        return pl.DataFrame(self.arrow())

    @contextmanager
    def _reader(self) -> Iterator[pa.RecordBatchReader]:
        with views.connect(self.store, [self.run], self.sql) as database:
            self._require_columns(views.columns(database, "points") if self.columns else [])
            with formats.record_batches(views.ask(database, self.sql)) as reader:
                yield reader

    def _require_columns(self, known: Sequence[str]) -> None:
        for name in self.columns:
            if name not in known:
                msg = f"run {self.run.run_id}: points have no column {name!r}"
                raise UsageError(msg, remedy=did_you_mean(name, known, "Columns"))


@dataclass(frozen=True, repr=False)
class Run:
    """One run of a store, from `open_run`."""

    store: Store
    record: RunRecord

    def __repr__(self) -> str:
        """Return what the run is."""
        return f"<Run {', '.join(f'{name} {notebook.shown(value)}' for name, value in self._facts())}>"

    def _repr_html_(self) -> str:
        return notebook.title(self.run_id) + notebook.facts(self._facts()[1:])

    def _facts(self) -> list[tuple[str, object]]:
        record = self.record
        return [
            ("run_id", self.run_id),
            ("model", record.spec.model),
            ("points", record.total_points),
            ("shards", record.shards),
            ("created", f"{record.created_at:%Y-%m-%d %H:%M} UTC"),
            ("store", self.store.url),
        ]

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.record.run_id

    @property
    def is_compact(self) -> bool:
        """Whether results are read from compact files (docs/compact.md)."""
        return find_manifest(self.store, self.record) is not None

    def points(self, *, columns: Sequence[str] | None = None, where: str | None = None) -> Rows:
        """Return one row per recorded point, in no particular order: its parameters and metrics.

        Args:
            columns: The columns, in this order; default: all of the view `points` (docs/queries.md).
            where: A condition in SQL, for instance `"num_drivers > 100 AND status = 'success'"`.

        A column that does not exist is an error, which suggests the nearest one, when the rows are loaded.
        """
        selected = "*" if columns is None else ", ".join(map(quoted, columns))
        condition = "" if where is None else f" WHERE ({where}\n)"  # a comment in it ends with its line
        sql = f"SELECT {selected} FROM points{condition}"  # noqa: S608  the database only reads
        return Rows(self.store, self.record, sql, tuple(columns or ()))

    def outcomes(self) -> Rows:
        """Return one row per shard that has an outcome."""
        return self.ask("SELECT * FROM shard_outcomes")

    def ask(self, sql: str) -> Rows:
        """Return the rows of one SELECT statement over the run's views (docs/queries.md)."""
        return Rows(self.store, self.record, sql)

    def summary(self, metrics: Sequence[str] = (), *, top: int = 5) -> Summary:
        """Summarize the results: means by level, paired differences, sensitivity, extreme points, failures.

        These are the values of `sweepctl summary --json`, which `to_json()` returns as such.

        Args:
            metrics: The metrics to summarize; if empty, the first headline metric that varies over cells.
            top: The number of points at each end of a metric.

        Raises:
            UsageError: a metric does not exist, or is text; or `top` is negative.
            StoreError: the store does not answer, or a file cannot be read.
        """
        _require_count(top)
        space, telling = resolve(self.store, self.record), headlines(self.store, self.run_id)
        with open_views(self.store, [self.record]) as database:
            return summarize(database, Subject.of(database, self.record, space, metrics, headlines=telling), top)

    def compare(self, run_id: str, *, metrics: Sequence[str] = (), top: int = 5) -> Comparison:
        """Compare with another run of the store, point by point: what differs is this run less that one.

        Args:
            run_id: The run to compare with, of the same model, as for `open_run`; its version may differ.
            metrics: The metrics to compare; all if empty.
            top: The number of points per metric, those with the largest differences.

        Raises:
            UnknownRunError: the store has no such run.
            UsageError: the runs are of different models, a parameter varies that only one of them has, or a metric does
                not exist; or `top` is negative.
            StoreError: the store does not answer, or a file cannot be read.
        """
        _require_count(top)
        require_run_id(run_id)
        other = require_run(self.store, find_run_id(self.store, run_id))
        space = resolve(self.store, other)
        with open_views(self.store, [other, self.record]) as database:
            return compare(database, other, self.record, space, metrics=metrics, top=top)

    def discover(self, where: str) -> Discovery:
        """Find the boxes of parameters in which a condition holds, as `sweepctl summary --where` does.

        Args:
            where: The condition, in SQL over the columns of `points`, for instance `"mean_wait > 5"`.

        Raises:
            QueryError: it is not one condition, or DuckDB refuses it.
            UsageError: NumPy or SciPy is not installed.
            StoreError: the store does not answer, or a file cannot be read.
        """
        space = resolve(self.store, self.record)
        with open_views(self.store, [self.record]) as database:
            return discover(database, Subject.of(database, self.record, space), where)

    def verify(self, *, engine: Engine | None = None) -> Report:
        """Verify the run from its store, as `sweepctl verify` does.

        Points' identities are derived by the engine that is installed with sweepctl, from the model's declaration that
        the run keeps. `engine` derives those of a run without one; it is one that has the model.

        Raises:
            StoreError: the store does not answer.
        """
        return verify(self.store, self.run_id, engine, witness=shipped_engine())


def open_run(run_id: str, store: str = DEFAULT_STORE) -> Run:
    """Open a run of a store.

    Args:
        run_id: Its ID, or the beginning of it if no other run's begins so, or `"latest"`.
        store: A directory's path, or `s3://bucket/prefix` with boto3's own settings.

    Raises:
        UnknownRunError: the store has no such run, or several.
        UsageError: `run_id` or `store` is not valid.
        StoreError: the store does not answer.
    """
    require_run_id(run_id)
    opened = open_store(store)
    return Run(opened, require_run(opened, find_run_id(opened, run_id)))


@contextmanager
def open_views(store: Store, runs: Sequence[RunRecord]) -> "Iterator[DuckDBPyConnection]":
    """Open the views of some runs; files that cannot be read are a StoreError."""
    with views.connect(store, runs) as database, views.reading_errors(runs):
        yield database


def _require_count(top: int) -> None:
    if top < 0:
        raise UsageError(f"top is {top}, which is no number of points", remedy="Give 0 or more.")

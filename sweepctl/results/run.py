"""A run's results for notebooks: lazily, as Arrow, pandas or Polars.

    run = sweepctl.open_run("demo-001", store="s3://bucket/sweeps")
    run.points(columns=["commission_rate", "revenue"], where="num_drivers > 100").pandas()

Nothing is kept open or cached: each conversion reads the store anew.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from sweepctl.engine.client import Engine
from sweepctl.errors import UsageError
from sweepctl.messages import require_run_id
from sweepctl.names import quoted
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import require_run
from sweepctl.results import formats, views
from sweepctl.store import Store, open_store
from sweepctl.verify import Report, verify

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass(frozen=True)
class Rows:
    """The answer to a question about one run, which is asked each time that it is taken.

    Every method raises QueryError where DuckDB refuses the question, StoreError where the store does not answer, and
    UsageError where a package is not installed.
    """

    store: Store = field(repr=False)
    run: RunRecord
    sql: str
    columns: tuple[str, ...] = ()  # of the view `points`, which are named

    def arrow(self) -> pa.Table:
        """Return all rows."""
        with self._reader() as reader:
            return reader.read_all()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they are computed: memory does not grow with their number."""
        with self._reader() as reader:
            yield from reader

    def pandas(self) -> "pd.DataFrame":
        """Return all rows as a data frame of pandas."""
        try:
            frame: pd.DataFrame = self.arrow().to_pandas()
        except ImportError as error:
            raise UsageError("pandas is not installed", remedy="pip install pandas") from error
        return frame

    def polars(self) -> "pl.DataFrame":
        """Return all rows as a data frame of Polars."""
        try:
            import polars as pl  # noqa: PLC0415  only who uses it needs it
        except ImportError as error:
            raise UsageError("Polars is not installed", remedy="pip install polars") from error
        return pl.DataFrame(self.arrow())

    @contextmanager
    def _reader(self) -> Iterator[pa.RecordBatchReader]:
        with views.connect(self.store, self.run) as database:
            self._require_columns(views.columns(database, "points") if self.columns else [])
            with formats.record_batches(views.ask(database, self.sql)) as reader:
                yield reader

    def _require_columns(self, known: Sequence[str]) -> None:
        for name in self.columns:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                remedy = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}."
                raise UsageError(f"points of {self.run.run_id} have no column {name!r}", remedy=remedy)


@dataclass(frozen=True)
class Run:
    """One run of a store, as `open_run` found it."""

    store: Store = field(repr=False)
    record: RunRecord

    @property
    def run_id(self) -> str:
        """What the run is called."""
        return self.record.run_id

    def points(self, *, columns: Sequence[str] | None = None, where: str | None = None) -> Rows:
        """Return a row for each recorded point, in no certain order: its parameters and its metrics.

        Args:
            columns: Which columns, in this order; all of the view `points` without it (docs/queries.md).
            where: A condition in SQL, for instance `"num_drivers > 100 AND status = 'success'"`.

        A column that does not exist is told, with the nearest one, once the rows are taken.
        """
        selected = "*" if columns is None else ", ".join(map(quoted, columns))
        condition = "" if where is None else f" WHERE ({where}\n)"  # a comment in it ends with its line
        sql = f"SELECT {selected} FROM points{condition}"  # noqa: S608  the database only reads
        return Rows(self.store, self.record, sql, tuple(columns or ()))

    def outcomes(self) -> Rows:
        """Return a row for each shard that has its outcome."""
        return self.ask("SELECT * FROM shard_outcomes")

    def ask(self, sql: str) -> Rows:
        """Return what one SELECT statement over the run's views gives (docs/queries.md)."""
        return Rows(self.store, self.record, sql)

    def verify(self, *, engine: Engine | None = None) -> Report:
        """Prove the run from its store, as `sweepctl verify` does; with an engine, identities are derived anew.

        Raises:
            StoreError: the store does not answer.
        """
        return verify(self.store, self.run_id, engine)


def open_run(run_id: str, store: str = "./sweep-results") -> Run:
    """Open a run of the store at `store`, a directory's path or `s3://bucket/prefix`; boto3's settings hold there.

    Raises:
        UnknownRunError: the store has no record of the run.
        UsageError: `run_id` or `store` cannot be one.
        StoreError: the store does not answer.
    """
    require_run_id(run_id)
    opened = open_store(store)
    return Run(opened, require_run(opened, run_id))

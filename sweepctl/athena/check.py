"""The check that Athena finds a store's files: one of its runs, counted by the tables of both kinds.

Tables across runs rest on the engine reading the folders of runs below a partition. Where it does not, their answers
are empty, and no error says so.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sweepctl.athena.catalog import Catalog
from sweepctl.athena.execution import Queries, execute, only_row
from sweepctl.athena.tables import FIRST_DAY, OF_RUN
from sweepctl.errors import CatalogError, DamagedError
from sweepctl.names import quoted
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import all_runs, list_outcomes
from sweepctl.records.table import SHARD_OUTCOMES
from sweepctl.store.contract import Store

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

_READS = (
    "Allow athena:GetQueryResults, glue:GetPartitions and the reading of the store to include this check, or leave it "
    "out with --since."
)
_NOT_READ = (
    "If shards of this run were committed meanwhile, run the command again. Otherwise this engine does not read the "
    f"folders below a partition: query the tables …{OF_RUN} alone (docs/analytics.md)."
)
_NOT_FOUND = "Check that --store is the workers' store, and that this identity may read it."


@dataclass(frozen=True)
class FirstRuns:
    """What `apply` has to know of a store's runs."""

    since: str = FIRST_DAY  # run_date of the oldest run
    sample: RunRecord | None = None  # the oldest with an outcome: often small, so that counting it costs little


@dataclass(frozen=True)
class Counted:
    """How many shards of a run Athena finds, by the table across runs and by that of a run."""

    run_id: str
    run_date: str
    across_runs: int
    of_run: int


def first_runs(store: Store) -> FirstRuns:
    """Read the record of every run of a store.

    Raises:
        StoreError: the store does not answer, or a record cannot be read.
    """
    try:
        runs = sorted(all_runs(store), key=lambda run: (run.run_date, run.run_id))
    except DamagedError as error:
        remedy = "Move it away; or give --since DATE: the store is not read then, and nothing is counted."
        raise DamagedError(error.message, remedy=remedy) from error
    sample = next((run for run in runs if any(list_outcomes(store, run.run_id, run.run_date, run.shards))), None)
    return FirstRuns(runs[0].run_date, sample) if runs else FirstRuns()


def count_shards(catalog: Catalog, athena: "AthenaClient", queries: Queries, run: RunRecord | None) -> Counted | None:
    """Count the shards of a run that has some, which is one query; nothing if there is no such run.

    Raises:
        CatalogError: the counts differ, or are zero; or Athena refused or failed.
    """
    if run is None:
        return None
    what = f"the first query, of run {run.run_id}"
    sql = counting(catalog.database, run.run_id, run.run_date)
    query = execute(athena, sql, queries, what=what, database=catalog.database, remedy=_READS)
    across_runs, of_run = map(int, only_row(athena, query, what=what))
    if across_runs != of_run or of_run == 0:
        raise CatalogError(
            f"everything was created, but its tables do not agree with the store: of run {run.run_id}, of which the "
            f"store has shards, {SHARD_OUTCOMES} finds {across_runs}, and {SHARD_OUTCOMES}{OF_RUN} finds {of_run}",
            remedy=_NOT_READ if of_run else _NOT_FOUND,
        )
    return Counted(run.run_id, run.run_date, across_runs, of_run)


def counting(database: str, run_id: str, run_date: str) -> str:
    """Return the query; ids and dates have no character that ends a string."""

    def count(table: str, column: str) -> str:
        source = f"{quoted(database)}.{quoted(table)}"
        return f"(SELECT count(*) FROM {source} WHERE run_date = '{run_date}' AND {column} = '{run_id}')"  # noqa: S608

    across_runs, of_run = count(SHARD_OUTCOMES, "run_id"), count(SHARD_OUTCOMES + OF_RUN, "run")
    return f"SELECT\n  {across_runs} AS across_runs,\n  {of_run} AS of_run"

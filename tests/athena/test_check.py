"""What `apply` reads of a store, and its first query, which shows whether Athena finds the files."""

import dataclasses
from pathlib import Path

import pytest
from athena import sample
from athena.athenas_sql import parsed
from athena.test_apply import MADE, PLACE, answer, refusal
from athena.test_examples import EXAMPLES

from sweepctl.athena.apply import CatalogClients
from sweepctl.athena.check import Counted, FirstRuns, count_shards, counting, first_runs
from sweepctl.athena.tables import FIRST_DAY
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import CatalogError
from sweepctl.records import layout, table
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import require_run
from sweepctl.store import open_store

FIELDS = {"model": "queue", "dimensions": {"servers": [1, 2]}, "base": {"customers": 20}, "total_points": 10}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one run of one shard."""
    root = tmp_path_factory.mktemp("store")
    sample.run(root, Engine(find_engine()), {"run_id": "first", **FIELDS}, 0)
    return root


@pytest.fixture(scope="module")
def run(root: Path) -> RunRecord:
    return require_run(open_store(str(root)), "first")


def test_a_store_without_runs(tmp_path: Path) -> None:
    assert first_runs(open_store(str(tmp_path))) == FirstRuns(FIRST_DAY, None)


def test_the_first_day_is_that_of_any_run_and_the_sample_has_an_outcome(tmp_path: Path, run: RunRecord) -> None:
    store = open_store(str(tmp_path))
    for run_id, run_date in (("a", "2026-03-01"), ("b", "2026-01-31"), ("c", "2026-02-28")):
        record = dataclasses.replace(run, run_id=run_id, run_date=run_date)
        store.create(layout.run_record(run_id), table.encode(record))
        if run_id != "b":
            store.create(layout.outcomes_folder(run_id, run_date) + layout.shard_file(0), b"not read")
    found = first_runs(store)
    assert found.since == "2026-01-31"
    assert found.sample is not None
    assert found.sample.run_id == "c"


def test_the_query_is_the_pages_and_athenas() -> None:
    sql = counting("sweeps", "waits", sample.RUN_DATE)
    parsed(sql)
    assert sql.replace('"sweeps".', "").replace('"', "") == EXAMPLES["first_check.sql"].split("\n", 2)[2].strip()


def rows(*numbers: int) -> dict[str, object]:
    """An answer as Athena gives it: text, below a row of names."""
    texts = [["across_runs", "of_run"], [str(each) for each in numbers]]
    return {"ResultSet": {"Rows": [{"Data": [{"VarCharValue": cell} for cell in row]} for row in texts]}}


def counted(clients: CatalogClients, run: RunRecord | None) -> Counted | None:
    return count_shards(MADE, clients.athena, PLACE, run)


def test_a_run_that_both_tables_find(clients: CatalogClients, run: RunRecord) -> None:
    answer(clients.athena, "GetQueryResults", lambda: rows(1, 1))
    assert counted(clients, run) == Counted("first", sample.RUN_DATE, 1, 1)
    (query,) = clients.athena.list_query_executions()["QueryExecutionIds"]
    ran = clients.athena.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Query"]
    assert ran == counting("sweeps", "first", sample.RUN_DATE)


def test_nothing_is_asked_without_a_run(clients: CatalogClients) -> None:
    assert counted(clients, None) is None
    assert not clients.athena.list_query_executions()["QueryExecutionIds"]


@pytest.mark.parametrize(
    ("numbers", "remedy"), [((0, 1), "does not read the folders below"), ((0, 0), "--store is the workers' store")]
)
def test_files_that_are_not_found_are_told(
    clients: CatalogClients, run: RunRecord, numbers: tuple[int, int], remedy: str
) -> None:
    answer(clients.athena, "GetQueryResults", lambda: rows(*numbers))
    with pytest.raises(
        CatalogError, match=f"shard_outcomes finds 0, and shard_outcomes_of_run finds {numbers[1]}"
    ) as e:
        counted(clients, run)
    assert remedy in str(e.value.remedy)


def test_a_check_that_is_not_allowed_says_how_to_go_without(clients: CatalogClients, run: RunRecord) -> None:
    status = {"State": "FAILED", "StateChangeReason": "Access denied"}
    answer(clients.athena, "GetQueryExecution", lambda: {"QueryExecution": {"Status": status}})
    with pytest.raises(CatalogError, match=r"of run first: Athena's query \S+ is FAILED: Access denied") as caught:
        counted(clients, run)
    assert "--since" in str(caught.value.remedy)


def test_an_answer_that_is_refused(clients: CatalogClients, run: RunRecord) -> None:
    answer(clients.athena, "GetQueryResults", lambda: refusal("AccessDeniedException"))
    with pytest.raises(CatalogError, match="AccessDeniedException") as caught:
        counted(clients, run)
    assert "athena:GetQueryResults" in str(caught.value.remedy)

"""The process that computes one part of a page: `python -m sweepctl.ui` reads a question and writes the answer.

A process of its own can be ended whatever it computes, has limits that the system keeps, and leaves the server free.
What it calls is what the commands call: `summarize`, `ask`, `verify`, `make_overview`. Questions and answers are JSON.
"""

import json
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweepctl.engine.client import Engine, find_engine, shipped_engine, units_of
from sweepctl.errors import SweepctlError
from sweepctl.records.design import resolve
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import headlines, require_run
from sweepctl.results import views
from sweepctl.results.analysis.overview import make_overview
from sweepctl.results.analysis.subject import Subject
from sweepctl.results.analysis.summary import summarize
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.ui import tables
from sweepctl.ui.means import means_parts
from sweepctl.ui.place import Place
from sweepctl.verify import verify
from sweepctl.view.page.page import render, report_policy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "2GB"  # of a statement; DuckDB says so when it needs more
MOST_BYTES = 4 << 30  # of the process: what DuckDB does not count, such as one long text

Answer = Mapping[str, Any]


def means(place: Place, store: Store, record: RunRecord, *, metric: str | None) -> Answer:
    """Answer with the means of one metric: by default of the one that `summary` shows."""
    space, prover = resolve(store, record), _prover(place)
    with _opened(store, record) as connection:
        wanted, first = [metric] if metric else [], headlines(store, record.run_id)
        subject = Subject.of(connection, record, space, wanted, headlines=first)
        summary = summarize(connection, subject, 0)
    units = units_of(prover, record.spec.model)
    return means_parts(summary, units)


def points(
    _place: Place, store: Store, record: RunRecord, *, where: str, sort: str, descending: bool, page: int
) -> Answer:
    """Answer with a page of the points for which a condition holds."""
    space = resolve(store, record)
    with _opened(store, record, "points") as connection:
        return {"html": tables.points(connection, record, space, tables.Wanted(where, sort, descending, page))}


def sql(_place: Place, store: Store, record: RunRecord, *, statement: str) -> Answer:
    """Answer with the first rows of a statement."""
    with _opened(store, record, statement) as connection:
        return {"html": tables.rows(connection, statement)}


def report(place: Place, store: Store, record: RunRecord) -> Answer:
    """Answer with the report's page."""
    space, prover = resolve(store, record), _prover(place)
    with _opened(store, record) as connection:
        first = headlines(store, record.run_id)
        subject = Subject.of(connection, record, space, most=place.metrics, headlines=first)
        proof = verify(store, record.run_id, prover, witness=shipped_engine())
        overview = make_overview(connection, subject)
    return {"html": render(proof, overview, units_of(prover, record.spec.model)), "policy": report_policy()}


QUESTIONS: Mapping[str, Callable[..., Answer]] = {"means": means, "points": points, "sql": sql, "report": report}


def _prover(place: Place) -> Engine | None:
    found = shipped_engine() if place.engine is None else Engine(find_engine(place.engine))
    return found if found is None or not place.programs else Engine(found.path, [*map(Path, place.programs)])


@contextmanager
def _opened(store: Store, record: RunRecord, statement: str | None = None) -> "Iterator[DuckDBPyConnection]":
    with views.connect(store, [record], statement, memory=MEMORY) as connection:
        import duckdb  # noqa: PLC0415  an extra

        try:
            yield connection
        except duckdb.Error as error:
            raise views.refused(error) from error


def answer(question: Mapping[str, Any]) -> Answer:
    """Return the answer to a question, or the error that came of it."""
    try:
        place = Place(**question["place"])
        store = open_store(place.store, endpoint_url=place.endpoint_url, region=place.region)
        record = require_run(store, question["run_id"])
        return QUESTIONS[question["kind"]](place, store, record, **question["arguments"])
    except SweepctlError as error:
        return error.to_json()


def main() -> None:
    """Answer the question on standard input."""
    question = json.load(sys.stdin)
    signal.alarm(question["seconds"])  # should the server be gone
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_BYTES, MOST_BYTES))
    json.dump(answer(question), sys.stdout)

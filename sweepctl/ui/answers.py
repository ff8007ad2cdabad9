"""The process that computes one part of a page: `python -m sweepctl.ui` reads a question and writes the answer.

A process of its own can be ended whatever it computes, has limits that the system keeps, and leaves the server free.
What it calls is what the commands call: `summarize`, `ask`, `verify`, `make_overview`. Questions and answers are JSON.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

from sweepctl import system
from sweepctl.engine.client import Engine, find_prover, shipped_engine, units_of
from sweepctl.errors import SweepctlError
from sweepctl.records.compact import find_manifest
from sweepctl.records.design import resolve
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import headlines, require_run
from sweepctl.results import views
from sweepctl.results.analysis.overview import make_overview
from sweepctl.results.analysis.subject import Subject
from sweepctl.results.analysis.summary import summarize
from sweepctl.results.recorded import missing_shards
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.ui import pages, tables
from sweepctl.ui.means import means_parts
from sweepctl.ui.place import Place
from sweepctl.verify import verify
from sweepctl.view.page.page import render, report_policy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """The run that a question is about."""

    place: Place
    store: Store
    record: RunRecord
    memory: str  # of DuckDB

    @property
    def prover(self) -> Engine | None:
        """The engine that verifies the run, and knows units; None if there is none."""
        return find_prover(self.place.engine, self.place.programs)

    @contextmanager
    def opened(self, statement: str | None = None) -> "Iterator[DuckDBPyConnection]":
        """Open the run's views, for one statement or for any."""
        with views.connect(self.store, [self.record], statement, memory=self.memory) as connection:
            import duckdb  # noqa: PLC0415  an extra

            try:
                yield connection
            except duckdb.Error as error:
                raise views.refused(error) from error

    def subject(self, connection: "DuckDBPyConnection", metrics: Sequence[str], most: int) -> Subject:
        """Return what can be analysed of the run."""
        space, first = resolve(self.store, self.record), headlines(self.store, self.record.run_id)
        return Subject.of(connection, self.record, space, metrics, most=most, headlines=first)


def means(asked: Asked, *, metric: str | None) -> Answer:
    """Answer with the means of one metric: by default of the one that `summary` shows."""
    with asked.opened() as connection:
        summary = summarize(connection, asked.subject(connection, [metric] if metric else [], 1), 0)
    return means_parts(summary, units_of(asked.prover, asked.record.spec.model))


def points(asked: Asked, **wanted: Any) -> Answer:  # noqa: ANN401  fields of `Wanted`
    """Answer with a page of the points for which a condition holds."""
    space = resolve(asked.store, asked.record)
    with asked.opened("points") as connection:
        return {"html": tables.points(connection, asked.record, space, tables.Wanted(**wanted))}


def sql(asked: Asked, *, statement: str) -> Answer:
    """Answer with the first rows of a statement."""
    # Compact files are of a run that is whole.
    is_compact = find_manifest(asked.store, asked.record) is not None
    missing = None if is_compact else missing_shards(asked.store, asked.record)
    with asked.opened(statement) as connection:
        return {"html": tables.rows(connection, statement, missing)}


def report(asked: Asked) -> Answer:
    """Answer with the report's page."""
    prover = asked.prover
    with asked.opened() as connection:
        subject = asked.subject(connection, (), asked.place.metrics)
        proof = verify(asked.store, asked.record.run_id, prover, witness=shipped_engine())
        overview = make_overview(connection, subject)
    page = render(proof, overview, units_of(prover, asked.record.spec.model), links=pages.report_links())
    return {"html": page, "policy": report_policy()}


QUESTIONS: Mapping[str, Callable[..., Answer]] = {"means": means, "points": points, "sql": sql, "report": report}


def answer(question: Mapping[str, Any]) -> Answer:
    """Return the answer to a question, or the error that came of it."""
    try:
        place = Place(**question["place"])
        store = open_store(place.store, endpoint_url=place.endpoint_url, region=place.region)
        record = require_run(store, question["run_id"])
        asked = Asked(place, store, record, f"{question['bytes'] // 2}B")
        return QUESTIONS[question["kind"]](asked, **question["arguments"])
    except SweepctlError as error:
        return error.to_json()


def _end_with_server() -> None:
    os.read(sys.stdin.fileno(), 1)  # not by Python's reader, whose lock would be held when the process ends
    os._exit(1)  # whatever the other threads compute


def main() -> None:
    """Answer the question on standard input, a line; end where standard input ends, since the server is gone then."""
    question = json.loads(sys.stdin.readline())
    Thread(target=_end_with_server, daemon=True).start()
    signal.alarm(question["seconds"])  # should the server hang
    # DuckDB says so when it reaches its own limit, but does not count all that it takes, such as one long text.
    system.bound_own_memory(question["bytes"])
    json.dump(answer(question), sys.stdout)

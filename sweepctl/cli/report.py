"""Commands that answer the questions that every run is asked: on the terminal, and as a page."""

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    DEFAULT_STORE,
    EndpointOption,
    EngineOption,
    JsonOption,
    RegionOption,
    StoreOption,
)
from sweepctl.cli.terminal import (
    error_exit,
    interrupted_by_signals,
    on_signals,
    open_console,
    print_json,
    written_whole,
)
from sweepctl.cli.verify import find_prover
from sweepctl.errors import EngineUnavailableError, InterruptedRunError, ScratchError, StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from sweepctl.engine.client import Engine
    from sweepctl.records.outcome import RunRecord
    from sweepctl.store.contract import Store

MOST_METRICS = 6  # of a report: each has its figures, and the largest page stays below a megabyte

RunArgument = Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")]


@app.command(
    "summary",
    epilog="Examples:\n\n  sweepctl summary demo-001\n\n"
    "  sweepctl summary demo-001 --metric mean_wait --metric p_wait --top 10\n\n"
    "  sweepctl summary demo-001 --store s3://bucket/sweeps --json",
)
def summary_command(
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="What to tell of; again for more.", show_default="the first one"),
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, max=1_000, help="Points at each end of a metric.")] = 5,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Tell what a run's results say: means by level, sensitivity, points at both ends, failures.

    Intervals are over replicates. Sobol indices are exact for a full grid, and estimated for a sample. It tells of the
    points that there are: `sweepctl verify` says whether that is all. Exits with 0 when it could be told.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.messages import require_run_id
        from sweepctl.records.design import resolve
        from sweepctl.records.run import require_run
        from sweepctl.results.analysis.subject import Subject
        from sweepctl.results.analysis.summary import summarize
        from sweepctl.store import open_store
        from sweepctl.view.summary import show_summary

        require_run_id(run_id)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        record = require_run(results, run_id)
        space = resolve(results, record.spec)
        with _views(results, record) as connection:
            summary = summarize(connection, Subject.of(connection, record, space, metric or ()), top)
        if json_output:
            print_json(summary.to_json())
        else:
            show_summary(console, summary)


@app.command(
    "report",
    epilog="Examples:\n\n  sweepctl report demo-001\n\n"
    "  sweepctl report demo-001 --out demo.html --metric mean_wait --metric p_wait\n\n"
    "  sweepctl report demo-001 --store s3://bucket/sweeps --json",
)
def report_command(
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the page goes.", dir_okay=False)] = Path(
        "report.html"
    ),
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help=f"What to show; again for more, {MOST_METRICS} at most.",
            show_default=f"the first {MOST_METRICS}",
        ),
    ] = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Write one page about a run that opens without a network: verdict, figures, failures, points.

    The run is verified first, and the verdict heads the page. A large run is aggregated: the page stays below a
    megabyte. Exits with 0 when the page was written, however the run is.
    """
    with error_exit(json_output=json_output) as console:
        from threading import Event

        from sweepctl.messages import require_run_id
        from sweepctl.records.design import resolve
        from sweepctl.records.run import require_run
        from sweepctl.results.analysis.overview import look_over
        from sweepctl.results.analysis.subject import Subject
        from sweepctl.store import open_store
        from sweepctl.verify import verify
        from sweepctl.view.page.page import render
        from sweepctl.view.verify import examining, show_verdict

        require_run_id(run_id)
        if metric and len(metric) > MOST_METRICS:
            remedy = "Write several pages, each with its own --out."
            raise UsageError(f"a page shows at most {MOST_METRICS} metrics, not {len(metric)}", remedy=remedy)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        record = require_run(results, run_id)
        space = resolve(results, record.spec)
        prover, stop, began_at = find_prover(engine), Event(), time.monotonic()
        # Before minutes of proof: what cannot be shown is refused at once.
        with _views(results, record) as connection:
            subject = Subject.of(connection, record, space, metric or (), most=MOST_METRICS)
            with examining(open_console(stderr=True), run_id) as observe, on_signals(stop.set):
                proof = verify(results, run_id, prover, observe=observe, stop=stop)
            proven_at = time.monotonic()
            page = render(proof, look_over(connection, subject), _units(prover, record)).encode()
        with written_whole(out) as file:
            file.write(page)
        seconds = {"verify": proven_at - began_at, "page": time.monotonic() - proven_at}
        if json_output:
            told = {"run_id": run_id, "verdict": proof.verdict.value, "out": str(out), "bytes": len(page)}
            print_json({**told, "points": subject.points, "seconds": seconds})
        else:
            show_verdict(console, proof)
            console.print(f"report written to {out}: {len(page):,} bytes", highlight=False, soft_wrap=True)


@contextmanager
def _views(results: "Store", run: "RunRecord") -> "Iterator[DuckDBPyConnection]":
    """Open a run's views; what cannot be read of its files is the store's error."""
    from sweepctl.results import views

    with views.connect(results, run) as connection, interrupted_by_signals(connection.interrupt):
        import duckdb

        try:
            yield connection
        except duckdb.InterruptException as error:
            raise InterruptedRunError("stopped by a signal", remedy="Nothing was written; start it again.") from error
        except duckdb.OutOfMemoryException as error:
            remedy = "Run it on a machine with more memory, or ask for fewer metrics."
            msg = f"run {run.run_id} needs more memory or space for work: {error}"
            raise ScratchError(msg, remedy=remedy) from error
        # Others are faults of this program, which nobody should look for in the files.
        except (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException) as error:
            remedy = f"`sweepctl verify {run.run_id}` tells what is wrong with them."
            raise StoreError(f"the files of run {run.run_id} cannot be read: {error}", remedy=remedy) from error


def _units(engine: "Engine | None", record: "RunRecord") -> dict[str, str]:
    """Return the units of parameters and metrics, as far as an engine is here that knows the model."""
    try:
        model = None if engine is None else engine.model(record.spec.model)
    except EngineUnavailableError:
        model = None
    return {} if model is None else {column.name: column.unit for column in (*model.parameters, *model.metrics)}

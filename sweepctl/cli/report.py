"""Commands that summarize a run's results: on the terminal, and as a page."""

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.compact import note_compact
from sweepctl.cli.named import complete_run, named_run
from sweepctl.cli.options import (
    EndpointOption,
    EngineOption,
    JsonOption,
    ProgramOption,
    RegionOption,
    RunArgument,
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
from sweepctl.errors import UsageError
from sweepctl.store.open import DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from duckdb import DuckDBPyConnection

    from sweepctl.records.outcome import RunRecord
    from sweepctl.results.analysis.comparison import Comparison
    from sweepctl.store.contract import Store

PAGES = (".html", ".htm", "")  # endings of --out; none for a device
METRICS, MOST_METRICS = 6, 12  # on a page: by default, and by --metric; it must stay below a megabyte

WhereOption = Annotated[
    str | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="Find the boxes of parameters in which this holds: SQL over the columns of points.",
        show_default=False,
    ),
]


@app.command(
    "summary",
    epilog="Examples:\n\n  sweepctl summary ridehail-surge\n\n"
    "  sweepctl summary ridehail-surge --metric conversion_rate --metric driver_utilisation --top 10\n\n"
    "  sweepctl summary ridehail-surge --where 'conversion_rate > 0.8'\n\n"
    "  sweepctl summary ridehail-surge --store s3://bucket/sweeps --json",
)
def summary_command(
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Metric to show; repeatable.", show_default="the first headline metric"),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, max=1_000, help="Lowest and highest points to show per metric.")
    ] = 5,
    where: WhereOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Summarize a run's results: means by level, sensitivity, lowest and highest points, failures.

    Intervals are over replicates. Sobol indices are exact for a full grid, and estimated for a sample. --where shows
    which ranges of which parameters make a condition hold (PRIM), and needs the extra `sensitivity`. The summary
    covers the points recorded so far: `sweepctl verify` says whether that is everything. Exits with 0 if the summary
    could be computed.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        require_run_id(run_id)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.records.design import resolve
        from sweepctl.records.run import headlines, require_run
        from sweepctl.results.analysis.discovery import discover
        from sweepctl.results.analysis.subject import Subject
        from sweepctl.results.analysis.summary import summarize
        from sweepctl.view.discovery import show_discovery
        from sweepctl.view.summary import show_summary

        results = open_store(store, endpoint_url=endpoint_url, region=region)
        run_id = named_run(results, run_id)
        record = require_run(results, run_id)
        space = resolve(results, record)
        with opened_views(results, [record]) as connection:
            subject = Subject.of(connection, record, space, metric or (), headlines=headlines(results, run_id))
            discovery = discover(connection, subject, where) if where is not None else None
            summary = summarize(connection, subject, top)
        if json_output:
            print_json({**summary.to_json(), **({"discovery": discovery.to_json()} if discovery else {})})
        else:
            show_summary(console, summary)
            if discovery:
                show_discovery(console, discovery)


@app.command(
    "report",
    epilog="Examples:\n\n  sweepctl report ridehail-surge\n\n"
    "  sweepctl report ridehail-surge --out demo.html --metric conversion_rate --metric driver_utilisation\n\n"
    "  sweepctl report ridehail-surge --where 'conversion_rate > 0.8 AND driver_utilisation < 0.9'\n\n"
    "  sweepctl report ridehail-surge-2 --against ridehail-surge\n\n"
    "  sweepctl report ridehail-surge --store s3://bucket/sweeps --json",
)
def report_command(
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write.", dir_okay=False)] = Path(
        "report.html"
    ),
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help=f"Metric to show; repeatable, up to {MOST_METRICS}.",
            show_default=f"the first {METRICS}",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RUN_ID",
            help="Another run of the model to compare with.",
            autocompletion=complete_run,
        ),
    ] = None,
    where: WhereOption = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Write an offline HTML page about a run: verdict, figures, failures, points.

    The run is verified first, and the page starts with the verdict. A large run is aggregated: the page stays below a
    megabyte. Exits with 0 if the page was written, whatever the verdict.
    """
    with error_exit(json_output=json_output) as console:
        from threading import Event

        from sweepctl.engine.client import find_prover, shipped_engine
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        for each in (run_id, against) if against else (run_id,):
            require_run_id(each)
        if out.suffix.lower() not in PAGES:
            remedy = "Name it .html; a browser prints the page as PDF, and saves its figures."
            raise UsageError(f"{out}: a report is an HTML page", remedy=remedy)
        if metric and len(metric) > MOST_METRICS:
            remedy = "Write several pages, each with its own --out."
            raise UsageError(f"a page shows at most {MOST_METRICS} metrics, not {len(metric)}", remedy=remedy)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.engine.client import units_of
        from sweepctl.records.design import resolve
        from sweepctl.records.run import headlines, require_run
        from sweepctl.results.analysis.discovery import discover
        from sweepctl.results.analysis.overview import make_overview
        from sweepctl.results.analysis.subject import Subject
        from sweepctl.verify import verify
        from sweepctl.view.console import foreign
        from sweepctl.view.page.page import render
        from sweepctl.view.verify import examining, show_verdict

        results = open_store(store, endpoint_url=endpoint_url, region=region)
        run_id = named_run(results, run_id)
        record = require_run(results, run_id)
        space = resolve(results, record)
        prover, stop, began_at = find_prover(engine, program), Event(), time.monotonic()
        # Verification takes minutes: metrics and conditions that cannot be shown are rejected before it.
        with opened_views(results, [record]) as connection:
            subject = Subject.of(
                connection, record, space, metric or (), most=METRICS, headlines=headlines(results, run_id)
            )
            comparison = (
                compare_runs(
                    results, require_run(results, named_run(results, against)), record, metrics=subject.metrics
                )
                if against
                else None
            )
            discovery = discover(connection, subject, where) if where is not None else None
            with examining(open_console(stderr=True), run_id) as observe, on_signals(stop.set):
                proof = verify(results, run_id, prover, witness=shipped_engine(), observe=observe, stop=stop)
            proven_at = time.monotonic()
            overview = make_overview(connection, subject)
            page = render(proof, overview, units_of(prover, record.spec.model), comparison, discovery).encode()
        with written_whole(out) as file:
            file.write(page)
        seconds = {"verify": proven_at - began_at, "page": time.monotonic() - proven_at}
        if json_output:
            payload = {"run_id": run_id, "verdict": proof.verdict.value, "out": str(out), "bytes": len(page)}
            print_json({**payload, "points": subject.points, "seconds": seconds})
        else:
            show_verdict(console, proof)
            console.print(f"report written to {foreign(out)}: {len(page):,} bytes", highlight=False, soft_wrap=True)


def compare_runs(
    results: "Store", first: "RunRecord", second: "RunRecord", *, metrics: "Sequence[str]", top: int = 5
) -> "Comparison":
    """Compare two runs of a store."""
    from sweepctl.records.design import resolve
    from sweepctl.results.analysis.comparison import compare, require_comparable

    require_comparable(first, second)
    space = resolve(results, first)
    with opened_views(results, [first, second]) as connection:
        return compare(connection, first, second, space, metrics=metrics, top=top)


@contextmanager
def opened_views(results: "Store", runs: "Sequence[RunRecord]") -> "Iterator[DuckDBPyConnection]":
    """Open the views of some runs; files that cannot be read are a StoreError."""
    from sweepctl.results import views

    with views.connect(results, runs) as connection, interrupted_by_signals(connection.interrupt):
        note_compact(results, runs)
        with views.reading_errors(runs):
            yield connection

"""The command that asks a store's tables in SQL."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import DEFAULT_STORE, EndpointOption, JsonOption, RegionOption, StoreOption
from sweepctl.cli.terminal import (
    error_exit,
    interrupted_by_signals,
    open_console,
    pipe_safe_output,
    print_json,
    written_whole,
)
from sweepctl.errors import UsageError

if TYPE_CHECKING:
    from sweepctl.records.outcome import RunRecord
    from sweepctl.store.contract import Store

FORMS = ("csv", "json", "parquet", "arrow")
BINARY = ("parquet", "arrow")


@app.command(
    "query",
    epilog="Examples:\n\n  sweepctl query demo-001 'SELECT commission_rate, avg(revenue) FROM points GROUP BY ALL'\n\n"
    "  sweepctl query demo-001 'SELECT * FROM points' --out points.parquet\n\n"
    "  sweepctl query --all 'SELECT run_id, count(*) FROM shard_outcomes GROUP BY run_id' --json",
)
def query_command(
    question: Annotated[
        list[str],
        typer.Argument(metavar="RUN_ID SQL", help="The run, and one SELECT statement; with --all, SQL alone."),
    ],
    all_runs: Annotated[bool, typer.Option("--all", help="Ask all runs of the store.")] = False,
    store: StoreOption = DEFAULT_STORE,
    form: Annotated[
        Literal["table", "csv", "json", "parquet", "arrow"] | None,
        typer.Option(
            "--format",
            help="What to write; arrow is Arrow's IPC stream.",
            show_default="as --out ends, a table on a terminal, json with --json, else csv",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write there; not a table.", dir_okay=False)
    ] = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Ask a run's tables in SQL: points, effective_parameters, point_outcomes, shard_outcomes, shard_attempts, runs.

    `points` has a row a point, its parameters beside its metrics; `DESCRIBE points` lists the columns. Only SELECT is
    run, and it reaches the store's tables alone: no other file, no network. Only what is recorded is there: `sweepctl
    verify` says whether that is all.
    """
    with error_exit(json_output=json_output) as console:
        import sys

        from sweepctl.messages import require_run_id
        from sweepctl.records.run import require_run
        from sweepctl.results import formats, views
        from sweepctl.store import open_store
        from sweepctl.view.query import show_answer

        run_id, sql = _understood(question, all_runs=all_runs)
        if run_id is not None:
            require_run_id(run_id)
        is_terminal = sys.stdout.isatty()
        chosen = form or _usual_form(out, json_output=json_output, is_terminal=is_terminal)
        _require_place(chosen, out, json_output=json_output, is_terminal=is_terminal)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        run = None if run_id is None else require_run(results, run_id)
        with views.connect(results, run) as database, interrupted_by_signals(database.interrupt):
            if gaps := _gaps(results, run):
                open_console(stderr=True).print(gaps, style="yellow", highlight=False, markup=False, soft_wrap=True)
            rows = views.ask(database, sql)
            if chosen == "table":
                with formats.record_batches(formats.portable(rows)) as reader:
                    show_answer(console, reader)
            elif out is None:
                with pipe_safe_output() as output:
                    formats.write(rows, chosen, output)
            else:
                with written_whole(out) as file:
                    count = formats.write(rows, chosen, file)
                console.print(f"rows written to {out}: {count:,}", highlight=False, markup=False, soft_wrap=True)
                if json_output:
                    print_json({"out": str(out), "format": chosen, "rows": count})


def _gaps(store: "Store", run: "RunRecord | None") -> str | None:
    """Return what an answer cannot be about, shards that are not recorded yet; None where all are."""
    from sweepctl.records.run import list_outcomes

    if run is None:
        return None if store.folders("runs/") else f"the store {store.url} has no runs"
    recorded = sum(1 for _ in list_outcomes(store, run.run_id, run.run_date))
    if run.shards is not None and recorded >= run.shards:
        return None
    of_all = " (of how many, nobody planned)" if run.shards is None else f" of {run.shards:,}"
    return f"{recorded:,}{of_all} shards of run {run.run_id} are recorded; `sweepctl status {run.run_id}` follows it"


def _understood(question: list[str], *, all_runs: bool) -> tuple[str | None, str]:
    """Return the run_id, None for all runs, and the statement."""
    match question:
        case [sql] if all_runs:
            return None, sql
        case [run_id, sql] if not all_runs:
            return run_id, sql
    raise UsageError(
        f"{len(question)} arguments{' with --all' if all_runs else ''}",
        remedy='sweepctl query RUN_ID "SELECT …", or sweepctl query --all "SELECT …"; SQL is one argument, in quotes.',
    )


def _usual_form(out: Path | None, *, json_output: bool, is_terminal: bool) -> str:
    if out is not None:
        ending = out.suffix.removeprefix(".").lower()
        if ending not in FORMS:
            raise UsageError(
                f"{out}: its ending says no form", remedy=f"End it in .{', .'.join(FORMS)}, or give --format."
            )
        return ending
    if json_output:
        return "json"
    return "table" if is_terminal else "csv"


def _require_place(form: str, out: Path | None, *, json_output: bool, is_terminal: bool) -> None:
    if form == "table" and out is not None:
        raise UsageError("a table goes to the terminal only", remedy="Choose --format csv, json, parquet or arrow.")
    if form in BINARY and out is None and is_terminal:
        raise UsageError(f"{form} is no text for a terminal", remedy="Give --out FILE, or pipe it.")
    if json_output and out is None and form != "json":
        raise UsageError(f"--json and --format {form} both want standard output", remedy="Give --out FILE, or one.")

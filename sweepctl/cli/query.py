"""The command that queries a store's tables with SQL."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sweepctl.cli.app import app
from sweepctl.cli.compact import note_compact
from sweepctl.cli.named import complete_question, named_run
from sweepctl.cli.options import EndpointOption, JsonOption, RegionOption, StoreOption
from sweepctl.cli.terminal import (
    error_exit,
    interrupted_by_signals,
    open_console,
    pipe_safe_output,
    print_json,
    written_whole,
)
from sweepctl.errors import UsageError
from sweepctl.store.open import DEFAULT_STORE

if TYPE_CHECKING:
    from sweepctl.records.outcome import RunRecord
    from sweepctl.store.contract import Store

FORMATS = ("csv", "json", "parquet", "arrow")
BINARY = ("parquet", "arrow")


@app.command(
    "query",
    epilog="Examples:\n\n"
    "  sweepctl query ridehail-surge 'SELECT num_drivers, avg(conversion_rate) FROM points GROUP BY ALL'\n\n"
    "  sweepctl query ridehail-surge 'SELECT * FROM points' --out points.parquet\n\n"
    "  sweepctl query --all 'SELECT run_id, count(*) FROM shard_outcomes GROUP BY run_id' --json",
)
def query_command(
    question: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_ID SQL",
            help="Run, as for other commands, and one SELECT statement; with --all, only the statement.",
            autocompletion=complete_question,
        ),
    ],
    all_runs: Annotated[bool, typer.Option("--all", help="Query all runs of the store.")] = False,
    store: StoreOption = DEFAULT_STORE,
    form: Annotated[
        Literal["table", "csv", "json", "parquet", "arrow"] | None,
        typer.Option(
            "--format",
            help="Output format; arrow is the Arrow IPC stream. In csv, text that begins with =, +, - or @ and is not "
            "a number gets a ' before it, so that no spreadsheet computes it.",
            show_default="from the suffix of --out; else json with --json, table on a terminal, csv otherwise",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Output file, in any format but table.", dir_okay=False)
    ] = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Query a run with SQL: points, effective_parameters, point_outcomes, shard_outcomes, shard_attempts, runs.

    `points` has one row per point, with parameters and metrics; `DESCRIBE points` lists the columns. Only SELECT is
    allowed, and it can read only the store's tables: no other files, no network. The tables hold what has been recorded
    so far: `sweepctl verify` says whether that is everything.
    """
    with error_exit(json_output=json_output) as console:
        import sys

        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        run_id, sql = _parse_arguments(question, all_runs=all_runs)
        if run_id is not None:
            require_run_id(run_id)
        is_terminal = sys.stdout.isatty()
        chosen = form or _default_format(out, json_output=json_output, is_terminal=is_terminal)
        _require_destination(chosen, out, json_output=json_output, is_terminal=is_terminal)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.records.run import require_run
        from sweepctl.results import formats, views
        from sweepctl.texts import plain
        from sweepctl.view.query import show_answer

        results = open_store(store, endpoint_url=endpoint_url, region=region)
        run = None if run_id is None else require_run(results, named_run(results, run_id))
        with (
            views.connect(results, None if run is None else [run], sql) as database,
            interrupted_by_signals(database.interrupt),
        ):
            # Compact files are of a run that is whole.
            if not note_compact(results, [] if run is None else [run]) and (gaps := _gaps(results, run)):
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
                console.print(
                    f"rows written to {plain(str(out))}: {count:,}", highlight=False, markup=False, soft_wrap=True
                )
                if json_output:
                    print_json({"out": str(out), "format": chosen, "rows": count})


def _gaps(store: "Store", run: "RunRecord | None") -> str | None:
    """Return a warning that shards are not recorded yet, or no run at all; None if all are."""
    from sweepctl.results.recorded import missing_shards

    if run is not None:
        return missing_shards(store, run)
    store.require_present()
    return None if store.folders("runs/") else f"the store {store.url} has no runs"


def _parse_arguments(question: list[str], *, all_runs: bool) -> tuple[str | None, str]:
    """Return the run_id, None for all runs, and the statement."""
    match question:
        case [sql] if all_runs:
            return None, sql
        case [run_id, sql] if not all_runs:
            return run_id, sql
    raise UsageError(
        f"expected {'only SQL with --all' if all_runs else 'RUN_ID and SQL'}, got {len(question)} arguments",
        remedy='Use sweepctl query RUN_ID "SELECT …", or sweepctl query --all "SELECT …", with the SQL in quotes.',
    )


def _default_format(out: Path | None, *, json_output: bool, is_terminal: bool) -> str:
    if out is not None:
        suffix = out.suffix.removeprefix(".").lower()
        if suffix not in FORMATS:
            raise UsageError(
                f"{out}: unknown output format", remedy=f"Use the suffix .{', .'.join(FORMATS)}, or give --format."
            )
        return suffix
    if json_output:
        return "json"
    return "table" if is_terminal else "csv"


def _require_destination(form: str, out: Path | None, *, json_output: bool, is_terminal: bool) -> None:
    if form == "table" and out is not None:
        raise UsageError(
            "--format table is for the terminal only", remedy="Choose --format csv, json, parquet or arrow."
        )
    if form in BINARY and out is None and is_terminal:
        msg = f"{form} is binary: write it with --out FILE, or pipe it"
        raise UsageError(msg, remedy="Choose --format csv or json to print it here.")
    if json_output and out is None and form != "json":
        raise UsageError(
            f"--json and --format {form} both write to standard output", remedy="Give --out FILE, or only one of them."
        )

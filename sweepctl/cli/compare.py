"""The command that compares two runs."""

from typing import Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.named import complete_run, named_run
from sweepctl.cli.options import EndpointOption, JsonOption, RegionOption, StoreOption
from sweepctl.cli.report import compare_runs
from sweepctl.cli.terminal import error_exit, print_json
from sweepctl.store.open import DEFAULT_STORE


@app.command(
    "compare",
    epilog="Examples:\n\n  sweepctl compare ridehail-surge ridehail-surge-2\n\n"
    "  sweepctl compare ridehail-surge ridehail-surge-2 --exact\n\n"
    "  sweepctl compare ridehail-surge ridehail-surge-2 --metric conversion_rate --store s3://bucket/sweeps --json",
)
def compare_command(
    first: Annotated[
        str, typer.Argument(metavar="RUN_A", help="The run to compare with.", autocompletion=complete_run)
    ],
    second: Annotated[
        str, typer.Argument(metavar="RUN_B", help="The run whose differences are shown.", autocompletion=complete_run)
    ],
    store: StoreOption = DEFAULT_STORE,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Metric to compare; repeatable.", show_default="all")
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Exit with 1 if anything differs.")] = False,
    top: Annotated[
        int, typer.Option("--top", min=0, max=1_000, help="Points to show per metric, the largest differences first.")
    ] = 5,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Compare two runs of one model, point by point: what is equal to the bit, and what differs by how much.

    Points are matched by their parameters and replicate; model versions may differ. With --exact it is the regression
    test of a new version: it fails if any point or result is not the same. What the runs have recorded so far is
    compared: `sweepctl verify` says whether that is everything. Exits with 0 if they could be compared; with --exact,
    only if they are equal.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        for run_id in (first, second):
            require_run_id(run_id)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.records.run import require_run
        from sweepctl.view.compare import show_comparison

        results = open_store(store, endpoint_url=endpoint_url, region=region)
        runs = [require_run(results, named_run(results, run_id)) for run_id in (first, second)]
        comparison = compare_runs(results, *runs, metrics=metric or (), top=top)
        if json_output:
            print_json(comparison.to_json())
        else:
            show_comparison(console, comparison)
        if exact and not comparison.is_exact:
            raise typer.Exit(1)

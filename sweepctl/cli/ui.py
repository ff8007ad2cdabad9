"""The command that serves pages about a store's runs."""

import os
from typing import Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    EndpointOption,
    EngineOption,
    JsonOption,
    ProgramOption,
    RegionOption,
    StoreOption,
)
from sweepctl.cli.report import METRICS
from sweepctl.cli.terminal import STORE_OPTIONS, calling, error_exit, on_signals, print_json
from sweepctl.errors import UsageError
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.texts import extra_remedy

SECONDS_TO_END = 3  # at most, after a signal; open pages have one of them


@app.command("ui", epilog="Examples:\n\n  sweepctl ui\n\n  sweepctl ui --store s3://bucket/sweeps --port 8080")
def ui_command(
    context: typer.Context,
    store: StoreOption = DEFAULT_STORE,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="Port; 0 takes a free one.")] = 0,
    host: Annotated[
        str,
        typer.Option("--host", help="Address to listen on. Any but this machine's own lets others reach the pages."),
    ] = "127.0.0.1",
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Serve pages that follow a store's runs: progress, shards, failures, means, points, SQL and the report.

    Prints the address to open in a browser; the token in it lets in. The pages only read, and need the extra `ui`. They
    show what `status`, `summary`, `query` and `report` say, and follow the store as long as somebody looks at them.
    Ends with Ctrl-C.
    """
    with error_exit(json_output=json_output) as console:
        from threading import Timer

        from sweepctl.store import open_store

        _require_installed()
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.shard.run import utc_now
        from sweepctl.ui.place import Place
        from sweepctl.ui.server import Server
        from sweepctl.view.console import foreign

        place = Place(
            store=store,
            endpoint_url=endpoint_url,
            region=region,
            engine=engine,
            programs=tuple(str(each) for each in program or ()),
            metrics=METRICS,
            options=calling(context, shared=STORE_OPTIONS).options,
        )
        server = Server(results, place, host, port, utc_now)
        if json_output:
            print_json({"url": server.url, "store": results.url})
        else:
            console.print(server.url, highlight=False, markup=False, soft_wrap=True)
            console.print(
                f"[dim]→ Pages about the runs of {foreign(results.url)}. Ctrl-C ends them.[/]", soft_wrap=True
            )

        def stop() -> None:
            server.stop()
            # A thread may hang in a store that does not answer, which nothing ends. There is nothing to lose.
            ending = Timer(SECONDS_TO_END, os._exit, [0])
            ending.daemon = True
            ending.start()

        with on_signals(stop):
            server.run()


def _require_installed() -> None:
    from importlib.util import find_spec

    if not all(map(find_spec, ("duckdb", "starlette", "uvicorn"))):
        remedy = extra_remedy("ui", "duckdb, starlette and uvicorn")
        raise UsageError("the pages need DuckDB, Starlette and uvicorn", remedy=remedy)

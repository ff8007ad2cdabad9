"""The command that checks this machine, a store and a queue."""

from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl import __version__
from sweepctl.cli.app import app
from sweepctl.cli.options import (
    EndpointOption,
    EngineOption,
    JsonOption,
    ProgramOption,
    RegionOption,
    StoreOption,
)
from sweepctl.cli.terminal import error_exit, print_json
from sweepctl.errors import UsageError
from sweepctl.store.open import DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sweepctl.doctor.preflight import Diagnosis
    from sweepctl.engine.client import Engine
    from sweepctl.store.contract import Store


@app.command(
    "doctor",
    epilog="Examples:\n\n  sweepctl doctor\n\n  sweepctl doctor --store s3://bucket/sweeps --queue-url $URL\n\n"
    "  sweepctl doctor --store s3://bucket/sweeps --queue-url $URL --function-timeout 900 --json\n\n"
    "  sweepctl doctor --store s3://bucket/sweeps --database sweeps",
)
def doctor_command(
    store: StoreOption = DEFAULT_STORE,
    queue_url: Annotated[
        str | None,
        typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="SQS queue URL; checks the queue as well."),
    ] = None,
    function_timeout: Annotated[
        int | None,
        typer.Option(min=1, max=900, help="Timeout in seconds of the Lambda function that reads the queue."),
    ] = None,
    database: Annotated[
        str | None, typer.Option(help="Glue database over the store; compares its tables with the engine.")
    ] = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Check whether sweeps can run here, with a remedy for each problem.

    Checks engine, versions, credentials, clock, region, bucket with its policy and conditional writes, queue and
    dead-letter queue; with --database, whether Athena's tables and views are those of this engine. No message is
    received; the store probe leaves one object, and creates a local store's directory.
    Exits with 1 if a worker could not run; warnings alone exit with 0.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.doctor.account import open_account
        from sweepctl.doctor.diagnose import diagnose
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.queue.sqs import open_queue
        from sweepctl.shard.run import utc_now
        from sweepctl.store import open_store
        from sweepctl.view.console import show_checks

        if function_timeout is not None and queue_url is None:
            raise UsageError(
                "--function-timeout is compared with a queue's visibility timeout",
                remedy="Name the queue with --queue-url.",
            )
        check = None if database is None else _catalog_check(database, store, region)
        checks = diagnose(
            lambda: Engine(find_engine(engine), program),
            lambda: open_account(region),
            lambda: open_store(store, endpoint_url=endpoint_url, region=region),
            None if queue_url is None else lambda: open_queue(queue_url, region=region),
            check,
            function_timeout=function_timeout,
            version=__version__,
            now=utc_now,
        )
        exit_code = 1 if any(each.error for each in checks) else 0
        if json_output:
            print_json({"checks": [each.to_json() for each in checks], "ok": exit_code == 0, "exit_code": exit_code})
        else:
            show_checks(console, checks)
        raise typer.Exit(exit_code)


def _catalog_check(database: str, store: str, region: str | None) -> "Callable[[Engine, Store], Sequence[Diagnosis]]":
    from sweepctl.athena.apply import open_clients
    from sweepctl.athena.catalog import require_database, root_in_s3
    from sweepctl.doctor.catalog import check_catalog

    require_database(database)
    root_in_s3(store)
    return lambda engine, results: check_catalog(engine, results, open_clients(region).glue, database)

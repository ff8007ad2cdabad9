"""The command that checks this machine, a store and a queue."""

from typing import Annotated

import typer

from sweepctl import __version__
from sweepctl.cli.app import app
from sweepctl.cli.options import (
    DEFAULT_STORE,
    EndpointOption,
    EngineOption,
    JsonOption,
    ProgramOption,
    RegionOption,
    StoreOption,
)
from sweepctl.cli.terminal import error_exit, print_json
from sweepctl.errors import UsageError


@app.command(
    "doctor",
    epilog="Examples:\n\n  sweepctl doctor\n\n  sweepctl doctor --store s3://bucket/sweeps --queue-url $URL\n\n"
    "  sweepctl doctor --store s3://bucket/sweeps --queue-url $URL --function-timeout 900 --json",
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
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Check whether sweeps can run here, with a remedy for each problem.

    Checks engine, versions, credentials, clock, region, bucket with its policy and conditional writes, queue and
    dead-letter queue. No message is received; the store probe leaves one object, and creates a local store's directory.
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
        checks = diagnose(
            lambda: Engine(find_engine(engine), program),
            lambda: open_account(region),
            lambda: open_store(store, endpoint_url=endpoint_url, region=region),
            None if queue_url is None else lambda: open_queue(queue_url, region=region),
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

"""The command that looks for what is wrong with this machine, a store and a queue."""

from typing import Annotated

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
        typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="The SQS queue's URL, to look at it, too."),
    ] = None,
    function_timeout: Annotated[
        int | None,
        typer.Option(min=1, max=900, help="The time-out, in seconds, of the Lambda function that the queue feeds."),
    ] = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Look for what would keep sweeps from running here, and say how to heal it.

    Engine, versions, credentials, clock, region, bucket with its policy and conditional writes, queue and dead-letter
    queue. No message is received; the store's probe leaves one object, or makes a store's directory. Exits with 1 when
    something keeps a worker from its work; what is only unwise is told and exits with 0.
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
                "--function-timeout is judged against a queue's", remedy="Name the queue with --queue-url."
            )
        checks = diagnose(
            lambda: Engine(find_engine(engine)),
            lambda: open_account(region),
            lambda: open_store(store, endpoint_url=endpoint_url, region=region),
            None if queue_url is None else lambda: open_queue(queue_url, region=region),
            function_timeout=function_timeout,
            now=utc_now,
        )
        exit_code = 1 if any(each.error for each in checks) else 0
        if json_output:
            print_json({"checks": [each.to_json() for each in checks], "ok": exit_code == 0, "exit_code": exit_code})
        else:
            show_checks(console, checks)
        raise typer.Exit(exit_code)

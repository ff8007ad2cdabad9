"""Commands about queues of shard messages."""

from pathlib import Path
from typing import Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    DEFAULT_STORE,
    DEFAULT_TIMEOUT,
    EndpointOption,
    EngineOption,
    InjectionOption,
    JsonOption,
    LogOption,
    QueueOption,
    RegionOption,
    StoreOption,
    ThreadsOption,
    TimeoutOption,
)
from sweepctl.cli.terminal import on_signals, open_console, print_json, read_valid, telling


@app.command(
    "drain",
    epilog="Examples:\n\n  sweepctl drain --queue-url $URL --store s3://bucket/sweeps\n\n"
    "  sweepctl drain --queue-url $URL --until-empty --json\n\n  sweepctl drain --queue-url $URL --check",
)
def drain_command(
    queue_url: QueueOption,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    concurrency: Annotated[
        int,
        typer.Option(
            envvar="SWEEPCTL_CONCURRENCY", min=1, help="Shards at a time: one runs while others start and commit."
        ),
    ] = 3,
    lease: Annotated[
        int,
        typer.Option(envvar="SWEEPCTL_LEASE", min=3, max=43_200, help="Seconds until a dead worker's shard is back."),
    ] = 60,
    grace: Annotated[
        float,
        typer.Option(envvar="SWEEPCTL_GRACE", min=0, help="Seconds that running shards have after a stop signal."),
    ] = 30.0,
    max_shards: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
    idle_timeout: Annotated[float | None, typer.Option(min=0, help="End after so many idle seconds.")] = None,
    until_empty: Annotated[bool, typer.Option("--until-empty", help="End when the queue is empty.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check engine, store and queue.")] = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    allow_failure_injection: InjectionOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "text",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Work a queue of shard messages until stopped, and lose nothing.

    A message is acknowledged after its outcome is committed. SIGTERM or SIGINT stops receiving at once and gives
    running shards the grace; a second signal ends everything at once. Exits with 1 when a shard failed or was rejected.
    """
    with telling(json_output=json_output) as console:
        from sweepctl import logs, preflight, view
        from sweepctl.drain import Worker
        from sweepctl.engine import Engine, find_engine
        from sweepctl.lease import Policy
        from sweepctl.shard import Conditions
        from sweepctl.sqs import open_queue
        from sweepctl.store import open_store

        logs.configure(log_format)
        worker = Worker(
            open_queue(queue_url, region=region),
            Engine(find_engine(engine)),
            open_store(store, endpoint_url=endpoint_url, region=region),
            Policy(concurrency, lease, grace, max_shards, idle_timeout, until_empty),
            Conditions(threads, timeout, allow_failure_injection=allow_failure_injection),
        )
        checks = preflight.examine(worker.engine, worker.store, worker.queue)
        if check and not json_output:
            view.show_checks(console, checks)
        if check and json_output:
            told = [{"what": each.what, "finding": each.finding, "remedy": each.remedy} for each in checks]
            print_json({"checks": told, "ok": not any(each.error for each in checks)})
        for found in checks:
            if found.error is not None:
                raise found.error
            if found.remedy is not None and not check:
                logs.warn(found.finding, remedy=found.remedy)
        if check:
            return
        with view.watch(open_console(stderr=True), worker.waiting) as worker.observe, on_signals(worker.stop):
            done = worker.drain()
        if json_output:
            counts = {ending.value: count for ending, count in done.endings.items()}
            print_json({"received": done.received, "points": done.points, "lost_leases": done.lost_leases, **counts})
        else:
            view.show_summary(console, done)
        raise typer.Exit(1 if done.has_failures else 0)


@app.command(
    "send",
    epilog="Examples:\n\n  sweepctl send examples/queue/shard-*.json --queue-url $URL",
)
def send_command(
    messages: Annotated[list[Path], typer.Argument(metavar="MESSAGE...", help="Shard messages' JSON files.")],
    queue_url: QueueOption,
    json_output: JsonOption = False,
    region: RegionOption = None,
) -> None:
    """Put shard messages on a queue. Nothing is sent unless every one of them is valid."""
    with telling(json_output=json_output) as console:
        from sweepctl.sqs import open_queue

        bodies = [read_valid(str(path))[1] for path in messages]
        open_queue(queue_url, region=region).send(bodies)
        if json_output:
            print_json({"sent": len(bodies)})
        else:
            console.print(f"[bold green]✓[/] {len(bodies):,} messages sent", highlight=False)

"""Commands about queues of shard messages."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    DEFAULT_STORE,
    DEFAULT_TIMEOUT,
    LONGEST_HOLD,
    ConcurrencyOption,
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
from sweepctl.cli.terminal import error_exit, on_signals, open_console, print_json, read_bodies
from sweepctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from sweepctl.doctor.preflight import Diagnosis
    from sweepctl.worker.drain import Worker
    from sweepctl.worker.tally import WorkerProgress


@app.command(
    "drain",
    epilog="Examples:\n\n  sweepctl drain --queue-url $URL --store s3://bucket/sweeps\n\n"
    "  sweepctl drain --queue-url $URL --until-empty --json\n\n  sweepctl drain --queue-url $URL --check",
)
def drain_command(
    queue_url: QueueOption,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    concurrency: ConcurrencyOption = 2,
    lease: Annotated[
        int,
        typer.Option(envvar="SWEEPCTL_LEASE", min=3, max=3_600, help="Seconds until a dead worker's shard is back."),
    ] = 60,
    grace: Annotated[
        float,
        typer.Option(envvar="SWEEPCTL_GRACE", min=0, help="Seconds that running shards have after a stop signal."),
    ] = 30.0,
    max_shards: Annotated[int | None, typer.Option(min=1, help="End after so many deliveries.")] = None,
    idle_timeout: Annotated[float | None, typer.Option(min=0.001, help="End after so many idle seconds.")] = None,
    until_empty: Annotated[
        bool,
        typer.Option("--until-empty", help="End when nothing is left: to receive, delayed, or with other workers."),
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only check engine, store and queue.")] = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    allow_failure_injection: InjectionOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "auto",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Work a queue of shard messages until stopped, and lose nothing.

    A message is acknowledged after its outcome is committed. SIGTERM or SIGINT stops receiving at once and gives
    running shards the grace; a second signal ends everything at once. Exits with 1 when a shard failed or was rejected;
    with 4 or 5 when it ended by itself and the engine or the store kept a message from being done; with 6 when the
    queue refuses this worker.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl import logs
        from sweepctl.doctor import preflight
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.queue.sqs import open_queue
        from sweepctl.shard.run import Conditions
        from sweepctl.store import open_store
        from sweepctl.worker.drain import Worker
        from sweepctl.worker.lease import Policy

        _require_hold(timeout, lease)
        is_text = logs.configure(log_format) == "text"
        queue = open_queue(queue_url, region=region)
        results = open_store(store, endpoint_url=endpoint_url, region=region)

        @cache
        def find() -> Engine:
            return Engine(find_engine(engine))

        checks = preflight.examine(find, results, queue, lease)
        if check:
            raise typer.Exit(_tell_checks(console, checks, json_output=json_output))
        for found in checks:
            if found.error is not None:
                raise found.error
            if found.remedy is not None:
                logs.warn(found.finding, remedy=found.remedy)
        policy = Policy(concurrency, lease, grace, max_shards, idle_timeout, until_empty)
        conditions = Conditions(threads, timeout, allow_failure_injection=allow_failure_injection)
        done = _drain(Worker(queue, find(), results, policy, conditions), is_watched=is_text)
        _tell_end(console, done, json_output=json_output)
        raise typer.Exit(done.exit_code)


def _require_hold(timeout: float, lease: int) -> None:
    """Raise UsageError where a shard could take longer than SQS leaves its message with one worker."""
    if timeout + lease > LONGEST_HOLD:
        raise UsageError(
            f"--timeout {timeout:g} s and --lease {lease} s are more than the {LONGEST_HOLD:g} s that SQS leaves a "
            "message with one worker",
            remedy=f"Give --timeout {LONGEST_HOLD - lease:g} or less.",
        )


def _drain(worker: "Worker", *, is_watched: bool) -> "WorkerProgress":
    from sweepctl.view.worker import watching_worker

    # Lines of JSON are for a machine, on a terminal too: nothing is drawn over them.
    with on_signals(worker.stop):
        if not is_watched:
            return worker.drain()
        with watching_worker(open_console(stderr=True), worker.backlog) as worker.observe:
            return worker.drain()


def _tell_checks(console: "Console", checks: "Sequence[Diagnosis]", *, json_output: bool) -> int:
    """Show every finding, once; return the exit code."""
    from sweepctl.view.console import show_checks

    exit_code = next((each.error.exit_code for each in checks if each.error is not None), 0)
    if json_output:
        print_json({"checks": [each.to_json() for each in checks], "ok": exit_code == 0, "exit_code": exit_code})
    else:
        show_checks(console, checks)
    return exit_code


def _tell_end(console: "Console", done: "WorkerProgress", *, json_output: bool) -> None:
    from sweepctl.view.console import show_error
    from sweepctl.view.worker import show_worker_summary

    if json_output:
        print_json(done.to_json())
    else:
        show_worker_summary(console, done)
    if done.error is not None:
        show_error(open_console(stderr=True), done.error)


@app.command(
    "send",
    epilog="Examples:\n\n  sweepctl send examples/queue/shard-*.json --queue-url $URL\n\n"
    "  sweepctl send missing.jsonl --queue-url $URL",
)
def send_command(
    messages: Annotated[
        list[Path],
        typer.Argument(metavar="MESSAGE...", help="Shard messages' JSON files; a .jsonl file has one a line."),
    ],
    queue_url: QueueOption,
    json_output: JsonOption = False,
    region: RegionOption = None,
) -> None:
    """Put shard messages on a queue. Nothing is sent unless every one of them is valid."""
    with error_exit(json_output=json_output) as console:
        from sweepctl.queue.sqs import open_queue

        bodies = [body for path in messages for body in read_bodies(str(path))]
        open_queue(queue_url, region=region).send(bodies)
        if json_output:
            print_json({"sent": len(bodies)})
        else:
            console.print(f"[bold green]✓[/] {len(bodies):,} messages sent", highlight=False)

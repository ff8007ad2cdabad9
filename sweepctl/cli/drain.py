"""Commands for queues of shard messages."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    LONGEST_HOLD,
    ConcurrencyOption,
    EndpointOption,
    EngineOption,
    InjectionOption,
    JsonOption,
    LogOption,
    MaxPointsOption,
    MaxScratchOption,
    ProgramOption,
    QueueOption,
    RegionOption,
    StoreOption,
    ThreadsOption,
    TimeoutOption,
)
from sweepctl.cli.terminal import error_exit, on_signals, open_console, print_json, read_bodies
from sweepctl.errors import UsageError
from sweepctl.shard.conditions import DEFAULT_MAX_POINTS, DEFAULT_MAX_SCRATCH_BYTES, DEFAULT_TIMEOUT
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.texts import counted

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
    program: ProgramOption = None,
    concurrency: ConcurrencyOption = 2,
    lease: Annotated[
        int,
        typer.Option(
            envvar="SWEEPCTL_LEASE",
            min=3,
            max=3_600,
            help="Visibility timeout in seconds: a dead worker's message is redelivered after this.",
        ),
    ] = 60,
    grace: Annotated[
        float,
        typer.Option(
            envvar="SWEEPCTL_GRACE", min=0, help="Seconds running shards get to finish after SIGTERM or SIGINT."
        ),
    ] = 30.0,
    max_shards: Annotated[int | None, typer.Option(min=1, help="Stop after this many deliveries.")] = None,
    idle_timeout: Annotated[float | None, typer.Option(min=0.001, help="Stop after this many idle seconds.")] = None,
    until_empty: Annotated[
        bool,
        typer.Option("--until-empty", help="Stop when the queue is empty: nothing visible, delayed or in flight."),
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Check engine, store and queue, then exit.")] = False,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    max_points: MaxPointsOption = DEFAULT_MAX_POINTS,
    max_scratch_bytes: MaxScratchOption = DEFAULT_MAX_SCRATCH_BYTES,
    allow_failure_injection: InjectionOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "auto",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Process shard messages from a queue until stopped.

    A message is acknowledged after its outcome is committed. SIGTERM or SIGINT stops receiving and gives running shards
    the grace period; a second signal ends the process immediately. Exits with 1 if a shard failed or was rejected; with
    4 or 5 if it ended by itself and returned messages to the queue because attempts or the store failed; with 6 if the
    queue rejects this worker.
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

        _require_timeouts(timeout, lease)
        is_text = logs.configure(log_format) == "text"
        queue = open_queue(queue_url, region=region)
        results = open_store(store, endpoint_url=endpoint_url, region=region)

        @cache
        def find() -> Engine:
            return Engine(find_engine(engine), program)

        checks = preflight.examine(find, results, queue, lease)
        if check:
            raise typer.Exit(_print_checks(console, checks, json_output=json_output))
        for found in checks:
            if found.error is not None:
                raise found.error
            if found.remedy is not None:
                logs.warn(found.finding, remedy=found.remedy)
        policy = Policy(concurrency, lease, grace, max_shards, idle_timeout, until_empty)
        conditions = Conditions(
            threads,
            timeout,
            allow_failure_injection=allow_failure_injection,
            max_points=max_points,
            max_scratch_bytes=max_scratch_bytes,
        )
        done = _drain(Worker(queue, find(), results, policy, conditions), is_watched=is_text)
        _print_summary(console, done, json_output=json_output)
        raise typer.Exit(done.exit_code)


def _require_timeouts(timeout: float, lease: int) -> None:
    """Raise UsageError if a shard could outlast the longest time that SQS keeps its message invisible."""
    if timeout + lease > LONGEST_HOLD:
        raise UsageError(
            f"--timeout {timeout:g} s plus --lease {lease} s exceed SQS's limit: a message stays invisible for at most "
            f"{LONGEST_HOLD:g} s",
            remedy=f"Set --timeout to {LONGEST_HOLD - lease:g} or less.",
        )


def _drain(worker: "Worker", *, is_watched: bool) -> "WorkerProgress":
    from sweepctl.view.worker import watching_worker

    # JSON lines are for machines, even on a terminal: nothing is drawn over them.
    with on_signals(worker.stop):
        if not is_watched:
            return worker.drain()
        with watching_worker(open_console(stderr=True), worker.backlog) as worker.observe:
            return worker.drain()


def _print_checks(console: "Console", checks: "Sequence[Diagnosis]", *, json_output: bool) -> int:
    """Print every finding; return the exit code."""
    from sweepctl.view.console import show_checks

    exit_code = next((each.error.exit_code for each in checks if each.error is not None), 0)
    if json_output:
        print_json({"checks": [each.to_json() for each in checks], "ok": exit_code == 0, "exit_code": exit_code})
    else:
        show_checks(console, checks)
    return exit_code


def _print_summary(console: "Console", done: "WorkerProgress", *, json_output: bool) -> None:
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
        typer.Argument(metavar="MESSAGE...", help="Shard messages, JSON files; a .jsonl file has one per line."),
    ],
    queue_url: QueueOption,
    json_output: JsonOption = False,
    region: RegionOption = None,
) -> None:
    """Send shard messages to a queue. Nothing is sent unless all of them are valid."""
    with error_exit(json_output=json_output) as console, read_bodies(map(str, messages)) as bodies:
        if not len(bodies):
            raise UsageError("there is no message in these files", remedy="`sweepctl plan FILE --out DIR` writes some.")
        # This imports boto3: only after the messages are checked, so that their errors are printed at once.
        from sweepctl.queue.sqs import open_queue

        open_queue(queue_url, region=region).send(bodies)
        if json_output:
            print_json({"sent": len(bodies)})
        else:
            console.print(f"[bold green]✓[/] {counted('messages', len(bodies))} sent", highlight=False)

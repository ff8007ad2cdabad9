"""Commands that run a whole sweep on this machine, and retry its failed shards."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.named import complete_run, named_run
from sweepctl.cli.options import (
    AcceptFailuresOption,
    ConcurrencyOption,
    EndpointOption,
    EngineOption,
    JsonOption,
    LogOption,
    ProgramOption,
    RegionOption,
    RunArgument,
    RunIdOption,
    StoreOption,
    SweepFileArgument,
    ThreadsOption,
    TimeoutOption,
)
from sweepctl.cli.report import opened_views
from sweepctl.cli.terminal import STORE_OPTIONS, calling, error_exit, on_signals, open_console, print_json
from sweepctl.shard.conditions import DEFAULT_TIMEOUT
from sweepctl.store.open import DEFAULT_STORE

if TYPE_CHECKING:
    from rich.console import Console

    from sweepctl.engine.client import Engine
    from sweepctl.local_sweep.run import LocalSweep
    from sweepctl.records.outcome import Caller
    from sweepctl.store import Store


@app.command(
    "run",
    epilog="Examples:\n\n  sweepctl run my-sweep/sweep.toml\n\n  sweepctl run my-sweep/sweep.toml --run-id first\n\n"
    "  sweepctl run my-sweep/sweep.toml --store s3://bucket/sweeps --json\n\n"
    "  sweepctl run my-sweep/sweep.toml --run-id again --reuse first",
)
def run_command(
    context: typer.Context,
    file: SweepFileArgument,
    run_id: RunIdOption = None,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    reuse: Annotated[
        str | None,
        typer.Option(
            metavar="RUN_ID",
            help="Reuse points that this run in the same store has already computed.",
            autocompletion=complete_run,
        ),
    ] = None,
    concurrency: ConcurrencyOption = 2,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    accept_failures: AcceptFailuresOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "auto",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Run a whole sweep on this machine, on all cores, and verify it.

    Run it again to continue: only missing shards are run. Without --run-id it continues the newest run of the same
    sweep. A signal stops it, losing only the shards in progress; a second signal ends it immediately. A failed shard
    does not stop the others, unless more points failed than the sweep file's `failed_points` allows. Exits with 0 only
    if the run is whole (with --accept-failures also if all that failed failed permanently), 1 if shards failed or are
    missing, 4 or 5 if the engine or the store stopped it, 130 if
    interrupted. Where the file chooses its replications by precision, each round is a run; exits with 1 if `max` was
    reached before the precision.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl import logs
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store
        from sweepctl.sweep.file import read

        is_text = logs.configure(log_format) == "text"
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        path, contents = find_engine(engine), read(file)
        worker = Engine(path, [*(program or ()), *contents.programs])
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.local_sweep.run import require_reusable
        from sweepctl.sweep.plan import draft
        from sweepctl.verify.report import Verdict
        from sweepctl.view.console import show_error
        from sweepctl.view.sweep import show_next

        drafted = draft(contents, worker)
        reused: tuple[str, ...] = ()
        if reuse is not None:
            require_run_id(reuse)
            require_reusable(drafted)
            reused = (named_run(results, reuse),)
        caller = calling(context, file)
        sweep = _sweep(console, results, worker, concurrency, threads, timeout, caller, is_watched=is_text)
        with on_signals(sweep.stop.set):
            result, exit_code = sweep.run(drafted, run_id, reused, opened_views, accept_failures=accept_failures)
        if sweep.error is not None:
            show_error(sweep.stderr, sweep.error)
        if result["verdict"] is not None:
            show_next(
                console,
                result["run_id"],
                Verdict(result["verdict"]),
                store=results.url,
                options=calling(context, shared=STORE_OPTIONS).options,
                caller=caller,
                exit_code=exit_code,
            )
        if json_output:
            print_json(result | {"exit_code": exit_code})
        raise typer.Exit(exit_code)


def _sweep(
    console: "Console",
    results: "Store",
    engine: "Engine",
    slots: int,
    threads: int | None,
    timeout: float,
    caller: "Caller",
    *,
    is_watched: bool,
) -> "LocalSweep":
    from sweepctl.local_sweep.run import LocalSweep
    from sweepctl.view.sweep import running

    stderr = open_console(stderr=True)
    watch = partial(running, stderr, is_watched=is_watched)
    return LocalSweep(console, stderr, results, engine, slots, threads, timeout, watch, caller)


@app.command(
    "retry",
    epilog="Examples:\n\n  sweepctl retry ridehail-surge\n\n"
    "  sweepctl retry ridehail-surge --store s3://bucket/sweeps --queue-url $URL",
)
def retry_command(
    context: typer.Context,
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    # Not from the environment, where a worker's shell has it: where shards run must be explicit.
    queue_url: Annotated[
        str | None, typer.Option("--queue-url", help="Send the shards to this queue instead of running them here.")
    ] = None,
    concurrency: ConcurrencyOption = 2,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    accept_failures: AcceptFailuresOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "auto",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Retry the failed shards of a run; explain why the others cannot succeed, and what to do about them.

    Shards run on this machine, or with --queue-url on the workers of that queue. They are taken from the run record,
    so no sweep file is needed. Exits with 0 if no failed shard is left or all were sent (with --accept-failures also
    if those that are left failed permanently), with 1 if some are left.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl import logs
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.messages import require_run_id
        from sweepctl.runs.retry import failed_shards
        from sweepctl.store import open_store
        from sweepctl.view.console import show_error
        from sweepctl.view.limits import show_short_time
        from sweepctl.view.sweep import show_failed, show_left, show_sent

        is_text = logs.configure(log_format) == "text"
        require_run_id(run_id)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        run_id, caller = named_run(results, run_id), calling(context)
        failed = failed_shards(results, run_id, caller)
        show_failed(console, failed)
        result, is_left = failed.to_json(), failed.is_left(accept_failures=accept_failures)
        error = None
        if failed.retryable and queue_url is not None:
            from sweepctl.queue.sqs import open_queue

            open_queue(queue_url, region=region).send(list(failed.bodies()))
            show_sent(console, len(failed.retryable))
            result["sent"] = len(failed.retryable)
        elif failed.retryable:
            worker = Engine(find_engine(engine), program)
            worker.model(failed.record.spec.model)
            worker.require_limits(failed.record.spec.limits)
            show_short_time(console, failed.record.spec.limits, timeout)
            results.probe()
            sweep = _sweep(console, results, worker, concurrency, threads, timeout, caller, is_watched=is_text)
            with on_signals(sweep.stop.set):
                done = sweep.retry(failed)
            if done.error is not None:
                show_error(sweep.stderr, done.error)
            result |= done.to_json()
            if done.error is None and done.failed:
                # Only the store knows whether they failed permanently: what is listed of them is bounded.
                left = failed_shards(results, run_id) if accept_failures else None
                is_left = left is None or bool(left.retryable or left.is_left(accept_failures=True))
            error = done.error
        exit_code = error.exit_code if error is not None else int(is_left)
        if error is None and "sent" not in result:
            show_left(console, is_left=is_left, may_succeed=bool(failed.unreadable or result.get("failed")))
        if json_output:
            print_json(result | {"exit_code": exit_code})
        raise typer.Exit(exit_code)

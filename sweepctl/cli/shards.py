"""Commands for single shards and points, and the models they run."""

import dataclasses
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

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
    MaxPointsOption,
    MaxScratchOption,
    MessageArgument,
    ProgramOption,
    RegionOption,
    StoreOption,
    ThreadsOption,
    TimeoutOption,
)
from sweepctl.cli.terminal import calling, error_exit, on_signals, open_console, print_json, read_message
from sweepctl.errors import EngineFaultError, UsageError
from sweepctl.shard.conditions import DEFAULT_MAX_POINTS, DEFAULT_MAX_SCRATCH_BYTES

if TYPE_CHECKING:
    from sweepctl.records.outcome import Outcome


@app.command(
    "run-shard",
    epilog="Examples:\n\n  sweepctl run-shard examples/queue/shard-0.json\n\n"
    "  sweepctl run-shard - --store s3://bucket/sweeps --json < message.json",
)
def run_shard_command(
    context: typer.Context,
    message: MessageArgument,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    max_points: MaxPointsOption = DEFAULT_MAX_POINTS,
    max_scratch_bytes: MaxScratchOption = DEFAULT_MAX_SCRATCH_BYTES,
    force: Annotated[bool, typer.Option("--force", help="Re-run a completed shard and compare the results.")] = False,
    allow_failure_injection: InjectionOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "auto",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Run one shard and commit its outcome and point records.

    Exits with 0 if the shard's success is committed, 1 if it failed permanently, 3 for an invalid or conflicting
    message, 4 if the engine failed, 5 if the store failed, 130 if interrupted. A shard that is already complete is not
    run again.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl import logs
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.records.design import space_of
        from sweepctl.store import open_store

        logs.configure(log_format)
        shard = read_message(message)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        worker = Engine(find_engine(engine), program)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.shard.run import Conditions, require_allowed, run_shard
        from sweepctl.view.limits import show_short_time
        from sweepctl.view.shard import progress_of, show_result

        conditions = Conditions(
            threads, timeout, force, allow_failure_injection, max_points=max_points, max_scratch_bytes=max_scratch_bytes
        )
        # Everything that can be rejected is rejected before the probe writes its object.
        require_allowed(shard, conditions)
        worker.model(shard.model)
        worker.require_limits(shard.spec.limits)
        show_short_time(console, shard.spec.limits, timeout)
        space_of(results, shard)
        results.probe()
        stop = Event()
        with progress_of(open_console(stderr=True), shard) as progress, on_signals(stop.set):
            result = run_shard(shard, worker, results, conditions, progress=progress, stop=stop)
        # With --force the exit code is this attempt's; otherwise, the committed outcome's.
        verdict = result.attempt if force and result.attempt is not None else result.outcome
        logs.event(
            "shard_finished", disposition=result.disposition.value, **_log_fields(result.attempt or result.outcome)
        )
        if json_output:
            attempt = None if result.attempt is None else dataclasses.asdict(result.attempt)
            outcome = dataclasses.asdict(result.outcome)
            print_json({"disposition": result.disposition.value, "outcome": outcome, "attempt": attempt})
        else:
            show_result(console, result, results, calling(context))
        raise typer.Exit(_exit_code(verdict))


@app.command(
    "models",
    epilog="Examples:\n\n  sweepctl models\n\n  sweepctl models queue\n\n  sweepctl models queue --json",
)
def models_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Model to show in full.")] = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the models of the engine: their parameters, metrics and datasets."""
    with error_exit(json_output=json_output) as console:
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.view.models import show_model, show_models

        description = Engine(find_engine(engine), program).description
        models = {model.name: model for model in description.models}
        if name is not None and name not in models:
            raise UsageError(
                f"unknown model {name!r}: the engine has {', '.join(sorted(models))}", remedy="Name one of these."
            )
        if json_output:
            print_json((description if name is None else models[name]).model_dump())
        elif name is None:
            show_models(console, description)
        else:
            show_model(console, models[name])


@app.command(
    "point",
    epilog="Examples:\n\n  sweepctl point examples/queue/shard-0.json 7\n\n"
    "  sweepctl point - 7 --json < examples/queue/shard-0.json",
)
def point_command(
    message: MessageArgument,
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="Index of the point in the run.")],
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Show one point of a message's run: its parameters, replicate and fingerprints.

    Nothing is simulated. The store is read only for a stored design.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.engine.client import Engine, find_engine, identifying
        from sweepctl.records.design import space_of
        from sweepctl.store import open_store

        shard = read_message(message)
        if index >= shard.total_points:
            msg = f"point {index}: the run has points 0 to {shard.total_points - 1}"
            raise UsageError(msg, remedy="Give an index below the message's total_points.")
        worker = Engine(find_engine(engine), program)
        worker.model(shard.model)
        space = shard.space or space_of(open_store(store, endpoint_url=endpoint_url, region=region), shard)
        with identifying(f"point {index}"):
            point = worker.identify(shard.spec, space, index)
        if json_output:
            print_json(point.model_dump(exclude={"record"}))
        else:
            from sweepctl.view.shard import show_point

            show_point(console, shard, space.parameters, point)


def _exit_code(outcome: "Outcome") -> int:
    if outcome.status == "success":
        return 0
    return EngineFaultError.exit_code if outcome.retryable else 1


def _log_fields(outcome: "Outcome") -> dict[str, Any]:
    names = (
        "run_id",
        "shard_id",
        "attempt_id",
        "status",
        "error_code",
        "points_succeeded",
        "points_failed",
        "points_excluded",
    )
    return {name: getattr(outcome, name) for name in names}

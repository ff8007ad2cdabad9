"""Commands for single shards and points, and the models they run."""

import dataclasses
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    ConcurrencyOption,
    EndpointOption,
    EngineOption,
    InjectionOption,
    JsonOption,
    LogOption,
    MaxPointsOption,
    MaxScratchOption,
    MessageArgument,
    MessagesArgument,
    ProgramOption,
    RegionOption,
    StoreOption,
    ThreadsOption,
    TimeoutOption,
)
from sweepctl.cli.terminal import (
    Bodies,
    calling,
    error_exit,
    on_signals,
    open_console,
    print_json,
    read_bodies,
    read_message,
    today,
)
from sweepctl.errors import EngineFaultError, MessageError, UsageError
from sweepctl.shard.conditions import DEFAULT_MAX_POINTS, DEFAULT_MAX_SCRATCH_BYTES, DEFAULT_TIMEOUT
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.texts import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from sweepctl.engine.client import Engine
    from sweepctl.messages import ShardMessage
    from sweepctl.records.outcome import Caller, Outcome
    from sweepctl.runs.local import RunProgress
    from sweepctl.shard.run import Conditions, Result
    from sweepctl.shard.slow_point import Progress
    from sweepctl.store.contract import Store


@app.command(
    "run-shard",
    epilog="Examples:\n\n  sweepctl run-shard examples/queue/shard-0.json\n\n"
    "  sweepctl run-shard - --store s3://bucket/sweeps --json < message.json\n\n"
    "  sweepctl run-shard examples/queue/shard-*.json --log-format text",
)
def run_shard_command(
    context: typer.Context,
    messages: MessagesArgument,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    concurrency: ConcurrencyOption = 2,
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
    """Run one shard, or one after the other of several, and commit their outcomes and point records.

    Exits with 0 if each shard's success is committed, 1 if one failed permanently, 3 for an invalid or conflicting
    message, 4 if the engine failed, 5 if the store failed, 130 if interrupted. A shard that is already complete is not
    run again. Of several, and of a .jsonl file, none is run unless all messages are valid, and one that fails or
    conflicts (1) does not stop the others; SIGTERM or SIGINT stops all, and the same command then runs what is missing.
    """
    with error_exit(json_output=json_output) as console, read_bodies(messages) as bodies:
        from sweepctl import logs
        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.store import open_store

        is_text = logs.configure(log_format) == "text"
        _require_number(len(bodies), force=force)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        worker = Engine(find_engine(engine), program)
        # This imports pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.shard.run import Conditions

        conditions = Conditions(
            threads,
            timeout,
            force,
            allow_failure_injection,
            max_points=max_points,
            max_scratch_bytes=max_scratch_bytes,
            concurrency=min(concurrency, len(bodies)),
        )
        shards = _Shards(console, bodies, worker, results, conditions, calling(context), json_output)
        points = shards.check(timeout)
        # A list is answered as one, also if a task of a job array gets a single message.
        is_list = len(bodies) > 1 or (messages[0].endswith(".jsonl") and not force)
        raise typer.Exit(shards.run_all(points, is_watched=is_text) if is_list else shards.run_one())


def _require_number(messages: int, *, force: bool) -> None:
    if messages == 0:
        raise UsageError("there is no message in these files", remedy="`sweepctl plan FILE --out DIR` writes some.")
    if messages > 1 and force:
        raise UsageError("--force compares one shard at a time", remedy="Give one message, or omit --force.")


@dataclass
class _Shards:
    """The shards of one command, and what it runs them with."""

    console: "Console"
    bodies: Bodies
    engine: "Engine"
    store: "Store"
    conditions: "Conditions"
    caller: "Caller"
    json_output: bool
    stop: Event = field(default_factory=Event)
    failed_before: list[str] = field(default_factory=list)  # a run_id for each complete shard that has failed points

    def check(self, timeout: float) -> int:
        """Reject everything that can be rejected before the probe writes its object; return how many points there are.

        What all shards of a spec share is checked once.
        """
        from sweepctl.records.design import space_of
        from sweepctl.shard.run import require_allowed
        from sweepctl.view.limits import show_short_time

        points, checked = 0, set[str]()
        for shard in self.messages():
            require_allowed(shard, self.conditions)
            points += shard.points
            if shard.spec.fingerprint not in checked:
                checked.add(shard.spec.fingerprint)
                self.engine.model(shard.model)
                self.engine.require_limits(shard.spec.limits)
                show_short_time(self.console, shard.spec.limits, timeout)
                space_of(self.store, shard)
        self.store.probe()
        return points

    def messages(self) -> "Iterator[ShardMessage]":
        """Decode one message after the other: there may be any number."""
        from sweepctl.messages import decode

        return (decode(body, today()) for body in self.bodies)

    def run_one(self) -> int:
        """Run the only shard; return the exit code."""
        from sweepctl import logs
        from sweepctl.view.shard import progress_of, show_result

        (shard,) = self.messages()
        with progress_of(open_console(stderr=True), shard) as progress, on_signals(self.stop.set):
            result = self._run(shard, progress)
        # With --force the exit code is this attempt's; otherwise, the committed outcome's.
        verdict = result.attempt if self.conditions.force and result.attempt is not None else result.outcome
        logs.event(
            "shard_finished", disposition=result.disposition.value, **_log_fields(result.attempt or result.outcome)
        )
        if self.json_output:
            attempt = None if result.attempt is None else dataclasses.asdict(result.attempt)
            outcome = dataclasses.asdict(result.outcome)
            print_json({"disposition": result.disposition.value, "outcome": outcome, "attempt": attempt})
        else:
            show_result(self.console, result, self.store, self.caller)
        return _exit_code(verdict)

    def run_all(self, points: int, *, is_watched: bool) -> int:
        """Run all shards, which have so many points, one while another commits; return the exit code."""
        from sweepctl.runs.local import OF_A_SHARD, run_shards
        from sweepctl.view.console import show_error
        from sweepctl.view.sweep import running, show_done, show_failed_before

        stderr = open_console(stderr=True)
        with running(stderr, points, 0, is_watched=is_watched) as observe, on_signals(self.stop.set):
            done = run_shards(
                self.messages(),
                self._run,
                slots=self.conditions.concurrency,
                stop=self.stop,
                observe=observe,
                # What the engine refuses, or takes too much space, is one message's failure, too.
                of_a_shard=(*OF_A_SHARD, MessageError),
                caller=self.caller,
            )
        show_done(self.console, done)
        show_failed_before(self.console, self.failed_before, self.caller)
        if done.error is not None:
            show_error(stderr, done.error)
        exit_code = _exit_code_of(done, has_failed_before=bool(self.failed_before))
        if self.json_output:
            shards = {"shards": len(self.bodies), "skipped": done.skipped, "failed_before": len(self.failed_before)}
            print_json(shards | done.to_json() | {"exit_code": exit_code})
        return exit_code

    def _run(self, shard: "ShardMessage", progress: "Progress") -> "Result":
        from sweepctl.shard.run import Disposition, run_shard

        result = run_shard(shard, self.engine, self.store, self.conditions, progress=progress, stop=self.stop)
        if result.disposition is Disposition.SKIPPED and result.outcome.status != "success":
            self.failed_before.append(shard.run_id)
        return result


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
            raise UsageError(f"the engine has no model {name!r}", remedy=did_you_mean(name, sorted(models), "Models"))
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


def _exit_code_of(done: "RunProgress", *, has_failed_before: bool) -> int:
    if done.error is not None:
        return done.error.exit_code
    # At least one failure of each error code is in the list.
    is_permanent = has_failed_before or any(not failure.retryable for failure in done.failures)
    return 1 if is_permanent else EngineFaultError.exit_code if done.failed else 0


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

"""The commands. The only place that reads arguments, turns errors into messages and exits.

Heavy libraries are imported inside the commands that need them, so that `--help` answers at once.
"""

import dataclasses
import datetime as dt
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sweepctl import __version__
from sweepctl.errors import EngineFaultError, SweepctlError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from sweepctl.messages import ShardMessage
    from sweepctl.outcome import Outcome

DEFECT = 70  # EX_SOFTWARE of sysexits.h
MAX_THREADS = 1_024  # what an engine takes
DEFAULT_STORE = "./sweep-results"
# As long as SQS keeps a received message for one worker at the most: nobody waits for a slower shard.
DEFAULT_TIMEOUT = 12 * 3600.0

app = typer.Typer(
    name="sweepctl",
    help="Run shards of simulation sweeps, and leave results that can be trusted and queried.",
    epilog="Documentation: README.md and docs/ in the project's repository.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

MessageArgument = Annotated[str, typer.Argument(metavar="MESSAGE", help="A shard message's JSON file; - reads stdin.")]
StoreOption = Annotated[
    str,
    typer.Option(envvar="SWEEPCTL_STORE", help="Where results go: a directory, or s3://bucket/prefix."),
]
EngineOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_ENGINE", help="The engine binary.", show_default="beside sweepctl, else on PATH"),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", envvar="SWEEPCTL_JSON", help="Print one JSON object on stdout; text goes to stderr."),
]
EndpointOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_ENDPOINT_URL", help="Another S3 server than AWS.", show_default="AWS"),
]
RegionOption = Annotated[
    str | None,
    typer.Option(envvar="SWEEPCTL_REGION", help="The AWS region.", show_default="boto3's own"),
]
QueueOption = Annotated[
    str,
    typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="The SQS queue's URL."),
]
TimeoutOption = Annotated[
    float,
    typer.Option(envvar="SWEEPCTL_TIMEOUT", min=0.001, help="Seconds until a shard's engine is killed."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        envvar="SWEEPCTL_THREADS", min=1, max=MAX_THREADS, help="Threads of an engine.", show_default="all cores"
    ),
]
InjectionOption = Annotated[
    bool,
    typer.Option("--allow-failure-injection", help="Fail the shards that a message names for it."),
]
LogOption = Annotated[
    Literal["text", "json"],
    typer.Option(envvar="SWEEPCTL_LOG_FORMAT", help="Form of the log lines on stderr."),
]


def main() -> None:
    """Run the command line; what nobody foresaw is a defect, told as one and never as a shard's failure."""
    try:
        app()
    except Exception:  # noqa: BLE001  the last resort
        traceback.print_exc()
        typer.echo("sweepctl: this is a defect; please report it with the lines above", err=True)
        raise SystemExit(DEFECT) from None


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        typer.echo(f"sweepctl {__version__}")
        raise typer.Exit


@app.command(
    "run-shard",
    epilog="Examples:\n\n  sweepctl run-shard examples/queue/shard-0.json\n\n"
    "  sweepctl run-shard - --store s3://bucket/sweeps --json < message.json",
)
def run_shard_command(
    message: MessageArgument,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    timeout: TimeoutOption = DEFAULT_TIMEOUT,
    threads: ThreadsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Run what stands already, and compare.")] = False,
    allow_failure_injection: InjectionOption = False,
    json_output: JsonOption = False,
    log_format: LogOption = "text",
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Run one shard and commit its outcome and its points' records.

    Exits with 0 when the shard's success stands, 1 when it failed for good, 3 for a bad or conflicting message, 4 when
    the engine failed, 5 when the store did, 130 when interrupted. A shard whose success stands is not run again.
    """
    with _telling(json_output=json_output) as console:
        from sweepctl import logs, view
        from sweepctl.engine import Engine, find_engine
        from sweepctl.shard import Conditions, require_injection_allowed, run_shard
        from sweepctl.store import open_store

        logs.configure(log_format)
        shard = _read_message(message)
        conditions = Conditions(threads, timeout, force, allow_failure_injection)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        worker = Engine(find_engine(engine))
        # All that can be refused is refused before the probe writes its object.
        require_injection_allowed(shard, conditions)
        worker.model(shard.model)
        results.probe()
        stop = Event()
        with view.progress_of(_console(stderr=True), shard) as progress, _on_signals(stop.set):
            result = run_shard(shard, worker, results, conditions, progress=progress, stop=stop)
        # With --force the question is what this attempt came to; otherwise, what stands.
        verdict = result.attempt if force and result.attempt is not None else result.outcome
        logs.event("shard_finished", disposition=result.disposition.value, **_short(result.attempt or result.outcome))
        if json_output:
            attempt = None if result.attempt is None else dataclasses.asdict(result.attempt)
            outcome = dataclasses.asdict(result.outcome)
            _print_json({"disposition": result.disposition.value, "outcome": outcome, "attempt": attempt})
        else:
            view.show_result(console, result, results)
        raise typer.Exit(_exit_code(verdict))


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
    with _telling(json_output=json_output) as console:
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
            _print_json({"checks": told, "ok": not any(each.error for each in checks)})
        for found in checks:
            if found.error is not None:
                raise found.error
            if found.remedy is not None and not check:
                logs.warn(found.finding, remedy=found.remedy)
        if check:
            return
        with view.watch(_console(stderr=True), worker.waiting) as worker.observe, _on_signals(worker.stop):
            done = worker.drain()
        if json_output:
            counts = {ending.value: count for ending, count in done.endings.items()}
            _print_json({"received": done.received, "points": done.points, "lost_leases": done.lost_leases, **counts})
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
    with _telling(json_output=json_output) as console:
        from sweepctl.sqs import open_queue

        bodies = [_read_valid(str(path))[1] for path in messages]
        open_queue(queue_url, region=region).send(bodies)
        if json_output:
            _print_json({"sent": len(bodies)})
        else:
            console.print(f"[bold green]✓[/] {len(bodies):,} messages sent", highlight=False)


@app.command(
    "models",
    epilog="Examples:\n\n  sweepctl models\n\n  sweepctl models queue\n\n  sweepctl models queue --json",
)
def models_command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A model, to see all of it.")] = None,
    engine: EngineOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show the models of the engine: their parameters, metrics and datasets."""
    with _telling(json_output=json_output) as console:
        from sweepctl import view
        from sweepctl.engine import Engine, find_engine

        description = Engine(find_engine(engine)).description
        models = {model.name: model for model in description.models}
        if name is not None and name not in models:
            raise UsageError(
                f"no model {name!r}: the engine has {', '.join(sorted(models))}", remedy="Name one of these."
            )
        if json_output:
            _print_json((description if name is None else models[name]).model_dump())
        elif name is None:
            view.show_models(console, description)
        else:
            view.show_model(console, models[name])


@app.command(
    "point",
    epilog="Examples:\n\n  sweepctl point examples/queue/shard-0.json 7\n\n"
    "  sweepctl point - 7 --json < examples/queue/shard-0.json",
)
def point_command(
    message: MessageArgument,
    index: Annotated[int, typer.Argument(metavar="INDEX", min=0, help="The point's index in the run.")],
    engine: EngineOption = None,
    json_output: JsonOption = False,
) -> None:
    """Explain one point of a message's run, offline: its parameters, replicate and fingerprints."""
    with _telling(json_output=json_output) as console:
        from sweepctl import view
        from sweepctl.engine import Engine, find_engine

        shard = _read_message(message)
        if index >= shard.total_points:
            msg = f"point {index}: the run has points 0 to {shard.total_points - 1}"
            raise UsageError(msg, remedy="Give an index below the message's total_points.")
        worker = Engine(find_engine(engine))
        worker.model(shard.model)
        point = worker.identify(shard.spec, index)
        if json_output:
            _print_json(point.model_dump(exclude={"record"}))
        else:
            view.show_point(console, shard, point)


@contextmanager
def _telling(*, json_output: bool) -> Iterator["Console"]:
    """Give the console for people; turn an error into its message and its exit code."""
    console = _console(stderr=json_output)
    try:
        yield console
    except SweepctlError as error:
        from sweepctl import view

        if json_output:
            told = {"kind": error.kind, "message": error.message, "remedy": error.remedy}
            _print_json({"error": told, "exit_code": error.exit_code})
        view.show_error(_console(stderr=True), error)
        raise typer.Exit(error.exit_code) from error


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM; the second has its usual effect, at once."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop()
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    for number in usual:
        signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        restore()


def _read_message(source: str) -> "ShardMessage":
    return _read_valid(source)[0]


def _read_valid(source: str) -> "tuple[ShardMessage, bytes]":
    """Return a message that decodes, and its body as it was read."""
    from sweepctl.messages import MAX_BYTES, decode
    from sweepctl.shard import utc_now

    if source == "-" and sys.stdin is None:  # what Python makes of a closed one
        raise UsageError("standard input is closed", remedy="Give the path of a shard message.")
    try:
        # One byte more than a message may have is enough to refuse it.
        if source == "-":
            body = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                body = file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"{source}: {error.strerror}"
        raise UsageError(msg, remedy="Give the path of a shard message, or - for standard input.") from error
    return decode(body, utc_now().date()), body


def _exit_code(outcome: "Outcome") -> int:
    if outcome.status == "success":
        return 0
    return EngineFaultError.exit_code if outcome.retryable else 1


def _short(outcome: "Outcome") -> dict[str, Any]:
    names = ("run_id", "shard_id", "attempt_id", "status", "error_code", "points_succeeded", "points_failed")
    return {name: getattr(outcome, name) for name in names}


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    class Patient(Console):
        """One that a reader who leaves does not end."""

        def on_broken_pipe(self) -> None:
            _drop_output()

    return Patient(stderr=stderr)


def _print_json(value: dict[str, Any]) -> None:
    try:
        typer.echo(json.dumps(value, default=_json_time))
    except BrokenPipeError:
        _drop_output()


def _drop_output() -> None:
    """Go on although who read the output has left: the exit code is the shard's, not the pipe's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _json_time(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

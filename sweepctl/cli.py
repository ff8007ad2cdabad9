"""The commands. The only place that reads arguments, turns errors into messages and exits.

Heavy libraries are imported inside the commands that need them, so that `--help` answers at once.
"""

import dataclasses
import datetime as dt
import json
import signal
import sys
from collections.abc import Iterator
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


def main() -> None:
    """Run the command line."""
    app()


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
    timeout: Annotated[
        float,
        typer.Option(envvar="SWEEPCTL_TIMEOUT", min=0.001, help="Seconds until the engine is killed."),
    ] = DEFAULT_TIMEOUT,
    threads: Annotated[
        int | None,
        typer.Option(envvar="SWEEPCTL_THREADS", min=1, help="Threads of the engine.", show_default="all cores"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run what stands already, and compare.")] = False,
    allow_failure_injection: Annotated[
        bool,
        typer.Option("--allow-failure-injection", help="Fail the shards that a message names for it."),
    ] = False,
    json_output: JsonOption = False,
    log_format: Annotated[
        Literal["text", "json"],
        typer.Option(envvar="SWEEPCTL_LOG_FORMAT", help="Form of the log lines on stderr."),
    ] = "text",
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
        from sweepctl.shard import Conditions, run_shard
        from sweepctl.store import open_store

        logs.configure(log_format)
        shard = _read_message(message)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        worker = Engine(find_engine(engine))
        results.probe()
        conditions = Conditions(threads, timeout, force, allow_failure_injection)
        with view.progress_of(_console(stderr=True), shard) as progress, _stop_on_signals() as stop:
            result = run_shard(shard, worker, results, conditions, progress=progress, stop=stop)
        logs.event("shard_finished", disposition=result.disposition.value, **_short(result.outcome))
        if json_output:
            _print_json({"disposition": result.disposition.value, "outcome": dataclasses.asdict(result.outcome)})
        else:
            view.show_result(console, result, results)
        raise typer.Exit(_exit_code(result.outcome))


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

        worker = Engine(find_engine(engine))
        shown = worker.description if name is None else worker.model(name)
        if json_output:
            _print_json(shown.model_dump())
        elif name is None:
            view.show_models(console, worker.description)
        else:
            view.show_model(console, worker.model(name))


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
def _stop_on_signals() -> Iterator[Event]:
    """Set an event at the first SIGINT or SIGTERM; the second has its usual effect, at once."""
    stop = Event()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    for number in usual:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        restore()


def _read_message(source: str) -> "ShardMessage":
    from sweepctl.messages import MAX_BYTES, decode
    from sweepctl.shard import utc_now

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
    return decode(body, utc_now().date())


def _exit_code(outcome: "Outcome") -> int:
    if outcome.status == "success":
        return 0
    return EngineFaultError.exit_code if outcome.retryable else 1


def _short(outcome: "Outcome") -> dict[str, Any]:
    names = ("run_id", "shard_id", "attempt_id", "status", "error_code", "points_succeeded", "points_failed")
    return {name: getattr(outcome, name) for name in names}


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr)


def _print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, default=_json_time))


def _json_time(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

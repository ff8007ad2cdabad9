"""The command that verifies a run, and writes or sends the messages that complete it."""

import sys
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.named import named_run
from sweepctl.cli.options import (
    DEFAULT_REEXECUTION_SECONDS,
    AcceptFailuresOption,
    EndpointOption,
    EngineOption,
    JsonOption,
    PointSecondsOption,
    ProgramOption,
    RegionOption,
    RunArgument,
    StoreOption,
)
from sweepctl.cli.terminal import calling, error_exit, on_signals, open_console, print_json, written_whole
from sweepctl.errors import UsageError
from sweepctl.store.open import DEFAULT_STORE
from sweepctl.texts import counted

SENT_AT_ONCE = 10_000  # messages in memory

if TYPE_CHECKING:
    from sweepctl.verify import Reexecution, Report


@app.command(
    "verify",
    epilog="Examples:\n\n  sweepctl verify ridehail-surge\n\n"
    "  sweepctl verify ridehail-surge --store s3://bucket/sweeps --reexecute 100 --json\n\n"
    "  sweepctl verify ridehail-surge --missing missing.jsonl\n\n"
    "  sweepctl verify ridehail-surge --requeue --queue-url $URL",
)
def verify_command(
    context: typer.Context,
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    reexecute: Annotated[
        str | None,
        typer.Option(metavar="K|all", help="Re-run K points, or all, and compare the results."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed that selects the points to re-run.")] = 0,
    point_seconds: PointSecondsOption = DEFAULT_REEXECUTION_SECONDS,
    missing: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the messages that complete the run, one per line.", dir_okay=False),
    ] = None,
    requeue: Annotated[
        bool, typer.Option("--requeue", help="Send the messages that complete the run to --queue-url.")
    ] = False,
    queue_url: Annotated[
        str | None, typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="SQS queue URL.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send without confirmation.")] = False,
    accept_failures: AcceptFailuresOption = False,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Prove from the store alone that a run is whole: every point exactly once, matching its design and its outcome.

    WHOLE: nothing is missing or wrong. FAILURES: every shard has a final outcome, and some failed permanently.
    INCOMPLETE: shards are missing, or failed but may succeed on retry. CORRUPT: the store contradicts itself. UNPROVEN:
    nothing wrong was found, but not everything could be checked. Exits with 0 only for WHOLE (with --accept-failures
    also for FAILURES), else with 1. Never writes to the store.
    """
    with error_exit(json_output=json_output) as console:
        from sweepctl.engine.client import find_prover, shipped_engine
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        if requeue and queue_url is None:
            raise UsageError("--requeue needs a queue", remedy="Give --queue-url.")
        if requeue and not yes and not (sys.stdin is not None and sys.stdin.isatty()):
            raise UsageError("--requeue asks for confirmation, but there is no terminal", remedy="Give --yes.")
        if missing is not None and not missing.absolute().parent.is_dir():
            raise UsageError(f"{missing}: no such folder", remedy="Choose a file that can be written.")
        require_run_id(run_id)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.verify import verify
        from sweepctl.view.console import foreign
        from sweepctl.view.verify import examining, show_report

        results = open_store(store, endpoint_url=endpoint_url, region=region)
        run_id = named_run(results, run_id)
        prover, again, stop = find_prover(engine, program), _reexecution(reexecute, seed, point_seconds), Event()
        with examining(open_console(stderr=True), run_id) as observe, on_signals(stop.set):
            report = verify(results, run_id, prover, again, witness=shipped_engine(), observe=observe, stop=stop)
        if not json_output:
            show_report(console, report, calling(context))
        payload = report.to_json()
        if missing is not None:
            payload["written"] = _write(missing, report)
            console.print(
                f"messages written to {foreign(missing)}: {payload['written']:,}", highlight=False, soft_wrap=True
            )
        if requeue and queue_url is not None:
            payload["sent"] = _send(report, queue_url, region, ask=not yes)
            console.print(f"messages sent: {payload['sent']:,}", highlight=False)
        if json_output:
            print_json(payload)
        raise typer.Exit(0 if report.is_done(accept_failures=accept_failures) else 1)


def _reexecution(wanted: str | None, seed: int, point_seconds: float) -> "Reexecution | None":
    from sweepctl.verify import Reexecution

    if wanted is None:
        return None
    if wanted == "all":
        return Reexecution(None, seed, point_seconds)
    if not wanted.isdecimal() or int(wanted) == 0:
        raise UsageError(f"--reexecute {wanted!r}: not a number of points", remedy="Give a number above 0, or all.")
    return Reexecution(int(wanted), seed, point_seconds)


def _write(path: Path, report: "Report") -> int:
    """Write one message per line and return their number; the file appears complete or not at all."""
    count = 0
    with written_whole(path) as file:
        for count, body in enumerate(report.messages(), start=1):  # noqa: B007  the last one is the count
            file.write(body + b"\n")
    return count


def _send(report: "Report", queue_url: str, region: str | None, *, ask: bool) -> int:
    """Send the messages of missing shards, and return their number."""
    from sweepctl.queue.sqs import open_queue
    from sweepctl.verify.repair import MOST_MESSAGES

    if not report.missing.count:
        return 0
    queue = open_queue(queue_url, region=region)
    count = min(report.missing.count, MOST_MESSAGES)
    if ask and not typer.confirm(f"Send {counted('messages', count)} to {queue_url}?", err=True):
        return 0
    sent, messages = 0, report.messages()
    while some := list(islice(messages, SENT_AT_ONCE)):
        queue.send(some)
        sent += len(some)
    return sent

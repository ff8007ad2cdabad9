"""The command that proves a run whole, and repairs what is missing."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from sweepctl.cli.terminal import open_console, print_json, telling
from sweepctl.errors import EngineUnavailableError, UsageError

if TYPE_CHECKING:
    from sweepctl.engine import Engine
    from sweepctl.verify import Reexecution, Report


@app.command(
    "verify",
    epilog="Examples:\n\n  sweepctl verify demo-001\n\n"
    "  sweepctl verify demo-001 --store s3://bucket/sweeps --reexecute 100 --json\n\n"
    "  sweepctl verify demo-001 --missing missing.jsonl\n\n"
    "  sweepctl verify demo-001 --requeue --queue-url $URL",
)
def verify_command(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run to prove.")],
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    reexecute: Annotated[
        str | None,
        typer.Option(metavar="K|all", help="Run so many points again, or all, and compare their results."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Which sample of points is run again.")] = 0,
    missing: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the messages that complete the run, one a line.", dir_okay=False),
    ] = None,
    requeue: Annotated[bool, typer.Option("--requeue", help="Send these messages to --queue-url.")] = False,
    queue_url: Annotated[
        str | None, typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="The SQS queue's URL.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    accept_failures: Annotated[
        bool, typer.Option("--accept-failures", help="Exit with 0 where all that failed has failed for good.")
    ] = False,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Prove from its store alone that a run is whole: every point exactly once, as designed and as promised.

    WHOLE: nothing is missing, nothing is wrong. FAILURES: every shard has its verdict, and some failed for good.
    INCOMPLETE: shards are missing, or failed in a way that another attempt may heal. CORRUPT: the store contradicts
    itself. UNPROVEN: nothing is wrong in what was checked, and something could not be. Exits with 0 for WHOLE only
    (and for FAILURES with --accept-failures), else with 1. Reads, and never writes into the store.
    """
    with telling(json_output=json_output) as console:
        from sweepctl import view
        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store
        from sweepctl.verify import Verdict, verify

        if requeue and queue_url is None:
            raise UsageError("--requeue has no queue", remedy="Give --queue-url.")
        if requeue and not yes and not (sys.stdin is not None and sys.stdin.isatty()):
            raise UsageError("--requeue asks before it sends, and there is no terminal to ask on", remedy="Give --yes.")
        if missing is not None and not missing.absolute().parent.is_dir():
            raise UsageError(f"{missing}: no such folder", remedy="Name a file that can be written.")
        require_run_id(run_id)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        prover, again = _engine(engine), _reexecution(reexecute, seed)
        with view.examining(open_console(stderr=True), run_id) as observe:
            report = verify(results, run_id, prover, again, observe)
        if json_output:
            print_json(report.to_json())
        else:
            view.show_report(console, report)
        if missing is not None:
            _write(missing, report.missing)
            console.print(f"{len(report.missing):,} messages written to {missing}", highlight=False, soft_wrap=True)
        if requeue and queue_url is not None:
            _send(report, queue_url, region, ask=not yes)
        accepted = {Verdict.WHOLE, Verdict.FAILURES} if accept_failures else {Verdict.WHOLE}
        raise typer.Exit(0 if report.verdict in accepted else 1)


def _engine(path: str | None) -> "Engine | None":
    from sweepctl.engine import Engine, find_engine

    try:
        return Engine(find_engine(path))
    except EngineUnavailableError:
        if path is not None:
            raise
        return None  # the report says what could not be checked without


def _reexecution(wanted: str | None, seed: int) -> "Reexecution | None":
    from sweepctl.verify import Reexecution

    if wanted is None:
        return None
    if wanted == "all":
        return Reexecution(None, seed)
    if not wanted.isdecimal() or int(wanted) == 0:
        raise UsageError(f"--reexecute {wanted!r} is no number of points", remedy="Give a number, or all.")
    return Reexecution(int(wanted), seed)


def _write(path: Path, messages: Sequence[bytes]) -> None:
    """Write one message a line; the file is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(b"".join(body + b"\n" for body in messages))
        part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="Name a file that can be written.") from error


def _send(report: "Report", queue_url: str, region: str | None, *, ask: bool) -> None:
    from sweepctl.sqs import open_queue

    told = open_console(stderr=True)
    if not report.missing:
        told.print("nothing to send")
        return
    if ask and not typer.confirm(f"Send {len(report.missing):,} messages to {queue_url}?", err=True):
        told.print("nothing was sent")
        return
    open_queue(queue_url, region=region).send(report.missing)
    told.print(f"[bold green]✓[/] {len(report.missing):,} messages sent", highlight=False)

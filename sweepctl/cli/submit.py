"""The command that submits a sweep to a queue."""

from typing import TYPE_CHECKING, Annotated

import typer

from sweepctl.cli.app import app
from sweepctl.cli.options import (
    EndpointOption,
    EngineOption,
    JsonOption,
    ProgramOption,
    QueueOption,
    RegionOption,
    RunIdOption,
    StoreOption,
    SweepFileArgument,
)
from sweepctl.cli.report import opened_views
from sweepctl.cli.terminal import error_exit, on_signals, open_console, print_json
from sweepctl.errors import UsageError
from sweepctl.store.open import DEFAULT_STORE

if TYPE_CHECKING:
    from threading import Event

    from rich.console import Console

    from sweepctl.engine.client import Engine
    from sweepctl.local_sweep.rounds import RoundsCommand
    from sweepctl.store import Store
    from sweepctl.sweep.plan import Draft

MOST_CONNECTIONS = 32  # the queue client's connection pool


@app.command(
    "submit",
    epilog="Examples:\n\n  sweepctl submit sweep.toml --queue-url $URL --store s3://bucket/sweeps\n\n"
    "  sweepctl submit sweep.toml --queue-url $URL --run-id ridehail-surge --json\n\n"
    "  sweepctl submit sweep.toml --queue-url $URL --run-id ridehail-surge --from-shard 41200",
)
def submit_command(
    file: SweepFileArgument,
    queue_url: QueueOption,
    run_id: RunIdOption = None,
    store: StoreOption = DEFAULT_STORE,
    engine: EngineOption = None,
    program: ProgramOption = None,
    from_shard: Annotated[
        int, typer.Option(metavar="N", min=0, help="Resume at this shard: those before it were sent.")
    ] = 0,
    connections: Annotated[
        int, typer.Option(min=1, max=MOST_CONNECTIONS, help="Concurrent send requests, ten messages each.")
    ] = 8,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Validate a sweep file, write its run record, and send its shard messages to a queue.

    Nothing is written or sent before the file, the store and the queue have been checked. Shards with an outcome are
    not sent, even if they failed: `sweepctl status` shows those. Submitting the same file again continues its newest
    run; a run_id that belongs to another sweep is rejected. A message sent twice does no harm. Where the file
    chooses its replications by precision, each submission sends one round, the next once every point of the one before
    is settled.
    """
    with error_exit(json_output=json_output) as console:
        from dataclasses import asdict
        from threading import Event

        from sweepctl.engine.client import Engine, find_engine
        from sweepctl.messages import require_run_id
        from sweepctl.queue.sqs import open_queue
        from sweepctl.store import open_store
        from sweepctl.sweep.file import read

        if run_id is not None:
            require_run_id(run_id)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        queue = open_queue(queue_url, region=region)
        path, sweep = find_engine(engine), read(file)
        worker = Engine(path, [*(program or ()), *sweep.programs])
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.runs.rounds import Round
        from sweepctl.runs.start import pin
        from sweepctl.runs.submit import require_sendable, submit
        from sweepctl.shard.run import utc_now
        from sweepctl.sweep.plan import draft
        from sweepctl.view.design_notes import show_design_notes
        from sweepctl.view.runs import sending, show_submission

        drafted = draft(sweep, worker)
        show_design_notes(console, drafted, run_id)
        require_sendable(drafted, queue)
        rounds = _rounds(console, results, drafted, run_id)
        stop = Event()
        with on_signals(stop.set):
            found = Round(drafted, run_id, None) if rounds is None else rounds.to_submit()
            if isinstance(found, Round):
                drafted, run_id = found.draft, found.run_id
                results.probe()
                if from_shard:
                    _require_begun(drafted, results, run_id, from_shard)
                plan, _ = pin(
                    drafted, results, run_id, utc_now(), lambda: _shard_points(console, drafted, worker, stop)
                )
                with sending(open_console(stderr=True), plan, from_shard) as progress:
                    done = submit(
                        plan,
                        results,
                        queue,
                        from_shard=from_shard,
                        is_round=rounds is not None,
                        connections=connections,
                        progress=progress,
                        stop=stop,
                    )
            else:
                done = found
        if json_output:
            told = {**asdict(done), "messages_per_second": round(done.messages_per_second, 1)}
            print_json(told if rounds is None else told | rounds.to_json())
        elif isinstance(found, Round):
            show_submission(console, done)
        if rounds is not None and done is found and not rounds.is_precise:
            raise typer.Exit(1)


def _rounds(console: "Console", results: "Store", drafted: "Draft", run_id: str | None) -> "RoundsCommand | None":
    precision = drafted.file.sweep.precision
    if precision is None:
        return None
    # What reads results takes long to import.
    from sweepctl.local_sweep.rounds import open_rounds

    return open_rounds(console, results, drafted, precision, run_id, opened=opened_views)


def _shard_points(console: "Console", drafted: "Draft", worker: "Engine", stop: "Event") -> int:
    from sweepctl.sweep.pilot import measure_shard
    from sweepctl.view.plan import show_bad_points

    size = measure_shard(drafted, worker, stop)
    show_bad_points(console, size.pilot)
    return size.points


def _require_begun(drafted: "Draft", results: "Store", run_id: str | None, from_shard: int) -> None:
    from sweepctl.runs.start import find_record

    if find_record(drafted, results, run_id) is None:
        msg = f"--from-shard {from_shard}: this sweep has no run to resume"
        raise UsageError(msg, remedy="Omit it: a new submission starts at shard 0.")

"""Commands for the runs in a store: the status of one, and a list of all."""

from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweepctl.cli.app import app
from sweepctl.cli.named import named_run
from sweepctl.cli.options import (
    EndpointOption,
    EngineOption,
    JsonOption,
    ProgramOption,
    RegionOption,
    RunArgument,
    StoreOption,
)
from sweepctl.cli.terminal import calling, error_exit, on_signals, open_console, print_json
from sweepctl.store.open import DEFAULT_STORE

if TYPE_CHECKING:
    from sweepctl.queue.backlog import Backlog
    from sweepctl.queue.contract import QueueFacts
    from sweepctl.runs.programs import ProgramHere
    from sweepctl.runs.status import Status, StatusReader


@app.command(
    "status",
    epilog="Examples:\n\n  sweepctl status ridehail-surge\n\n"
    "  sweepctl status ridehail-surge --store s3://bucket/sweeps --queue-url $URL --watch\n\n"
    "  sweepctl status ridehail-surge --json",
)
def status_command(
    context: typer.Context,
    run_id: RunArgument,
    store: StoreOption = DEFAULT_STORE,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until the run is done, or Ctrl-C.")] = False,
    queue_url: Annotated[
        str | None,
        typer.Option("--queue-url", envvar="SWEEPCTL_QUEUE_URL", help="SQS queue URL; shows its depth as well."),
    ] = None,
    engine: EngineOption = None,
    program: ProgramOption = None,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """Show the progress of a run: shards that succeeded, failed and are missing, points, pace and time left.

    Everything comes from the store; only outcomes that are new or have changed are read again. For that, the command
    keeps what it has read in the user's cache folder, which may be deleted at any time. The pace covers the last five
    minutes, or longer if shards take longer. With --program it says which files of the run's program have
    changed since the run began. Nothing is proven: `sweepctl verify` does that. Exits with 0 if the status could be
    read, whatever it is.
    """
    with error_exit(json_output=json_output) as console:
        from threading import Event

        from sweepctl.messages import require_run_id
        from sweepctl.store import open_store

        require_run_id(run_id)
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.runs import remembered, status
        from sweepctl.shard.run import utc_now
        from sweepctl.view.runs import reading, show_program, show_status, watching

        queue = None if queue_url is None else _BacklogReader(queue_url, region)
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        reader = status.StatusReader.of(results, named_run(results, run_id))
        reader.stop = stop = Event()
        reader.seen = remembered.load(reader.store, reader.run)
        facts, backlog, latest = None, None, None
        here = _program_here(reader, engine, program)
        if here is not None and not json_output:
            show_program(console, here)
        with on_signals(stop.set):
            if watch:
                with watching(console, calling(context)) as show:
                    for latest in status.watch(reader, utc_now):
                        facts, backlog = (None, None) if queue is None else queue.read()
                        show(latest, facts, backlog)
            else:
                with reading(open_console(stderr=True)) as reader.observe:
                    latest = reader.read(utc_now())
                facts, backlog = (None, None) if queue is None else queue.read()
        if reader.has_read:
            remembered.save(reader.store, reader.run, reader.seen)
        if json_output:
            print_json({} if latest is None else _status_json(latest, facts, backlog, here))
        elif latest is not None and not watch:
            show_status(console, latest, facts, backlog, calling(context))


def _program_here(reader: "StatusReader", engine: str | None, programs: list[Path] | None) -> "ProgramHere | None":
    if not programs:
        return None
    from sweepctl.engine.client import Engine, find_engine
    from sweepctl.runs.programs import program_here

    return program_here(reader.store, reader.run, Engine(find_engine(engine), programs))


class _BacklogReader:
    """A queue's depth and its recent history."""

    def __init__(self, queue_url: str, region: str | None) -> None:
        from sweepctl.queue.backlog import MOST_DEPTHS, DepthSample
        from sweepctl.queue.sqs import open_queue

        self._queue = open_queue(queue_url, region=region)
        self._depths: deque[DepthSample] = deque(maxlen=MOST_DEPTHS)

    def read(self) -> "tuple[QueueFacts, Backlog | None]":
        """Read the queue's depth, and estimate when it will be empty."""
        import time

        from sweepctl.queue.backlog import DepthSample, estimate_backlog

        facts = self._queue.facts()
        self._depths.append(DepthSample(time.monotonic(), facts.visible))
        return facts, estimate_backlog(self._depths)


def _status_json(
    status: "Status", facts: "QueueFacts | None", backlog: "Backlog | None", here: "ProgramHere | None"
) -> dict[str, Any]:
    queue = facts and {
        "visible": facts.visible,
        "in_flight": facts.in_flight,
        "delayed": facts.delayed,
        "seconds_left": backlog and backlog.seconds_left,
    }
    return {**status.to_json(), "queue": queue, "program": here and vars(here)}


@app.command(
    "runs",
    epilog="Examples:\n\n  sweepctl runs\n\n  sweepctl runs --store s3://bucket/sweeps --json",
)
def runs_command(
    store: StoreOption = DEFAULT_STORE,
    json_output: JsonOption = False,
    endpoint_url: EndpointOption = None,
    region: RegionOption = None,
) -> None:
    """List the runs of a store, newest first.

    For each run: whether it is done, under way, standing still (no shard has ended for longer than shards take) or not
    begun, and how many of its points and shards failed. `sweepctl status` has more of one run, and `sweepctl verify`
    proves it. Unrecognised folders are listed, and are not an error.
    """
    with error_exit(json_output=json_output) as console:
        from threading import Event

        from sweepctl.runs.index import list_runs
        from sweepctl.shard.run import utc_now
        from sweepctl.store import open_store
        from sweepctl.view.runs import reading, show_runs

        results, stop = open_store(store, endpoint_url=endpoint_url, region=region), Event()
        with on_signals(stop.set), reading(open_console(stderr=True)) as observe:
            runs, malformed = list_runs(results, utc_now(), observe=observe, stop=stop)
        if json_output:
            print_json({"runs": [run.to_json() for run in runs], "odd": [each.to_json() for each in malformed]})
        else:
            show_runs(console, results.url, runs, malformed)

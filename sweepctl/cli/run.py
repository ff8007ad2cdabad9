"""Commands that run a whole sweep on this machine, and retry its failed shards."""

from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweepctl.cli.app import app
from sweepctl.cli.named import complete_run, named_run
from sweepctl.cli.options import (
    DEFAULT_STORE,
    DEFAULT_TIMEOUT,
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
from sweepctl.cli.rounds import open_rounds
from sweepctl.cli.terminal import STORE_OPTIONS, calling, error_exit, on_signals, open_console, print_json
from sweepctl.errors import SweepctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console

    from sweepctl.engine.client import Engine
    from sweepctl.messages import ShardMessage
    from sweepctl.records.outcome import Caller
    from sweepctl.runs.local import RunOne, RunProgress
    from sweepctl.runs.retry import FailedShards
    from sweepctl.runs.reuse import Source
    from sweepctl.shard.run import Conditions
    from sweepctl.shard.slow_point import Progress
    from sweepctl.store import Store
    from sweepctl.sweep.plan import Draft
    from sweepctl.verify import Report


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
        from sweepctl.store import open_store
        from sweepctl.sweep.file import read

        is_text = logs.configure(log_format) == "text"
        results = open_store(store, endpoint_url=endpoint_url, region=region)
        path, contents = find_engine(engine), read(file)
        worker = Engine(path, [*(program or ()), *contents.programs])
        # These import pyarrow: only after the arguments are checked, so that their errors are printed at once.
        from sweepctl.shard.run import Conditions
        from sweepctl.sweep.plan import draft
        from sweepctl.verify.report import Verdict
        from sweepctl.view.design_notes import show_design_notes
        from sweepctl.view.limits import show_short_time
        from sweepctl.view.sweep import show_next

        drafted = draft(contents, worker)
        _require_reusable(drafted, reuse)
        reused = () if reuse is None else (named_run(results, reuse),)
        show_design_notes(console, drafted, run_id)
        show_short_time(console, drafted.spec.limits, timeout)
        conditions = Conditions(threads, timeout)
        caller = calling(context, file)
        sweep = _RunCommand(console, results, worker, conditions, concurrency, is_text, Event(), caller)
        rounds = open_rounds(console, results, drafted, run_id)
        with on_signals(sweep.stop.set):
            run = partial(sweep.run, accept_failures=accept_failures)
            if rounds is None:
                result, exit_code = run(drafted, run_id, reused)
            else:
                result, exit_code = rounds.run(run, reused)
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


def _require_reusable(drafted: "Draft", reuse: str | None) -> None:
    from sweepctl.messages import require_run_id

    if reuse is None:
        return
    require_run_id(reuse)
    if drafted.spec.outputs:
        raise UsageError(
            f"--reuse copies metrics only, but this sweep also writes outputs: {', '.join(drafted.spec.outputs)}",
            remedy="Omit --reuse, or remove `outputs` from the sweep file.",
        )


class _RunCommand:
    """State shared by the steps of one command."""

    def __init__(
        self,
        console: "Console",
        store: "Store",
        engine: "Engine",
        conditions: "Conditions",
        slots: int,
        is_watched: bool,
        stop: Event,
        caller: "Caller",
    ) -> None:
        self._console = console
        self._stderr = open_console(stderr=True)
        self._store = store
        self._engine = engine
        self._conditions = conditions
        self._slots = slots
        self._is_watched = is_watched
        self._caller = caller
        self._shared = Event()
        self.stop = stop

    def run(
        self, drafted: "Draft", run_id: str | None, reuse: tuple[str, ...], *, accept_failures: bool
    ) -> tuple[dict[str, Any], int]:
        """Run a sweep with the points of some other runs; return what --json prints, and the exit code."""
        from sweepctl.runs import local
        from sweepctl.runs.reuse import merged
        from sweepctl.shard.run import utc_now
        from sweepctl.view.sweep import (
            show_begun,
            show_source,
            waiting,
        )

        sources = [self._read(each, drafted) for each in reuse]
        # Everything that can be rejected is rejected before the probe writes its object.
        self._store.probe()
        with waiting(self._stderr, "choosing the shard size, and finding missing shards"):
            begun = local.begin_run(drafted, self._engine, self._store, run_id, now=utc_now(), stop=self.stop)
        show_begun(self._console, begun)
        for each in sources:
            show_source(self._console, each)
        source = merged(sources)
        total, complete = begun.plan.total_points, begun.complete_points
        done = self.shards(begun.missing(self._shared), total, complete, source, begun.failure_limit.exceeded)
        report = self._verify(begun.record.run_id) if done.error is None else None
        result = {
            "run_id": begun.record.run_id,
            "run_date": begun.record.run_date,
            "continued": not begun.is_new,
            "total_points": total,
            "shards": begun.plan.shards,
            "skipped": len(begun.complete) + done.skipped,
            **done.to_json(),
            "reuse": None if source is None else source.to_json(),
            "verdict": report and report.verdict.value,
        }
        if done.error is not None:
            return result, done.error.exit_code
        return result, 0 if report is not None and report.is_done(accept_failures=accept_failures) else 1

    def retry(self, failed: "FailedShards") -> "RunProgress":
        """Run the failed shards that may succeed on retry."""
        from sweepctl.runs.local import FailureLimit
        from sweepctl.shard.run import utc_now

        record = failed.record
        total = sum(each.end_index_exclusive - each.start_index for each in failed.retryable)
        limit = FailureLimit.of(record.spec, record.total_points, record.run_id, failed.failed_points)
        return self.shards(failed.messages(utc_now().date()), total, 0, None, limit.exceeded)

    def shards(
        self,
        messages: "Iterable[ShardMessage]",
        total: int,
        complete: int,
        source: "Source | None",
        exceeded: "Callable[[int, Caller], SweepctlError | None]" = lambda *_: None,
    ) -> "RunProgress":
        """Run shards and show their progress; the run has `total` points, and `complete` of them are done already."""
        from sweepctl.runs.local import run_shards
        from sweepctl.view.console import show_error
        from sweepctl.view.sweep import (
            running,
            show_done,
        )

        run_one, reused = self._runner(source)
        with running(self._stderr, total, complete, is_watched=self._is_watched) as observe:
            done = run_shards(
                messages,
                run_one,
                slots=self._slots,
                stop=self.stop,
                shared=self._shared,
                observe=observe,
                reused=reused,
                exceeded=exceeded,
                caller=self._caller,
            )
        show_done(self._console, done)
        if done.error is not None:
            show_error(self._stderr, done.error)
        return done

    def _read(self, reuse: str, drafted: "Draft") -> "Source":
        from sweepctl.runs.reuse import read_source
        from sweepctl.view.sweep import (
            waiting,
        )

        model = self._engine.model(drafted.spec.model)
        with waiting(self._stderr, f"reading the points of run {reuse}"):
            return read_source(self._store, reuse, model, drafted.spec.seed, self.stop)

    def _runner(self, source: "Source | None") -> "tuple[RunOne, Callable[[ShardMessage], int]]":
        """Return a function that runs a shard, and one that counts how many of its points were reused."""
        from sweepctl.runs.reuse import ReusingEngine
        from sweepctl.shard.run import Result, run_shard

        engine = self._engine
        taken: dict[int, int] = {}
        if source is not None:
            engine = ReusingEngine(engine, source)
            taken = engine.taken

        def run_one(message: "ShardMessage", progress: "Progress") -> Result:
            return run_shard(message, engine, self._store, self._conditions, progress=progress, stop=self.stop)

        return run_one, lambda message: taken.get(message.start_index, 0)

    def _verify(self, run_id: str) -> "Report":
        from sweepctl.engine.client import shipped_engine
        from sweepctl.verify import verify
        from sweepctl.view.sweep import (
            show_proof,
        )
        from sweepctl.view.verify import examining

        with examining(self._stderr, run_id) as observe:
            witness = shipped_engine()
            report = verify(self._store, run_id, self._engine, witness=witness, observe=observe, stop=self.stop)
        show_proof(self._console, report, self._caller)
        return report


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
        from sweepctl.shard.run import Conditions
        from sweepctl.store import open_store
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
            conditions = Conditions(threads, timeout)
            sweep = _RunCommand(console, results, worker, conditions, concurrency, is_text, Event(), caller)
            with on_signals(sweep.stop.set):
                done = sweep.retry(failed)
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

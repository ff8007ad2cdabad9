"""A sweep that is run and verified on this machine: what `sweepctl run` and `retry` and `sweepctl.run_sweep` share.

It reads no arguments and exits nowhere; what it shows goes to the consoles that it is given.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sweepctl.engine.client import Engine, shipped_engine
from sweepctl.errors import SweepctlError, UsageError
from sweepctl.messages import ShardMessage
from sweepctl.records.outcome import UNKNOWN_CALLER, Caller
from sweepctl.runs.local import FailureLimit, RunOne, RunProgress, begin_run, run_shards
from sweepctl.runs.retry import FailedShards
from sweepctl.runs.reuse import ReusingEngine, Source, merged, read_source
from sweepctl.shard.run import Conditions, Result, run_shard, utc_now
from sweepctl.shard.slow_point import Progress
from sweepctl.store import Store
from sweepctl.sweep.plan import Draft
from sweepctl.verify import Report, verify
from sweepctl.view.design_notes import show_design_notes
from sweepctl.view.limits import show_short_time
from sweepctl.view.sweep import show_begun, show_done, show_proof, show_source, waiting
from sweepctl.view.verify import examining

if TYPE_CHECKING:
    from sweepctl.local_sweep.rounds import OpenViews

# Shows the progress of a run with so many points, of which so many are complete.
Watch = Callable[[int, int], AbstractContextManager[Callable[[RunProgress], None]]]


def require_reusable(drafted: Draft) -> None:
    """Raise UsageError if a sweep cannot take points from another run."""
    if drafted.spec.outputs:
        raise UsageError(
            f"--reuse copies metrics only, but this sweep also writes outputs: {', '.join(drafted.spec.outputs)}",
            remedy="Omit --reuse, or remove `outputs` from the sweep file.",
        )


@dataclass
class LocalSweep:
    """What the steps of one sweep share."""

    console: Console  # for results
    stderr: Console  # for progress
    store: Store
    engine: Engine
    slots: int  # shards at a time
    threads: int | None  # of an engine
    timeout: float  # seconds of a shard
    watch: Watch
    caller: Caller = UNKNOWN_CALLER
    stop: Event = field(default_factory=Event)
    error: SweepctlError | None = None  # that ended it, which is not shown
    _shared: Event = field(default_factory=Event)

    def run(
        self, drafted: Draft, run_id: str | None, reuse: tuple[str, ...], opened: "OpenViews", *, accept_failures: bool
    ) -> tuple[dict[str, Any], int]:
        """Run and verify a sweep, in rounds where it chooses its replications by precision.

        Args:
            drafted: The sweep.
            run_id: The name of the run; None for the newest one of this sweep, or a new one.
            reuse: Runs whose points are taken over.
            opened: Opens the views of runs.
            accept_failures: Whether a run is done if all that failed failed permanently.

        Returns:
            What `sweepctl run --json` prints, and the exit code.
        """
        show_design_notes(self.console, drafted, run_id)
        show_short_time(self.console, drafted.spec.limits, self.timeout)
        one = partial(self._run_one, accept_failures=accept_failures)
        if drafted.file.sweep.precision is None:
            return one(drafted, run_id, reuse)
        # What reads results takes longer to import than a small run.
        from sweepctl.local_sweep.rounds import open_rounds  # noqa: PLC0415

        rounds = open_rounds(self.console, self.store, drafted, drafted.file.sweep.precision, run_id, opened=opened)
        return rounds.run(one, reuse)

    def _run_one(
        self, drafted: Draft, run_id: str | None, reuse: tuple[str, ...], *, accept_failures: bool
    ) -> tuple[dict[str, Any], int]:
        sources = [self._read(each, drafted) for each in reuse]
        # Everything that can be rejected is rejected before the probe writes its object.
        self.store.probe()
        with waiting(self.stderr, "choosing the shard size, and finding missing shards"):
            begun = begin_run(drafted, self.engine, self.store, run_id, now=utc_now(), stop=self.stop)
        show_begun(self.console, begun)
        for each in sources:
            show_source(self.console, each)
        source = merged(sources)
        total, complete = begun.plan.total_points, begun.complete_points
        done = self._shards(begun.missing(self._shared), total, complete, source, begun.failure_limit.exceeded)
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

    def retry(self, failed: FailedShards) -> RunProgress:
        """Run the failed shards that may succeed on retry."""
        record = failed.record
        total = sum(each.end_index_exclusive - each.start_index for each in failed.retryable)
        limit = FailureLimit.of(record.spec, record.total_points, record.run_id, failed.failed_points)
        return self._shards(failed.messages(utc_now().date()), total, 0, None, limit.exceeded)

    def _shards(
        self,
        messages: Iterable[ShardMessage],
        total: int,
        complete: int,
        source: Source | None,
        exceeded: Callable[[int, Caller], SweepctlError | None],
    ) -> RunProgress:
        """Run shards and show their progress; the run has `total` points, and `complete` of them are done already."""
        run_one, reused = self._runner(source)
        with self.watch(total, complete) as observe:
            done = run_shards(
                messages,
                run_one,
                slots=self.slots,
                stop=self.stop,
                shared=self._shared,
                observe=observe,
                reused=reused,
                exceeded=exceeded,
                caller=self.caller,
            )
        show_done(self.console, done)
        self.error = done.error
        return done

    def _read(self, reuse: str, drafted: Draft) -> Source:
        model = self.engine.model(drafted.spec.model)
        with waiting(self.stderr, f"reading the points of run {reuse}"):
            return read_source(self.store, reuse, model, drafted.spec.seed, self.stop)

    def _runner(self, source: Source | None) -> tuple[RunOne, Callable[[ShardMessage], int]]:
        """Return a function that runs a shard, and one that counts how many of its points were reused."""
        engine, conditions = self.engine, Conditions(self.threads, self.timeout)
        taken: dict[int, int] = {}
        if source is not None:
            engine = ReusingEngine(engine, source)
            taken = engine.taken

        def run_one(message: ShardMessage, progress: Progress) -> Result:
            return run_shard(message, engine, self.store, conditions, progress=progress, stop=self.stop)

        return run_one, lambda message: taken.get(message.start_index, 0)

    def _verify(self, run_id: str) -> Report:
        with examining(self.stderr, run_id) as observe:
            witness = shipped_engine()
            report = verify(self.store, run_id, self.engine, witness=witness, observe=observe, stop=self.stop)
        show_proof(self.console, report, self.caller)
        return report

"""Proof from its store alone that a run is whole: every point once, as the design says and the outcomes promise.

`verify` is the whole story; each check is a module. It reads, and never writes. What it could not check it says, and
never counts as passed (docs/verify.md).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore

from sweepctl.engine import Engine
from sweepctl.errors import EngineUnavailableError, UnknownRunError
from sweepctl.outcome import Outcome
from sweepctl.protocol import Model
from sweepctl.store.contract import Store
from sweepctl.table import POINT_OUTCOMES
from sweepctl.verify import artifacts, outcomes, repair, run
from sweepctl.verify.inventory import Inventory, take_inventory
from sweepctl.verify.outcomes import Filed
from sweepctl.verify.reexecute import draw_sample, reexecute
from sweepctl.verify.report import Check, Finding, Report, Severity, Tally, Verdict
from sweepctl.verify.run import Run, Tables
from sweepctl.verify.shards import ENGINE_ERRORS, Examined, ShardsExaminer, batches

__all__ = ["Check", "Finding", "Report", "Severity", "Tally", "Verdict", "verify"]

IN_FLIGHT = 32  # requests of the store at a time; a bucket's rate is reached by many at once, never by one fast one

Observe = Callable[[int, int], None]


@dataclass(frozen=True)
class Reexecution:
    """How many points to run again, and which sample of that size; None: every one."""

    points: int | None
    seed: int = 0


def verify(
    store: Store,
    run_id: str,
    engine: Engine | None,
    reexecution: Reexecution | None = None,
    observe: Observe = lambda _done, _total: None,
) -> Report:
    """Examine everything that the store holds of a run.

    Args:
        store: Where the run's results are; only read.
        run_id: The run.
        engine: Names points anew, and runs them again; without one, neither can be checked.
        reexecution: Which points to run again; None for none.
        observe: Is told how many shards of how many were examined.

    Raises:
        UnknownRunError: the store holds nothing of this run.
        StoreError: the store does not answer.
    """
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            return _verify(store, run_id, engine, reexecution, observe=observe, pool=pool)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _verify(
    store: Store,
    run_id: str,
    engine: Engine | None,
    reexecution: Reexecution | None,
    *,
    observe: Observe,
    pool: ThreadPoolExecutor,
) -> Report:
    record, spec, findings = run.read_record(store, run_id)
    inventory = take_inventory(store, run_id, () if spec is None else spec.outputs, pool)
    if inventory.is_empty:
        raise UnknownRunError(
            f"the store {store.url} holds nothing of run {run_id!r}", remedy="Correct the run_id, or name its --store."
        )
    if record is None or spec is None:
        why = "the design comes from the run record"
        return Report(run_id, findings, {check: Tally({}, why) for check in _ALWAYS}, None)
    filed, unreadable = outcomes.read_filed(store, inventory.outcomes, "outcomes.unreadable", pool)
    attempts, unreadable_attempts = outcomes.read_filed(store, inventory.attempts, "failures.attempt_unreadable", pool)
    pin, wrong_pin = run.examine_pin(store, run_id, spec, needed=any(each.outcome.complete for each in filed))
    subject = Run(record, spec, pin)
    standing, wrong = outcomes.examine_outcomes(filed, subject)
    gaps, uncovered = outcomes.cover(standing, subject.total_points)
    missing, unknown_gaps = repair.missing_messages(standing, attempts, gaps, subject)
    rows = _Rows(store, subject, standing, inventory, engine=engine, pool=pool)
    examined = rows.examine(attempts, observe)
    tallies = {
        Check.RUN_RECORD: Tally({"records": 1 + (pin is not None), "rows": 2 * examined.points}),
        Check.OUTCOMES: Tally({"shards": len(standing), "points": sum(each.points for each in standing)}),
        Check.ARTIFACTS: Tally({"files": examined.files, "bytes": examined.bytes}),
        Check.POINTS: Tally({"points": examined.points}, rows.unread(examined.points)),
        Check.IDENTITY: Tally(
            {"points": examined.identified},
            rows.why_not or examined.engine_error or rows.unread(examined.identified),
        ),
        Check.FAILURES: Tally({"shards": len(standing), "attempts": len(attempts)}),
    }
    again = rows.reexecute(reexecution, examined.sound) if reexecution is not None else None
    if again is not None:
        tallies[Check.REEXECUTION] = again.tally
    findings += [
        *wrong_pin, *unreadable, *wrong, *uncovered, *examined.findings, *unreadable_attempts,
        *artifacts.unnamed(inventory, standing, attempts, subject),
        *outcomes.failed_for_good(standing),
        *outcomes.examine_attempts(attempts, standing, subject),
        *(again.findings if again is not None else ()),
    ]  # fmt: skip
    return Report(
        run_id,
        sorted(findings, key=_place),
        tallies,
        subject.total_points,
        len(standing),
        outcomes.group_failures(standing),
        outcomes.count_attempts(standing, attempts),
        missing,
        unknown_gaps,
    )


_ALWAYS = [check for check in Check if check is not Check.REEXECUTION]
_ORDER = {check: place for place, check in enumerate(Check)}


def _place(finding: Finding) -> tuple[int, int, str, str]:
    shard_id = -1 if finding.shard_id is None else finding.shard_id
    return _ORDER[finding.check], shard_id, finding.code, finding.key or ""


@dataclass(frozen=True)
class _Again:
    """What came of running points again."""

    tally: Tally
    findings: Sequence[Finding]


class _Rows:
    """The part of verify that reads the run's data, many shards at a time."""

    def __init__(
        self,
        store: Store,
        subject: Run,
        standing: Sequence[Outcome],
        inventory: Inventory,
        *,
        engine: Engine | None,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._pool = pool
        self._complete = [outcome for outcome in standing if outcome.complete]
        self._incomplete = [outcome for outcome in standing if not outcome.complete]
        model, self.why_not = _model_of(engine, subject, self._complete)
        tables = Tables.declared(model, subject) if model is not None else _observed(store, self._complete, subject)
        self._examiner = ShardsExaminer(
            store,
            subject,
            tables,
            {**inventory.data, **inventory.partial},
            None if model is None else engine,
            model,
            Semaphore(os.cpu_count() or 1),
        )

    def unread(self, points: int) -> str | None:
        """Say how many of the points with records could not be looked at; None where all were."""
        left = sum(outcome.points for outcome in self._complete) - points
        return f"{left:,} points, whose files are damaged or gone" if left else None

    def examine(self, attempts: Sequence[Filed], observe: Observe) -> Examined:
        """Examine every file that an outcome or an attempt names, and the rows of complete shards."""
        whole = Examined()
        partial = {outcome.attempt_id: outcome for outcome in [each.outcome for each in attempts] + self._incomplete}
        done = 0
        observe(done, len(self._complete))
        tasks: dict[Future[Examined], int] = {}
        for batch in batches(self._complete):
            tasks[self._pool.submit(self._examiner.examine, batch)] = len(batch)
        for outcome in partial.values():
            tasks[self._pool.submit(self._examiner.examine_partial, outcome)] = 0
        for task in as_completed(tasks):
            whole.add(task.result())
            done += tasks[task]
            observe(done, len(self._complete))
        return whole

    def reexecute(self, reexecution: Reexecution, sound: Iterable[int]) -> _Again:
        """Run a sample of the points whose rows are sound again."""
        engine, model = self._examiner.engine, self._examiner.model
        if engine is None or model is None:
            return _Again(Tally({"points": 0}, self.why_not), [])
        wanted = set(sound)
        candidates = [outcome for outcome in self._complete if outcome.shard_id in wanted]
        sample = draw_sample(candidates, reexecution.points, reexecution.seed)

        def again(outcome: Outcome) -> list[Finding]:
            with TemporaryDirectory(prefix="sweepctl-verify-") as folder, self._examiner.cores:
                (artifact,) = [each for each in outcome.artifacts if each.dataset == POINT_OUTCOMES]
                path = self._examiner.store.borrow(artifact.key, Path(folder))
                if path is None:
                    return [Finding("artifacts.missing", "it went meanwhile", outcome.shard_id, artifact.key)]
                ranges = sample.ranges[outcome.shard_id]
                return reexecute(outcome, self._examiner.run, path, ranges, engine=engine, model=model)

        chosen = [outcome for outcome in candidates if outcome.shard_id in sample.ranges]
        try:
            findings = [finding for found in self._pool.map(again, chosen) for finding in found]
        except ENGINE_ERRORS as error:
            return _Again(Tally({"points": 0}, error.message), [])
        build = f"here by engine {engine.description.engine_version} on {engine.description.target}"
        told = [replace(each, message=f"{each.message}: run again {build}") for each in findings]
        return _Again(Tally({"points": sample.points}), told)


def _model_of(engine: Engine | None, subject: Run, complete: Sequence[Outcome]) -> tuple[Model | None, str | None]:
    """Return the engine's model where it is the one that the run was made with; else why not."""
    if engine is None:
        return None, "there is no engine"
    try:
        model = engine.model(subject.spec.model)
    except EngineUnavailableError as error:
        return None, error.message
    versions = {each.model_version for each in complete} if subject.pin is None else {subject.pin.model_version}
    if versions and versions != {model.version}:
        told = ", ".join(sorted(versions))
        return None, f"the run was made with {model.name} version {told}, this engine has version {model.version}"
    return model, None


def _observed(store: Store, complete: Sequence[Outcome], subject: Run) -> Tables:
    """Take the first complete shard's files as what all must look like."""
    with TemporaryDirectory(prefix="sweepctl-verify-") as folder:
        for outcome in complete:
            paths = {each.dataset: store.borrow(each.key, Path(folder)) for each in outcome.artifacts}
            files = {name: path for name, path in paths.items() if path is not None}
            if set(files) == set(subject.datasets):
                return Tables.observed(files)
    return Tables.observed({})

"""Verifies a run from its store alone: every point exactly once, as the design and the outcomes say.

`_verify` shows every step; each check is a module. Nothing is written. What could not be checked is reported, and never
counts as passed (docs/verify.md).
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TypeVar

from sweepctl.engine.client import Engine
from sweepctl.errors import EngineUnavailableError, InterruptedRunError
from sweepctl.protocol import Model
from sweepctl.records.datafile import require_damage_of
from sweepctl.records.named import unknown_run
from sweepctl.records.outcome import KEPT_FILES, Outcome, RunRecord
from sweepctl.records.outcomes import AT_ONCE
from sweepctl.records.table import PARQUET_ERRORS
from sweepctl.store.contract import Store
from sweepctl.texts import counted
from sweepctl.verify import artifacts, compacted, outcomes, repair, run
from sweepctl.verify.builds import builds_of, why_unproven
from sweepctl.verify.identity import choose_deriver
from sweepctl.verify.inventory import Inventory, take_inventory
from sweepctl.verify.leftovers import UnnamedFiles
from sweepctl.verify.outcomes import StoredOutcome, overlapping
from sweepctl.verify.reexecute import Reexecuted, draw_sample, reexecute
from sweepctl.verify.report import SET_ASIDE, Build, Check, Coverage, Finding, Report, Severity, Verdict
from sweepctl.verify.run import ExaminedRun, Tables
from sweepctl.verify.shards import ENGINE_ERRORS, Examined, ShardsExaminer, shard_batches

__all__ = ["Check", "Coverage", "Finding", "Report", "Severity", "Verdict", "verify"]

T = TypeVar("T")
IN_FLIGHT = 32  # concurrent requests to the store: a bucket reaches its rate only with many

Observe = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Reexecution:
    """How many points to re-run, None for all, the seed that selects them, and how long each may take."""

    points: int | None
    seed: int = 0
    point_seconds: float = 600.0


def verify(
    store: Store,
    run_id: str,
    engine: Engine | None,
    reexecution: Reexecution | None = None,
    *,
    witness: Engine | None = None,
    observe: Observe = lambda _what, _done, _total: None,
    stop: Event | None = None,
) -> Report:
    """Verify everything that the store holds of a run.

    Args:
        store: Where the run's results are; only read.
        run_id: The run.
        engine: Re-runs points, and derives their identities where the witness cannot; None if it is missing.
        reexecution: Which points to re-run; None for none.
        witness: Derives the points' identities from the model's declaration that the run keeps; sweepctl's own engine.
        observe: Called with the current step, the amount done and the total.
        stop: Setting it ends the verification.

    Raises:
        UnknownRunError: the store holds nothing of this run.
        StoreError: the store does not answer.
        InterruptedRunError: `stop` was set.
    """
    with ThreadPoolExecutor(IN_FLIGHT) as fetching, ThreadPoolExecutor(1 + (os.cpu_count() or 1)) as examining:
        work = _Verification(store, engine, witness, fetching, examining, observe, stop or Event())
        try:
            return _verify(work, run_id, reexecution)
        except BaseException:
            work.stop.set()
            examining.shutdown(cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Verification:
    """What the steps of one verification share."""

    store: Store
    engine: Engine | None
    witness: Engine | None
    fetching: ThreadPoolExecutor  # waits for the store, so it has more threads than cores
    examining: ThreadPoolExecutor
    observe: Observe
    stop: Event

    def outcomes(self, keys: Collection[str], unreadable: str) -> tuple[list[StoredOutcome], list[Finding]]:
        """Read outcomes or attempts; `unreadable` is the code of findings for files that are neither."""
        found = outcomes.read_outcomes(self.store, sorted(keys), unreadable)
        return outcomes.sort_out(self._watched("reading outcomes", found, len(keys)))

    def _watched(self, what: str, found: Iterable[T], total: int) -> Iterator[T]:
        self.observe(what, 0, total)
        for done, each in enumerate(found, 1):
            yield each
            if done % AT_ONCE == 0:
                self.observe(what, done, total)
                self.require_running()

    def each(self, what: str, tasks: Mapping[Future[T], int]) -> Iterator[T]:
        """Yield the results of tasks as they complete; each task's value is its share of the progress."""
        done, total = 0, sum(tasks.values())
        self.observe(what, done, total)
        for task in as_completed(tasks):
            yield task.result()
            done += tasks[task]
            self.observe(what, done, total)
            self.require_running()

    def require_running(self) -> None:
        """Raise InterruptedRunError if `stop` was set."""
        if self.stop.is_set():
            raise InterruptedRunError("stopped by a signal", remedy="Run verify again: it only reads.")


def _verify(work: _Verification, run_id: str, reexecution: Reexecution | None) -> Report:
    work.observe("listing files", 0, 0)
    inventory = take_inventory(work.store, run_id, work.fetching)
    if inventory.is_empty:
        raise unknown_run(work.store, run_id)
    # After the listing: a run may have started meanwhile, and its record is written before everything else.
    record, spec, findings = run.read_record(work.store, run_id)
    optional = {Check.COMPACT} if reexecution is not None else {Check.COMPACT, Check.REEXECUTION}
    checks = [check for check in Check if check not in optional]
    space = None
    if record is not None and spec is not None:
        space, wrong_design = run.examine_design(work.store, record, spec)
        findings += wrong_design
    if record is None or spec is None or space is None or findings:
        why = "needs a valid run record and design"
        return Report(run_id, findings, {check: Coverage({}, why) for check in checks}, None)
    stored, unreadable = work.outcomes(inventory.outcomes, "outcomes.unreadable")
    tried, lost = work.outcomes(inventory.attempts, "failures.attempt_unreadable")
    # Only conflicts are recorded before the pin.
    needed = bool(stored or inventory.data) or any(each.outcome.status != "conflict" for each in tried)
    pin, wrong_pin = run.examine_pin(work.store, run_id, spec, needed=needed)
    subject = ExaminedRun(record, spec, space, pin)
    committed, wrong = outcomes.examine_outcomes(stored, subject)
    attempts, wrong_attempts = outcomes.examine_attempts(tried, committed, subject, work.store)
    gaps, uncovered = outcomes.cover(committed, subject.total_points)
    hidden = {finding.shard_id for finding in unreadable if finding.shard_id is not None}
    missing, unknown = repair.missing_shards(committed, attempts, gaps, record, hidden)
    rows = _DataChecks(work, subject, committed, attempts)
    examined = rows.examine()
    coverage, rerun = rows.coverage(examined, len(inventory.attempts)), rows.reexecute(reexecution, examined.sound)
    if rerun.coverage is not None:
        coverage[Check.REEXECUTION] = rerun.coverage
    unnamed, aside = rows.unnamed(inventory)
    covered, wrong_compact = _examine_compact(work, record, committed, inventory)
    if covered is not None:
        coverage[Check.COMPACT] = covered
    findings = [
        *wrong_pin, *unreadable, *wrong, *uncovered, *examined.findings, *lost, *wrong_attempts,
        *unnamed,
        *outcomes.permanent_failures(committed),
        *rerun.findings,
        *wrong_compact,
    ]  # fmt: skip
    return Report(
        run_id,
        sorted(dict.fromkeys(findings), key=_order),
        coverage,
        subject.total_points,
        len(committed),
        outcomes.group_failures(committed),
        dict(sorted(examined.by_code.items(), key=lambda item: -item[1].count)),
        outcomes.count_attempts(committed, attempts),
        missing,
        unknown,
        record,
        rerun.builds,
        sum(each.points_excluded or 0 for each in committed),
        aside,
        committed,
    )


def _examine_compact(
    work: _Verification, record: RunRecord, committed: Sequence[Outcome], inventory: Inventory
) -> tuple[Coverage | None, list[Finding]]:
    """Examine the run's compact files; None if there are none."""
    manifest, findings = compacted.read_manifest(work.store, record, sorted(inventory.compact))
    if manifest is None and not findings:
        return None, []
    parts = () if manifest is None else manifest.parts
    tasks = {work.examining.submit(compacted.examine_part, work.store, part, committed): 1 for part in parts}
    examined = list(work.each("examining compact files", tasks))
    return compacted.coverage(examined), [*findings, *(each for part in examined for each in part.findings)]


_ORDER = {check: place for place, check in enumerate(Check)}


def _order(finding: Finding) -> tuple[int, int, str, str]:
    shard_id = -1 if finding.shard_id is None else finding.shard_id
    return _ORDER[finding.check], shard_id, finding.code, finding.key or ""


@dataclass(frozen=True)
class Rerun:
    """The results of running points again."""

    coverage: Coverage | None  # None if nothing was to be run again
    findings: Sequence[Finding]
    builds: Sequence[Build]


class _DataChecks:
    """The checks that read the run's data, many shards at a time."""

    def __init__(
        self, work: _Verification, subject: ExaminedRun, committed: Sequence[Outcome], attempts: Sequence[Outcome]
    ) -> None:
        self._work = work
        self._subject = subject
        self._committed = committed
        self._attempts = attempts
        self._complete = [outcome for outcome in committed if outcome.complete]
        # An incomplete outcome repeats its attempt's row.
        self._partial = {each.attempt_id: each for each in (*attempts, *committed) if not each.complete}
        self._model, self._why_not = _model_of(work.engine, subject, self._complete)
        deriver, self._note = choose_deriver(work.witness, subject.declaration, work.engine, self._model)
        self._why_underived = self._why_not if deriver is None else None
        declared = subject.declaration or self._model
        tables = self._observed() if declared is None else Tables.declared(declared, subject)
        self._examiner = ShardsExaminer(work.store, subject, tables, deriver, work.fetching, work.stop)

    def _files_of(self, outcome: Outcome, lent: ExitStack) -> tuple[dict[str, Path], list[Finding]]:
        """Borrow a shard's files, by dataset."""
        held, lost = artifacts.borrow(self._work.store, outcome, lent, self._work.fetching)
        return {each.artifact.dataset: each.content for each in held if isinstance(each.content, Path)}, lost

    def _observed(self) -> Tables:
        """Return the schemas of the first complete shard whose files can serve as the example for all."""
        for outcome in self._complete:
            with ExitStack() as lent:
                files, _ = self._files_of(outcome, lent)
                has_all = set(files) - {KEPT_FILES} == set(self._subject.datasets)
                tables = Tables.observed(files) if has_all else None
            if tables is not None:
                return tables
        return Tables({}, frozenset(), {})

    def examine(self) -> Examined:
        """Examine every file that an outcome or an attempt names, and the rows of complete shards."""
        submit = self._work.examining.submit
        tasks = {submit(self._examiner.examine, batch): len(batch) for batch in shard_batches(self._complete)}
        tasks |= {submit(self._examiner.examine_partial, outcome): 1 for outcome in self._partial.values()}
        whole = Examined()
        for examined in self._work.each("examining shards", tasks):
            whole.add(examined)
        return whole

    def unnamed(self, inventory: Inventory) -> tuple[list[Finding], list[str]]:
        """Examine the files that no outcome names, which are few; return findings, and all files to set aside."""
        files = UnnamedFiles(self._examiner, inventory, self._committed, self._attempts)
        tasks = {self._work.examining.submit(files.examine, key): 1 for key in files.candidates}
        found = [*files.by_name(), *files.judge(list(self._work.each("examining other files", tasks)))]
        aside = {each.key for each in found if each.code in SET_ASIDE and each.key is not None}
        return found, sorted(aside.union(*(files.of_shard(each.shard_id) for each in overlapping(self._committed))))

    def coverage(self, examined: Examined, attempts: int) -> dict[Check, Coverage]:
        """Return what each check covered."""
        why_not = self._why_underived or examined.engine_error or self._unread(examined.identified)
        return {
            Check.RUN_RECORD: Coverage({"records": 1 + (self._subject.pin is not None), "rows": 2 * examined.points}),
            Check.OUTCOMES: Coverage(
                {"shards": len(self._committed), "points": sum(each.points for each in self._committed)}
            ),
            Check.ARTIFACTS: Coverage({"files": examined.files, "bytes": examined.bytes}),
            Check.POINTS: Coverage({"points": examined.points}, self._unread(examined.points)),
            Check.IDENTITY: Coverage({"points": examined.identified}, why_not, self._note),
            Check.FAILURES: Coverage({"shards": len(self._committed), "attempts recorded beside": attempts}),
        }

    def _unread(self, points: int) -> str | None:
        """Return how many points with records could not be examined; None if all were."""
        if not self._complete:
            return "no shard is complete yet"
        left = sum(outcome.points for outcome in self._complete) - points
        return f"{counted('points', left)}, whose files are damaged or missing" if left else None

    def reexecute(self, reexecution: Reexecution | None, sound: Iterable[int]) -> Rerun:
        """Re-run a sample of the points whose rows are valid, and say whether builds are known to agree."""
        coverage, findings, compared = None, list[Finding](), dict[int, int]()
        if reexecution is not None:
            coverage, findings = self._rerun(reexecution, set(sound), compared)
        builds = builds_of(self._complete, compared)
        engine = None if self._model is None else self._work.engine
        doubt = why_unproven(builds, engine, self._subject.record.run_id, self._work.store.url)
        if doubt is not None:
            coverage = Coverage({"points": 0}) if coverage is None else coverage
            coverage = replace(coverage, not_checked="; ".join(filter(None, (coverage.not_checked, doubt))))
        return Rerun(coverage, findings, builds)

    def _rerun(
        self, reexecution: Reexecution, wanted: Collection[int], compared: dict[int, int]
    ) -> tuple[Coverage, list[Finding]]:
        """Re-run points of the wanted shards; note in `compared` how many of each."""
        engine, model = self._work.engine, self._model
        if engine is None or model is None:
            return Coverage({"points": 0}, self._why_not), []
        candidates = [outcome for outcome in self._complete if outcome.shard_id in wanted]
        sample = draw_sample(candidates, reexecution.points, reexecution.seed)

        def rerun(outcome: Outcome) -> Reexecuted:
            found = self._rerun_shard(outcome, sample[outcome.shard_id], reexecution, engine, model)
            compared[outcome.shard_id] = found.compared
            return found

        chosen = [outcome for outcome in candidates if outcome.shard_id in sample]
        tasks = {self._work.examining.submit(rerun, outcome): 1 for outcome in chosen}
        findings: list[Finding] = []
        lost = 0
        try:
            for found in self._work.each("re-running shards", tasks):
                findings += found.findings
                lost += found.lost
        except ENGINE_ERRORS as error:
            return Coverage({"points": 0}, error.message), findings
        build = f"re-run here by engine {engine.description.engine_version} on {engine.description.target}"
        findings = [replace(each, message=f"{each.message} ({build})") for each in findings]
        points = sum(end - start for ranges in sample.values() for start, end in ranges)
        asked = self._subject.total_points if reexecution.points is None else reexecution.points
        left = min(asked, self._subject.total_points) - points
        why_not = [f"{counted('points', left)} of shards that are incomplete, damaged or lack files"] * (left > 0)
        done = sum(compared.values())
        apart = sum(end - start for shard in compared for start, end in sample[shard]) - lost - done
        note = f"{counted('points', apart)} left out, whose failure depends on the machine" if apart else None
        if lost:
            why_not.append(
                f"{counted('points', lost)}, which crashed, took too long or were left out after such a point"
            )
        return Coverage({"points": done}, "; ".join(why_not) or None, note), findings

    def _rerun_shard(
        self,
        outcome: Outcome,
        ranges: Sequence[tuple[int, int]],
        reexecution: Reexecution,
        engine: Engine,
        model: Model,
    ) -> Reexecuted:
        with ExitStack() as lent:
            files, lost = self._files_of(outcome, lent)
            try:
                found = reexecute(
                    outcome,
                    self._subject,
                    files,
                    ranges,
                    engine=engine,
                    model=model,
                    point_seconds=reexecution.point_seconds,
                    stop=self._work.stop,
                )
            except PARQUET_ERRORS as error:  # they were sound when they were examined
                require_damage_of(f"the rows of shard {outcome.shard_id}", error)
                message = f"its rows have changed since they were examined: {error}"
                points = sum(end - start for start, end in ranges)
                found = Reexecuted([Finding("artifacts.unreadable", message, outcome.shard_id)], points, 0)
            return replace(found, findings=[*lost, *found.findings])


def _model_of(
    engine: Engine | None, subject: ExaminedRun, complete: Sequence[Outcome]
) -> tuple[Model | None, str | None]:
    """Return the engine's model if the run was made with its version; else None and the reason."""
    if engine is None:
        return None, "no engine"
    try:
        model = engine.model(subject.spec.model)
    except EngineUnavailableError as error:
        return None, error.message
    versions = {each.model_version for each in complete} if subject.pin is None else {subject.pin.model_version}
    if versions and versions != {model.version}:
        listed = ", ".join(sorted(versions))
        return None, f"the run was made with {model.name} version {listed}, this engine has version {model.version}"
    return model, None

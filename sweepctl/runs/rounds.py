"""The rounds of a sweep whose replications are chosen by precision: runs that differ in their replications alone.

Nothing is stored but the runs. Which round is next follows from those that the store has, so that an interrupted
sweep is continued by the same command.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

from sweepctl.errors import DamagedError
from sweepctl.messages import require_run_id
from sweepctl.records import layout
from sweepctl.records.outcome import RunRecord
from sweepctl.records.run import find_run, pinned_version
from sweepctl.store.contract import Store
from sweepctl.sweep.file import Shards
from sweepctl.sweep.plan import Draft
from sweepctl.sweep.precision import Precision, round_name


@dataclass(frozen=True)
class Round:
    """A run of the sweep with some number of replications."""

    draft: Draft
    run_id: str | None  # None: the one that every run of this draft has
    earlier: str | None  # the run whose points it takes over

    @property
    def replications(self) -> int:
        """How many points each cell has."""
        return self.draft.spec.replications


@dataclass(frozen=True)
class Rounds:
    """The rounds of a sweep, and the records of those that have begun, by their replications."""

    draft: Draft
    precision: Precision
    run_id: str | None
    begun: dict[int, RunRecord]

    @classmethod
    def find(cls, draft: Draft, precision: Precision, store: Store, run_id: str | None) -> Self:
        """Return the rounds of a sweep; `run_id` is what the run_id of each begins with, if it is not the default.

        Raises:
            UsageError: the run_id is invalid.
            SweepFileError: the last round might have too many shards.
            StoreError: the store does not answer.
        """
        rounds = cls(draft, precision, run_id, {})
        last = rounds.of(precision.max)
        if last.run_id is not None:
            require_run_id(last.run_id)
        if last.draft.shard_points is not None:
            last.draft.plan("r", "2000-01-01", last.draft.shard_points)
        rounds.begun.update(_begun(draft, store, run_id))
        return rounds

    def of(self, replications: int) -> Round:
        """Return the round with so many replications."""
        draft = replace(self.draft, spec=replace(self.draft.spec, replications=replications))
        run_id = None if self.run_id is None else round_name(self.run_id, replications)
        smaller = [number for number in self.begun if number < replications]
        if not smaller:
            return Round(draft, run_id, None)
        earlier = self.begun[max(smaller)]
        if draft.shard_points is None and earlier.shards is not None and earlier.shards > 1:
            # What a pilot has measured holds for every round; one of a single shard may have had too few points.
            shards = Shards(points=earlier.shard_points)
            draft = replace(
                draft, file=replace(draft.file, sweep=draft.file.sweep.model_copy(update={"shards": shards}))
            )
        return Round(draft, run_id, earlier.run_id)

    @property
    def first(self) -> Round:
        """The round to begin or to continue with."""
        least = self.precision.min
        return self.of(self._begun_within(least, self.precision.most_after(least)) or least)

    def after(self, replications: int, ratio: float | None) -> Round:
        """Return the round after one of `replications`: one that has begun, or the one that is asked for.

        `ratio` is that of `Precision.after`.
        """
        begun = self._begun_within(replications + 1, self.precision.most_after(replications))
        return self.of(begun or self.precision.after(replications, ratio))

    def _begun_within(self, least: int, most: int) -> int | None:
        return min((number for number in self.begun if least <= number <= most), default=None)


def _begun(draft: Draft, store: Store, run_id: str | None) -> dict[int, RunRecord]:
    """Find the runs of a sweep by their names, and by their spec without the replications."""
    name = re.escape(draft.file.sweep.name if run_id is None else run_id)
    pattern = re.compile(rf"{name}-\d{{4}}-\d\d-\d\d-[0-9a-f]{{8}}(?:-\d+)?" if run_id is None else rf"{name}-r\d+")
    folders = (folder.removeprefix(layout.RUN_PARTITION) for folder in store.folders("runs/"))
    found: dict[int, RunRecord] = {}
    for each in sorted(folder for folder in folders if pattern.fullmatch(folder)):
        with suppress(DamagedError):  # with which this round fails, and no other
            record = find_run(store, each)
            if record is None:
                continue
            spec = replace(record.spec, replications=draft.spec.replications)
            same_version = pinned_version(store, each) in (None, draft.model_version)
            if same_version and spec.fingerprint == draft.spec.fingerprint:
                found[record.spec.replications] = record
    return found

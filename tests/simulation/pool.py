"""Many schedules on all cores, and what came of them, summed up."""

import gc
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from simulation.world import play

CHUNK = 50  # schedules that a process plays before it reports


@dataclass
class Summary:
    """What some schedules came to; failing ones with their first finding."""

    schedules: int = 0
    operations: int = 0
    seconds: float = 0.0  # of CPU
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)  # that were written
    failing: dict[int, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        counts = {name: Counter(fields[name]) for name in ("faults", "outcomes")}
        failing = {int(seed): found for seed, found in fields["failing"].items()}
        return cls(**{**fields, **counts, "failing": failing})

    def add(self, other: "Summary") -> None:
        self.schedules += other.schedules
        self.operations += other.operations
        self.seconds += other.seconds
        self.faults += other.faults
        self.outcomes += other.outcomes
        self.failing |= other.failing

    def __str__(self) -> str:
        return (
            f"{self.schedules:,} schedules, {self.operations:,} operations, {sum(self.faults.values()):,} faults, "
            f"{sum(self.outcomes.values()):,} outcomes written, {len(self.failing)} failing, "
            f"{1000 * self.seconds / max(1, self.schedules):.0f} ms of CPU a schedule"
        )


def _collect_seldom() -> None:
    # What is imported and remembered stays: looking through it for garbage every few calls took a tenth of the time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def play_some(seeds: range) -> Summary:
    """Play the schedules of some seeds in this process."""
    summary = Summary()
    began_at = _cpu_seconds()
    for seed in seeds:
        history = play(seed)
        summary.schedules += 1
        summary.operations += len(history.log.ops)
        summary.faults.update(fault.name for fault in history.faults.values())
        summary.outcomes.update(op.effect.split()[0] for op in history.log.ops if op.what == "outcome")
        if history.findings:
            summary.failing[seed] = history.findings[0]
    summary.seconds = _cpu_seconds() - began_at
    return summary


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system


def play_all(seeds: range) -> Iterator[Summary]:
    """Play on all cores; yield what some seeds came to, and then the next ones, in order."""
    parts = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    # Spawned: a fork of a process with threads may hang.
    with multiprocessing.get_context("spawn").Pool(initializer=_collect_seldom) as pool:
        yield from pool.imap(play_some, parts)

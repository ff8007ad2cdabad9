"""Which shards' rows go into which compact file: decided by the outcomes alone, so that every attempt decides alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sweepctl.records.compact import datasets_of, part_key
from sweepctl.records.outcome import Outcome, RunRecord
from sweepctl.records.table import SHARD_OUTCOMES

PART_BYTES = 256 << 20  # of the shards' files; those of small shards are larger than their rows


@dataclass(frozen=True)
class PlannedPart:
    """One compact file to be."""

    dataset: str
    key: str
    outcomes: Sequence[Outcome]  # of its shards, in order of their points

    @property
    def points(self) -> int:
        """How many points its shards have."""
        return self.outcomes[-1].end_index_exclusive - self.outcomes[0].start_index


def plan_parts(run: RunRecord, outcomes: Sequence[Outcome]) -> list[PlannedPart]:
    """Return every part of a run whose outcomes, in order of their points, are all complete."""
    return [
        PlannedPart(dataset, part_key(run, dataset, number), some)
        for dataset in datasets_of(run)
        for number, some in enumerate(_pieces(dataset, outcomes))
    ]


def _pieces(dataset: str, outcomes: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
    """Yield the shards of each part: it ends before the one that would bring it beyond its size."""
    if dataset == SHARD_OUTCOMES:
        yield outcomes
        return
    first = size = 0
    for place, outcome in enumerate(outcomes):
        own = sum(each.bytes for each in outcome.artifacts if each.dataset == dataset)
        if size + own > PART_BYTES and place > first:
            yield outcomes[first:place]
            first, size = place, 0
        size += own
    yield outcomes[first:]

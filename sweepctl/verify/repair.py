"""The messages that would complete a run: of exactly the shards without records, with their original bounds.

A shard's bounds are never invented: its message may still be on a queue, and the same points in two shards would count
twice. If the store does not show the bounds, that is reported.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice

from sweepctl.messages import ShardMessageV2
from sweepctl.records.outcome import Outcome, RunRecord

# That are made at once; a record's numbers may call for 2^62 messages, of a MiB each.
MOST_MESSAGES = 1_000_000
MOST_BYTES = 4 << 30

Bounds = tuple[int, int]


@dataclass(frozen=True)
class MissingShard:
    """A shard without records."""

    shard_id: int
    start_index: int
    end_index_exclusive: int


@dataclass(frozen=True, order=True)
class ShardSeries:
    """Shards that follow each other, all but the last of one size: a number for each is never held."""

    first: int  # the first one's shard_id
    start_index: int
    end_index_exclusive: int
    size: int

    @cached_property
    def count(self) -> int:
        """The number of shards."""
        return -(-(self.end_index_exclusive - self.start_index) // self.size)

    def __iter__(self) -> Iterator[MissingShard]:
        """Yield each shard."""
        for place in range(self.count):
            start = self.start_index + place * self.size
            yield MissingShard(self.first + place, start, min(start + self.size, self.end_index_exclusive))

    def without(self, shard_ids: Collection[int]) -> "Iterator[ShardSeries]":
        """Yield the series between these shards."""
        first, start = self.first, self.start_index
        for shard in sorted(each for each in shard_ids if self.first <= each < self.first + self.count):
            end = self.start_index + (shard - self.first) * self.size
            if start < end:
                yield ShardSeries(first, start, end, self.size)
            first, start = shard + 1, end + self.size
        if start < self.end_index_exclusive:
            yield ShardSeries(first, start, self.end_index_exclusive, self.size)


@dataclass(frozen=True)
class MissingShards:
    """Shards without records, in order of their numbers; as many series at most as the run has files and gaps."""

    series: Sequence[ShardSeries] = ()

    @property
    def count(self) -> int:
        """The number of shards, up to 2^63 - 1."""
        return sum(each.count for each in self.series)

    def __iter__(self) -> Iterator[MissingShard]:
        """Yield each shard."""
        for each in self.series:
            yield from each


def missing_shards(
    outcomes: Sequence[Outcome],
    attempts: Sequence[Outcome],
    gaps: Sequence[Bounds],
    record: RunRecord,
    hidden: Collection[int] = (),
) -> tuple[MissingShards, list[Bounds]]:
    """Return every shard without records, and gaps whose shards are unknown.

    A shard with failed points has records, and would only fail again: it is not included. Nor are `hidden` ones, whose
    outcomes cannot be read.
    """
    known = {each.shard_id: (each.start_index, each.end_index_exclusive) for each in outcomes}
    tried = {
        each.shard_id: (each.start_index, each.end_index_exclusive)
        for each in attempts
        # A conflicting message may have had other bounds.
        if each.status != "conflict" and each.shard_id not in known
    }
    wanted = {each.shard_id: _one(each.shard_id, known[each.shard_id]) for each in outcomes if not each.complete}
    plan = _Sharding({**tried, **known}, record)
    unknown: list[Bounds] = []
    for gap in gaps:
        shards = plan.shards_of(gap)
        wanted |= {each.first: each for each in shards}
        if not shards:
            unknown.append(gap)
    series = sorted(wanted.values())
    return MissingShards([part for each in series for part in each.without(hidden)] if hidden else series), unknown


def messages_of(record: RunRecord, missing: Iterable[MissingShard]) -> Iterator[bytes]:
    """Yield the body of each shard's message, up to MOST_MESSAGES and MOST_BYTES."""
    message, size = None, 0
    for shard in islice(missing, MOST_MESSAGES):
        if message is None:
            message = ShardMessageV2.of(
                record.spec, record.run_id, record.run_date, total_points=record.total_points, **asdict(shard)
            )
        # The changed fields are valid, and validating a long design for each shard would be slow.
        body = message.model_copy(update=asdict(shard)).to_json()
        size += len(body)
        if size > MOST_BYTES:
            return
        yield body


def _one(shard_id: int, bounds: Bounds) -> ShardSeries:
    return ShardSeries(shard_id, *bounds, size=bounds[1] - bounds[0])


class _Sharding:
    """How a run is sharded, as far as its known shards show."""

    def __init__(self, known: Mapping[int, Bounds], record: RunRecord) -> None:
        self._total = record.total_points
        self._by_start = {start: (shard, end) for shard, (start, end) in known.items()}
        self._by_end = {end: shard for shard, (_, end) in known.items()}
        if record.shard_points is None:
            self._size, self._first = _regular(known, self._total)
        else:
            self._size, self._first = record.shard_points, 0

    def shards_of(self, gap: Bounds) -> list[ShardSeries]:
        """Return the shards that fill a gap exactly; none if they are unknown."""
        return self._tried(gap) or self._of_one_size(gap) or self._between(gap)

    def _tried(self, gap: Bounds) -> list[ShardSeries]:
        """Return shards with recorded attempts, end to end."""
        found = []
        reached = gap[0]
        while reached < gap[1] and reached in self._by_start:
            shard, end = self._by_start[reached]
            # Known bounds have at least one point, so this ends.
            found.append(_one(shard, (reached, end)))
            reached = end
        return found if reached == gap[1] else []

    def _of_one_size(self, gap: Bounds) -> list[ShardSeries]:
        """Return shards of the size that all known ones have."""
        if not self._size or gap[0] % self._size or (gap[1] % self._size and gap[1] != self._total):
            return []
        return [ShardSeries(self._first + gap[0] // self._size, *gap, self._size)]

    def _between(self, gap: Bounds) -> list[ShardSeries]:
        """Return one shard, if its neighbours have the numbers before and after."""
        before, after = self._by_end.get(gap[0]), self._by_start.get(gap[1])
        if before is not None and after is not None and after[0] - before == 2:  # noqa: PLR2004  one in between
            return [_one(before + 1, gap)]
        return []


def _regular(known: Mapping[int, Bounds], total_points: int) -> tuple[int, int]:
    """Return the size and the first number of shards of equal size; 0, 0 if the known ones differ."""
    sizes = {end - start for start, end in known.values() if end != total_points}
    # One shard shows no pattern.
    if len(sizes) != 1 or len(known) < 2:  # noqa: PLR2004
        return 0, 0
    (size,) = sizes
    firsts = {shard - start // size for shard, (start, _) in known.items()}
    alike = all(start % size == 0 and end == min(start + size, total_points) for start, end in known.values())
    return (size, min(firsts)) if alike and len(firsts) == 1 and min(firsts) >= 0 else (0, 0)

"""Which messages would complete a run: exactly the shards that lack their records, with the bounds that they have.

A shard's bounds are never invented: its message may still lie on a queue, and the same points under two shards would
count twice. Where nothing in the store tells them, that is said.
"""

from collections.abc import Mapping, Sequence

from sweepctl.messages import ShardMessage
from sweepctl.outcome import Outcome
from sweepctl.verify.outcomes import Filed
from sweepctl.verify.run import Run

Bounds = tuple[int, int]


def missing_messages(
    outcomes: Sequence[Outcome], attempts: Sequence[Filed], gaps: Sequence[Bounds], run: Run
) -> tuple[list[bytes], list[Bounds]]:
    """Return the bodies of messages for every shard without its records, and gaps whose shards nobody can tell.

    A shard whose points failed by themselves has its records, and would only fail again: it is not among them.
    """
    known = {each.shard_id: (each.start_index, each.end_index_exclusive) for each in outcomes}
    tried = {
        each.outcome.shard_id: (each.outcome.start_index, each.outcome.end_index_exclusive)
        for each in attempts
        # A conflicting message may have had bounds of its own.
        if each.outcome.status != "conflict" and each.outcome.shard_id not in known
    }
    wanted = {each.shard_id: known[each.shard_id] for each in outcomes if not each.complete}
    plan = _Plan({**tried, **known}, run.total_points)
    unknown: list[Bounds] = []
    for gap in gaps:
        shards = plan.shards_of(gap)
        wanted |= shards
        if not shards:
            unknown.append(gap)
    record = run.record
    messages = [
        ShardMessage.of(
            run.spec, record.run_id, record.run_date, shard_id=shard_id, start_index=start, end_index_exclusive=end
        ).to_json()
        for shard_id, (start, end) in sorted(wanted.items())
    ]
    return messages, unknown


class _Plan:
    """How a run was cut into shards, as far as its known shards tell."""

    def __init__(self, known: Mapping[int, Bounds], total_points: int) -> None:
        self._total = total_points
        self._by_start = {start: (shard, end) for shard, (start, end) in known.items()}
        self._by_end = {end: shard for shard, (_, end) in known.items()}
        self._size, self._first = _regular(known, total_points)

    def shards_of(self, gap: Bounds) -> dict[int, Bounds]:
        """Return the shards that fill a gap exactly; none where that cannot be told."""
        return self._tried(gap) or self._of_one_size(gap) or self._between(gap)

    def _tried(self, gap: Bounds) -> dict[int, Bounds]:
        """Shards whose attempts were recorded, end to end."""
        found = {}
        reached = gap[0]
        while reached < gap[1] and reached in self._by_start:
            shard, end = self._by_start[reached]
            found[shard] = (reached, end)
            reached = end
        return found if reached == gap[1] else {}

    def _of_one_size(self, gap: Bounds) -> dict[int, Bounds]:
        """Shards of the size that all known ones have."""
        if not self._size or gap[0] % self._size or (gap[1] % self._size and gap[1] != self._total):
            return {}
        starts = range(gap[0], gap[1], self._size)
        return {self._first + start // self._size: (start, min(start + self._size, self._total)) for start in starts}

    def _between(self, gap: Bounds) -> dict[int, Bounds]:
        """One shard, where its neighbours have the numbers before and after."""
        before, after = self._by_end.get(gap[0]), self._by_start.get(gap[1])
        if before is not None and after is not None and after[0] - before == 2:  # noqa: PLR2004  one lies between
            return {before + 1: gap}
        return {}


def _regular(known: Mapping[int, Bounds], total_points: int) -> tuple[int, int]:
    """Return the one size and the first number of shards that are cut alike; 0, 0 where the known ones are not."""
    sizes = {end - start for start, end in known.values() if end != total_points}
    if len(sizes) != 1:
        return 0, 0
    (size,) = sizes
    firsts = {shard - start // size for shard, (start, _) in known.items()}
    alike = all(start % size == 0 and end == min(start + size, total_points) for start, end in known.values())
    return (size, min(firsts)) if alike and len(firsts) == 1 and min(firsts) >= 0 else (0, 0)

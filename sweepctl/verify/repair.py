"""Which messages would complete a run: exactly the shards that lack their records, with the bounds that they have.

A shard's bounds are never invented: its message may still lie on a queue, and the same points under two shards would
count twice. Where nothing in the store tells them, that is said.
"""

from collections.abc import Sequence

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
    unknown: list[Bounds] = []
    for gap in gaps:
        shards = _shards_of(gap, {**known, **tried}, run.total_points)
        wanted |= shards
        if not shards:
            unknown.append(gap)
    messages = [
        ShardMessage.of(
            run.spec,
            run.record.run_id,
            run.record.run_date,
            shard_id=shard_id,
            start_index=start,
            end_index_exclusive=end,
        ).to_json()
        for shard_id, (start, end) in sorted(wanted.items())
    ]
    return messages, unknown


def _shards_of(gap: Bounds, known: dict[int, Bounds], total_points: int) -> dict[int, Bounds]:
    """Return the shards that fill a gap; none where that cannot be told."""
    for candidates in (_tried(gap, known), _regular(gap, known, total_points), _between(gap, known)):
        if _fills(candidates, gap):
            return candidates
    return {}


def _tried(gap: Bounds, known: dict[int, Bounds]) -> dict[int, Bounds]:
    """Shards that an attempt has recorded."""
    return {shard: (start, end) for shard, (start, end) in known.items() if gap[0] <= start and end <= gap[1]}


def _regular(gap: Bounds, known: dict[int, Bounds], total_points: int) -> dict[int, Bounds]:
    """Shards of one size, where all known ones are such: shard `k` starts at `(k - first) * size`."""
    sizes = {end - start for start, end in known.values() if end != total_points}
    if len(sizes) != 1:
        return {}
    (size,) = sizes
    firsts = {shard * size - start for shard, (start, _) in known.items()}
    ends_as_planned = all(end == min(start + size, total_points) for start, end in known.values())
    if len(firsts) != 1 or not ends_as_planned or gap[0] % size:
        return {}
    (first,) = firsts  # of the first shard, in points
    starts = range(gap[0], gap[1], size)
    if first % size or first < 0:
        return {}
    return {(start + first) // size: (start, min(start + size, total_points)) for start in starts}


def _between(gap: Bounds, known: dict[int, Bounds]) -> dict[int, Bounds]:
    """One shard, where its neighbours are of the numbers before and after."""
    before = [shard for shard, (_, end) in known.items() if end == gap[0]]
    after = [shard for shard, (start, _) in known.items() if start == gap[1]]
    if len(before) == len(after) == 1 and after[0] - before[0] == 2:  # noqa: PLR2004  one number lies between
        return {before[0] + 1: gap}
    return {}


def _fills(shards: dict[int, Bounds], gap: Bounds) -> bool:
    reached = gap[0]
    for start, end in sorted(shards.values()):
        if start != reached:
            return False
        reached = end
    return reached == gap[1] and bool(shards)

"""Which points the shards of an unplanned run have, as far as they have claimed them: values and their keys.

A claim says what it has to say in its key. Shards of one size, numbered in order, cannot contradict each other; their
claims are in one folder, so that where there is no other folder, no two claims need be compared.
"""

import re
from dataclasses import dataclass
from typing import Protocol, Self

from sweepctl.records import layout

NO_PATTERN = "other"
_PATTERN = re.compile(r"every-([1-9]\d{0,18})-from-(\d{1,19})")
_KEY = re.compile(r"shard-(\d{8,19})-(\d{1,19})-(\d{1,19})\.json")


class _Shard(Protocol):
    @property
    def shard_id(self) -> int: ...
    @property
    def start_index(self) -> int: ...
    @property
    def end_index_exclusive(self) -> int: ...


@dataclass(frozen=True, order=True)
class Claim:
    """The points of one shard."""

    shard_id: int
    start_index: int
    end_index_exclusive: int

    @classmethod
    def of(cls, shard: _Shard) -> Self:
        """Return the claim of a message or of an outcome."""
        return cls(shard.shard_id, shard.start_index, shard.end_index_exclusive)

    def __str__(self) -> str:
        """Return the points as an interval."""
        return f"[{self.start_index}, {self.end_index_exclusive})"

    @classmethod
    def of_key(cls, key: str) -> Self | None:
        """Return the claim that has this key; None for any other key."""
        match = _KEY.fullmatch(key.rpartition("/")[2])
        return None if match is None else cls(*map(int, match.groups()))

    def key(self, run_id: str, pattern: str) -> str:
        """Return the claim's key under a pattern."""
        name = f"shard-{self.shard_id:08d}-{self.start_index}-{self.end_index_exclusive}.json"
        return f"{layout.claims_folder(run_id)}{pattern}/{name}"

    def pattern(self, total_points: int) -> str:
        """Return the pattern that the claim shows by itself: shards of one size, the last one up to the run's end."""
        size, start = self.end_index_exclusive - self.start_index, self.start_index
        first = self.shard_id - start // size
        if start % size == 0 and first >= 0:
            return f"every-{size}-from-{first}"
        # A shorter last shard shows the others' size by its number, if that counts from 0.
        if self.end_index_exclusive == total_points and self.shard_id and start % self.shard_id == 0:
            others = start // self.shard_id
            return f"every-{others}-from-0" if others > size else NO_PATTERN
        return NO_PATTERN

    def fits(self, pattern: str, total_points: int) -> bool:
        """Return whether a pattern's shard of this number has these points."""
        match = _PATTERN.fullmatch(pattern)
        if match is None:
            return False
        size, first = map(int, match.groups())
        start = (self.shard_id - first) * size
        return (start, min(start + size, total_points)) == (self.start_index, self.end_index_exclusive)

    def contradicts(self, other: "Claim") -> bool:
        """Return whether the two cannot both be shards of a run."""
        overlaps = self.start_index < other.end_index_exclusive and other.start_index < self.end_index_exclusive
        return self != other and (self.shard_id == other.shard_id or overlaps)

    def is_in_order_with(self, other: "Claim") -> bool:
        """Return whether shards between the two can be numbered in order of their points, each with at least one."""
        lower, upper = sorted((self, other))
        between = upper.shard_id - lower.shard_id - 1
        room = upper.start_index - lower.end_index_exclusive
        return room >= between and (between > 0 or room == 0)

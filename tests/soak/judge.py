"""Whether what a drain takes stays flat.

Memory is judged while it works: the last quarter of a soak beside its second. What can be counted depends on what a
drain does at that moment, so it is judged at rest: before the first fault, and when all is done.
"""

from collections.abc import Sequence
from dataclasses import astuple
from statistics import median

from soak.watch import Sample

MEMORY_SHARE, MEMORY_BYTES = 0.05, 8 << 20
MORE_AT_REST = {"descriptors": 4, "threads": 2, "children": 0, "files": 0}  # connections that a client keeps open
LONGEST_FILE = 300.0  # seconds: longer than a shard is held up by a store out of reach


def growth(samples: Sequence[Sample]) -> list[str]:
    """Return what is not flat."""
    found = []
    for name in ("memory", "own_memory"):
        before, after = (median(getattr(each, name) for each in quarter(samples, which)) for which in (1, 3))
        if after > before * (1 + MEMORY_SHARE) + MEMORY_BYTES:
            found.append(f"{name} grew from {before / 2**20:.1f} to {after / 2**20:.1f} MiB")
    oldest = max(each.oldest_file for each in samples)
    if oldest > LONGEST_FILE:
        found.append(f"a scratch file lay there for {oldest:.0f} s")
    return found


def at_rest(before: Sample, after: Sample) -> list[str]:
    """Return what has grown, of two samples of a drain that has nothing to do."""
    return [
        f"{name} at rest grew from {getattr(before, name)} to {getattr(after, name)}"
        for name, more in MORE_AT_REST.items()
        if getattr(after, name) > getattr(before, name) + more
    ]


def least(samples: Sequence[Sample]) -> Sample:
    """Return the least of each number: what is only there now and then is not at rest."""
    return Sample(*map(min, zip(*map(astuple, samples), strict=True)))


def quarter(samples: Sequence[Sample], which: int) -> Sequence[Sample]:
    """Return a quarter of the samples, the first being 0."""
    return samples[len(samples) * which // 4 : len(samples) * (which + 1) // 4]

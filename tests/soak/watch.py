"""What a drain and the processes below it take, read from /proc."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos.processes import children
from soak.drains import FILLER, Drain

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """One look at a drain; bytes and seconds."""

    at: float
    memory: int  # of the drain and all below it, as `memory_of` counts it
    own_memory: int  # of the drain's process alone
    descriptors: int  # of the drain's process
    threads: int
    children: int  # and their children
    files: int  # in its scratch and cache folders
    oldest_file: float  # how long one of these has been seen
    cpu: float  # so far, with children that have ended


@dataclass
class Watch:
    """Looks at one drain."""

    drain: Drain
    began_at: float
    samples: list[Sample] = field(default_factory=list)
    _seen: dict[tuple[str, int], float] = field(default_factory=dict)

    def look(self) -> Sample:
        """Take a sample.

        Raises:
            RuntimeError: the drain has ended.
        """
        process, now = self.drain.process, time.monotonic() - self.began_at
        if process.poll() is not None:
            msg = f"the drain {self.drain.work.name} ended with {process.returncode}: {self.drain.last_words()}"
            raise RuntimeError(msg)
        files = _files(self.drain.scratch) | _files(self.drain.cache)
        self._seen = {each: self._seen.get(each, now) for each in files}
        below = descendants(process.pid)
        own = memory_of(process.pid)
        sample = Sample(
            at=round(now, 1),
            memory=own + sum(map(memory_of, below)),
            own_memory=own,
            descriptors=_entries(process.pid, "fd"),
            threads=_entries(process.pid, "task"),
            children=len(below),
            files=len(files),
            oldest_file=round(now - min(self._seen.values(), default=now), 1),
            cpu=_cpu(process.pid),
        )
        self.samples.append(sample)
        return sample


def descendants(pid: int) -> list[int]:
    """Return the processes below one, at any depth."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def _entries(pid: int, name: str) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/{name}").iterdir())


def memory_of(pid: int) -> int:
    """Return a process's memory without the pages of files: what it has of these changes with others that map them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss_Anon:")), 0)


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return round(sum(map(int, fields[11:15])) / TICKS, 2)


def _files(folder: Path) -> set[tuple[str, int]]:
    """Return the files below a folder, but for locks, which stay as long as their worker does."""
    found = set()
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names if name not in {"lock", FILLER}):
            try:
                found.add((str(path), path.lstat().st_ino))
            except FileNotFoundError:
                continue
    return found

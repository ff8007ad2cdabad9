"""The processes of workers, as /proc has them: what each worker has started, and who is left of a run. Linux only."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
KINDS = ("worker", "engine", "host", "child", "command")


@dataclass(frozen=True)
class Process:
    """A process that may be killed.

    An `engine` runs a shard and a `host` the rest of one whose engine has ended; both do so in `child` processes, of
    which one is the author's own interpreter, or starts a `command` for each point.
    """

    kind: str
    pid: int
    engine: int = 0  # whose child or command it is


def of_workers(workers: Sequence[int]) -> list[Process]:
    """Return the workers, and what they have started to run shards."""
    found = [Process("worker", worker) for worker in workers]
    for engine in (pid for worker in workers for pid in children(worker)):
        words = _read(engine, "cmdline").split(b"\0")
        if b"run" in words or b"host" in words:
            found.append(Process("engine" if b"run" in words else "host", engine))
            for child in children(engine):
                found.append(Process("child", child, engine))
                found += [Process("command", pid, engine) for pid in children(child)]
    return found


def with_temporary(folder: Path) -> list[int]:
    """Return the processes whose temporary folder is `folder`: what a worker starts has its worker's."""
    setting = f"TMPDIR={folder}".encode()
    pids = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    return [pid for pid in pids if setting in _read(pid, "environ").split(b"\0")]  # one that has ended has none


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    lines = _read(pid, "status").decode().splitlines()
    caught = next((line.split()[1] for line in lines if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (number - 1) & 1)


def children(pid: int) -> Iterator[int]:
    """Yield the processes that one has started, and that have not ended."""
    with suppress(OSError):  # it has ended
        for task in (PROC / str(pid) / "task").iterdir():
            yield from map(int, (task / "children").read_text().split())


def _read(pid: int, name: str) -> bytes:
    with suppress(OSError):  # it has ended
        return (PROC / str(pid) / name).read_bytes()
    return b""

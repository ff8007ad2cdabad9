"""Run one write of a local store once for every step it has, in a process that kills itself at that step.

    python crasher.py FOLDER create|replace

The store of step k is FOLDER/k. A step is the moment before or after a call of the operating system or of a file's
method, anywhere below the write, the standard library included. Prints the number of steps. A process of its own,
because only one without threads may fork.
"""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

from sweepctl.store.local import LocalStore

KEY = "runs/run=r/run.parquet"
OLD = b"old" * 1000
NEW = b"new" * 2000


def write(store: LocalStore, operation: str) -> None:
    if operation == "create":
        store.create(KEY, NEW)
    else:
        stored = store.read(KEY)
        assert stored is not None
        store.replace(KEY, NEW, stored.etag)


def die_at(step: int) -> None:
    left = step

    def count(_frame: FrameType, event: str, function: object) -> None:
        nonlocal left
        if event in {"c_call", "c_return", "c_exception"} and reaches_system(function):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


def reaches_system(function: object) -> bool:
    modules = {getattr(function, "__module__", None), type(getattr(function, "__self__", None)).__module__}
    return bool(modules & {"posix", "fcntl", "io", "_io"})


def survives(store: LocalStore, operation: str, step: int) -> bool:
    child = os.fork()
    if child == 0:
        die_at(step)
        write(store, operation)
        sys.setprofile(None)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}, status
    return status == 0


def main(folder: Path, operation: str) -> None:
    step = 0
    while True:
        step += 1
        store = LocalStore(folder / str(step))
        if operation == "replace":
            store.create(KEY, OLD)
        if survives(store, operation, step):
            break
    sys.stdout.write(f"{step}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

"""Speed and memory of the function's package, as AWS runs it: `make bench-lambda`.

The package runs under AWS's own runtime client against a Runtime API of this process. A shard's overhead is what its
invocation takes beyond its engine, which is timed alone on the same request.
"""

import datetime as dt
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fakes.aws_runtime import Function, Sandbox, build, event, find_wheel, unpack
from lambda_package import ENGINE, files
from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import Engine
from sweepctl.messages import decode
from sweepctl.protocol import encode_request

STARTS, SHARDS = 5, 200
MILLION = 1_000_000
MEMORY = "/dev/shm"  # noqa: S108  a store there shows what the function itself takes, without the disk's syncing


def message(run_id: str, shard: int, points: int, shards: int) -> bytes:
    """Return one shard of a run that repeats one small point."""
    run = {"run_id": run_id, "model": "queue", "dimensions": {}, "base": {"customers": 1}, "seed": 1}
    bounds = {"shard_id": shard, "start_index": shard * points, "end_index_exclusive": (shard + 1) * points}
    return json.dumps({**run, **bounds, "replications": shards * points, "total_points": shards * points}).encode()


def engine_alone(function: Function) -> float:
    """Return the median seconds of an engine that runs one point, from its start to its end."""
    shard = decode(message("alone", 0, 1, 1), dt.datetime.now(dt.UTC).date())
    assert shard.space is not None
    engine = Engine(function.task / ENGINE)
    request = encode_request(shard.spec, shard.space, 0, 1, threads=None)
    taken = []
    for _ in range(SHARDS):
        began_at = time.perf_counter()
        with engine.start(request) as run:
            run.begin()
            assert b"".join(run.blocks())
        taken.append(time.perf_counter() - began_at)
    return statistics.median(taken)


def evict(function: Function) -> None:
    """Have the system forget the package, so that the next process reads it from the disk."""
    os.sync()
    for path in files(function.task):
        with path.open("rb") as file:
            if sys.platform == "linux":
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cold(function: Function, store: Path, *, evicted: bool) -> tuple[float, float]:
    """Return the median seconds from a process's start to its first question, and of its first shard."""
    ready, first = [], []
    for number in range(STARTS):
        if evicted:
            evict(function)
        with Sandbox(function, {"SWEEPCTL_STORE": str(store)}) as sandbox:
            ready.append(sandbox.ready())
            first.append(sandbox.invoke(event([message(f"cold-{number}", 0, 1, 1)])).seconds)
    return statistics.median(ready), statistics.median(first)


def warm(function: Function, store: Path) -> tuple[list[float], float, float]:
    """Return the sorted seconds of small shards, and the memory in MB after them and after one of a million points."""
    with Sandbox(function, {"SWEEPCTL_STORE": str(store)}) as sandbox:
        bodies = [message("warm", shard, 1, SHARDS) for shard in range(SHARDS)]
        replies = [sandbox.invoke(event([body])) for body in bodies]
        after = sandbox.megabytes()
        replies.append(sandbox.invoke(event([message("large", 0, MILLION, 1)])))
        assert not any(reply.failed for reply in replies)
        return sorted(reply.seconds for reply in replies[1:-1]), after, sandbox.megabytes()


def main() -> None:
    """Measure and print the table."""
    wheel = find_wheel()
    assert wheel is not None, "make lambda"
    table = Table("what", "measured", "target", title="The function", title_justify="left")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        package = build(wheel, folder)
        function = unpack(package, folder)
        sizes = package.stat().st_size / 1e6, sum(path.stat().st_size for path in files(function.task)) / 1e6
        engine = engine_alone(function)
        ready, first = cold(function, folder / "cold", evicted=True)
        cached_ready, cached_first = cold(function, folder / "cached", evicted=False)
        seconds, small, large = warm(function, folder / "warm")
        with tempfile.TemporaryDirectory(dir=MEMORY) as store:
            in_memory, _, _ = warm(function, Path(store))
    table.add_row("package, zipped and unzipped", f"{sizes[0]:.0f} MB, {sizes[1]:.0f} MB", "unzipped < 250 MB")
    table.add_row("cold start, package on disk", f"{ready:.2f} s", "<= 1.5")
    table.add_row("its first shard", f"{first * 1000:.0f} ms", "")
    table.add_row("cold start, package in memory", f"{cached_ready:.2f} s", "<= 1.5")
    table.add_row("its first shard", f"{cached_first * 1000:.0f} ms", "")
    table.add_row("one point's engine alone", f"{engine * 1000:.1f} ms", "")
    for where, taken in (("on disk", seconds), ("in memory", in_memory)):
        overheads = [(taken[int(len(taken) * share)] - engine) * 1000 for share in (0.5, 0.95)]
        table.add_row(f"overhead of a shard, store {where}: median", f"{overheads[0]:.1f} ms", "<= 30")
        table.add_row("95th percentile", f"{overheads[1]:.1f} ms", "")
    table.add_row(f"memory after {SHARDS} small shards", f"{small:.0f} MB", "")
    table.add_row("memory after a shard of 1 M points", f"{large:.0f} MB", "")
    Console().print(table)


if __name__ == "__main__":
    main()

"""What child processes cost: points through the host against points in the engine, and shards with points that crash.

Ratios are of one run. A crash is at points that are spread over the shard.
"""

import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessageV2
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

RELEASE = Path(__file__).parents[2] / "target" / "release"
CHEAP = 100_000  # points of some 1.5 microseconds
SLOW = 10_000  # points of 1 ms
ROUNDS = 5


def cheap(command: str, threads: int) -> float:
    """Return the wall time of the engine alone for all cheap points."""
    request = {
        "protocol": "v1",
        "model": "queue",
        "design": {
            "kind": "random",
            "samples": CHEAP,
            "dimensions": {"arrival_rate": {"uniform": {"low": 0.1, "high": 0.7}}},
        },
        "base": {"customers": 10},
        "seed": 42,
        "start_index": 0,
        "end_index_exclusive": CHEAP,
        "threads": threads,
    }
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(request).encode() + b"\n")
        file.seek(0)
        start = time.perf_counter()
        subprocess.run([RELEASE / "sweep-engine", command], stdin=file, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - start


def slow(crashes: int) -> float:
    """Return the wall time of a shard, committed, some of whose points crash."""
    step = SLOW // (crashes + 1)
    ends = {step * (number + 1) for number in range(crashes)}
    rows = [["abort" if index in ends else "burn", index, index] for index in range(SLOW)]
    message = ShardMessageV2.model_validate(
        {
            "schema_version": "v2",
            "run_id": f"crashes-{crashes}",
            "model": "faulty",
            "design": {"kind": "table", "columns": ["mode", "at", "x"], "rows": rows},
            "base": {"milliseconds": 1},
            "total_points": SLOW,
            "shard_id": 0,
            "start_index": 0,
            "end_index_exclusive": SLOW,
            "seed": 1,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = run_shard(message, Engine(RELEASE / "sweep-test-engine"), open_store(folder), Conditions(threads=2))
        seconds = time.perf_counter() - start
    assert (result.outcome.points_succeeded, result.outcome.points_failed) == (SLOW - crashes, crashes)
    return seconds


def main() -> None:
    for threads in (1, 2):
        pairs = [(cheap("run", threads), cheap("host", threads)) for _ in range(ROUNDS)]
        inside, hosted = (median(each) for each in zip(*pairs, strict=True))
        extra = (hosted - inside) / CHEAP * 1e6
        print(
            f"{CHEAP:,} cheap points, {threads} threads: in-process {inside:.2f} s, host {hosted:.2f} s: "
            f"{extra:.1f} us a point more, {CHEAP / hosted:,.0f} points/s"
        )
    rounds = [[slow(crashes) for crashes in (0, 1, 10)] for _ in range(3)]
    none, one, ten = (median(each) for each in zip(*rounds, strict=True))
    print(f"{SLOW:,} points of 1 ms: {none:.2f} s; with one abort {one / none:.2f} x, with ten {ten / none:.2f} x")


if __name__ == "__main__":
    main()

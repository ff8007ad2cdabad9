"""What it costs to run programs: whole shards with their commit, beside a pool of processes that writes one file.

joblib and Dask run the same function where they are installed; no lock file has them. Ratios are of one run. `command`
is compared with starting the same program and waiting for it.
"""

import importlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessageV2
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store import open_store

RELEASE = Path(__file__).parents[2] / "target" / "release"
CORES = 2
BUSY = 4_000  # points of 1 ms
EMPTY = 100_000  # points that do nothing
COMMANDS = 1_000  # points of one process each
ROUNDS = 3

FUNCTIONS = """
import time

def busy(x: float = 1.0):
    end = time.perf_counter() + 0.001
    while time.perf_counter() < end:
        pass
    return {"y": x}

def empty(x: float = 1.0):
    return {"y": x}
"""
# Not the `python3` of the PATH: pyenv's is a script that takes 0.1 s to find the interpreter, each time.
MANIFEST = (
    'name = "{name}"\nversion = "1"\npython = "model.py:{name}"\ninterpreter = "{python}"\n[metrics]\ny = "float"\n'
)
COMMAND = """name = "told"
version = "1"
command = ["/bin/sh", "-c", "echo ${x}"]
[parameters]
x = 1.0
[metrics]
y = { type = "float", pattern = '(.+)' }
"""


def shard(folder: Path, name: str, points: int) -> float:
    """Return the wall time of one shard of a program, committed."""
    message = ShardMessageV2.model_validate(
        {
            "schema_version": "v2",
            "run_id": "bench",
            "model": name,
            "design": {"kind": "grid", "dimensions": {"x": {"linspace": {"start": 0, "stop": 1, "num": points}}}},
            "total_points": points,
            "shard_id": 0,
            "start_index": 0,
            "end_index_exclusive": points,
            "seed": 1,
        }
    )
    engine = Engine(RELEASE / "sweep-engine", [folder / f"{name}.toml"])
    with tempfile.TemporaryDirectory() as store:
        start = time.perf_counter()
        result = run_shard(message, engine, open_store(store), Conditions(threads=CORES))
        seconds = time.perf_counter() - start
    assert result.outcome.points_succeeded == points, result.outcome.error_message
    return seconds


def pooled(folder: Path, points: int, way: str) -> float:
    """Return the wall time of the same function in another way, gathered to one Parquet file."""
    start = time.perf_counter()
    values = [index / (points - 1) for index in range(points)]
    results = {"pool": in_pool, "joblib": in_joblib, "dask": in_dask}[way](values)
    table = pa.table({"x": values, "y": [result["y"] for result in results]})
    pq.write_table(table, folder / f"{way}.parquet", compression="zstd")
    return time.perf_counter() - start


def in_pool(values: list[float]) -> list[dict[str, float]]:
    with get_context("fork").Pool(CORES) as pool:
        return pool.map(_busy(), values)


def in_joblib(values: list[float]) -> list[dict[str, float]]:
    joblib = importlib.import_module("joblib")
    found: list[dict[str, float]] = joblib.Parallel(n_jobs=CORES)(joblib.delayed(_busy())(value) for value in values)
    return found


def in_dask(values: list[float]) -> list[dict[str, float]]:
    bag = importlib.import_module("dask.bag")
    found: list[dict[str, float]] = (
        bag.from_sequence(values).map(_busy()).compute(scheduler="processes", num_workers=CORES)
    )
    return found


def _busy() -> Callable[[float], dict[str, float]]:
    function: Callable[[float], dict[str, float]] = importlib.import_module("model").busy
    return function


def installed() -> Iterator[str]:
    """Yield the ways that this environment has."""
    for way in ("pool", "joblib", "dask"):
        try:
            importlib.import_module("multiprocessing" if way == "pool" else way)
        except ImportError:
            print(f"{way}: not installed, not measured")
        else:
            yield way


def started() -> float:
    """Return the wall time of starting the command's program, as often, in as many threads."""
    start = time.perf_counter()
    script = 'for number in $(seq 500); do /bin/sh -c "echo 1" > /dev/null; done'
    processes = [subprocess.Popen(["/bin/sh", "-c", script]) for _ in range(CORES)]
    assert all(process.wait() == 0 for process in processes)
    return time.perf_counter() - start


def main() -> None:
    import sys  # noqa: PLC0415  for the folder below

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.path.insert(0, name)
        (folder / "model.py").write_text(FUNCTIONS)
        for each in ("busy", "empty"):
            (folder / f"{each}.toml").write_text(MANIFEST.format(name=each, python=sys.executable))
        (folder / "told.toml").write_text(COMMAND)
        ways = list(installed())
        rounds = [[shard(folder, "busy", BUSY), *(pooled(folder, BUSY, way) for way in ways)] for _ in range(ROUNDS)]
        ideal = BUSY * 0.001 / CORES
        for way, seconds in zip(("sweepctl", *ways), map(median, zip(*rounds, strict=True)), strict=True):
            print(
                f"{BUSY:,} points of 1 ms on {CORES} cores, {way}: {seconds:.2f} s, {seconds / ideal:.3f} x the ideal"
            )
        empty = median(shard(folder, "empty", EMPTY) for _ in range(ROUNDS))
        print(f"{EMPTY:,} empty points: {EMPTY / empty:,.0f} points/s with their commit")
        pairs = [(shard(folder, "told", COMMANDS), started()) for _ in range(ROUNDS)]
        whole, bare = (median(each) / COMMANDS * CORES * 1e3 for each in zip(*pairs, strict=True))
        print(f"{COMMANDS:,} processes: {whole:.2f} ms a point and core, {whole - bare:.2f} over starting them")


if __name__ == "__main__":
    main()

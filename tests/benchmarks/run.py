"""Speed and memory of one shard, in one table: `make bench`.

Every row is measured in a process of its own, and ratios are taken within one run: absolute times on a shared machine
drift. Nothing here is a test; targets are shown beside what was measured.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessageV1, ShardMessageV2
from sweepctl.protocol import encode_request
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store

CORES = os.cpu_count() or 1
RELEASE = Path(__file__).parents[2] / "target" / "release"
MILLION = 1_000_000


def queue_message(points: int) -> dict[str, Any]:
    """Return a shard of the cheapest settings of `queue`: one customer a point, ten replicates a parameter value."""
    rates = [0.1 + cell * 1e-6 for cell in range(1_000)]
    return _message("queue", {"arrival_rate": rates}, {"customers": 1}, points // len(rates), points)


def hypercube_message(points: int) -> ShardMessageV2:
    """Return a shard of points of `queue` that are nearly as cheap, each of a cell of its own, of five parameters."""
    dimensions = {name: {"uniform": {"low": 0.1, "high": 0.9}} for name in ("arrival_rate", "service_rate")}
    counts = {"servers": (1, 9), "customers": (2, 3), "warmup": (0, 1)}
    dimensions |= {name: {"integer": {"low": low, "high": high}} for name, (low, high) in counts.items()}
    design = {"kind": "latin_hypercube", "samples": points, "dimensions": dimensions}
    spec = {"schema_version": "v2", "design": design, "base": {}, "replications": 1}
    shard = {"run_id": "bench", "model": "queue", "shard_id": 0, "seed": 1, "total_points": points}
    return ShardMessageV2.model_validate({**spec, **shard, "start_index": 0, "end_index_exclusive": points})


def burn_message(points: int, milliseconds: float = 1.0) -> dict[str, Any]:
    """Return a shard of points that burn so much CPU time each."""
    return _message("burn", {}, {"milliseconds": milliseconds}, points, points)


def _message(
    model: str,
    dimensions: dict[str, Any],
    base: dict[str, Any],
    replications: int,
    points: int,
) -> dict[str, Any]:
    return {
        "run_id": "bench",
        "model": model,
        "dimensions": dimensions,
        "base": base,
        "replications": replications,
        "total_points": points,
        "shard_id": 0,
        "start_index": 0,
        "end_index_exclusive": points,
        "seed": 1,
    }


def engine_alone(message: dict[str, Any], engine: Path) -> float:
    """Return the wall time in seconds of the engine writing into a pipe that is read and thrown away."""
    shard = ShardMessageV1.model_validate(message)
    request = encode_request(shard.spec, shard.space, shard.start_index, shard.end_index_exclusive, None)
    started_at = time.perf_counter()
    with subprocess.Popen([engine, "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request)
        process.stdin.flush()
        while process.stdout.read(1 << 20):
            pass
        process.stdin.close()
    return time.perf_counter() - started_at


def shard(message: dict[str, Any], engine: Path) -> dict[str, float]:
    """Run a shard into a new local store; return wall seconds and the peak of both processes' memory."""
    peak = Peak()
    with tempfile.TemporaryDirectory() as folder, peak:
        worker = Engine(Path(engine))
        # What a worker pays once: the handshake, and imports.
        run_shard(
            ShardMessageV1.model_validate({**message, "end_index_exclusive": 1}), worker, open_store(f"{folder}/a")
        )
        used, started_at = _cpu_seconds(), time.perf_counter()
        result = run_shard(ShardMessageV1.model_validate(message), worker, open_store(f"{folder}/b"))
        wall, used = time.perf_counter() - started_at, _cpu_seconds() - used
        # An engine that waits for its next shard is no child that has ended.
        engine_cpu = result.outcome.cpu_seconds
    assert result.outcome.status == "success", result.outcome
    since_request = sum(result.seconds.values())
    return {"wall": wall, "since_request": since_request, "megabytes": peak.kilobytes / 1000,
            "cpu": used + engine_cpu, "engine_cpu": engine_cpu}  # fmt: skip


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Peak:
    """Samples the resident memory of this process and its children together."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.kilobytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> None:
        """Start sampling."""
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        """Stop sampling."""
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(0.1):
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            self.kilobytes = max(self.kilobytes, sum(map(_resident, ["self", *children])))


def _resident(process: str) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)


def start_up(*command: str) -> float:
    """Return the shortest of five wall times of a command, in seconds."""
    times = []
    for _ in range(5):
        started_at = time.perf_counter()
        subprocess.run([sys.executable, "-P", *command], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started_at)
    return min(times)


def alone(name: str, *arguments: object) -> Any:  # noqa: ANN401  any JSON value
    """Run one of the measurements above in a fresh process."""
    command = [sys.executable, __file__, name, *(json.dumps(argument) for argument in arguments)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    """Measure and print the table."""
    queue_engine, burn_engine = str(RELEASE / "sweep-engine"), str(RELEASE / "sweep-test-engine")
    ten = 10 * MILLION
    ideal = 20.0 / CORES
    engine_wall = alone("engine_alone", queue_message(MILLION), queue_engine)
    one = alone("shard", queue_message(MILLION), queue_engine)
    burn_alone = alone("engine_alone", burn_message(20_000), burn_engine)
    burn = alone("shard", burn_message(20_000), burn_engine)
    small = alone("shard", burn_message(50_000, 0.1), burn_engine)
    many = alone("shard", queue_message(ten), queue_engine)
    program = f"import sys; sys.argv = {['sweepctl', '--help']!r}; from sweepctl.cli import main; main()"
    help_text = start_up("-c", program) - start_up("-c", "pass")

    table = Table("what", "measured", "target", title=f"One shard on {CORES} cores", title_justify="left")
    table.add_row("sweep-engine alone, 1 M points of queue", f"{MILLION / engine_wall:,.0f} points/s", ">= 400,000")
    table.add_row("run_shard into Parquet, 1 M points", f"{MILLION / one['wall']:,.0f} points/s", ">= 150,000")
    table.add_row("the same, beside the engine alone", f"{one['wall'] / engine_wall:.1f} x", "<= 3.5")
    table.add_row("the same, CPU time of the worker", f"{one['cpu'] - one['engine_cpu']:.2f} s", "<= 1.6")
    table.add_row("run_shard into Parquet, 10 M points", f"{ten / many['wall']:,.0f} points/s", "")
    table.add_row("20,000 points of 1 ms, engine alone", f"{burn_alone / ideal:.3f} x (20 s / cores)", "")
    table.add_row(
        "20,000 points of 1 ms, committed", f"{burn['since_request'] / ideal:.3f} x (20 s / cores)", "<= 1.03"
    )
    table.add_row("the same, beside the engine alone", f"{burn['since_request'] / burn_alone:.3f} x", "")
    share = small["engine_cpu"] / small["cpu"]
    table.add_row("50,000 points of 0.1 ms, CPU of the engine in all CPU", f"{share:.3f}", ">= 0.95")
    table.add_row("both processes at 1 M points", f"{one['megabytes']:.0f} MB", "<= 300")
    table.add_row("both processes at 10 M points", f"{many['megabytes']:.0f} MB", "<= 300")
    table.add_row("sweepctl --help, beside python -c pass", f"+{help_text * 1000:.0f} ms", "<= 200")
    Console().print(table)


if __name__ == "__main__":
    measurements: dict[str, Callable[..., Any]] = {"engine_alone": engine_alone, "shard": shard}
    if len(sys.argv) > 1:
        print(json.dumps(measurements[sys.argv[1]](*(json.loads(argument) for argument in sys.argv[2:]))))
    else:
        main()

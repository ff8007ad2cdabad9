"""Speed and memory of a worker that drains a queue: `make bench-drain`.

The queue lives in the worker's own process, so that its server's time is not counted: what is measured is receiving,
running, committing and acknowledging. Ratios are taken within one run.
"""

import json
import os
import resource
import tempfile
import time
from collections import deque
from pathlib import Path

from fakes import servers
from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import Engine
from sweepctl.queue.contract import Bodies, Received
from sweepctl.queue.sqs import Queue, open_queue
from sweepctl.shard.run import Conditions
from sweepctl.store import open_store
from sweepctl.worker.drain import Worker
from sweepctl.worker.lease import Policy

CORES = os.cpu_count() or 1
RELEASE = Path(__file__).parents[2] / "target" / "release"


class Handout(Queue):
    """Messages in this process's memory, each handed out once: no lease ends here."""

    def __init__(self) -> None:  # no client
        self.url = "memory://queue"
        self._left: deque[Received] = deque()

    def send(self, bodies: Bodies) -> None:
        self._left.extend(Received(f"m{number}", f"r{number}", body, 1) for number, body in enumerate(bodies))

    def receive(self, most: int, *, wait: int, visibility: int) -> list[Received]:
        del wait, visibility
        return [self._left.popleft() for _ in range(min(most, len(self._left)))]

    def extend(self, receipt: str, seconds: int) -> bool:
        del receipt, seconds
        return True

    def delete(self, receipt: str) -> bool:
        del receipt
        return True


def messages(model: str, base: dict[str, object], shards: int, points: int) -> list[bytes]:
    """Return one message a shard."""
    run = {"run_id": "bench", "model": model, "dimensions": {}, "base": base, "seed": 1}
    total = shards * points
    return [
        json.dumps(
            {
                **run,
                "replications": total,
                "total_points": total,
                "shard_id": shard,
                "start_index": shard * points,
                "end_index_exclusive": (shard + 1) * points,
            }
        ).encode()
        for shard in range(shards)
    ]


def drain(engine: str, bodies: list[bytes], folder: str) -> float:
    """Drain messages into a local store; return wall seconds from the first receive to the last acknowledgement."""
    return timed(Handout(), engine, bodies, folder)


def drain_from_server(bodies: list[bytes], folder: Path) -> float:
    """Drain messages from a queue server on this machine; its time counts, since it runs on the same cores."""
    os.environ |= servers.SETTINGS
    with servers.ministack(folder) as server:
        queue = open_queue(server.queue("bench", max_receive_count=100))
        return timed(queue, "sweep-engine", bodies, str(folder / "store"))


def timed(queue: Queue, engine: str, bodies: list[bytes], folder: str) -> float:
    """Send messages, drain them, and return the wall seconds of the drain."""
    queue.send(bodies)
    worker = Worker(queue, Engine(RELEASE / engine), open_store(folder), Policy(max_shards=len(bodies)), Conditions())
    _ = worker.engine.description
    worker.store.probe()
    started_at = time.perf_counter()
    done = worker.drain()
    assert sum(done.endings.values()) == len(bodies), done
    return time.perf_counter() - started_at


def engine_cpu_seconds() -> float:
    """Return the CPU time of all engines so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident_megabytes() -> float:
    """Return this process's memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    """Measure and print the table."""
    table = Table("what", "measured", "target", title=f"A worker on {CORES} cores", title_justify="left")
    with tempfile.TemporaryDirectory() as folder:
        drain("sweep-engine", messages("queue", {"customers": 1}, 10, 1), f"{folder}/warm")
        before = engine_cpu_seconds()
        wall = drain("sweep-test-engine", messages("burn", {"milliseconds": 1.0}, 200, 100), f"{folder}/burn")
        ratio = wall * CORES / (engine_cpu_seconds() - before)
        table.add_row("200 shards of 100 points of 1 ms", f"{ratio:.3f} x (engine CPU / cores)", "<= 1.05")
        wall = drain("sweep-engine", messages("queue", {"customers": 1}, 1_000, 1), f"{folder}/trivial")
        per_slot = wall / 1_000 * Policy().concurrency * 1_000
        table.add_row("1,000 trivial shards, a shard and slot", f"{per_slot:.1f} ms", "<= 25")
        Path(folder, "server").mkdir()
        wall = drain_from_server(messages("queue", {"customers": 1}, 1_000, 1), Path(folder, "server"))
        per_slot = wall / 1_000 * Policy().concurrency * 1_000
        table.add_row("the same from a queue server on these cores", f"{per_slot:.1f} ms", "<= 25")
        before = resident_megabytes()
        shards = int(os.environ.get("SHARDS", "10000"))
        drain("sweep-engine", messages("queue", {"customers": 1}, shards, 1), f"{folder}/many")
        table.add_row(f"memory after {shards:,} shards more", f"{before:.0f} -> {resident_megabytes():.0f} MB", "flat")
    Console().print(table)


if __name__ == "__main__":
    main()

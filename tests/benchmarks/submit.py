"""Speed and memory of planning a large sweep and of sending its messages: `make bench-submit` (SHARDS=… for fewer).

Planning is measured in a process of its own, so that its memory is its own. The queue's server runs on the same cores;
what it takes by itself is measured with the very requests, made beforehand and sent by bare sockets.
"""

import http.client
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from fakes import servers
from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import Engine, find_engine
from sweepctl.queue.contract import request_batches
from sweepctl.queue.sqs import open_queue
from sweepctl.runs.submit import CONNECTIONS, submit
from sweepctl.store import open_store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.sweep.plan import Plan

POINTS = 1_000_000_000
SHARDS = int(os.environ.get("SHARDS", "100000"))
SENT = int(os.environ.get("SENT", "20000"))  # of them, to the server
HEAD = """\
name = "bench"
model = "ridehail"
seed = 42
base = {{ num_riders = 500 }}
shards = {{ points = {size} }}
[design]
"""
GRID = """\
kind = "grid"
[design.dimensions]
num_drivers = { range = { start = 1, stop = 1001, step = 1 } }
commission_rate = { linspace = { start = 0.05, stop = 0.35, num = 1000 } }
match_radius = { range = { start = 1, stop = 11, step = 1 } }
request_window_ms = { range = { start = 1_000_000, stop = 1_100_000, step = 1_000 } }
"""
SOBOL = """\
kind = "sobol"
samples = 1_000_000_000
[design.dimensions]
num_drivers = { integer = { low = 1, high = 1000 } }
commission_rate = { uniform = { low = 0.05, high = 0.35 } }
match_radius = { integer = { low = 1, high = 10 } }
"""
DESIGNS = {"grid": GRID, "sobol": SOBOL}


def planned(folder: Path, design: str, shards: int = SHARDS) -> Plan:
    """Return the plan of a sweep of 10^9 points."""
    path = folder / f"{design}.toml"
    path.write_text(HEAD.format(size=-(-POINTS // shards)) + DESIGNS[design])
    return plan.draft(sweep_file.read(path), Engine(find_engine())).plan("bench", "2026-02-14", -(-POINTS // shards))


def measure_planning(design: str) -> None:
    """Plan, make every message, and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        started_at = time.perf_counter()
        run = planned(Path(folder), design)
        count, longest = 0, 0
        for body in run.bodies(range(run.shards)):
            count, longest = count + 1, max(longest, len(body))
        seconds = time.perf_counter() - started_at
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    told = {"points": run.total_points, "messages": count, "longest": longest, "seconds": seconds, "memory": memory}
    print(json.dumps(told))


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that `action` takes."""
    started_at = time.perf_counter()
    action()
    return time.perf_counter() - started_at


def requests(run: Plan, url: str) -> Iterator[bytes]:
    """Yield the bodies of the requests that send a run's messages."""
    bodies = enumerate(body.decode() for body in run.bodies(range(SENT)))
    for batch in request_batches(bodies):
        entries = [{"Id": str(position), "MessageBody": text} for position, text in batch.items()]
        yield json.dumps({"QueueUrl": url, "Entries": entries}).encode()


def post_all(endpoint: str, bodies: list[bytes]) -> None:
    """Send requests on a connection; MiniStack asks for no signature."""
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    authorization = f"AWS4-HMAC-SHA256 Credential={servers.ACCESS_KEY}/20260214/{servers.REGION}/sqs/aws4_request"
    headers = {
        "X-Amz-Target": "AmazonSQS.SendMessageBatch",
        "Content-Type": "application/x-amz-json-1.0",
        "Authorization": authorization,
    }
    for body in bodies:
        connection.request("POST", "/", body, headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        assert reply.status == http.HTTPStatus.OK, answer
        assert not answer.get("Failed"), answer
    connection.close()


def send(table: Table) -> None:
    """Measure `submit` to a server, and the server alone with the same batches."""
    os.environ |= servers.SETTINGS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = planned(folder, "sobol", SENT)
        with servers.ministack(folder) as server, ThreadPoolExecutor(CONNECTIONS) as pool:
            alone, queue = server.queue("alone"), open_queue(server.queue("bench"))
            made = list(requests(run, alone))
            parts = [made[place::CONNECTIONS] for place in range(CONNECTIONS)]
            base = timed(lambda: list(pool.map(lambda part: post_all(server.endpoint_url, part), parts)))
            done = submit(run, open_store(str(folder / "store")), queue)
            assert (done.sent, queue.facts().visible, open_queue(alone).facts().visible) == (SENT, SENT, SENT)
    what = f"{SENT:,} messages to MiniStack with {CONNECTIONS} connections"
    table.add_row(f"{what}: the server alone", f"{SENT / base:,.0f} messages/s", "")
    pace = f"{done.messages_per_second:,.0f} messages/s = {done.messages_per_second * base / SENT:.2f} x"
    table.add_row("  submit", pace, ">= 2,000 messages/s")


def main() -> None:
    """Measure and print the table."""
    table = Table("what", "measured", "target", title=f"submit on {os.cpu_count()} cores", title_justify="left")
    for design in DESIGNS:
        done = subprocess.run([sys.executable, __file__, design], check=True, stdout=subprocess.PIPE, text=True)
        told = json.loads(done.stdout)
        table.add_row(f"{design}: {told['points']:,} points planned, all of {told['messages']:,} messages made",
                      f"{told['seconds']:.2f} s", "< 5 s")  # fmt: skip
        table.add_row("  peak memory", f"{told['memory']:.0f} MB", "< 200 MB")
        table.add_row("  longest message", f"{told['longest']:,} bytes", "< 4,096")
    send(table)
    Console().print(table)


if __name__ == "__main__":
    measure_planning(sys.argv[1]) if len(sys.argv) > 1 else main()

"""What the pages of a run of many shards take: `make bench-ui` (SHARDS=… for fewer).

The project's own encoder makes the outcomes of 98 % of the run, without an engine or data files, so that means are over
no points. The server is a process of its own, on the same cores as this one, which watches a page as a browser does.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import query, shards
from rich.console import Console
from rich.table import Table

from sweepctl.records import layout

SHARDS = int(os.environ.get("SHARDS", "100000"))
FEW = 1_000
WATCHED = 20  # seconds
EVENTS = 10
COMMAND = "from sweepctl.cli import main; main()"


class Watched:
    """A server of one store, and a client of it."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self._pid, self._url = process.pid, urlsplit(url)

    def get(self, path: str) -> tuple[float, float, int]:
        """Return seconds to the first byte of a page, to its last, and its bytes."""
        began = time.perf_counter()
        answer = self.open(path)
        first = time.perf_counter() - began
        size = len(answer.read())
        return first, time.perf_counter() - began, size

    def open(self, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(str(self._url.hostname), self._url.port)
        connection.request("GET", self._url.path + path)
        return connection.getresponse()

    def cpu(self) -> float:
        """Return the CPU seconds of the server, without its children."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(store: Path) -> Iterator[Watched]:
    """Serve a store."""
    command = [sys.executable, "-P", "-c", COMMAND, "ui", "--store", str(store), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Watched(process, json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()


def until(events: http.client.HTTPResponse, text: str) -> int:
    """Read events up to the one whose progress has a text; return its bytes."""
    while True:
        line = events.readline()
        if line.startswith(b"data: ") and text in json.loads(line[6:]).get("progress", ""):
            return len(line)


def measure(shown: Table, folder: Path, total: int) -> None:
    """Measure a run of so many shards."""
    query.place(folder, layout.run_record(shards.RUN_ID)).write_bytes(shards.record(total))
    begun = total * 98 // 100
    for key, body in shards.objects(range(begun), total):
        query.place(folder, key).write_bytes(body)
    path, what = f"runs/{shards.RUN_ID}/", f"{total:,} shards"
    with served(folder) as server:
        for each in ("first page", "next page"):
            first, last, size = server.get(path)
            shown.add_row(
                f"{what}: {each}", f"{first:.2f} s to what is known at once, {last:.2f} s, {size / 1e3:.0f} kB"
            )
        events = server.open(f"{path}events")
        until(events, "points done")
        latencies = []
        for shard in range(begun, begun + min(EVENTS, total - begun)):
            ((key, body),) = shards.objects([shard], total)
            query.place(folder, key).write_bytes(body)
            wrote = time.perf_counter()
            size = until(events, f"{shard + 1:,} of {total:,} points done")
            latencies.append(time.perf_counter() - wrote)
        text = f"{min(latencies):.2f} to {max(latencies):.2f} s, {size / 1e3:.0f} kB"
        shown.add_row(f"{what}: from an outcome in the store to its event", text)
        for each in ("a page is open", "none is"):
            before = server.cpu()
            time.sleep(WATCHED)
            shown.add_row(f"{what}: CPU while {each}", f"{100 * (server.cpu() - before) / WATCHED:.1f} % of a core")
            events.close()


def main() -> None:
    """Measure a small run and a large one."""
    shown = Table("what", "took", title="pages of a run on disk")
    for total in (FEW, SHARDS):
        with tempfile.TemporaryDirectory() as folder:
            measure(shown, Path(folder), total)
    Console(width=140).print(shown)


if __name__ == "__main__":
    main()

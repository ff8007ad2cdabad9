"""What looking at a run of many shards takes: `make bench-shards` (SHARDS=… S3_SHARDS=… for fewer; 0 for none).

The project's own encoder makes the run's outcomes, without an engine, a queue or data files: `status` reads no others.
Each command is a process of its own: wall and CPU time and memory are its own. With S3, a server runs on the same
cores, behind a proxy that adds the latency of a network.
"""

import dataclasses
import datetime as dt
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import query
from fakes import servers
from fakes.delay_proxy import delayed
from rich.console import Console
from rich.table import Table

from sweepctl.records import layout, table
from sweepctl.records.outcome import Artifact, Outcome, RunRecord
from sweepctl.spec import Spec
from sweepctl.store import open_store

SHARDS = int(os.environ.get("SHARDS", "100000"))
S3_SHARDS = int(os.environ.get("S3_SHARDS", "100000"))
LATENCY = 0.02
COMMAND = "from sweepctl.cli import main; main()"
RUN_ID, RUN_DATE, MODEL = query.RUN_ID, query.RUN_DATE, query.MODEL
SPEC = Spec(MODEL, {"kind": "grid", "dimensions": {}}, {}, query.REPLICATIONS, 42, ())
TABLES = (table.EFFECTIVE_PARAMETERS, table.POINT_OUTCOMES)


def record(shards: int) -> bytes:
    """Return the run record of shards of one point."""
    run = RunRecord(RUN_ID, RUN_DATE, SPEC.to_json(), SPEC.fingerprint, shards, 1, query.NOW)
    return table.encode(run)


def outcome(shard: int, shards: int) -> Outcome:
    """Return a shard's success, as a worker writes it: all that differs between shards differs."""
    keys = layout.ShardKeys(RUN_ID, RUN_DATE, shard)
    digests = [hashlib.sha256(f"{name} {shard}".encode()).hexdigest() for name in (*TABLES, "content")]
    began = query.NOW + dt.timedelta(seconds=shard)
    return dataclasses.replace(
        query.outcome_of(shard, 1, shards, SPEC),
        started_at=began,
        finished_at=began + dt.timedelta(milliseconds=1 + shard % 1_000),
        content_sha256=digests[-1],
        engine_sha256="a" * 64,
        points_machine_dependent=0,
        artifacts=tuple(
            Artifact(name, keys.dataset(name, MODEL), 5_000 + shard % 100, 1, digest)
            for name, digest in zip(TABLES, digests, strict=False)
        ),
    )


def objects(shards: Iterable[int], total: int) -> Iterator[tuple[str, bytes]]:
    """Yield key and body of the outcomes of some shards."""
    for shard in shards:
        yield layout.ShardKeys(RUN_ID, RUN_DATE, shard).outcome, table.encode(outcome(shard, total))


@dataclasses.dataclass(frozen=True)
class Took:
    """What a command took."""

    seconds: float
    cpu: float
    megabytes: float


def status(store: str, endpoint_url: str | None = None) -> Took:
    """Look at the run by the command."""
    endpoint = [] if endpoint_url is None else ["--endpoint-url", endpoint_url]
    return took(COMMAND, "status", RUN_ID, "--store", store, "--json", *endpoint)


def took(code: str, *arguments: str) -> Took:
    """Run some Python in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    started_at = time.perf_counter()
    child = os.posix_spawn(
        sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, ended, used = os.wait4(child, 0)
    if ended:
        sys.exit(f"{arguments} ended with {ended}")
    return Took(time.perf_counter() - started_at, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3)


def look(
    shown: Table, what: str, targets: tuple[str, str], add: Callable[[int, int], None], ask: Callable[[], Took]
) -> None:
    """Measure the first look at 99 % of a run, and the next at all of it; `add` stores a range of shards."""
    for place, (name, target) in enumerate(zip((what, "  again after 1 % more"), targets, strict=True)):
        add(*((0, 99), (99, 100))[place])
        took = ask()
        shown.add_row(name, f"{took.seconds:.1f} s, {took.cpu:.1f} s of CPU, {took.megabytes:.0f} MB", target)


def on_disk(shown: Table) -> None:
    """Measure a store in a directory."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        query.place(root, layout.run_record(RUN_ID)).write_bytes(record(SHARDS))

        def add(first: int, last: int) -> None:
            # Not through a store, which syncs each of its files.
            for key, body in objects(range(SHARDS * first // 100, SHARDS * last // 100), SHARDS):
                query.place(root, key).write_bytes(body)

        look(shown, f"first status of {SHARDS:,} shards on disk", ("6 s", "1.5 s"), add, lambda: status(folder))


@contextmanager
def bucket() -> Iterator[tuple[str, str]]:
    """Provide the endpoints of a bucket of SeaweedFS: its own, and one with latency."""
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.weed(Path(folder)) as server,
        delayed(server.endpoint_url, LATENCY) as slow,
    ):
        yield server.endpoint_url, slow


def in_s3(shown: Table) -> None:
    """Measure a bucket whose replies come late."""
    url = f"s3://{servers.BUCKET}"
    with bucket() as (direct, slow), ThreadPoolExecutor(16) as pool:
        store = open_store(url, endpoint_url=direct)
        store.create(layout.run_record(RUN_ID), record(S3_SHARDS))

        def add(first: int, last: int) -> None:
            made = objects(range(S3_SHARDS * first // 100, S3_SHARDS * last // 100), S3_SHARDS)
            list(pool.map(lambda each: store.create(*each), made))

        what = f"first status of {S3_SHARDS:,} shards in S3, {LATENCY * 1e3:.0f} ms away"
        look(shown, what, ("60 s", "5 s"), add, lambda: status(url, slow))


def main() -> None:
    """Measure and print the table."""
    os.environ |= servers.SETTINGS
    shown = Table("what", "measured", "target", title=f"many shards on {os.cpu_count()} cores", title_justify="left")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        if SHARDS:
            on_disk(shown)
        if S3_SHARDS:
            in_s3(shown)
    Console().print(shown)


if __name__ == "__main__":
    main()

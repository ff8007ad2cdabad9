"""Speed of whole runs beside that of one shard: `make bench-sweep`.

Each measurement has a process of its own, and the two of a ratio take turns, because a shared machine drifts. Nothing
here is a test; targets are shown beside what was measured.
"""

import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import median
from threading import Event
from typing import Any

from rich.console import Console
from rich.table import Table

from sweepctl.engine.client import Engine, find_engine
from sweepctl.messages import ShardMessage
from sweepctl.records.layout import ShardKeys
from sweepctl.runs import local
from sweepctl.runs.local import Begun
from sweepctl.runs.reuse import ReusingEngine, read_source
from sweepctl.shard.run import Result, run_shard
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.verify import verify

MILLION = 1_000_000
TURNS = 3
NOW = dt.datetime(2026, 2, 14, 12, tzinfo=dt.UTC)
SWEEP = """
name = "bench"
model = "queue"
seed = 1
replications = {replications}
[base]
customers = 1
[design]
kind = "grid"
[design.dimensions]
arrival_rate = {{ linspace = {{ start = 0.1, stop = 0.2, num = 1000 }} }}
[shards]
points = {points}
"""


def begin(engine: Engine, folder: str, points: int, total: int = MILLION, run_id: str = "r") -> tuple[Begun, Store]:
    """Begin a run of cheap points, in shards of so many, in a store in `folder`."""
    path = Path(folder) / "sweep.toml"
    path.write_text(SWEEP.format(replications=total // 1000, points=points))
    store = open_store(f"{folder}/store")
    return local.begin_run(plan.draft(sweep_file.read(path), engine), engine, store, run_id, now=NOW), store


def execute(begun: Begun, store: Store, engine: Engine, slots: int = 2) -> float:
    """Run all shards and return the seconds that they took."""

    def run_one(message: ShardMessage, _: object) -> Result:
        return run_shard(message, engine, store)

    done = local.run_shards(begun.missing(Event()), run_one, slots=slots, stop=Event())
    assert done.points == begun.plan.total_points, asdict(done)
    return done.seconds


def one_shard() -> Mapping[str, float]:
    """A million points as one shard, by `run_shard` alone."""
    engine = Engine(find_engine())
    with tempfile.TemporaryDirectory() as folder:
        begun, store = begin(engine, folder, MILLION)
        message = begun.plan.message(0)
        started_at = time.perf_counter()
        run_shard(message, engine, store)
        return {"seconds": time.perf_counter() - started_at}


def whole_run(points: int) -> Mapping[str, float]:
    """A million points in shards of so many, and the proof of it."""
    engine = Engine(find_engine())
    with tempfile.TemporaryDirectory() as folder:
        begun, store = begin(engine, folder, points)
        seconds = execute(begun, store, engine)
        started_at = time.perf_counter()
        assert verify(store, "r", engine).verdict.value == "whole"
        return {"seconds": seconds, "verify": time.perf_counter() - started_at}


def reused_run(points: int) -> Mapping[str, float]:
    """A million points taken over from a run that was cut otherwise."""
    engine = Engine(find_engine())
    with tempfile.TemporaryDirectory() as folder:
        execute(*begin(engine, folder, MILLION // 4), engine)
        begun, store = begin(engine, folder, points, run_id="new")
        started_at = time.perf_counter()
        source = read_source(store, "r", engine.model("queue"), 1, Event())
        read = time.perf_counter() - started_at
        taking = ReusingEngine(engine, source)
        seconds = execute(begun, store, taking)
        assert sum(taking.taken.values()) == MILLION
        return {"read": read, "seconds": seconds}


def resumption(shards: int) -> Mapping[str, float]:
    """Find out that one shard of very many is missing."""
    engine = Engine(find_engine())
    with tempfile.TemporaryDirectory() as folder:
        begun, store = begin(engine, folder, 1000, total=shards * 1000)
        run_shard(begun.plan.message(0), engine, store)
        first = Path(store.locate(ShardKeys("r", begun.record.run_date, 0).outcome))
        for shard in range(1, shards - 1):
            (first.parent / f"shard-{shard:08d}.parquet").touch()  # a listing does not look inside
        started_at = time.perf_counter()
        again, _ = begin(engine, folder, 1000, total=shards * 1000)
        seconds = time.perf_counter() - started_at
        assert [message.shard_id for message in again.missing(Event())] == [shards - 1]
        return {"seconds": seconds}


def alone(name: str, *arguments: int) -> Mapping[str, float]:
    """Run one of the measurements above in a fresh process."""
    command = [sys.executable, __file__, name, *map(str, arguments)]
    told: Mapping[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return told


def main() -> None:
    """Measure and print the table."""
    turns = [(alone("one_shard"), alone("whole_run", MILLION), alone("whole_run", 50_000)) for _ in range(TURNS)]
    shard = median(one["seconds"] for one, _, _ in turns)
    table = Table("what", "measured", "target", title="A whole run of a million cheap points", title_justify="left")
    table.add_row("run_shard, all in one shard", f"{MILLION / shard:,.0f} points/s", "")
    for place, name in ((1, "1 shard"), (2, "20 shards of 50,000")):
        rate = MILLION / median(turn[place]["seconds"] for turn in turns)
        ratio = median(turn[0]["seconds"] / turn[place]["seconds"] for turn in turns)
        table.add_row(f"run, {name}", f"{rate:,.0f} points/s, {ratio:.2f} x run_shard", ">= 0.90 x")
    proof = median(turn[2]["verify"] for turn in turns)
    table.add_row("the proof of 20 shards", f"{MILLION / proof:,.0f} points/s", "")
    taken = alone("reused_run", 50_000)
    table.add_row("run --reuse: the other run's points read", f"{MILLION / taken['read']:,.0f} points/s", "")
    table.add_row("run --reuse: all points taken over", f"{MILLION / taken['seconds']:,.0f} points/s", "")
    table.add_row("what is missing of 100,000 shards", f"{alone('resumption', 100_000)['seconds']:.1f} s", "")
    Console().print(table)


if __name__ == "__main__":
    measurements: dict[str, Callable[..., Any]] = {
        each.__name__: each for each in (one_shard, whole_run, reused_run, resumption)
    }
    if len(sys.argv) > 1:
        print(json.dumps(measurements[sys.argv[1]](*map(int, sys.argv[2:]))))
    else:
        main()

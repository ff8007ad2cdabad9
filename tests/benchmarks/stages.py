"""What a worker does with 1,000,000 of the cheapest points, stage by stage: `make bench-stages`.

The points are replicates of 1,000 cells in lines and in columns, and cells of a Latin hypercube, one each, in columns.
The engine's records are kept in a file first. Each block of them then goes through all stages, in one thread, and the
CPU time of each is added up: on a machine that does other work, wall times say little. The whole shard follows,
measured the same way, engine included.
"""

import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.run import MILLION, RELEASE, hypercube_message, queue_message
from rich.console import Console
from rich.table import Table

from sweepctl.engine import checks, columns, reader
from sweepctl.engine.client import Engine
from sweepctl.engine.points import Requests
from sweepctl.engine.run import BLOCK_BYTES
from sweepctl.messages import ShardMessage, ShardMessageV1
from sweepctl.protocol import Model
from sweepctl.records.design import space_of
from sweepctl.records.row_digest import ContentDigest
from sweepctl.records.table import DatasetWriter, schemas
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store

ENGINE = RELEASE / "sweep-engine"
Value = TypeVar("Value")


class Stages:
    """Adds up what stages take, and prints them as one table."""

    def __init__(self) -> None:
        """Start with none."""
        self._taken: dict[str, tuple[float, float]] = {}

    def measure(self, name: str, work: Callable[[], Value]) -> Value:
        """Do some work, and add what this process and its children took for it."""
        own, engine = time.process_time(), _cpu_of_children()
        value = work()
        before = self._taken.get(name, (0.0, 0.0))
        self._taken[name] = before[0] + time.process_time() - own, before[1] + _cpu_of_children() - engine
        return value

    def print(self, title: str) -> None:
        """Print the table."""
        table = Table("stage", "CPU seconds", "engine's", title=title, title_justify="left")
        for name, (own, engine) in self._taken.items():
            table.add_row(name, f"{own:.2f}", f"{engine:.2f}" if engine else "")
        Console().print(table)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read(engine: Engine, requests: Requests) -> None:
    """Run the points, and throw their records away."""
    with engine.start(requests.whole) as run:
        run.begin()
        for _ in run.blocks():
            pass


def blocks(file: Path) -> Iterator[bytes]:
    """Yield the records of points in a file, as large blocks of whole lines."""
    with file.open("rb") as lines:
        lines.readline()  # `started`
        while block := lines.read(BLOCK_BYTES) + lines.readline():
            end = block.rfind(b'{"record":"finished"')
            yield block if end < 0 else block[:end]


class Way:
    """The way of records from lines into files, as `RecordReader` and `DatasetWriter` go it."""

    def __init__(self, message: ShardMessage, model: Model, stages: Stages) -> None:
        """Begin with no records."""
        self._message, self._model, self._stages = message, model, stages
        self._reader = reader.RecordReader(message, model)
        self._wire = reader._wire_schema(model)
        self._digest = ContentDigest(self._wire, {})

    def go(self, block: bytes, writers: Sequence[DatasetWriter]) -> None:
        """Take a block all the way."""
        measure = self._stages.measure
        is_columns = block.startswith(columns.POINTS_START)
        schema = columns.columns_schema(self._wire) if is_columns else self._wire
        points = measure("Arrow's JSON parser, UTF-8, whole records", lambda: checks.parse_records(block, schema))
        if is_columns:
            records = points
            points = measure(
                "a row for each point", lambda: columns.unfold(records, self._wire, self._message.replications, MILLION)
            )
        measure("checks by column", lambda: checks.check_points(points, self._model, ()))
        measure("content digest", lambda: self._digest.add(points, {}))
        rows = self._reader.read(block).rows
        for writer in writers:
            measure("Parquet, zstd included", partial(writer.add, rows[writer.dataset]))


def measure(title: str, message: ShardMessage, folder: str, *, has_columns: bool) -> None:
    """Measure and print the table of one form."""
    engine, stages = Engine(ENGINE), Stages()
    engine.__dict__["description"] = engine.description.model_copy(update={"columns": has_columns})
    model, store = engine.model("queue"), open_store(folder)
    requests = Requests(message, space_of(store, message), None, has_host=True, has_columns=has_columns)
    request, records = Path(folder, "request.json"), Path(folder, "records.jsonl")
    request.write_bytes(requests.whole)
    with request.open("rb") as stdin, records.open("wb") as stdout:
        subprocess.run([ENGINE, "run"], stdin=stdin, stdout=stdout, check=True)
    stages.measure("engine, pipe, whole lines", lambda: read(engine, requests))
    way = Way(message, model, stages)
    with ExitStack() as files:
        writers = [
            files.enter_context(DatasetWriter(name, schema, Path(folder)))
            for name, schema in schemas(model, ()).items()
        ]
        for block in filter(None, blocks(records)):
            way.go(block, writers)
        for writer in writers:
            stages.measure("Parquet, zstd included", writer.finish)
    began_at = time.perf_counter()
    result = stages.measure("the whole shard, committed", lambda: run_shard(message, engine, store))
    seconds = time.perf_counter() - began_at
    assert result.outcome.complete, result.outcome
    stages.print(f"1,000,000 points, {title}")
    print(f"{records.stat().st_size / MILLION:.0f} bytes a point; the whole shard took {seconds:.1f} s")


def main() -> None:
    """Measure and print the tables."""
    replicates, cells = ShardMessageV1.model_validate(queue_message(MILLION)), hypercube_message(MILLION)
    cases: list[tuple[str, ShardMessage, bool]] = [
        ("replicates, in lines", replicates, False),
        ("replicates, in columns", replicates, True),
        ("cells of a Latin hypercube, in columns", cells, True),
    ]
    for title, message, has_columns in cases:
        with tempfile.TemporaryDirectory() as folder:
            measure(title, message, folder, has_columns=has_columns)


if __name__ == "__main__":
    main()

"""What a worker does with 1,000,000 of the cheapest points, stage by stage: `make bench-stages`.

The engine's records are kept in a file first. Each stage then goes over all of them, alone and in one thread, and its
CPU time is measured: on a machine that does other work, wall times say little. The whole shard follows, measured the
same way, engine included.
"""

import hashlib
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from benchmarks.run import MILLION, RELEASE, queue_message
from rich.console import Console
from rich.table import Table

from sweepctl.engine import checks, reader
from sweepctl.engine.client import Engine
from sweepctl.engine.points import Requests
from sweepctl.engine.run import BLOCK_BYTES
from sweepctl.messages import ShardMessageV1
from sweepctl.protocol import Model, encode_request
from sweepctl.records.table import DatasetWriter, schemas
from sweepctl.shard.run import run_shard
from sweepctl.store import open_store

ENGINE = RELEASE / "sweep-engine"
Value = TypeVar("Value")


class Stages:
    """Measures stages, and prints them as one table."""

    def __init__(self) -> None:
        """Start an empty table."""
        self._table = Table("stage", "CPU seconds", "engine's", title="1,000,000 points", title_justify="left")

    def measure(self, name: str, work: Callable[[], Value]) -> Value:
        """Do some work, and add what this process and its children took for it."""
        own, engine = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN)
        value = work()
        own, engine = _cpu(resource.RUSAGE_SELF) - own, _cpu(resource.RUSAGE_CHILDREN) - engine
        self._table.add_row(name, f"{own:.2f}", f"{engine:.2f}" if engine else "")
        return value

    def print(self) -> None:
        """Print the table."""
        Console().print(self._table)


def _cpu(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def read(engine: Engine, message: ShardMessageV1) -> None:
    """Run the points, and throw their records away."""
    with engine.start(Requests(message, message.space, None, has_host=True).whole) as run:
        run.begin()
        for _ in run.blocks():
            pass


def blocks(file: Path) -> Iterator[bytes]:
    """Yield the point records in a file, as large blocks of whole lines."""
    with file.open("rb") as lines:
        lines.readline()  # `started`
        while block := lines.read(BLOCK_BYTES) + lines.readline():
            end = block.rfind(b'{"record":"finished"')
            yield block if end < 0 else block[:end]


def check(points: list[pa.Table], model: Model) -> None:
    """Check all points."""
    for each in points:
        checks.check_points(each, model, ())


def encode(model_schemas: dict[str, pa.Schema], rows: list[dict[str, pa.Table]], folder: str) -> None:
    """Write the rows of both datasets to files."""
    for name, schema in model_schemas.items():
        with DatasetWriter(name, schema, Path(folder)) as writer:
            for each in rows:
                writer.add(each[name])
            writer.finish()


def main() -> None:
    """Measure and print the table."""
    message = ShardMessageV1.model_validate(queue_message(MILLION))
    engine, stages = Engine(ENGINE), Stages()
    model = engine.model("queue")
    with tempfile.TemporaryDirectory() as folder:
        request, records = Path(folder, "request.json"), Path(folder, "records.jsonl")
        request.write_bytes(encode_request(message.spec, message.space, 0, MILLION, None))
        with request.open("rb") as stdin, records.open("wb") as stdout:
            subprocess.run([ENGINE, "run"], stdin=stdin, stdout=stdout, check=True)
        lines = [block for block in blocks(records) if block]
        size = sum(map(len, lines))
        stages.measure("engine, pipe, whole lines", lambda: read(engine, message))
        stages.measure("SHA-256", lambda: [hashlib.sha256(block).digest() for block in lines])
        one = reader.RecordReader(message, model)
        schema = reader._wire_schema(model)
        points = stages.measure(
            "Arrow's JSON parser, UTF-8, lines", lambda: [checks.parse_records(block, schema) for block in lines]
        )
        stages.measure("checks by column", lambda: check(points, model))
        points.clear()
        rows = [dict(one.read(block).rows) for block in lines]
        lines.clear()
        stages.measure("Parquet, zstd included", lambda: encode(schemas(model, ()), rows, folder))
        rows.clear()
        began_at = time.perf_counter()
        result = stages.measure("the whole shard, committed", lambda: run_shard(message, engine, open_store(folder)))
        seconds = time.perf_counter() - began_at
    assert result.outcome.status == "success"
    stages.print()
    print(f"{size / MILLION:.0f} bytes a point; the whole shard took {seconds:.1f} s")


if __name__ == "__main__":
    main()

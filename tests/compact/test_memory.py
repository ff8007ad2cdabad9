"""Memory of writing a compact file: some row groups, however many points there are."""

import datetime as dt
import hashlib
from pathlib import Path
from threading import Event

import process_memory
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sweepctl.compact import parts, plan
from sweepctl.records import table
from sweepctl.records.outcome import Artifact, Outcome
from sweepctl.store import open_store


@pytest.mark.slow
@pytest.mark.parametrize("files", [3, 384])
def test_memory_does_not_grow_with_the_points(tmp_path: Path, files: int) -> None:
    """300 MB of rows, which hardly compress, in large files and in small ones."""
    groups = 30
    columns = [(f"x{number}", table.FLOAT) for number in range(19)]
    schema = pa.schema([("point_index", table.INT), *columns])
    store, artifacts, rows = open_store(str(tmp_path)), [], groups * 65_536 // files
    for number in range(files):
        key = f"points/m/shard-{number:08d}.parquet"
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        values = [pc.random(rows, initializer=number * 100 + place) for place in range(len(columns))]
        index = pa.array(range(number * rows, (number + 1) * rows))
        pq.write_table(pa.table([index, *values], schema=schema), tmp_path / key, row_group_size=65_536)
        body = (tmp_path / key).read_bytes()
        artifacts.append(Artifact("points", key, len(body), rows, hashlib.sha256(body).hexdigest()))
        del values, index, body
    outcome = an_outcome(tuple(artifacts))
    before = process_memory.begin()
    part = parts.make_part(store, plan.PlannedPart("points", "compact-v1/points.parquet", [outcome]), Event())
    assert part.rows == rows * files
    taken = process_memory.peak() - before
    assert taken < 220 << 20


def an_outcome(artifacts: tuple[Artifact, ...]) -> Outcome:
    now = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
    return Outcome(
        *("r", 0, 0, 1, 1, "success", "a", None, 1, 0, None, None, None, False, now, now, 0.0, "1", "m", "1"),
        *("0" * 64, "0" * 64, artifacts),
    )

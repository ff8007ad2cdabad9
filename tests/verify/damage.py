"""Ways to damage a run on disk, each as small as it can be.

    run = Damaged(root)
    run.edit_rows("point_outcomes", 1, lambda rows: rows.slice(1), reseal=True)

`reseal` has the outcome promise the damaged file, as a mistake of the writer would: hashes alone find nothing then.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweepctl.records import layout, table
from sweepctl.records.outcome import EnginePin, Outcome, RunRecord

RUN_ID, RUN_DATE, MODEL = "whole", "2026-02-14", "queue"


@dataclass(frozen=True)
class Damaged:
    """One run's files in a directory of their own."""

    root: Path
    model: str = MODEL

    def keys(self, shard: int, run_date: str = RUN_DATE) -> layout.ShardKeys:
        return layout.ShardKeys(RUN_ID, run_date, shard)

    def path(self, key: str) -> Path:
        return self.root / key

    def data(self, dataset: str, shard: int) -> Path:
        return self.path(self.keys(shard).dataset(dataset, self.model))

    @property
    def record(self) -> Path:
        return self.path(layout.run_record(RUN_ID))

    @property
    def pin(self) -> Path:
        return self.path(layout.engine_pin(RUN_ID))

    def outcome(self, shard: int) -> Path:
        return self.path(self.keys(shard).outcome)

    def edit(self, path: Path, **changes: Any) -> None:  # noqa: ANN401  fields of a record
        """Change fields of a record of one row."""
        body, where = path.read_bytes(), str(path)
        record: Any
        if path.name == "run.parquet":
            record = table.decode(RunRecord, body, where)
        elif path.name == "engine.parquet":
            record = table.decode(EnginePin, body, where)
        else:
            record = table.decode(Outcome, body, where)
        path.write_bytes(table.encode(dataclasses.replace(record, **changes)))

    def edit_rows(
        self, dataset: str, shard: int, change: Callable[[pa.Table], pa.Table], *, reseal: bool = True
    ) -> None:
        """Change the rows of a data file."""
        path = self.data(dataset, shard)
        rows = change(pq.read_table(path))
        pq.write_table(rows, path, compression="zstd", use_dictionary=["status"], store_schema=False)
        if reseal:
            self.reseal(dataset, shard)

    def set(self, dataset: str, shard: int, column: str, value: object, *, row: int = 0, reseal: bool = True) -> None:
        """Change one value."""

        def change(rows: pa.Table) -> pa.Table:
            values = rows[column].to_pylist()
            values[row] = value
            place = rows.schema.get_field_index(column)
            return rows.set_column(place, rows.schema.field(place), pa.array(values, rows.schema.field(place).type))

        self.edit_rows(dataset, shard, change, reseal=reseal)

    def reseal(self, dataset: str, shard: int, /, **changes: Any) -> None:  # noqa: ANN401  fields of an artifact
        """Have the outcome promise what the file is."""
        body = self.data(dataset, shard).read_bytes()
        found = {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), **changes}
        outcome = table.decode(Outcome, self.outcome(shard).read_bytes(), "")
        artifacts = tuple(
            dataclasses.replace(each, **found) if each.dataset == dataset else each for each in outcome.artifacts
        )
        self.edit(self.outcome(shard), artifacts=artifacts)

    def move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)

    def copy(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())

    def erase(self, path: Path, column: str) -> None:
        """Take the value of one column from a record of one row."""
        row = pq.read_table(path)
        place = row.schema.get_field_index(column)
        pq.write_table(
            row.set_column(place, column, pa.nulls(1, row.schema.field(place).type)), path, store_schema=False
        )

    def fail(self, shard: int) -> Path:
        """Turn a success into the failure of a crashed engine, as a worker records one; return its attempt's row."""
        for dataset in ("effective_parameters", "point_outcomes", "customers"):
            self.data(dataset, shard).unlink()
        failed = {"status": "failure", "error_code": "engine_crashed", "error_message": "signal 9", "retryable": True}
        self.edit(self.outcome(shard), **failed, content_sha256=None, artifacts=(), points_succeeded=0)
        outcome = table.decode(Outcome, self.outcome(shard).read_bytes(), "")
        attempt = self.path(self.keys(shard).attempt(outcome.attempt_id))
        self.copy(self.outcome(shard), attempt)
        return attempt


def scramble_page(path: Path) -> None:
    """Damage the header of a page: what the footer says stays as it was."""
    metadata = pq.read_metadata(path)
    start = metadata.row_group(0).column(metadata.num_columns - 1).data_page_offset
    body = bytearray(path.read_bytes())
    body[start : start + 20] = bytes(byte ^ 0x5A for byte in body[start : start + 20])
    path.write_bytes(body)

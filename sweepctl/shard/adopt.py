"""What was committed first stands, where two complete attempts differ only in failures that depend on the machine.

A crash, a time-out or a lack of memory may happen to one attempt and not to the next. Nothing here writes to the store.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from sweepctl.records.datafile import open_rows, require_damage, same_rows
from sweepctl.records.outcome import EXCLUDED, MACHINE_DEPENDENT, POINT_FAILED, Outcome
from sweepctl.records.rows import RowBuffer, tables_of
from sweepctl.records.table import (
    CONTENT_DIGEST,
    PARQUET_ERRORS,
    ROW_GROUP_ROWS,
    SHARED_COLUMNS,
    DataFile,
    DatasetWriter,
)

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_RESULT = ["status", "error_code", "error_message"]


@dataclass(frozen=True)
class Standing:
    """The results in the store, where this attempt's differ from them because of the machine."""

    apart: pa.Array  # the points whose rows may differ
    missing: bool  # whether this attempt lacks the result of a point that has one in the store
    succeeded: int
    failed: int
    machine_dependent: int  # of the failed ones
    excluded: int
    first_failure: tuple[int, str, str] | None  # index, code, message
    content_sha256: str

    def outcome(self, own: Outcome) -> Outcome:
        """Return what this attempt's outcome is with these results."""
        index, code, message = self.first_failure or (None, None, None)
        return dataclasses.replace(
            own,
            status="success" if index is None else "failure",
            points_succeeded=self.succeeded,
            points_failed=self.failed,
            points_machine_dependent=self.machine_dependent,
            points_excluded=self.excluded,
            error_code=None if index is None else POINT_FAILED,
            error_message=None if index is None else f"{code}: {message}",
            error_point_index=index,
            content_sha256=self.content_sha256,
        )


def standing(found: Path, own: Path) -> Standing | None:
    """Compare two files of `point_outcomes`; None if they differ in more than what depends on the machine."""
    apart: list[pa.ChunkedArray] = []
    missing, succeeded, failed, dependent, excluded = False, 0, 0, 0, 0
    first: tuple[int, str, str] | None = None
    try:
        with open_rows(found) as theirs, open_rows(own) as ours:
            digest = (theirs.metadata.metadata or {}).get(CONTENT_DIGEST.encode(), b"").decode()
            if not digest or theirs.schema_arrow != ours.schema_arrow:
                return None
            for their, our in _in_step(theirs, ours):
                machine = pc.or_(_depends(their), _depends(our))
                if their.num_rows != our.num_rows or not _agree(their, our, machine):
                    return None
                apart.extend(their.filter(machine)["point_index"].chunks)
                failures = their.filter(pc.equal(their["status"], "failure"))
                missing = missing or bool(pc.any(pc.and_(_depends(our), pc.invert(_depends(their)))).as_py())
                left_out = pc.sum(pc.equal(their["status"], EXCLUDED)).as_py() or 0
                succeeded += their.num_rows - failures.num_rows - left_out
                failed, excluded = failed + failures.num_rows, excluded + left_out
                dependent += pc.sum(_depends(their)).as_py() or 0
                if first is None and failures.num_rows:
                    row = failures.slice(0, 1).to_pylist()[0]
                    first = (row["point_index"], row["error_code"], row["error_message"])
    except PARQUET_ERRORS as error:
        require_damage(error)
        return None
    points = pa.chunked_array(apart, pa.int64())
    return Standing(points, missing, succeeded, failed, dependent, excluded, first, digest)


def _in_step(one: "pq.ParquetFile", other: "pq.ParquetFile") -> Iterator[tuple[pa.Table, pa.Table]]:
    first, second = RowBuffer(tables_of(one)), RowBuffer(tables_of(other))
    while (left := first.take(ROW_GROUP_ROWS)) is not None:
        right = second.take(ROW_GROUP_ROWS)
        yield left, left.slice(0, 0) if right is None else right
    if (rest := second.take(1)) is not None:
        yield rest.slice(0, 0), rest


def _depends(rows: pa.Table) -> pa.ChunkedArray:
    return pc.is_in(rows["error_code"], pa.array(MACHINE_DEPENDENT))


def _agree(their: pa.Table, our: pa.Table, machine: pa.ChunkedArray) -> bool:
    """Return whether all other rows are equal, and the points are the same in these."""
    others = pc.invert(machine)
    same_points = their.select(SHARED_COLUMNS).equals(our.select(SHARED_COLUMNS))
    return bool(same_points and their.filter(others).equals(our.filter(others)))


def same_without(found: DataFile, own: DataFile, points: pa.Array) -> bool:
    """Return whether the rows of an extra dataset, without those of these points, are the rows of `own`."""
    try:
        return same_rows(without(found, points).path, own.path)
    except PARQUET_ERRORS as error:
        require_damage(error)
        return False


def without(file: DataFile, points: pa.Array) -> DataFile:
    """Return a copy of a file of an extra dataset without the rows of these points."""
    folder = file.path.parent / f"{file.path.name}-common"
    folder.mkdir(exist_ok=True)
    with open_rows(file.path) as rows, DatasetWriter(file.dataset, rows.schema_arrow, folder) as writer:
        for table in tables_of(rows):
            writer.add(table.filter(pc.invert(pc.is_in(table["point_index"], points))))
        return writer.finish()

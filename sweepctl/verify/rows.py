"""Check 3, and the rows' part of check 0: every point exactly once in each table, joined one to one.

All columns are compared in bulk, in pieces of one row group, whatever the shard's size. Only where a piece is wrong are
its rows looked at one by one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.outcome import Outcome
from sweepctl.table import EFFECTIVE_PARAMETERS, FLOAT, INT, POINT_OUTCOMES, ROW_GROUP_ROWS, schema_of
from sweepctl.verify.report import Finding
from sweepctl.verify.run import Run, Tables

Column: TypeAlias = "pa.ChunkedArray | pa.Array"
_OWN_OUTCOMES = len(schema_of(POINT_OUTCOMES, []))  # metrics begin here


class Pieces:
    """Tables of rows, given out again in pieces of the lengths that are asked for."""

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        """Take from `tables`, in order."""
        self._tables = iter(tables)
        self._held: pa.Table | None = None

    def take(self, rows: int) -> pa.Table | None:
        """Return the next `rows` rows, fewer where there are no more, and None where there are none."""
        gathered = [] if self._held is None else [self._held]
        count = sum(table.num_rows for table in gathered)
        while count < rows and (table := next(self._tables, None)) is not None:
            gathered.append(table)
            count += table.num_rows
        if count == 0:
            return None
        whole = gathered[0] if len(gathered) == 1 else pa.concat_tables(gathered)
        self._held = whole.slice(rows) if count > rows else None
        return whole.slice(0, rows)


def pieces_of(file: pq.ParquetFile) -> Pieces:
    """Give a file's rows."""
    batches = file.iter_batches(batch_size=ROW_GROUP_ROWS, use_threads=False)
    return Pieces(pa.Table.from_batches([batch]) for batch in batches)


@dataclass(frozen=True)
class Pair:
    """The rows of the same points in both tables."""

    first: int  # index of the first point
    parameters: pa.Table
    outcomes: pa.Table

    @property
    def points(self) -> int:
        """How many points these are."""
        return int(self.parameters.num_rows)


def pairs(outcome: Outcome, parameters: pq.ParquetFile, outcomes: pq.ParquetFile) -> Iterator[Pair | None]:
    """Yield the rows of both files side by side, and None in the end unless every point was there once, in order.

    Raises ArrowException or OSError where a file's pages are damaged.
    """
    left, right = pieces_of(parameters), pieces_of(outcomes)
    first, end = outcome.start_index, outcome.end_index_exclusive
    while first < end:
        count = min(ROW_GROUP_ROWS, end - first)
        ours, theirs = left.take(count), right.take(count)
        index = pa.chunked_array([pa.arange(first, first + count)])
        if not all(table is not None and table["point_index"].equals(index) for table in (ours, theirs)):
            break
        yield Pair(first, ours, theirs)
        first += count
    if first != end or {parameters.metadata.num_rows, outcomes.metadata.num_rows} != {outcome.points}:
        yield None


class Differences:
    """What was found to differ in one shard: under each code and name the first point, and how many."""

    def __init__(self, outcome: Outcome, run: Run) -> None:
        """Start with none."""
        self._shard_id = outcome.shard_id
        # What is the same in every row.
        self._constants: Mapping[str, object] = {
            "run_id": run.record.run_id,
            "shard_id": outcome.shard_id,
            "seed": run.spec.seed,
            "model": run.spec.model,
            "model_version": outcome.model_version,
        }
        self._found: dict[tuple[str, str], Finding] = {}

    @property
    def findings(self) -> list[Finding]:
        """Everything that differed."""
        return list(self._found.values())

    def equal(self, code: str, what: str, found: Column, wanted: Column, first: int) -> None:
        """Compare two columns of the points from `first` on, bit by bit."""
        wrong = _differing(found, wanted)
        if wrong:
            self.add(code, what, first + wrong[0], len(wrong))

    def constants(self, name: str, table: pa.Table, first: int) -> None:
        """Compare what is the same in every row of a table with the run record and the outcome."""
        for column in (column for column in table.schema.names if column in self._constants):
            value = self._constants[column]
            if not _is_constant(table[column], value):
                wanted = pa.repeat(pa.scalar(value), table.num_rows)
                self.equal("run_record.row_disagrees", f"{name}: {column}", _plain(table[column]), wanted, first)

    def add(self, code: str, what: str, point_index: int | None, count: int = 1) -> None:
        """Note that something differs."""
        earlier = self._found.get((code, what))
        if earlier is not None:
            point_index, count = earlier.point_index, earlier.count + count
        self._found[code, what] = Finding(code, what, self._shard_id, point_index=point_index, count=count)


class RowsExaminer:
    """Examines one shard's rows, a pair of pieces at a time."""

    def __init__(self, outcome: Outcome, run: Run, tables: Tables, differences: Differences) -> None:
        """Expect the rows of `outcome`."""
        self._outcome = outcome
        self._run = run
        self._tables = tables
        self._differences = differences
        self._failed = 0
        self._first_failed: int | None = None

    def add(self, pair: Pair) -> None:
        """Examine the next rows, which are those of the points that are expected."""
        wanted = _replicates(pa.arange(pair.first, pair.first + pair.points), self._run)
        for name, table in ((EFFECTIVE_PARAMETERS, pair.parameters), (POINT_OUTCOMES, pair.outcomes)):
            self._differences.constants(name, table, pair.first)
            what = f"{name}: replicate"
            self._differences.equal("points.replicate", what, table["replicate"], wanted, pair.first)
        fingerprints = (pair.outcomes["point_fingerprint"], pair.parameters["point_fingerprint"])
        self._differences.equal("points.join", "point_fingerprint of the two tables", *fingerprints, pair.first)
        self._statuses(pair.outcomes, pair.first)

    def finish(self) -> None:
        """Compare what was counted with what the outcome says."""
        outcome = self._outcome
        if self._failed != outcome.points_failed:
            what = f"{self._failed} points have failed, the outcome says {outcome.points_failed}"
            self._differences.add("points.counts", what, self._first_failed)
        elif self._first_failed != outcome.error_point_index:
            what = f"the first failed point is {self._first_failed}, the outcome says {outcome.error_point_index}"
            self._differences.add("points.counts", what, self._first_failed)

    def _statuses(self, table: pa.Table, first: int) -> None:
        def equal(what: str, found: Column, wanted: Column) -> None:
            self._differences.equal("points.status", what, found, wanted, first)

        succeeded = pc.fill_null(pc.equal(table["status"], "success"), fill_value=False)
        failed = pc.fill_null(pc.equal(table["status"], "failure"), fill_value=False)
        everywhere = pa.repeat(pa.scalar(value=True), table.num_rows)
        equal("status, which is success or failure", pc.or_(succeeded, failed), everywhere)
        for name in ("error_code", "error_message"):
            equal(f"{name}, which only a failure has", table[name].is_null(), succeeded)
        for name in table.schema.names[_OWN_OUTCOMES:]:
            absent = table[name].is_null()
            # A failure has no metric; a success has each, unless the model says that it may lack it.
            wanted = pc.or_(failed, absent) if name in self._tables.nullable else failed
            equal(f"{name}, which only a success has", absent, wanted)
            if table[name].type == FLOAT:
                equal(f"{name}, which is finite", pc.fill_null(pc.is_finite(table[name]), fill_value=True), everywhere)
        count = pc.sum(failed).as_py() or 0
        if count and self._first_failed is None:
            self._first_failed = first + pc.index(failed, value=True).as_py()
        self._failed += count


def examine_extra(outcome: Outcome, run: Run, name: str, file: pq.ParquetFile, differences: Differences) -> None:
    """Examine the rows of an extra dataset: any number a point, in order of the points.

    Raises ArrowException or OSError where a page is damaged.
    """
    reached = outcome.start_index
    pieces = pieces_of(file)
    while (table := pieces.take(ROW_GROUP_ROWS)) is not None:
        differences.constants(name, table, reached)
        index = table["point_index"].combine_chunks()
        bounds = pc.min_max(index).as_py()
        if index.null_count or bounds["min"] < outcome.start_index or bounds["max"] >= outcome.end_index_exclusive:
            differences.add("points.outside", f"{name}: rows of points outside of the shard", bounds["min"])
        steps = pc.less(index[1:], index[:-1])
        if bounds["min"] < reached or pc.any(steps).as_py():
            differences.add("points.order", f"{name}: rows are not in order of their points", bounds["min"])
        differences.equal(
            "points.replicate", f"{name}: replicate", table["replicate"], _replicates(index, run), reached
        )
        reached = bounds["max"]


def examine_indices(outcome: Outcome, name: str, rows: pq.ParquetFile, key: str) -> list[Finding]:
    """Say what is wrong with a file's point indices; nothing where each is there once, in order.

    Raises ArrowException or OSError where a page is damaged.
    """
    start, end = outcome.start_index, outcome.end_index_exclusive
    column = rows.read(columns=["point_index"], use_threads=False)["point_index"]
    expected = pa.arange(start, end)
    if column.equals(pa.chunked_array([expected])):
        return []

    def finding(code: str, indices: pa.Array, message: str) -> list[Finding]:
        if not len(indices):
            return []
        at = indices[0].as_py()
        return [Finding(f"points.{code}", f"{name}: {message}", outcome.shard_id, key, at, len(indices))]

    counted = pc.value_counts(column)
    values, counts = counted.field("values"), counted.field("counts")
    inside = pc.fill_null(pc.and_(pc.greater_equal(values, start), pc.less(values, end)), fill_value=False)
    absent = expected.filter(pc.invert(pc.is_in(expected, value_set=values)))
    twice = values.filter(pc.and_(pc.greater(counts, 1), inside)).sort()
    outside = values.filter(pc.invert(inside)).sort()
    found = [
        *finding("missing", absent, "points without a row"),
        *finding("duplicate", twice, "points with several rows"),
        *finding("outside", outside, "rows of points outside of the shard"),
    ]
    return found or [Finding("points.order", f"{name}: rows are not in order", outcome.shard_id, key)]


def _replicates(index: pa.Array, run: Run) -> pa.Array:
    replications = run.spec.replications
    return pc.subtract(index, pc.multiply(pc.divide(index, replications), replications))


def _differing(found: Column, wanted: Column) -> list[int]:
    """Return the places at which two columns differ."""
    left, right = _bits(found), _bits(wanted)
    if left.equals(right):
        return []
    pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
    return [place for place, (ours, theirs) in enumerate(pairs) if ours != theirs]


def _bits(column: Column) -> pa.ChunkedArray:
    # Floats as integers: 0.0 equals -0.0, and no NaN equals another.
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return pa.chunked_array([chunk.view(INT) for chunk in chunked.chunks], INT) if chunked.type == FLOAT else chunked


def _is_constant(column: pa.ChunkedArray, value: object) -> bool:
    if column.null_count:
        return False
    if pa.types.is_dictionary(column.type):
        return all(chunk.dictionary.to_pylist() == [value] for chunk in column.chunks)
    return bool(pc.min_max(column).as_py() == {"min": value, "max": value})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column

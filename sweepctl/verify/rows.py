"""Check 3, and the rows' part of check 0: every point exactly once in each table, joined one to one.

All columns are compared in bulk, one row group at a time, whatever the shard's size. Rows are compared one by one only
where a column differs.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweepctl.records.outcome import EXCLUDED, MACHINE_DEPENDENT, MAX_ERROR_MESSAGE, Outcome
from sweepctl.records.rows import RowBuffer, tables_of
from sweepctl.records.table import EFFECTIVE_PARAMETERS, FLOAT, INT, POINT_OUTCOMES, schema_of
from sweepctl.texts import counted
from sweepctl.verify.report import MOST_POINTS, FailedPoints, Finding
from sweepctl.verify.run import ExaminedRun, Tables

Column: TypeAlias = "pa.ChunkedArray | pa.Array"
MAX_SHOWN = 100  # characters of a value
MOST_INDICES = 1 << 24  # of a file whose rows are not those of its points: each is held while they are compared
_OWN_OUTCOMES = len(schema_of(POINT_OUTCOMES, []))  # metrics begin here


@dataclass(frozen=True)
class Pair:
    """The rows of the same points in both tables."""

    first: int  # index of the first point
    parameters: pa.Table
    outcomes: pa.Table

    @property
    def points(self) -> int:
        """The number of points."""
        return int(self.parameters.num_rows)

    def begin(self, points: int) -> Self:
        """Return the first rows alone."""
        return replace(self, parameters=self.parameters.slice(0, points), outcomes=self.outcomes.slice(0, points))


def pairs(outcome: Outcome, parameters: pq.ParquetFile, outcomes: pq.ParquetFile) -> Iterator[Pair | None]:
    """Yield the rows of the same points in both files, then None unless every point is there once, in order.

    Raises ArrowException or OSError if a file's pages are damaged.
    """
    left, right = RowBuffer(tables_of(parameters)), RowBuffer(tables_of(outcomes))
    first, end = outcome.start_index, outcome.end_index_exclusive
    while first < end and (count := min(left.ready, right.ready, end - first)):
        ours, theirs = left.take(count), right.take(count)
        index = pa.chunked_array([pa.arange(first, first + count)])
        if not all(table is not None and table["point_index"].equals(index) for table in (ours, theirs)):
            break
        yield Pair(first, ours, theirs)
        first += count
    if first != end or {parameters.metadata.num_rows, outcomes.metadata.num_rows} != {outcome.points}:
        yield None


class Differences:
    """The differences found in one shard: for each code and column, the first point and the number of points."""

    def __init__(self, run: ExaminedRun, shard_id: int | None, model_version: str | None) -> None:
        """Start without differences; a shard or a model version of None is not compared."""
        self._shard_id = shard_id
        # Columns with the same value in every row.
        self._constants: Mapping[str, object] = {
            "run_id": run.record.run_id,
            "seed": run.spec.seed,
            "model": run.spec.model,
            **({} if shard_id is None else {"shard_id": shard_id}),
            **({} if model_version is None else {"model_version": model_version}),
        }
        self._found: dict[tuple[str, str], Finding] = {}

    @property
    def constant_columns(self) -> Collection[str]:
        """The names of columns with the same value in every row."""
        return self._constants.keys()

    @property
    def findings(self) -> list[Finding]:
        """All differences."""
        return list(self._found.values())

    def equal(self, code: str, what: str, found: Column, wanted: Column, first: int) -> None:
        """Compare two columns of the points from `first` on, bit by bit."""
        wrong = _differing(found, wanted)
        if wrong:
            message = f"{what} is {_shown(found[wrong[0]])}, should be {_shown(wanted[wrong[0]])}"
            self.add(code, what, first + wrong[0], len(wrong), message)

    def holds(self, code: str, what: str, mask: Column, index: Column) -> None:
        """Require that `mask` is true for every row; `index` has the rows' points."""
        if not pc.all(mask, min_count=0).as_py():
            first = index[pc.index(mask, value=False).as_py()].as_py()
            self.add(code, what, first, pc.sum(pc.invert(mask)).as_py())

    def constants(self, name: str, table: pa.Table, first: int) -> None:
        """Compare the columns with the same value in every row with the run record and the outcome."""
        for column in (column for column in table.schema.names if column in self._constants):
            value = self._constants[column]
            if not _is_constant(table[column], value):
                wanted = pa.repeat(pa.scalar(value), table.num_rows)
                self.equal("run_record.row_disagrees", f"{name}: {column}", plain(table[column]), wanted, first)

    def add(self, code: str, what: str, point_index: int | None, count: int = 1, message: str | None = None) -> None:
        """Add a difference; for one code and `what`, the first message is kept."""
        earlier = self._found.get((code, what))
        if earlier is None:
            finding = Finding(code, message or what, self._shard_id, point_index=point_index, count=count)
        else:
            finding = replace(earlier, count=earlier.count + count)
        self._found[code, what] = finding


class RowsExaminer:
    """Examines one shard's rows, a pair of chunks at a time."""

    def __init__(self, outcome: Outcome, run: ExaminedRun, tables: Tables, differences: Differences) -> None:
        """Prepare for the rows of `outcome`."""
        self._outcome = outcome
        self._run = run
        self._tables = tables
        self._differences = differences
        self._first_failure: tuple[int, str] | None = None
        self._excluded = 0
        self.without_result: list[pa.Array] = []  # indices of points that failed or were excluded
        self.by_code: dict[str, FailedPoints] = {}
        self.is_finished = False  # which it is once a row of each point was there

    def add(self, pair: Pair) -> None:
        """Examine the next rows, whose points are the expected ones.

        Raises ArrowException if a text is not UTF-8, which Arrow does not look at when it reads one.
        """
        for table in (pair.parameters, pair.outcomes):
            table.validate(full=True)
        wanted = _replicates(pa.arange(pair.first, pair.first + pair.points), self._run)
        for name, table in ((EFFECTIVE_PARAMETERS, pair.parameters), (POINT_OUTCOMES, pair.outcomes)):
            self._differences.constants(name, table, pair.first)
            what = f"{name}: replicate"
            self._differences.equal("points.replicate", what, table["replicate"], wanted, pair.first)
        fingerprints = (pair.outcomes["point_fingerprint"], pair.parameters["point_fingerprint"])
        self._differences.equal("points.join", "point_fingerprint of the two tables", *fingerprints, pair.first)
        self.add_statuses(pair.outcomes)

    def finish(self) -> None:
        """Compare the failed points with what the outcome says."""
        self.is_finished = True
        outcome = self._outcome
        failed = sum(points.count for points in self.by_code.values())
        dependent = sum(self.by_code[code].count for code in MACHINE_DEPENDENT if code in self.by_code)
        first, message = self._first_failure or (None, None)
        if failed != outcome.points_failed:
            what = f"{counted('points', failed)} failed, the outcome says {outcome.points_failed}"
            self._differences.add("points.counts", what, first)
        elif self._excluded != (outcome.points_excluded or 0):
            what = f"{counted('points', self._excluded)} excluded, the outcome says {outcome.points_excluded}"
            self._differences.add("points.counts", what, first)
        elif outcome.points_machine_dependent not in (None, dependent):
            said = outcome.points_machine_dependent
            what = f"{counted('points', dependent)} failed because of the machine, the outcome says {said}"
            self._differences.add("points.counts", what, first)
        elif (first, message) != (outcome.error_point_index, outcome.error_message):
            what = f"the first failed point is {first}, {message}; the outcome says {outcome.error_point_index}"
            self._differences.add("points.counts", what, first)

    def add_statuses(self, table: pa.Table) -> None:
        """Examine status, errors and metrics of the next rows of `point_outcomes`."""

        def holds(what: str, mask: Column) -> None:
            self._differences.holds("points.status", what, mask, table["point_index"])

        succeeded = pc.fill_null(pc.equal(table["status"], "success"), fill_value=False)
        failed = pc.fill_null(pc.equal(table["status"], "failure"), fill_value=False)
        excluded = pc.fill_null(pc.equal(table["status"], EXCLUDED), fill_value=False)
        without = pc.or_(failed, excluded)
        holds("status is none of success, failure, excluded", pc.or_(succeeded, without))
        for name in ("error_code", "error_message"):
            right = pc.equal(table[name].is_null(), succeeded)
            holds(f"{name} is set for a success, or missing for another point", right)
        for name in table.schema.names[_OWN_OUTCOMES:]:
            absent = table[name].is_null()
            # Only a successful point has metrics, all but the nullable ones.
            right = pc.or_(absent, succeeded) if name in self._tables.nullable else pc.equal(absent, without)
            holds(f"{name} is missing for a success, or set for a failure", right)
            if table[name].type == FLOAT:
                holds(f"{name} is not finite", pc.fill_null(pc.is_finite(table[name]), fill_value=True))
        self._excluded += pc.sum(excluded).as_py() or 0
        if pc.any(without).as_py():
            self.without_result.append(table.filter(without)["point_index"].combine_chunks())
        if pc.any(failed).as_py():
            self._failures(table.filter(failed))

    def _failures(self, rows: pa.Table) -> None:
        for code in pc.unique(pc.fill_null(rows["error_code"], "")).to_pylist():
            indices = rows.filter(pc.equal(pc.fill_null(rows["error_code"], ""), code))["point_index"]
            points = FailedPoints(len(indices), tuple(indices.slice(0, MOST_POINTS).to_pylist()))
            self.by_code[code] = points + self.by_code.get(code)
        if self._first_failure is None:
            first = rows.slice(0, 1).to_pylist()[0]
            message = f"{first['error_code']}: {first['error_message']}"[:MAX_ERROR_MESSAGE]
            self._first_failure = (first["point_index"], message)


class ExtraExaminer:
    """Examines the rows of an extra dataset: any number per successful point, in order of the points."""

    def __init__(self, name: str, outcome: Outcome, run: ExaminedRun, tables: Tables, differences: Differences) -> None:
        """Prepare for rows of the points of `outcome`."""
        self._name = name
        self._outcome = outcome
        self._run = run
        self._tables = tables
        self._differences = differences
        self._reached = outcome.start_index

    def examine(self, file: pq.ParquetFile, without_result: Sequence[pa.Array]) -> None:
        """Examine all rows; points `without_result` have none.

        Raises ArrowException or OSError if a page is damaged.
        """
        without = pa.chunked_array(without_result, INT)
        for table in tables_of(file):
            table.validate(full=True)
            self._differences.constants(self._name, table, self._reached)
            self._points(table["point_index"].combine_chunks(), table["replicate"], without)
            self._values(table)

    def _points(self, index: pa.Array, replicate: pa.ChunkedArray, without: pa.ChunkedArray) -> None:
        name, outcome = self._name, self._outcome
        low, high = outcome.start_index, outcome.end_index_exclusive
        inside = pc.fill_null(pc.and_(pc.greater_equal(index, low), pc.less(index, high)), fill_value=False)
        if not pc.all(inside).as_py():
            at = index.filter(pc.invert(inside))[0].as_py()
            self._differences.add("points.outside", f"{name}: rows of points outside the shard", at)
            return
        if index[0].as_py() < self._reached or pc.any(pc.less(index[1:], index[:-1])).as_py():
            what = f"{name}: rows are not ordered by point"
            self._differences.add("points.order", what, index[0].as_py())
        owned = pc.is_in(index, value_set=without)
        if pc.any(owned).as_py():
            what = f"{name}: rows of a point without a result"
            self._differences.add("points.status", what, index.filter(owned)[0].as_py())
        wanted = _replicates(index, self._run)
        self._differences.equal("points.replicate", f"{name}: replicate", replicate, wanted, self._reached)
        self._reached = index[-1].as_py()

    def _values(self, table: pa.Table) -> None:
        for column in self._tables.extra.get(self._name, ()):
            values = table[column.name]
            if values.type == FLOAT:
                right = pc.fill_null(pc.is_finite(values), column.nullable)
            elif column.nullable:
                continue
            else:
                right = values.is_valid()
            what = f"{self._name}: {column.name} is missing or not finite"
            self._differences.holds("points.status", what, right, table["point_index"])


def examine_indices(outcome: Outcome, name: str, rows: pq.ParquetFile, key: str) -> list[Finding]:
    """Return findings about a file's point indices; none if each is there once, in order.

    Raises ArrowException or OSError if a page is damaged.
    """
    start, end = outcome.start_index, outcome.end_index_exclusive
    if rows.metadata.num_rows > MOST_INDICES:
        message = f"{name}: its {rows.metadata.num_rows} rows are not one a point, in order"
        return [Finding("points.order", message, outcome.shard_id, key, start)]
    column = rows.read(columns=["point_index"], use_threads=False)["point_index"]
    counted = pc.value_counts(column)
    values, counts = counted.field("values"), counted.field("counts")
    inside = pc.fill_null(pc.and_(pc.greater_equal(values, start), pc.less(values, end)), fill_value=False)
    there = values.filter(inside).sort()
    twice = values.filter(pc.and_(pc.greater(counts, 1), inside)).sort()
    outside = values.filter(pc.invert(inside)).sort()
    found: list[tuple[str, str, int, int]] = []
    if len(there) < outcome.points:
        # Without listing all expected indices: damaged bounds can be huge.
        gap = pc.index(pc.equal(there, pa.arange(start, start + len(there))), value=False).as_py()
        at = start + (len(there) if gap < 0 else gap)
        found.append(("missing", "points without a row", at, outcome.points - len(there)))
    if len(twice):
        found.append(("duplicate", "points with several rows", twice[0].as_py(), len(twice)))
    if len(outside):
        found.append(("outside", "rows of points outside the shard", outside[0].as_py(), len(outside)))
    if not found and not column.equals(pa.chunked_array([there])):
        found.append(("order", "rows are not in order", start, 1))
    return [
        Finding(f"points.{code}", f"{name}: {message}", outcome.shard_id, key, at, count)
        for code, message, at, count in found
    ]


def _replicates(index: pa.Array, run: ExaminedRun) -> pa.Array:
    replications = run.spec.replications
    return pc.subtract(index, pc.multiply(pc.divide(index, replications), replications))


def _differing(found: Column, wanted: Column) -> list[int]:
    """Return the positions at which two columns of equal length differ."""
    left, right = _bits(found), _bits(wanted)
    if left.equals(right):
        return []
    pairs = zip(left.to_pylist(), right.to_pylist(), strict=True)
    return [place for place, (ours, theirs) in enumerate(pairs) if ours != theirs]


def _shown(value: pa.Scalar) -> str:
    text = repr(value.as_py())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _bits(column: Column) -> pa.ChunkedArray:
    # Floats are compared as integers: as floats, 0.0 equals -0.0, and no NaN equals another.
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    return pa.chunked_array([chunk.view(INT) for chunk in chunked.chunks], INT) if chunked.type == FLOAT else chunked


def _is_constant(column: pa.ChunkedArray, value: object) -> bool:
    if column.null_count:
        return False
    if pa.types.is_dictionary(column.type):
        return all(chunk.dictionary.to_pylist() == [value] for chunk in column.chunks)
    return bool(pc.min_max(column).as_py() == {"min": value, "max": value})


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column

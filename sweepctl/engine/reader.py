"""Reads the engine's point records: checks them in bulk and converts them to Arrow.

Lines are parsed under an explicit schema, without a Python object per field or point. Records are checked as far as a
worker can without recomputing them: order, counts, types, presence, finiteness. `verify` recomputes fingerprints and
parameters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sweepctl.engine.checks import check_points, check_rows, equal, members, parse_records, require
from sweepctl.engine.columns import POINTS_START, columns_schema, unfold
from sweepctl.engine.kept import KeptFiles
from sweepctl.errors import EngineFaultError
from sweepctl.messages import ShardMessage
from sweepctl.protocol import Column, Finished, Model
from sweepctl.records.outcome import EXCLUDED, MACHINE_DEPENDENT
from sweepctl.records.row_digest import ContentDigest
from sweepctl.records.table import EFFECTIVE_PARAMETERS, INT, POINT_OUTCOMES, TEXT, columns_of, schemas

RESULT = ("status", "error_code", "error_message")
MAX_ROWS_BYTES = 65 << 20  # of one point's `rows` records: an engine writes at most 64 MiB, and their heads
_OWNER = [("point_index", INT), ("replicate", INT)]  # of a row of an extra dataset
POINT_START = b'{"record":"point"'
POINT_LINE = re.compile(rb'^\{"record":"points?".*\n', re.MULTILINE)
ROWS_START = b'{"record":"rows","dataset":"'


@dataclass(frozen=True)
class PointFailure:
    """A point that failed: a domain error or a panic."""

    point_index: int
    error_code: str
    error_message: str


@dataclass(frozen=True)
class Batch:
    """Checked rows of each dataset, and the fault after them, if any."""

    rows: Mapping[str, pa.Table]
    fault: EngineFaultError | None


_Records = tuple[pa.Table, Mapping[str, pa.Table]]  # points, and the rows of each extra dataset


class RecordReader:
    """Reads the lines of one shard's points, in order, and counts them."""

    def __init__(self, message: ShardMessage, model: Model) -> None:
        """Prepare for the points of `message` from `model`."""
        self._message = message
        self._model = model
        self._schemas = schemas(model, message.outputs)
        self._constant: Mapping[str, str | int] = {
            "run_id": message.run_id,
            "shard_id": message.shard_id,
            "seed": message.seed,
            "model": model.name,
            "model_version": model.version,
        }
        self._wire = _wire_schema(model)
        self._wire_columns = columns_schema(self._wire)
        self._wire_rows = {
            dataset.name: (_wire_rows_schema(dataset.columns), dataset.columns)
            for dataset in model.datasets
            if dataset.name in message.outputs
        }
        self._digest = ContentDigest(
            self._wire.remove(0),
            {name: pa.schema([*_OWNER, *columns_of(each)]) for name, (_, each) in self._wire_rows.items()},
        )
        self._held = b""
        self.next_index = message.start_index
        self.failed = 0
        self.machine_dependent = 0  # of the failed ones
        self.excluded = 0
        self._before = (0, 0, 0)  # points, failed and excluded ones, that an engine wrote which did not finish
        self.first_failure: PointFailure | None = None
        self.kept = KeptFiles(model, range(message.start_index, message.end_index_exclusive))

    @property
    def succeeded(self) -> int:
        """The number of points that have succeeded so far."""
        return self.next_index - self._message.start_index - self.failed - self.excluded

    @property
    def content_sha256(self) -> str:
        """The digest of all accepted rows (docs/protocol.md, Content digest)."""
        return self._digest.text

    def read(self, lines: bytes) -> Batch:
        """Return the rows of whole lines; if a line is wrong, the rows before it and the fault."""
        try:
            lines = self._held + self.kept.take(lines)
        except EngineFaultError as fault:
            return Batch({}, fault)
        # Rows of a point come before its record, so they are held until it arrives.
        end = _after_line(lines, max(lines.rfind(POINT_START), lines.rfind(POINTS_START)))
        lines, self._held = lines[:end], lines[end:]
        try:
            rows = self._take(lines) if lines else {}
        except EngineFaultError as fault:
            good = self._longest_good(lines)
            return Batch(self._take(good) if good else {}, fault)
        return Batch(rows, self._fault_of_held())

    def go_on(self) -> None:
        """Prepare for another engine, which runs the points from `next_index` on."""
        self._held = b""
        self.kept.go_on(self.next_index)
        self._before = (self.next_index - self._message.start_index, self.failed, self.excluded)

    def finish(self, finished: Finished) -> None:
        """Compare the engine's counts with the records that it wrote.

        Raises:
            EngineFaultError: points are missing, or the engine counted something else.
        """
        points, failed, excluded = self._before
        count = self.next_index - self._message.start_index - points
        failed, excluded = self.failed - failed, self.excluded - excluded
        seen = (count, count - failed - excluded, failed, excluded)
        said = (finished.points, finished.succeeded, finished.failed, finished.excluded)
        if self.next_index != self._message.end_index_exclusive or said != seen or self._held:
            msg = (
                f"the engine wrote {seen[0]} of {self._message.points - points} points "
                f"({seen[1]} succeeded, {seen[2]} failed, {seen[3]} excluded) "
                f"but reported {said[0]} ({said[1]} succeeded, {said[2]} failed, {said[3]} excluded)"
            )
            raise EngineFaultError("engine_wrong_count", msg)

    def _fault_of_held(self) -> EngineFaultError | None:
        """Return the fault in lines that no point record follows yet; they must not accumulate."""
        if len(self._held) > MAX_ROWS_BYTES:
            msg = f"the engine wrote more than {MAX_ROWS_BYTES} bytes of rows for one point"
            return EngineFaultError("engine_flooded", msg)
        waiting = self._held.split(b"\n")[:-1]
        if len(waiting) <= len(self._wire_rows) and all(line.startswith(ROWS_START) for line in waiting):
            return None
        shown = waiting[0][:120].decode("utf-8", "backslashreplace")
        return EngineFaultError(
            "engine_invalid_output", f"the engine wrote a line that is neither a point nor rows: {shown}"
        )

    def _take(self, lines: bytes) -> Mapping[str, pa.Table]:
        points, rows = self._parse(lines)
        self._check_order(points)
        self._digest.add(points, rows)
        failures = points.filter(pc.equal(points["status"], "failure"))
        if failures.num_rows and self.first_failure is None:
            first = failures.slice(0, 1).to_pylist()[0]
            self.first_failure = PointFailure(first["point_index"], first["error_code"], first["error_message"])
        self.next_index += points.num_rows
        self.failed += failures.num_rows
        self.excluded += pc.sum(pc.equal(points["status"], EXCLUDED)).as_py() or 0
        self.machine_dependent += pc.sum(pc.is_in(failures["error_code"], pa.array(MACHINE_DEPENDENT))).as_py() or 0
        return {
            name: _complete(table, self._schemas[name], self._constant)
            for name, table in {**_datasets(points), **rows}.items()
        }

    def _parse(self, lines: bytes) -> _Records:
        """Parse and check lines, but for the order of points, and without counting them."""
        rows: Mapping[str, _RowsLines] = {}
        if self._wire_rows and ROWS_START in lines:
            lines, rows = _split(lines)
        unknown = rows.keys() - self._wire_rows.keys()
        require(not unknown, f"rows of a dataset that was not requested: {', '.join(sorted(unknown))[:80]}")
        if lines.startswith(POINTS_START):
            records = parse_records(lines, self._wire_columns)
            points = unfold(
                records, self._wire, self._message.replications, self._message.end_index_exclusive - self.next_index
            )
        else:
            points = parse_records(lines, self._wire)
        check_points(points, self._model, self._message.spec.derived)
        return points, {
            name: check_rows(parse_records(b"".join(rows[name].lines), schema), rows[name].places, points, columns)
            for name, (schema, columns) in self._wire_rows.items()
            if name in rows
        }

    def _check_order(self, points: pa.Table) -> None:
        first, last = self.next_index, self.next_index + points.num_rows
        if last > self._message.end_index_exclusive or not equal(points["point_index"], pa.arange(first, last)):
            said = points["point_index"].to_pylist()
            expected = range(first, self._message.end_index_exclusive)
            wrong = next(place for place, index in enumerate(said) if place >= len(expected) or index != first + place)
            msg = f"the engine wrote point_index {said[wrong]} where {first + wrong} was expected"
            raise EngineFaultError("engine_wrong_index", msg)
        replications = self._message.replications
        cells = pc.multiply(pc.divide(points["point_index"], replications), replications)
        require(equal(points["replicate"], pc.subtract(points["point_index"], cells)), "a replicate is wrong")

    def _longest_good(self, lines: bytes) -> bytes:
        """Return the lines up to the first bad point, by bisection: a fault is rare, and its line one of thousands."""
        ends = [0, *(line.end() for line in POINT_LINE.finditer(lines))]
        good, bad = 0, len(ends)
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                points, _ = self._parse(lines[: ends[middle]])
                self._check_order(points)
                good = middle
            except EngineFaultError:
                bad = middle
        return lines[: ends[good]]


def _complete(rows: pa.Table, schema: pa.Schema, constant: Mapping[str, str | int]) -> pa.Table:
    """Add the columns that are the same in all rows, and put the columns in the schema's order.

    Those are dictionaries, which a writer decodes group by group: a row of two bytes may have a run_id of 64.
    """
    zeros = pa.repeat(pa.scalar(0, pa.int8()), rows.num_rows)
    columns = [
        pa.DictionaryArray.from_arrays(zeros, pa.array([constant[field.name]], field.type))
        if field.name in constant
        else rows[field.name]
        for field in schema
    ]
    return pa.table(columns, schema.names)


def _wire_schema(model: Model) -> pa.Schema:
    return pa.schema(
        [
            ("record", TEXT),
            ("point_index", INT),
            ("replicate", INT),
            ("status", TEXT),
            ("parameters", pa.struct(columns_of(model.parameters))),
            ("effective_parameters_json", TEXT),
            ("parameter_fingerprint", TEXT),
            ("point_fingerprint", TEXT),
            ("metrics", pa.struct(columns_of(model.metrics))),
            ("error_code", TEXT),
            ("error_message", TEXT),
        ],
    )


def _wire_rows_schema(columns: Sequence[Column]) -> pa.Schema:
    lists = pa.struct([(name, pa.list_(kind)) for name, kind in columns_of(columns)])
    return pa.schema(
        [("record", TEXT), ("dataset", TEXT), ("point_index", INT), ("replicate", INT), ("columns", lists)]
    )


def _datasets(points: pa.Table) -> Mapping[str, pa.Table]:
    both = {name: points[name] for name in ("point_index", "replicate", "point_fingerprint")}
    parameters = {name: points[name] for name in ("parameter_fingerprint", "effective_parameters_json")}
    outcomes = {name: points[name] for name in RESULT}
    return {
        EFFECTIVE_PARAMETERS: pa.table({**both, **parameters, **members(points["parameters"])}),
        POINT_OUTCOMES: pa.table({**both, **outcomes, **members(points["metrics"])}),
    }


@dataclass(frozen=True)
class _RowsLines:
    """The `rows` records of one dataset, and how many points came before each."""

    lines: list[bytes]
    places: list[int]


def _split(lines: bytes) -> tuple[bytes, Mapping[str, _RowsLines]]:
    """Separate point lines from the `rows` records of each extra dataset."""
    points: list[bytes] = []
    rows: dict[str, _RowsLines] = {}
    for line in lines.split(b"\n")[:-1]:
        if line.startswith(ROWS_START):
            name = line[len(ROWS_START) :].partition(b'"')[0].decode("utf-8", "backslashreplace")
            found = rows.setdefault(name, _RowsLines([], []))
            found.lines.append(line + b"\n")
            found.places.append(len(points))
        else:
            points.append(line + b"\n")
    return b"".join(points), rows


def _after_line(lines: bytes, start: int) -> int:
    """Return the end of the line that starts at `start`; 0 if `start` is negative."""
    return 0 if start < 0 else lines.find(b"\n", start) + 1

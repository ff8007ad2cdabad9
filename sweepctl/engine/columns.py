"""Unfolds an engine's `points` records, each of consecutive points in columns, to one row for each point.

What becomes of the rows is the same as with one record for each point: this only finds out which value is whose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sweepctl.engine.checks import equal, require
from sweepctl.errors import EngineFaultError
from sweepctl.records.table import INT, TEXT
from sweepctl.strict_json import INT64_MAX

POINTS_START = b'{"record":"points"'
# Members with an entry for each cell of the points; the others have one for each point. One alone holds for all.
OF_CELLS = ("parameters", "effective_parameters_json", "parameter_fingerprint")
OF_POINTS = ("point_fingerprint", "status", "metrics", "error_code", "error_message")
# Of a block, once each point has its own: what holds for all points of a record would be repeated without end.
MAX_UNFOLDED_BYTES = 128 << 20
ENTRY_BYTES = 8  # of a value that is no text, and of where a text ends


def columns_schema(points: pa.Schema) -> pa.Schema:
    """Return the schema of `points` records, given that of `point` records."""
    members = [(name, _list_of(points.field(name).type)) for name in (*OF_CELLS, *OF_POINTS)]
    return pa.schema([("record", TEXT), ("point_index", INT), ("points", INT), *members])


def _list_of(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, pa.list_(field.type)) for field in kind])
    return pa.list_(kind)


@dataclass(frozen=True)
class _Span:
    """The points of one record."""

    start: int
    count: int
    replications: int

    @property
    def first_cell(self) -> int:
        return self.start // self.replications

    @property
    def cells(self) -> int:
        return (self.start + self.count - 1) // self.replications - self.first_cell + 1

    def indices(self) -> pa.Array:
        return pa.arange(self.start, self.start + self.count)

    def places(self, first: int, entries: int, *, of_cells: bool) -> pa.Array | None:
        """Return where each point's entry is, the first of `entries` being at `first`; None if there are too many."""
        if entries == 1:
            return pa.repeat(pa.scalar(first, INT), self.count)
        if not of_cells:
            return pa.arange(first, first + entries) if entries == self.count else None
        if entries != self.cells:
            return None
        return pc.subtract(pc.divide(self.indices(), self.replications), self.first_cell - first)


def unfold(records: pa.Table, points: pa.Schema, replications: int, most: int) -> pa.Table:
    """Return one row for each point of `points` records, with the columns of `point` records.

    Raises:
        EngineFaultError: there are more than `most` points, a member is missing, or has a number of entries that is not
            that of its points or cells.
    """
    for name in records.schema.names:
        require(records[name].null_count == 0, f"a record of points has no {name}")
    require(equal(records["record"], pa.repeat("points", records.num_rows)), "a record is not of points")
    unfolding = _Unfolding(_spans(records, replications, most, _leaves(points)))
    index = pa.concat_arrays([span.indices() for span in unfolding.spans])
    columns = {
        "record": pa.repeat("point", len(index)),
        "point_index": index,
        "replicate": pc.subtract(index, pc.multiply(pc.divide(index, replications), replications)),
    }
    for name in (*OF_CELLS, *OF_POINTS):
        columns[name] = unfolding.member(name, records[name].combine_chunks(), points.field(name).type)
    columns["metrics"] = _of_successes(columns["metrics"], columns["status"])
    return pa.table([columns[name] for name in points.names], schema=points)


def _leaves(points: pa.Schema) -> int:
    return sum(max(1, field.type.num_fields) for field in points)


def _spans(records: pa.Table, replications: int, most: int, leaves: int) -> list[_Span]:
    starts, counts = records["point_index"].to_pylist(), records["points"].to_pylist()
    # Each point has a fingerprint of its own: so there are no more points than the record has bytes.
    given = pc.list_value_length(records["point_fingerprint"]).to_pylist()
    require(given == counts, "a record has another number of points than of point_fingerprint")
    # Before anything of them is unfolded.
    total = sum(counts)
    if total > most:
        msg = f"the engine wrote {total:,} points where at most {most:,} were expected"
        raise EngineFaultError("engine_wrong_index", msg)
    size = total * leaves * ENTRY_BYTES
    require(size <= MAX_UNFOLDED_BYTES, f"the values of some points have over {MAX_UNFOLDED_BYTES} bytes")
    spans = [_Span(start, count, replications) for start, count in zip(starts, counts, strict=True)]
    require(
        all(span.count > 0 and 0 <= span.start <= INT64_MAX - span.count for span in spans), "a record has no points"
    )
    return spans


class _Unfolding:
    """Unfolds the members of some records; most have as many entries as others, and their places are found once."""

    def __init__(self, spans: Sequence[_Span]) -> None:
        self.spans = spans
        self._points = sum(span.count for span in spans)
        self._places: dict[tuple[bool, tuple[int, ...]], pa.Array] = {}
        self._bytes = 0

    def member(self, name: str, entries: pa.Array, kind: pa.DataType) -> pa.Array:
        """Return the member of each point; `entries` is a list for each record, or a struct of such."""
        if not pa.types.is_struct(kind):
            return self._unfold(name, entries, of_cells=name in OF_CELLS)
        if not kind.num_fields:
            return pa.repeat(pa.scalar({}, kind), self._points)
        inner = [
            self._unfold(field.name, each, of_cells=name in OF_CELLS)
            for field, each in zip(kind, entries.flatten(), strict=True)
        ]
        return pa.StructArray.from_arrays(inner, fields=list(kind))

    def _unfold(self, name: str, lists: pa.Array, *, of_cells: bool) -> pa.Array:
        require(lists.null_count == 0, f"a record of points has no {name}")
        lengths = tuple(pc.list_value_length(lists).to_pylist())
        values, places = lists.flatten(), self._places.get((of_cells, lengths))
        if places is None:
            places = pa.concat_arrays(self._find(name, lengths, of_cells=of_cells))
            self._places[of_cells, lengths] = places
        if values.type == TEXT:
            self._bytes += pc.sum(pc.binary_length(values).take(places)).as_py() or 0
            require(self._bytes <= MAX_UNFOLDED_BYTES, f"the texts of some points have over {MAX_UNFOLDED_BYTES} bytes")
        return values if len(values) == self._points else values.take(places)

    def _find(self, name: str, lengths: Sequence[int], *, of_cells: bool) -> Iterator[pa.Array]:
        first = 0
        for span, length in zip(self.spans, lengths, strict=True):
            places = span.places(first, length, of_cells=of_cells)
            require(
                places is not None,
                f"{name} has {length} entries for {span.count} points of {span.cells} cells from {span.start} on",
            )
            yield places
            first += length


def _of_successes(metrics: pa.Array, status: pa.Array) -> pa.Array:
    """Return metrics that are null for each point that has not succeeded: there are none of it, not even null ones."""
    succeeded = pc.fill_null(pc.equal(status, "success"), False)  # noqa: FBT003  Arrow's
    if pc.all(succeeded).as_py():
        return metrics
    for field, values in zip(metrics.type, metrics.flatten(), strict=True):
        known = pc.and_(values.is_valid(), pc.invert(succeeded))
        require(not pc.any(known).as_py(), f"{field.name} is set for a failure")
    return pa.StructArray.from_arrays(metrics.flatten(), fields=list(metrics.type), mask=pc.invert(succeeded))

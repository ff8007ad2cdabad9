"""Scenario discovery: the boxes of parameters in which a condition on points holds (Bryant and Lempert 2010).

The condition is SQL over the view `points`, as a user writes it; the boxes are found by PRIM. docs/report.md states
every rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from sweepctl import numpy_gate
from sweepctl.errors import QueryError, UsageError
from sweepctl.results import formats, views
from sweepctl.results.analysis.subject import Subject, select
from sweepctl.spec import Value
from sweepctl.texts import extra_remedy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection
    from duckdb import DuckDBPyRelation as Relation

    from sweepctl.results.analysis import prim

MAX_POINTS = 100_000  # of which boxes are made: of more, those with the lowest hash of their index
MOST_DRAWN = 1_000  # the first of them: a page with many more would be large
MOST_BOXES = 3
SHOWN_STEPS = 10  # of a peeling trajectory

_ALIAS = "the condition"  # no parameter has such a name
_MET = f'"{_ALIAS}"'
_REMEDY = (
    'A condition is one expression in SQL over the columns of `points`, for instance "mean_wait > 5". '
    "`sweepctl query RUN_ID 'DESCRIBE points'` lists the columns."
)


@dataclass(frozen=True)
class Restriction:
    """What a box demands of one dimension."""

    dimension: str
    low: Value  # None: no lower end
    high: Value  # None: no upper end
    values: tuple[Value, ...] | None  # those in the box, in place of ends, if the dimension is no range of numbers
    p_value: float  # quasi-p-value: how often chance would give as dense a box without this restriction

    def holds(self, value: Value) -> bool:
        """Return whether a value is in the box; null comes after all numbers."""
        if self.values is not None:
            return value in self.values
        if not isinstance(value, int | float):
            return self.high is None
        ends = (end if isinstance(end, int | float) else value for end in (self.low, self.high))
        return next(ends) <= value <= next(ends)


@dataclass(frozen=True)
class Step:
    """What was left after a step of peeling, before pasting."""

    points: int
    coverage: float
    density: float
    mass: float
    restricted: tuple[str, ...]  # dimensions
    is_chosen: bool


@dataclass(frozen=True)
class Box:
    """A box of parameters in which the condition holds more often than elsewhere."""

    restrictions: tuple[Restriction, ...]  # those that matter most first
    points: int  # in this box and in no earlier one, as in all that follows
    met: int
    coverage: float  # share of all points that meet the condition
    density: float  # share of the box's points that meet the condition
    mass: float  # share of all points
    trajectory: tuple[Step, ...] = field(repr=False)  # some of the steps
    # By dimension, the values of at most `MOST_DRAWN` points in no earlier box.
    drawn: Mapping[str, Sequence[Value]] = field(repr=False)
    drawn_met: Sequence[bool] = field(repr=False)  # of the same points


@dataclass(frozen=True)
class Discovery:
    """The boxes in which a condition holds, or why there are none."""

    where: str
    points: int  # that succeeded; repeated cells count once
    met: int
    unknown: int  # the condition is null: counted as not met
    used: int  # of the points, for the boxes
    boxes: tuple[Box, ...] = ()
    why_not: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the discovery as JSON values."""
        found = asdict(self)
        for box in found["boxes"]:
            del box["drawn"], box["drawn_met"]
        return found


def discover(connection: "Connection", subject: Subject, where: str) -> Discovery:
    """Return the boxes in which a condition holds.

    Args:
        connection: Has the run's views (`results.views`).
        subject: What is analysed of the run.
        where: The condition, an expression in SQL over the view `points`.

    Raises:
        QueryError: it is not one condition, or DuckDB refuses it.
        UsageError: NumPy or SciPy is not installed.
    """
    numpy_gate.reopen()
    try:
        from sweepctl.results.analysis import prim  # noqa: PLC0415  imports NumPy and SciPy, which are optional
    except ImportError as error:
        remedy = extra_remedy("sensitivity", "salib")
        raise UsageError("boxes of a condition need NumPy and SciPy", remedy=remedy) from error
    if not subject.succeeded:  # there may be no columns yet
        return Discovery(where, 0, 0, 0, 0, why_not="no box: no point has succeeded")
    judged = _judged(connection, subject, where)
    (counts,) = _table(judged.aggregate(f"count(*), count(*) FILTER ({_MET}), count(*) - count({_MET})")).to_pylist()
    points, met, unknown = counts.values()
    found = Discovery(where, points, met, unknown, min(points, MAX_POINTS))
    if why_not := _why_not(subject, found, prim.LEAST_POINTS):
        return replace(found, why_not=why_not)
    rows = _table(judged.order("hash(point_index), point_index").limit(MAX_POINTS))
    boxes = _boxes(subject, rows)
    why_not_any = None if boxes else "no box: chance may explain where the condition holds"
    return replace(found, boxes=boxes, why_not=why_not_any)


def _judged(connection: "Connection", subject: Subject, where: str) -> "Relation":
    """Return the points that count, with their dimensions and whether they meet the condition."""
    import duckdb  # noqa: PLC0415  an extra

    try:
        duckdb.SQLExpression(where)  # one expression, with no clause after it, and whole by itself
    except duckdb.Error as error:
        raise QueryError(f"the condition: {error}", remedy=_REMEDY) from error
    names = [dimension.name for dimension in subject.dimensions]
    condition = f"({where}\n)"  # a comment in it ends with its line
    columns = select(["point_index", *names])
    try:
        # In WHERE, DuckDB refuses what is no condition on one point: aggregates, windows, and what yields several rows.
        views.ask(connection, f"SELECT point_index FROM points WHERE {condition}")
        sql = f"SELECT {columns}, {condition} AS {_MET} FROM points WHERE {subject.counted}"
        judged = views.ask(connection, sql)
    except QueryError as error:
        # From DuckDB's error: by its class `views.connect` decides whether a damaged file may be the cause.
        raise QueryError(f"the condition: {error.message}", remedy=_REMEDY) from error.__cause__
    if len(judged.columns) != len(names) + 2 or judged.types[-1] != "BOOLEAN":
        kinds = ", ".join(map(str, judged.types[len(names) + 1 :]))
        raise QueryError(f"the condition is not true or false, but {kinds}: {where}", remedy=_REMEDY)
    return judged


def _table(rows: "Relation") -> pa.Table:
    with formats.record_batches(rows) as reader:
        return reader.read_all()


def _why_not(subject: Subject, found: Discovery, least: int) -> str | None:
    """Return why no box is looked for; None if one is."""
    if not subject.dimensions:
        return "no box: no dimension has two values"
    if not found.met:
        return "no box: the condition holds at no point"
    if found.met == found.points:
        return "no box: the condition holds at every point"
    if found.points < least:
        return f"no box: {least} points that succeeded are needed, and there are {found.points:,}"
    return None


def _boxes(subject: Subject, rows: pa.Table) -> tuple[Box, ...]:
    """Return the boxes, each found in what the earlier ones leave (covering)."""
    import numpy as np  # noqa: PLC0415  as in `discover`

    from sweepctl.results.analysis import prim  # noqa: PLC0415  as in `discover`

    # Through buffers: pyarrow may have been imported while NumPy was kept out.
    ranked = [pc.rank(rows[dimension.name], tiebreaker="dense") for dimension in subject.dimensions]
    places = np.array([np.frombuffer(each.buffers()[1], np.uint64) for each in ranked]).astype(np.int32) - 1
    firsts = [np.unique(column, return_index=True)[1] for column in places]
    levels = [
        _Levels(dimension.name, dimension.is_number, rows[dimension.name].take(pa.array(first.tolist())).to_pylist())
        for dimension, first in zip(subject.dimensions, firsts, strict=True)
    ]
    is_met = [each is True for each in rows[_ALIAS].to_pylist()]
    counts, ordered = (len(each.values) for each in levels), (each.is_number for each in levels)
    rest = prim.Sample(places, tuple(counts), tuple(ordered), np.array(is_met))
    frame, indices = _Frame(rest.size, levels), np.arange(len(is_met))
    boxes: list[Box] = []
    while len(boxes) < MOST_BOXES and (found := prim.find(rest)) is not None:
        some = rows.take(pa.array(indices[:MOST_DRAWN].tolist()))
        boxes.append(frame.box(rest, *found, some))
        kept = ~rest.inside(found[0])
        rest, indices = rest.where(kept), indices[kept]
    return tuple(boxes)


@dataclass(frozen=True)
class _Levels:
    """The values of a dimension, in order; null is the last."""

    name: str
    is_number: bool
    values: Sequence[Value]

    def restriction(self, inside: "prim.Flags", p_value: float) -> Restriction:
        """Return what a box with these levels demands of the dimension."""
        kept = [value for value, each in zip(self.values, inside.tolist(), strict=True) if each]
        if not self.is_number or kept[0] is None:
            return Restriction(self.name, None, None, tuple(kept), p_value)
        return Restriction(self.name, None if inside[0] else kept[0], None if inside[-1] else kept[-1], None, p_value)


@dataclass(frozen=True)
class _Frame:
    """What boxes are measured by: all points, and the levels of all dimensions."""

    whole: "prim.Size"
    levels: Sequence[_Levels]

    def box(self, rest: "prim.Sample", found: "prim.Box", trajectory: "prim.Trajectory", drawn: pa.Table) -> Box:
        """Return a box that was found in what earlier ones left."""
        from sweepctl.results.analysis import prim  # noqa: PLC0415  as in `discover`

        size = rest.where(rest.inside(found)).size
        p_values = sorted(prim.quasi_p_values(rest, found).items(), key=lambda each: each[1])
        last = len(trajectory.cuts)
        steps = {trajectory.best, *(place * last // (SHOWN_STEPS - 1) for place in range(SHOWN_STEPS))}
        return Box(
            tuple(self.levels[place].restriction(found[place], p_value) for place, p_value in p_values),
            *size,
            *self.shares(size),
            tuple(self.step(trajectory, step) for step in sorted(steps)),
            {each.name: drawn[each.name].to_pylist() for each in self.levels},
            [each is True for each in drawn[_ALIAS].to_pylist()],
        )

    def step(self, trajectory: "prim.Trajectory", step: int) -> Step:
        """Return a step of a box's peeling."""
        size = trajectory.sizes[step]
        restricted = sorted({cut.dimension for cut in trajectory.cuts[:step]})
        names = tuple(self.levels[place].name for place in restricted)
        return Step(size.points, *self.shares(size), names, step == trajectory.best)

    def shares(self, size: "prim.Size") -> tuple[float, float, float]:
        """Return coverage, density and mass."""
        return size.met / self.whole.met, size.met / size.points, size.points / self.whole.points

"""Finds the points that two runs have in common.

A point of one run is that of the other which has the same effective parameters and the same replicate, whatever their
indices, shards and model versions. Cells that repeat the parameters of an earlier one are left out, and so are points
that a constraint excludes: a run does not have these.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Self

from sweepctl.errors import UsageError
from sweepctl.names import quoted
from sweepctl.records.outcome import RunRecord
from sweepctl.results.analysis.subject import select
from sweepctl.spec import Value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


_FINGERPRINT = "parameter_fingerprint"


@dataclass(frozen=True)
class Side:
    """One of two runs that are compared."""

    run: RunRecord
    recorded: int  # points, without excluded ones
    excluded: int
    parameters: frozenset[str] = field(repr=False)  # of its model
    versions: tuple[str, ...]  # of its model
    points: int = 0  # recorded, each identity once

    @property
    def condition(self) -> str:
        """Its rows, as SQL."""
        return f"run_id = '{self.run.run_id}'"  # a run_id has no quotes

    @property
    def counted(self) -> str:
        """Its rows of points that are not excluded, as SQL."""
        left_out = f"SELECT point_index FROM point_outcomes WHERE {self.condition} AND status = 'excluded'"
        return f"{self.condition} AND point_index NOT IN ({left_out})" if self.excluded else self.condition

    @classmethod
    def of(cls, connection: "Connection", run: RunRecord) -> Self:
        """Return what is recorded of a run."""
        own = f"WHERE run_id = '{run.run_id}'"
        recorded, parameters, versions = connection.execute(
            "SELECT count(*), any_value(effective_parameters_json), list(DISTINCT model_version) "
            f"FROM effective_parameters {own}"
        ).fetchall()[0]
        names = frozenset(json.loads(parameters) if parameters else ())
        left_out = f"SELECT count(*) FROM point_outcomes {own} AND status = 'excluded'"
        excluded = int(connection.execute(left_out).fetchall()[0][0]) if run.spec.constraints else 0
        return cls(run, recorded - excluded, excluded, names, tuple(sorted(versions or ())))


class Counts(NamedTuple):
    """Numbers of points."""

    common: int
    both_failed: int
    failed_differently: int  # of both_failed: with different error codes
    failures_came: int  # succeeded in the first run, failed in the second
    failures_went: int


@dataclass(frozen=True)
class Pairing:
    """The common points of two runs: the table `pairs` of the connection, with one row for each."""

    first: Side
    second: Side
    counts: Counts
    notes: tuple[str, ...]  # what to know before any number is used

    @property
    def only_first(self) -> int:
        """Points that only the first run has."""
        return self.first.points - self.counts.common

    @property
    def only_second(self) -> int:
        """Points that only the second run has."""
        return self.second.points - self.counts.common

    @property
    def is_exact(self) -> bool:
        """Whether both runs have the same points, and the same of them failed, with the same codes."""
        counts = self.counts
        failures = counts.failures_came + counts.failures_went + counts.failed_differently
        return not self.only_first + self.only_second + failures


def pair(connection: "Connection", first: RunRecord, second: RunRecord) -> Pairing:
    """Find the common points of two runs.

    The table `pairs` has `a_index` and `b_index`, the indices in the first and second run, their `replicate`, and
    `a_ok` and `b_ok`, whether they succeeded.

    Raises:
        UsageError: a parameter varies that only one of the runs has.
    """
    sides = [Side.of(connection, each) for each in (first, second)]
    key = _key(connection, *sides)
    a, b = (replace(side, points=_identities(connection, side, key)) for side in sides)
    on = " AND ".join(f"a.{quoted(name)} IS NOT DISTINCT FROM b.{quoted(name)}" for name in [*key, "replicate"])
    # In two steps, each of few and narrow columns: together they would take twice the memory.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE matches AS "
        "SELECT a.point_index AS a_index, b.point_index AS b_index, a.replicate "
        f"FROM ({_points(a, key)}) a JOIN ({_points(b, key)}) b ON {on}"
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE pairs AS SELECT matches.*, a.status = 'success' AS a_ok, "
        "b.status = 'success' AS b_ok, a.error_code IS DISTINCT FROM b.error_code AS codes_differ FROM matches "
        f"JOIN point_outcomes a ON a.{a.condition} AND a.point_index = a_index "
        f"JOIN point_outcomes b ON b.{b.condition} AND b.point_index = b_index"
    )
    connection.execute("DROP TABLE matches")
    found = connection.execute(
        "SELECT count(*), count(*) FILTER (NOT a_ok AND NOT b_ok), "
        "count(*) FILTER (NOT a_ok AND NOT b_ok AND codes_differ), "
        "count(*) FILTER (a_ok AND NOT b_ok), count(*) FILTER (NOT a_ok AND b_ok) FROM pairs"
    ).fetchall()[0]
    counts = Counts(*found)
    return Pairing(a, b, counts, tuple(_notes(connection, a, b, has_common=counts.common > 0)))


def _key(connection: "Connection", first: Side, second: Side) -> list[str]:
    """Return the columns that identify a cell in both runs."""
    if first.parameters == second.parameters or not (first.recorded and second.recorded):
        return [_FINGERPRINT]
    for side, other in ((first, second), (second, first)):
        for name in sorted(side.parameters - other.parameters):
            if len(_some_values(connection, side, name)) > 1:
                msg = f"parameter {name!r} varies in run {side.run.run_id}, and run {other.run.run_id} does not have it"
                raise UsageError(msg, remedy="Compare runs that both have every parameter that varies.")
    return sorted(first.parameters & second.parameters)


def _some_values(connection: "Connection", side: Side, parameter: str) -> list[Value]:
    """Return a parameter's values, two at most."""
    found = connection.execute(
        f"SELECT DISTINCT {quoted(parameter)} FROM effective_parameters WHERE {side.counted} LIMIT 2"
    ).fetchall()
    return [value for (value,) in found]


def _identities(connection: "Connection", side: Side, key: Sequence[str]) -> int:
    ((points,),) = connection.execute(
        f"SELECT count(DISTINCT hash({select([*key, 'replicate'])})) FROM effective_parameters WHERE {side.counted}"
    ).fetchall()
    return int(points)


def _points(side: Side, key: Sequence[str]) -> str:
    names = select([*key, "replicate"])
    # 128 bits of a fingerprint identify a point as well as its text does, in a fifth of the memory.
    narrow = names.replace(quoted(_FINGERPRINT), f"md5_number({_FINGERPRINT}) AS {_FINGERPRINT}")
    # Only where it is needed: it sorts all points.
    once = f" QUALIFY row_number() OVER (PARTITION BY {names} ORDER BY point_index) = 1"
    return (
        f"SELECT {narrow}, point_index FROM effective_parameters "
        f"WHERE {side.counted}{once if side.points < side.recorded else ''}"
    )


def _notes(connection: "Connection", first: Side, second: Side, *, has_common: bool) -> Iterator[str]:
    for side in (first, second):
        if (recorded := side.recorded + side.excluded) < side.run.total_points:
            yield f"run {side.run.run_id}: {recorded:,} of {side.run.total_points:,} points are recorded so far."
        if side.points < side.recorded:
            yield (
                f"run {side.run.run_id}: {side.recorded - side.points:,} points repeat others' parameters; they are "
                "left out."
            )
    if first.run.spec.seed != second.run.spec.seed:
        yield (
            f"The runs have different seeds ({first.run.spec.seed} and {second.run.spec.seed}): their points do not "
            "share random numbers, and differ by chance as well."
        )
    for side, other in ((first, second), (second, first)):
        for name in sorted(side.parameters - other.parameters) if other.parameters else ():
            yield f"Only run {side.run.run_id} has the parameter {name}; points are matched by the others."
    if not has_common and first.recorded and second.recorded:
        yield from _why_none(connection, first, second)


def _why_none(connection: "Connection", first: Side, second: Side) -> Iterator[str]:
    """Tell which parameters keep the runs apart: those with one value in each, which differ."""
    for name in sorted(first.parameters & second.parameters):
        values = [_some_values(connection, side, name) for side in (first, second)]
        if [len(each) for each in values] == [1, 1] and values[0] != values[1]:
            yield (
                f"No point is common: {name} is {values[0][0]} in run {first.run.run_id} and {values[1][0]} in run "
                f"{second.run.run_id}."
            )

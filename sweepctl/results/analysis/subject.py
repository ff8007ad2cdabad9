"""What is analysed of a run: its dimensions, with their levels, its metrics and its replicates."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

from sweepctl.design import Cross, DrawPerCell, Grid, Sampled, Space
from sweepctl.design.axes import length_of
from sweepctl.design.distributions import ChoiceDistribution
from sweepctl.errors import UsageError
from sweepctl.names import quoted
from sweepctl.records.outcome import RunRecord
from sweepctl.spec import Value
from sweepctl.texts import did_you_mean

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

MAX_LEVELS = 16  # a dimension with more values is split into intervals: plots with more levels are hard to read
INTERVALS = 12
LOG_RATIO = 100  # of the highest to the lowest value: from here on, intervals are logarithmic
LOOKED_AT = 64  # replicates in which a metric's variation over cells is looked for: of more, memory would grow
MIN_BATCHES, MAX_BATCHES = 8, 64  # of replicates: more would hardly narrow confidence intervals, and use memory

_NUMBERS = ("BIGINT", "DOUBLE")
# The squares of 10^9 larger values would not fit into double precision, those of smaller ones lose digits.
LARGEST, SMALLEST = 1e148, 1e-140
TOO_EXTREME = (
    "of values as large or small as these no mean, interval or index is computed: their squares do not fit into double "
    "precision. Scale the metric in the model."
)


@dataclass(frozen=True)
class Level:
    """One value of a dimension (`low` = `high`), or the values from `low` up to `high`."""

    low: Value
    high: Value


@dataclass(frozen=True)
class Dimension:
    """A parameter that the design varies and that has several values in the points."""

    name: str
    levels: tuple[Level, ...]  # numbers in ascending order, others as the design lists them
    is_number: bool
    is_log: bool  # whether its values span orders of magnitude
    base: int = 0  # place of the level that the design lists first, to which others are compared

    @property
    def is_cut(self) -> bool:
        """Whether its levels are intervals."""
        return any(level.low != level.high for level in self.levels)

    @property
    def key_sql(self) -> str:
        """An SQL expression over `points` whose values identify levels."""
        name = quoted(self.name)
        if not self.is_cut:
            return name
        nulls = sum(level.low is None for level in self.levels)  # one at most, and before the intervals
        intervals = self.levels[nulls:]
        low, high = (f"CAST('{end!r}' AS DOUBLE)" for end in (intervals[0].low, intervals[-1].high))
        place = f"({name} - {low}) / ({high} - {low})"
        if self.is_log:
            place = f"ln({name} / {low}) / ln({high} / {low})"
        interval = f"least({len(intervals) - 1}, CAST(floor({place} * {len(intervals)}) AS BIGINT))"
        return f"CASE WHEN {name} IS NULL THEN 0 ELSE {nulls} + {interval} END"

    def place(self, key: Value) -> int:
        """Return the place of the level with this value of `key_sql`."""
        return int(key) if self.is_cut and key is not None else self._places[key]

    @cached_property
    def _places(self) -> dict[Value, int]:
        return {level.low: place for place, level in enumerate(self.levels)}


@dataclass(frozen=True)
class Subject:
    """What is analysed of a run."""

    record: RunRecord
    space: Space
    dimensions: tuple[Dimension, ...]  # in byte order of their names
    metrics: tuple[str, ...]  # the requested ones, or the first numeric ones in the order of `_most_telling_first`
    other_metrics: tuple[str, ...]  # all other numeric ones
    varied: tuple[str, ...]  # parameters that the design names, even with one value, or that are derived
    fixed: tuple[str, ...]  # all others of the model
    points: int  # with a record
    succeeded: int
    excluded: int  # by a constraint
    repeated_cells: int  # with the parameters of an earlier one and the same draws; draws may be equal
    extreme: frozenset[str] = frozenset()  # metrics of which no mean can be computed: see `is_extreme`

    @property
    def counted(self) -> str:
        """A condition on points, as SQL: those of which means, distributions and indices are made."""
        return f"status = 'success' AND {self.once}"

    @property
    def once(self) -> str:
        """A condition on points, as SQL: those of cells that repeat no other."""
        return f"point_index // {self.replications} NOT IN (FROM repeated_cells)" if self.repeated_cells else "true"

    @property
    def failed(self) -> int:
        """The number of points that failed."""
        return self.points - self.succeeded - self.excluded

    @property
    def expected(self) -> int:
        """How many points have results in the end, as far as is known: neither excluded nor repeated."""
        return self.record.total_points - self.excluded - self.repeated_cells * self.replications

    @property
    def warning(self) -> str | None:
        """What to know of repeated cells; None if there are none."""
        cells = f"{self.repeated_cells:,} of {self.space.cells:,} cells repeat the parameters of others"
        return f"{cells}: means, distributions and indices count them once." if self.repeated_cells else None

    @property
    def replications(self) -> int:
        """The number of points per cell."""
        return self.record.spec.replications

    @property
    def replicate_batches(self) -> int:
        """The number of equal batches of replicates; if no number fits, each replicate is its own batch."""
        return batches_of(self.replications)

    def number(self, metric: str, column: str | None = None) -> str:
        """Return a metric as a number for SQL, null where its values are too extreme; `column` if not its own."""
        return "NULL::DOUBLE" if metric in self.extreme else number(column or metric)

    def joined(self, metric: str) -> str:
        """Return a metric's column in `points`, where a parameter of the same name takes precedence."""
        return f"metric_{metric}" if metric in (*self.varied, *self.fixed) else metric

    @classmethod
    def of(
        cls,
        connection: "Connection",
        record: RunRecord,
        space: Space,
        metrics: Sequence[str] = (),
        *,
        most: int = 1,
        headlines: Collection[str] = (),
    ) -> Self:
        """Return what can be analysed of a run.

        Args:
            connection: Has the run's views (`results.views`).
            record: The run record.
            space: The run's design.
            metrics: The metrics to analyse; if empty, the first `most`: what varies over cells before what varies by
                replicate alone and constants, the headlines before the others, and else in the model's order.
            most: The number of metrics if none are requested.
            headlines: The metrics that matter most (`records.run.headlines`).

        Raises:
            UsageError: a metric does not exist or is not numeric.
        """
        parameters = columns_after(connection, "effective_parameters", "effective_parameters_json")
        declared = columns_after(connection, "point_outcomes", "error_message")
        numbers = [name for name, kind in declared.items() if kind in (*_NUMBERS, "BOOLEAN")]
        for name in metrics if declared else ():
            _require_metric(name, numbers, declared)
        chosen = list(dict.fromkeys(name for name in metrics if name in numbers))
        if not chosen:
            numbers = _most_telling_first(connection, numbers, headlines)
            chosen = numbers[:most]
        of = "count(*), count(*) FILTER (status = 'success'), count(*) FILTER (status = 'excluded')"
        points, succeeded, excluded = connection.execute(f"SELECT {of} FROM point_outcomes").fetchall()[0]
        swept = [name for name in sorted(space.parameters) if name in parameters]
        varied = sorted({*swept, *(name for name in record.spec.derived if name in parameters)})
        found = (_dimension(connection, record, space, name, is_number=parameters[name] in _NUMBERS) for name in swept)
        return cls(
            record,
            space,
            tuple(dimension for dimension in found if dimension is not None),
            tuple(chosen),
            tuple(name for name in numbers if name not in chosen),
            tuple(varied),
            tuple(name for name in parameters if name not in varied),
            points,
            succeeded,
            excluded,
            _find_repeated(connection, space, record.spec.replications),
            frozenset(_extreme(connection, chosen)),
        )


def batches_of(replications: int) -> int:
    """Return into how many equal batches replicates are put; if no number fits, each is its own batch."""
    if replications <= MAX_BATCHES:
        return replications
    most = max(count for count in range(1, MAX_BATCHES + 1) if replications % count == 0)
    return most if most >= MIN_BATCHES else replications


def is_sampled(space: Space) -> bool:
    """Return whether the cells of a design are draws, one in each cell."""
    return isinstance(space, DrawPerCell)


def _most_telling_first(connection: "Connection", metrics: Sequence[str], headlines: Collection[str]) -> list[str]:
    """Return what varies over cells, then what varies by replicate alone, which says nothing of them, then constants.

    In each group headlines come first.
    """
    varying = _varying(connection, metrics, "")
    # Nearly all are settled by one replicate; grouping a million points takes several times as long.
    over_cells = _varying(connection, varying, "AND replicate = 0")
    unsettled = [name for name in varying if name not in over_cells]
    over_cells += _varying(connection, unsettled, f"AND replicate < {LOOKED_AT} GROUP BY replicate")
    return sorted(metrics, key=lambda name: (name not in over_cells, name not in varying, name not in headlines))


def _varying(connection: "Connection", metrics: Sequence[str], groups: str) -> list[str]:
    """Return the metrics that have several values within one of these groups of points, given as the end of a query."""
    if not metrics:
        return []
    varies = ", ".join(
        f"coalesce(min({number(name)}) < max({number(name)}), false) AS v{place}" for place, name in enumerate(metrics)
    )
    any_varies = ", ".join(f"coalesce(bool_or(v{place}), false)" for place in range(len(metrics)))
    found = connection.execute(
        f"SELECT {any_varies} FROM (SELECT {varies} FROM point_outcomes WHERE status = 'success' {groups})"
    ).fetchall()[0]
    return [name for name, each in zip(metrics, found, strict=True) if each]


def drawn(space: Space) -> Collection[str]:
    """Return the parameters whose values are draws."""
    return {name for part in parts_of(space) if isinstance(part, Sampled) for name in part.parameters}


def parts_of(space: Space) -> Sequence[Space]:
    """Return the designs of which a design is the product."""
    return space.parts if isinstance(space, Cross) else [space]


def digits(space: Space) -> dict[str, tuple[str, str]]:
    """Return, for each dimension of a grid, SQL over `cell`: the place of its value on its axis, and of all else."""
    found, stride = {}, 1
    for part in reversed(parts_of(space)):
        if not isinstance(part, Grid):
            stride *= part.cells
            continue
        for name in sorted(part.dimensions, reverse=True):
            length = length_of(part.dimensions[name])
            own = f"(cell // {stride}) % {length}"
            found[name] = (own, f"(cell // {stride * length}) * {stride} + cell % {stride}")
            stride *= length
    return found


def _draws(space: Space, replications: int) -> list[str]:
    """Return expressions over points that say which draws a point has: one for each sampled part of a design."""
    found, stride = [], replications
    for part in reversed(parts_of(space)):
        if isinstance(part, Sampled):
            found.append(f"point_index // {stride} % {part.cells}")
        stride *= part.cells
    return found


def _find_repeated(connection: "Connection", space: Space, replications: int) -> int:
    """Create the table `repeated_cells` if there are any, and return how many."""
    draws = _draws(space, replications)
    if len(draws) == len(parts_of(space)):
        return 0
    same = ", ".join(["point_fingerprint", *draws])
    # Hashes take a fraction of the memory; two that are equal by chance cost a needless table.
    count = f"SELECT count(*) > count(DISTINCT hash({same})) FROM point_outcomes"
    if not connection.execute(count).fetchall()[0][0]:
        return 0
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated_cells AS SELECT DISTINCT point_index // {replications} AS cell
        FROM point_outcomes WHERE point_index NOT IN (SELECT min(point_index) FROM point_outcomes
        GROUP BY {same})""")
    (cells,) = connection.execute("SELECT count(*) FROM repeated_cells").fetchall()[0]
    return int(cells)


def columns_after(connection: "Connection", view: str, last: str) -> dict[str, str]:
    """Return a view's columns after `last`, the last one that every model has, with their types."""
    kinds = {name: str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {view}").fetchall()}
    names = list(kinds)
    return {name: kinds[name] for name in names[names.index(last) + 1 :]}


def select(names: Iterable[str]) -> str:
    """Return quoted columns for a SELECT."""
    return ", ".join(map(quoted, names))


def is_extreme(low: float, high: float) -> bool:
    """Return whether double precision cannot hold the squares of values between these, or sums of many."""
    largest = max(abs(low), abs(high))
    return largest > LARGEST or 0 < largest < SMALLEST


def _extreme(connection: "Connection", metrics: Sequence[str]) -> list[str]:
    if not metrics:
        return []
    ends = ", ".join(f"min({number(name)}), max({number(name)})" for name in metrics)
    found = connection.execute(f"SELECT {ends} FROM point_outcomes WHERE status = 'success'").fetchall()[0]
    pairs = zip(metrics, found[::2], found[1::2], strict=True)
    return [name for name, low, high in pairs if low is not None and is_extreme(low, high)]


def number(metric: str) -> str:
    """Return a metric as a number for SQL: a bool is 0 or 1, so that its mean is a fraction."""
    return f"CAST({quoted(metric)} AS DOUBLE)"


def _require_metric(name: str, numbers: Sequence[str], declared: Iterable[str]) -> None:
    if name in declared and name not in numbers:
        raise UsageError(f"metric {name!r} is text, which has no mean", remedy="Choose a numeric metric.")
    require_known(name, numbers)


def require_known(name: str, metrics: Sequence[str]) -> None:
    """Raise UsageError unless a metric is one of these."""
    if name not in metrics:
        raise UsageError(f"this run has no metric {name!r}", remedy=did_you_mean(name, metrics, "Metrics"))


def _listed(connection: "Connection", space: Space, replications: int, name: str) -> Mapping[Value, int]:
    """Return where the design lists each value of a parameter, as numbers to sort by."""
    for part in parts_of(space):
        drawn_from = part.dimensions.get(name) if isinstance(part, Sampled) else None
        if isinstance(drawn_from, ChoiceDistribution):
            return {value: place for place, value in reversed([*enumerate(drawn_from.choice)])}
    # From cells, not from the values in the design: a table may be too large to hold.
    own, _ = digits(space).get(name, ("cell", ""))
    first = f"min({own.replace('cell', f'(point_index // {replications})')})"
    found = connection.execute(f"SELECT {quoted(name)}, {first} FROM effective_parameters GROUP BY ALL").fetchall()
    return dict(found)


def _dimension(
    connection: "Connection", record: RunRecord, space: Space, name: str, *, is_number: bool
) -> Dimension | None:
    """Return a dimension with its levels; None if it does not vary (yet), or has too many text values."""
    column = quoted(name)
    some = connection.execute(f"SELECT DISTINCT {column} FROM effective_parameters LIMIT {MAX_LEVELS + 1}").fetchall()
    values = sorted((value for (value,) in some), key=lambda value: (value is not None, value))
    if len(values) < 2 or (len(values) > MAX_LEVELS and not is_number):  # noqa: PLR2004  one value does not vary
        return None
    if len(values) <= MAX_LEVELS:
        in_order = values
        if not is_number or name in digits(space):  # the order of numbers in a table or a sample means nothing
            listed = _listed(connection, space, record.spec.replications, name)
            in_order = sorted(values, key=lambda value: listed.get(value, len(listed)))
        shown = values if is_number else in_order
        is_log = is_number and _is_log([each for each in values if each is not None])
        levels = tuple(Level(value, value) for value in shown)
        return Dimension(name, levels, is_number, is_log, shown.index(in_order[0]))
    ends = f"SELECT min({column})::DOUBLE, max({column})::DOUBLE, count(*) > count({column}) FROM effective_parameters"
    low, high, has_null = connection.execute(ends).fetchall()[0]
    is_log = _is_log([low, high])
    edges = [_between(low, high, place / INTERVALS, is_log=is_log) for place in range(INTERVALS + 1)]
    edges[-1] = high
    null = [Level(None, None)] if has_null else []
    return Dimension(name, (*null, *map(Level, edges[:-1], edges[1:])), is_number, is_log)


def _is_log(numbers: Sequence[float]) -> bool:
    return min(numbers) > 0 and max(numbers) / min(numbers) >= LOG_RATIO


def _between(low: float, high: float, part: float, *, is_log: bool) -> float:
    return low * float((high / low) ** part) if is_log else low + part * (high - low)

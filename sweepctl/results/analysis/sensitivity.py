"""Sobol indices: the share of a metric's variance that a dimension explains, alone and with all its interactions.

A full grid allows an exact functional analysis of variance (Sobol 1993), in SQL. A random sample allows first-order
indices only: by means by value, and where values hardly repeat by RBD-FAST (Tarantola et al. 2006). Other designs have
none (docs/report.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweepctl import numpy_gate
from sweepctl.design import Cross, DrawPerCell, Grid, Morris, Saltelli
from sweepctl.design.axes import length_of
from sweepctl.names import quoted
from sweepctl.results.analysis.subject import Dimension, Subject, number, select

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

# Cells of a sample that are used: its first ones, a sample too. More would hardly improve indices, and take long.
MAX_SAMPLES = 8_192
HARMONICS = 10  # RBD-FAST's M
MIN_SAMPLES = 10 * HARMONICS  # with fewer, the correction for bias, 2 M / N, is no longer small
MIN_PER_VALUE = 5  # cells, on average: with as many, means by value are enough, and need no smooth curve
RESAMPLES = 100
SEED = 0  # of the permutation and the bootstrap: equal runs have equal estimates and intervals

NO_TOTAL = "total indices cannot be estimated from one sample of independent draws; a full grid has them"
NO_SALIB = "first-order indices of a sample need SALib: pip install 'sweepctl[sensitivity]'"


@dataclass(frozen=True)
class Index:
    """The Sobol indices of one dimension, as fractions of 1."""

    dimension: str
    first_order: float
    half_width: float | None  # of first_order's 95 % interval; None if it is exact for the run
    total: float | None


@dataclass(frozen=True)
class Sensitivity:
    """The Sobol indices of one metric, or why there are none."""

    method: str | None = None
    cells: int = 0
    indices: tuple[Index, ...] = ()
    why_not: str | None = None  # what could not be estimated, and why


def sensitivities(connection: "Connection", subject: Subject) -> list[Sensitivity]:
    """Return the indices of each metric."""
    if not subject.dimensions or not subject.succeeded:
        nothing = (
            "no indices: no dimension has two values" if subject.succeeded else "no indices: no point has succeeded"
        )
        return [Sensitivity(why_not=nothing) for _ in subject.metrics]
    match subject.space:
        case Grid() as grid:
            return _of_grid(connection, subject, grid)
        case DrawPerCell():
            return [_of_sample(connection, subject, metric) for metric in subject.metrics]
        case Saltelli() | Morris() | Cross() as other:
            why_not = f"no indices: they are not estimated for a {other.kind} design yet"
        case _:
            why_not = "no indices: the cells of a zip or a table do not vary their dimensions independently"
    return [Sensitivity(why_not=why_not) for _ in subject.metrics]


def _of_grid(connection: "Connection", subject: Subject, grid: Grid) -> list[Sensitivity]:
    metrics = range(len(subject.metrics))
    means = ", ".join(f"avg({number(metric)}) AS y{place}" for place, metric in enumerate(subject.metrics))
    # Cells, not parameters: a cell's index gives its levels exactly, by mixed radix.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE cells AS SELECT point_index // {subject.replications} AS cell, {means} "
        f"FROM point_outcomes WHERE {subject.counted} GROUP BY cell"
    )
    counts = ", ".join(f"count(y{place}), var_pop(y{place})" for place in metrics)
    found = connection.execute(f"SELECT {counts} FROM cells").fetchall()[0]
    explained = [_explained(connection, metrics, *each) for each in _digits(grid, subject.dimensions)]
    connection.execute("DROP TABLE cells")
    return [
        _exact(
            subject,
            grid.cells - subject.repeated_cells,
            found[2 * place],
            found[2 * place + 1],
            [each[place] for each in explained],
        )
        for place in metrics
    ]


def _digits(grid: Grid, dimensions: Sequence[Dimension]) -> list[tuple[str, str]]:
    """Return, for each dimension, expressions over `cell`: its own level, and the levels of all others."""
    found, stride = {}, 1
    for name in sorted(grid.dimensions, reverse=True):
        length = length_of(grid.dimensions[name])
        own = f"(cell // {stride}) % {length}"
        found[name] = (own, f"(cell // {stride * length}) * {stride} + cell % {stride}")
        stride *= length
    return [found[dimension.name] for dimension in dimensions]


def _explained(connection: "Connection", metrics: Sequence[int], own: str, others: str) -> list[tuple[float, float]]:
    """Return the variances of the means by a dimension's own level, and by all others' levels: one pair per metric."""
    means = ", ".join(f"avg(y{place}) AS y{place}" for place in metrics)
    variances = ", ".join(f"var_pop(y{place})" for place in metrics)
    both = [
        connection.execute(f"SELECT {variances} FROM (SELECT {means} FROM cells GROUP BY {by})").fetchall()[0]
        for by in (own, others)
    ]
    return list(zip(*both, strict=True))


def _exact(
    subject: Subject, cells: int, known: int, variance: float | None, explained: Sequence[tuple[float, float]]
) -> Sensitivity:
    if known < cells:
        return Sensitivity(
            why_not=f"no indices: {known:,} of {cells:,} cells have a value, and an exact analysis needs all"
        )
    if not variance:
        return Sensitivity(why_not="no indices: the metric is the same in all cells")
    indices = tuple(
        Index(dimension.name, own / variance, None, 1 - others / variance)
        for dimension, (own, others) in zip(subject.dimensions, explained, strict=True)
    )
    return Sensitivity("functional analysis of variance of the full grid", cells, indices)


def _of_sample(connection: "Connection", subject: Subject, metric: str) -> Sensitivity:
    numpy_gate.reopen()
    try:
        from SALib.analyze import rbd_fast  # noqa: F401, PLC0415  optional, as NumPy is, and slow to import
    except ImportError:
        return Sensitivity(why_not=NO_SALIB)
    names = [dimension.name for dimension in subject.dimensions]
    # Ranks are enough, since only the order of values counts; strings are ordered alphabetically.
    ordered = ", ".join(f"dense_rank() OVER (ORDER BY {quoted(name)}) AS {quoted(name)}" for name in names)
    sample = connection.execute(f"""
        WITH cells AS (
            SELECT point_index // {subject.replications} AS cell, {select(names)},
                   avg({number(subject.joined(metric))}) AS y
            FROM points WHERE status = 'success' AND point_index < {MAX_SAMPLES * subject.replications}
            GROUP BY ALL HAVING y IS NOT NULL
        ) SELECT y, {ordered} FROM cells ORDER BY cell""").fetchnumpy()
    values = _filled(sample["y"])
    if len(values) < MIN_SAMPLES:
        return Sensitivity(
            why_not=f"no indices: an estimate needs {MIN_SAMPLES} cells with a value, and there are {len(values):,}"
        )
    if values.min() == values.max():
        return Sensitivity(why_not="no indices: the metric is the same in all cells")
    found = [(name, *first_order(_filled(sample[name]), values)) for name in names]
    method = " and ".join(sorted({method for _, method, *_ in found}))
    indices = tuple(Index(name, first, None if math.isnan(width) else width, None) for name, _, first, width in found)
    return Sensitivity(method, len(values), indices, NO_TOTAL)


def first_order(ranks: Any, values: Any) -> tuple[str, float, float]:  # noqa: ANN401  NumPy's
    """Return the method, a dimension's first-order index, and half the width of its 95 % interval.

    Args:
        ranks: Of the dimension's values, 1 for the lowest; equal values have one, and none is left out.
        values: Of the metric, which is not the same everywhere.
    """
    import numpy as np  # noqa: PLC0415  see above
    from SALib.analyze import rbd_fast  # noqa: PLC0415

    draws = np.random.default_rng(SEED)
    # Equal values stay in the order in which they come, and that of a Sobol sequence is periodic.
    order = draws.permutation(len(values))
    ranks, values = ranks[order], values[order] / np.abs(values).max()
    if ranks.max() * MIN_PER_VALUE <= len(values):
        halves = (draws.choice(len(values), len(values) // 2) for _ in range(RESAMPLES))  # as RBD-FAST below does
        spread = np.std([_explained_by_value(ranks[half], values[half]) for half in halves], ddof=1)
        return "means by value", _explained_by_value(ranks, values), 1.96 * float(spread)
    problem = {"num_vars": 1, "names": ["x"]}
    found = rbd_fast.analyze(problem, ranks[:, None], values, M=HARMONICS, num_resamples=RESAMPLES, seed=draws)
    return "RBD-FAST", float(found["S1"][0]), float(found["S1_conf"][0])


def _explained_by_value(ranks: Any, values: Any) -> float:  # noqa: ANN401  NumPy's
    """Return the correlation ratio, corrected for what chance explains (Kelley 1935)."""
    import numpy as np  # noqa: PLC0415  see above

    values = values - values.mean()
    counts, sums = np.bincount(ranks), np.bincount(ranks, values)
    groups, total = np.count_nonzero(counts), values @ values
    within = total - (sums**2 / np.maximum(counts, 1)).sum()
    return float(1 - within / (len(values) - groups) / (total / (len(values) - 1))) if total else 0.0


def _filled(column: Any) -> Any:  # noqa: ANN401  NumPy's, which comes with SALib
    """Return a DuckDB column without missing values as a plain array."""
    return getattr(column, "filled", lambda: column)()

"""Sensitivity from one sample of independent draws (docs/report.md). Needs the extra `sensitivity`.

First-order Sobol indices by means by value, and where values hardly repeat by RBD-FAST (Tarantola et al. 2006); PAWN
indices and partial rank correlations, which need no variance.
"""

import math
from typing import TYPE_CHECKING, Any

from sweepctl import numpy_gate
from sweepctl.names import quoted
from sweepctl.results.analysis.sensitivity.indices import Index, Influence, Sensitivity
from sweepctl.results.analysis.subject import Subject, select
from sweepctl.texts import extra_remedy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

# Cells of a sample that are used: its first ones, a sample too. More would hardly improve indices, and take long.
MAX_SAMPLES = 8_192
HARMONICS = 10  # RBD-FAST's M
MIN_SAMPLES = 10 * HARMONICS  # with fewer, the correction for bias, 2 M / N, is no longer small
MIN_PER_VALUE = 5  # cells, on average: with as many, means by value are enough, and need no smooth curve
RESAMPLES = 100
SEED = 0  # of the permutation and the bootstrap: equal runs have equal estimates and intervals

NO_TOTAL = (
    "total Sobol indices cannot be estimated from one sample of independent draws; kind `saltelli` or a full grid has "
    "them"
)
NO_SALIB = f"first-order Sobol indices of a sample need SALib. {extra_remedy('sensitivity', 'salib')}"


def of_sample(connection: "Connection", subject: Subject, metric: str) -> Sensitivity:
    """Return what a sample's cells say of one metric."""
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
                   avg({subject.number(metric, subject.joined(metric))}) AS y
            FROM points WHERE status = 'success' AND point_index < {MAX_SAMPLES * subject.replications}
            GROUP BY ALL HAVING y IS NOT NULL
        ) SELECT y, {ordered} FROM cells ORDER BY cell""").fetchnumpy()
    values = _filled(sample["y"])
    if len(values) < MIN_SAMPLES:
        return Sensitivity(
            why_not=f"no sensitivity: an estimate needs {MIN_SAMPLES} cells with a value, and there are {len(values):,}"
        )
    if values.min() == values.max():
        return Sensitivity(why_not="no sensitivity: the metric is the same in all cells")
    found = [(name, *first_order(_filled(sample[name]), values)) for name in names]
    method = " and ".join(sorted({method for _, method, *_ in found}))
    indices = tuple(Index(name, first, None if math.isnan(width) else width, None) for name, _, first, width in found)
    influences, by_chance = _influences(subject, [_filled(sample[name]) for name in names], values)
    return Sensitivity(method, len(values), indices, NO_TOTAL, influences=influences, pawn_by_chance=by_chance)


def _influences(subject: Subject, ranks: list[Any], values: Any) -> tuple[tuple[Influence, ...], float]:  # noqa: ANN401
    import numpy as np  # noqa: PLC0415  see above
    from scipy.stats import rankdata  # noqa: PLC0415

    from sweepctl.results.analysis.sensitivity import estimators  # noqa: PLC0415

    found = estimators.pawn(np.column_stack(ranks), values, SEED)
    numbers = [place for place, dimension in enumerate(subject.dimensions) if dimension.is_number]
    known: dict[int, tuple[float, float]] = {}
    if numbers:
        columns = np.column_stack([rankdata(ranks[place]) for place in numbers])
        pairs = estimators.partial_rank_correlations(columns, rankdata(values))
        known = {place: (float(a), float(b)) for place, a, b in zip(numbers, *pairs, strict=True)}
    influences = tuple(
        Influence(
            dimension.name,
            float(found.index[place]),
            float(found.half_width[place]),
            *known.get(place, (None, None)),
        )
        for place, dimension in enumerate(subject.dimensions)
    )
    return influences, found.by_chance


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

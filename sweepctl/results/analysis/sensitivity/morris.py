"""Elementary effects of Morris' trajectories (docs/report.md)."""

from functools import cache
from typing import TYPE_CHECKING

from sweepctl.design import Morris
from sweepctl.design.distributions import ChoiceDistribution, Distribution
from sweepctl.names import quoted
from sweepctl.results.analysis.sensitivity.indices import ElementaryEffect, Sensitivity, left_out
from sweepctl.results.analysis.subject import Subject
from sweepctl.spec import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection as Connection

    from sweepctl.results.analysis.sensitivity.estimators import Floats

MIN_TRAJECTORIES = 4  # with fewer, a bootstrap says nothing


def of_morris(connection: "Connection", subject: Subject, design: Morris) -> list[Sensitivity]:
    """Return the measures of each metric. A trajectory of which a cell has no value is left out, with all its cells."""
    import numpy as np  # noqa: PLC0415  optional, and slow to import

    from sweepctl.results.analysis.sensitivity import cells  # noqa: PLC0415  as NumPy

    @cache  # they are the design's, and the same for every metric
    def steps(name: str) -> "Floats":
        """Return (trajectories, steps): whether a dimension rose or fell."""
        places = cells.codes_of(connection, subject, _place(name, design.dimensions[name]))
        return np.sign(np.diff(places.reshape(design.trajectories, -1), axis=1))

    values = (cells.values_of(connection, subject, metric) for metric in subject.metrics)
    return [_measures(design, steps, each.reshape(design.trajectories, -1)) for each in values]


def _measures(design: Morris, steps: "Callable[[str], Floats]", values: "Floats") -> Sensitivity:
    import numpy as np  # noqa: PLC0415  as above

    from sweepctl.results.analysis.sensitivity import estimators  # noqa: PLC0415  as above

    known = ~np.isnan(values).any(axis=1)
    count = int(known.sum())
    if count < MIN_TRAJECTORIES:
        why = f"no elementary effects: {MIN_TRAJECTORIES} trajectories are needed, and {count:,} have all their values"
        return Sensitivity(why_not=why)
    changes, names = np.diff(values[known], axis=1), sorted(design.dimensions)
    # A step that leaves a parameter's value as it was, since it has few, changes nothing.
    effects = np.column_stack([(steps(name)[known] * changes).sum(axis=1) for name in names])
    found = estimators.morris_measures(effects / (design.levels / (2 * (design.levels - 1))))
    measures = (found.mu_star, found.mu_star_half_width, found.mu, found.mu_half_width)
    columns = zip(names, *measures, found.sigma, found.sigma_half_width, strict=True)
    return Sensitivity(
        "elementary effects",
        count * values.shape[1],
        why_not=left_out("trajectories", design.trajectories - count, design.trajectories),
        effects=tuple(ElementaryEffect(name, *map(float, each)) for name, *each in columns),
    )


def _place(name: str, distribution: Distribution) -> str:
    """Return SQL for the place of a parameter's value in its distribution: its size, or its place among the choices."""
    if not isinstance(distribution, ChoiceDistribution):
        return quoted(name)
    places = "".join(
        f" WHEN {quoted(name)} IS NOT DISTINCT FROM {_literal(value)} THEN {place}"
        for place, value in enumerate(distribution.choice)
    )
    return f"CASE{places} END"


def _literal(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case bool():
            return str(value)
    return f"CAST('{value!r}' AS {'BIGINT' if isinstance(value, int) else 'DOUBLE'})"

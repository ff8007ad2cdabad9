"""Elementary effects of Morris' trajectories (docs/report.md)."""

from typing import TYPE_CHECKING

from sweepctl.design import Morris
from sweepctl.design.distributions import ChoiceDistribution, Distribution
from sweepctl.names import quoted
from sweepctl.results.analysis.sensitivity.indices import ElementaryEffect, Sensitivity
from sweepctl.results.analysis.subject import Subject
from sweepctl.spec import Value

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

    from sweepctl.results.analysis.sensitivity.estimators import Floats

MIN_TRAJECTORIES = 4  # with fewer, a bootstrap says nothing


def of_morris(connection: "Connection", subject: Subject, design: Morris, metric: str) -> Sensitivity:
    """Return the measures of one metric. A trajectory of which a cell has no value is left out, with all its cells."""
    import numpy as np  # noqa: PLC0415  optional, and slow to import

    from sweepctl.results.analysis.sensitivity import cells, estimators  # noqa: PLC0415  as NumPy

    names = sorted(design.dimensions)
    values = cells.values_of(connection, subject, metric).reshape(design.trajectories, -1)
    known = ~np.isnan(values).any(axis=1)
    if known.sum() < MIN_TRAJECTORIES:
        why = f"no effects: {MIN_TRAJECTORIES} trajectories are needed, and {known.sum():,} have all their values"
        return Sensitivity(why_not=why)
    changes = np.diff(values[known], axis=1)

    def effects(name: str) -> "Floats":
        places = cells.codes_of(connection, subject, _place(name, design.dimensions[name]))
        steps = np.sign(np.diff(places.reshape(design.trajectories, -1)[known], axis=1))
        # A step that leaves a parameter's value as it was, since it has few, changes nothing.
        found: Floats = (steps * changes).sum(axis=1)
        return found

    delta = design.levels / (2 * (design.levels - 1))
    found = estimators.morris_measures(np.column_stack([effects(name) for name in names]) / delta)
    columns = zip(names, found.mu_star, found.mu_star_half_width, found.mu, found.sigma, strict=True)
    missing = design.trajectories - int(known.sum())
    left_out = (
        f"{missing:,} of {design.trajectories:,} trajectories have a cell without a value and are left out"
        if missing
        else None
    )
    return Sensitivity(
        "elementary effects",
        int(known.sum()) * values.shape[1],
        why_not=left_out,
        effects=tuple(ElementaryEffect(name, *map(float, measures)) for name, *measures in columns),
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

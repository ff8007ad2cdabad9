"""Chooses what is estimated of how much each dimension matters, by what the design allows."""

from typing import TYPE_CHECKING

from sweepctl.design import Grid, LatinHypercube, Random, Sobol
from sweepctl.results.analysis.sensitivity.grid import of_grid
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.sensitivity.sample import of_sample
from sweepctl.results.analysis.subject import Subject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


def sensitivities(connection: "Connection", subject: Subject) -> list[Sensitivity]:
    """Return the indices of each metric."""
    if not subject.dimensions or not subject.succeeded:
        nothing = (
            "no indices: no dimension has two values" if subject.succeeded else "no indices: no point has succeeded"
        )
        return [Sensitivity(why_not=nothing) for _ in subject.metrics]
    match subject.space:
        case Grid() as grid:
            return of_grid(connection, subject, grid)
        case Random() | LatinHypercube() | Sobol():
            return [of_sample(connection, subject, metric) for metric in subject.metrics]
    why_not = "no indices: the cells of a zip or a table do not vary their dimensions independently"
    return [Sensitivity(why_not=why_not) for _ in subject.metrics]

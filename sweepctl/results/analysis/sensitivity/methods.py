"""Chooses what is estimated of how much each dimension matters, by what the design allows."""

from typing import TYPE_CHECKING

from sweepctl import numpy_gate
from sweepctl.design import Cross, DrawPerCell, Grid, Morris, Saltelli
from sweepctl.results.analysis.sensitivity.grid import of_grid
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.sensitivity.morris import of_morris
from sweepctl.results.analysis.sensitivity.saltelli import of_saltelli
from sweepctl.results.analysis.sensitivity.sample import of_sample
from sweepctl.results.analysis.subject import Subject
from sweepctl.texts import extra_remedy

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

NO_NUMPY = f"sensitivity of this design needs NumPy. {extra_remedy('sensitivity', 'salib')}"


def sensitivities(connection: "Connection", subject: Subject) -> list[Sensitivity]:
    """Return the indices of each metric."""
    if not subject.dimensions or not subject.succeeded:
        nothing = (
            "no sensitivity: no dimension has two values"
            if subject.succeeded
            else "no sensitivity: no point has succeeded"
        )
        return [Sensitivity(why_not=nothing) for _ in subject.metrics]
    match subject.space:
        case Grid() as grid:
            return of_grid(connection, subject, grid)
        case DrawPerCell():
            return [of_sample(connection, subject, metric) for metric in subject.metrics]
        case Saltelli() | Morris() as design:
            numpy_gate.reopen()
            try:
                import numpy  # noqa: F401, ICN001, PLC0415  optional, and slow to import
            except ImportError:
                return [Sensitivity(why_not=NO_NUMPY) for _ in subject.metrics]
            if isinstance(design, Saltelli):
                return [of_saltelli(connection, subject, design, metric) for metric in subject.metrics]
            return of_morris(connection, subject, design)
        case Cross():
            why_not = "no Sobol indices: those of a cross are not estimated; a run of one of its parts has its own"
        case _:
            why_not = (
                "no Sobol indices: the cells of a zip, a table or a classical design do not vary their dimensions "
                "independently"
            )
    return [Sensitivity(why_not=why_not) for _ in subject.metrics]

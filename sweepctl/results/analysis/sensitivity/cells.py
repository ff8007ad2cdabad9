"""A design's cells as NumPy arrays, in the order of the design. Import it as `estimators` is."""

from typing import TYPE_CHECKING

import numpy as np

from sweepctl.results.analysis.sensitivity.estimators import Floats
from sweepctl.results.analysis.subject import Subject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection


def values_of(connection: "Connection", subject: Subject, metric: str) -> Floats:
    """Return a metric's mean over the replicates of each cell; NaN where no point has a value."""
    return _column(
        connection,
        subject,
        f"SELECT point_index // {subject.replications} AS cell, avg({subject.number(metric)}) AS x FROM point_outcomes "
        "WHERE status = 'success' GROUP BY cell HAVING x IS NOT NULL",
    )


def codes_of(connection: "Connection", subject: Subject, code: str) -> Floats:
    """Return a number for each cell by an SQL expression over its parameters; NaN where no point has a record."""
    return _column(
        connection,
        subject,
        f"SELECT point_index // {subject.replications} AS cell, CAST({code} AS DOUBLE) AS x FROM effective_parameters "
        "WHERE replicate = 0 AND x IS NOT NULL",
    )


def _column(connection: "Connection", subject: Subject, query: str) -> Floats:
    found = connection.execute(query).fetchnumpy()
    column = np.full(subject.space.cells, np.nan)
    column[np.ma.filled(found["cell"])] = np.ma.filled(found["x"])
    return column

"""Sobol indices of Saltelli's cells: first, total and second order, with bootstrap intervals (docs/report.md)."""

from typing import TYPE_CHECKING

from sweepctl.design import Saltelli
from sweepctl.results.analysis.sensitivity.indices import Index, PairIndex, Sensitivity, left_out
from sweepctl.results.analysis.subject import Subject

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection

MIN_BASE_SAMPLES = 16  # with fewer, a bootstrap says nothing


def of_saltelli(connection: "Connection", subject: Subject, design: Saltelli, metric: str) -> Sensitivity:
    """Return the indices of one metric. A base sample of which a cell has no value is left out, with all its cells."""
    import numpy as np  # noqa: PLC0415  optional, and slow to import

    from sweepctl.results.analysis.sensitivity import cells, estimators  # noqa: PLC0415  as NumPy

    blocks = cells.values_of(connection, subject, metric).reshape(design.base_samples, -1)
    known = blocks[~np.isnan(blocks).any(axis=1)]
    if len(known) < MIN_BASE_SAMPLES:
        why = f"no Sobol indices: {MIN_BASE_SAMPLES} base samples are needed, and {len(known):,} have all their values"
        return Sensitivity(why_not=why)
    if known.min() == known.max():
        return Sensitivity(why_not="no Sobol indices: the metric is the same in all cells")
    missing = left_out("base samples", design.base_samples - len(known), design.base_samples)
    names = sorted(design.dimensions)
    found = estimators.sobol_indices(known / np.abs(known).max(), len(names))
    indices = tuple(
        Index(name, *map(float, values))
        for name, *values in zip(
            names, found.first, found.first_half_width, found.total, found.total_half_width, strict=True
        )
    )
    pairs: tuple[PairIndex, ...] = ()
    if found.second is not None and found.second_half_width is not None:
        pairs = tuple(
            PairIndex((names[i], names[j]), float(found.second[i, j]), float(found.second_half_width[i, j]))
            for i in range(len(names))
            for j in range(i + 1, len(names))
        )
    return Sensitivity("Saltelli and Jansen", known.size, indices, missing, pairs)

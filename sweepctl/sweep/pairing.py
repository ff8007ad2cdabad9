"""Maximin Latin hypercubes become tables: the engine gives the values, the search pairs them anew."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sweepctl.design import Cross, Design, LatinHypercube, Table
from sweepctl.engine.client import Engine
from sweepctl.records import design as stored_design
from sweepctl.spec import Spec
from sweepctl.sweep.cells import identities
from sweepctl.sweep.classical import MaximinLatinHypercube
from sweepctl.sweep.classical.maximin import spread
from sweepctl.sweep.file import SweepFile
from sweepctl.sweep.given import CrossOfTables


def paired(file: SweepFile, spec: Spec, engine: Engine) -> SweepFile:
    """Return a sweep with its maximin Latin hypercubes as tables; `spec` is that of the plain ones.

    Raises:
        EngineFaultError: the engine failed.
    """
    design, space = file.sweep.design, file.space
    if isinstance(design, MaximinLatinHypercube) and isinstance(space, LatinHypercube):
        return _with(file, _paired(space, spec, engine))
    given = design.parts if isinstance(design, CrossOfTables) else []
    if isinstance(space, Cross) and any(isinstance(part, MaximinLatinHypercube) for part in given):
        parts = [
            _paired(part, spec, engine)
            if isinstance(part, LatinHypercube) and isinstance(written, MaximinLatinHypercube)
            else part
            for written, part in zip(given, space.parts, strict=True)
        ]
        return _with(file, Cross(kind="cross", parts=parts))
    return file


def _with(file: SweepFile, design: Design) -> SweepFile:
    return replace(file, space=design, design_body=stored_design.encode(design))


def _paired(plain: LatinHypercube, spec: Spec, engine: Engine) -> Table:
    names = sorted(plain.dimensions)
    tables = identities(spec, plain, 0, plain.samples, engine)
    cells = [parameters for table in tables for parameters in table["parameters"].to_pylist()]
    ranked = [_ranked([cell[name] for cell in cells]) for name in names]
    placed = spread(list(zip(*(ranks for _, ranks in ranked), strict=True)), spec.seed)
    rows = [[values[rank] for (values, _), rank in zip(ranked, cell, strict=True)] for cell in placed]
    return Table.model_construct(kind="table", columns=names, rows=rows)


def _ranked(column: Sequence[Any]) -> tuple[Sequence[Any], Sequence[int]]:
    """Return the values of a parameter in their order, and the rank of each cell's in it."""
    keys = [(value is not None, value) for value in column]
    order = sorted(range(len(column)), key=keys.__getitem__)
    return [column[cell] for cell in order], sorted(range(len(column)), key=order.__getitem__)

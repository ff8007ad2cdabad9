"""The first values of axes that are formulas, and the last one, as the engine computes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Event

from sweepctl.design import Cross, Grid, Space, Zip
from sweepctl.design.axes import Axis, length_of
from sweepctl.engine.client import Engine
from sweepctl.spec import Spec, Value
from sweepctl.sweep.cells import identities

FIRST = 3
MOST_AXES = 16  # each takes the engine some milliseconds


def first_values(spec: Spec, space: Space, engine: Engine, stop: Event) -> Mapping[str, Sequence[Value]]:
    """Return the first values and the last one of each axis that is a formula, of the first ones by name.

    Raises:
        EngineFaultError: the engine failed.
        InterruptedRunError: `stop` was set.
    """
    parts = space.parts if isinstance(space, Cross) else [space]
    axes = {name: axis for part in parts if isinstance(part, Grid | Zip) for name, axis in part.dimensions.items()}
    formulas = sorted(name for name, axis in axes.items() if not isinstance(axis, list))
    return {name: _values(spec, name, axes[name], engine, stop) for name in formulas[:MOST_AXES]}


def _values(spec: Spec, name: str, axis: Axis, engine: Engine, stop: Event) -> Sequence[Value]:
    # Rules are of whole cells, and these are of one axis.
    alone, space = replace(spec, derived={}, constraints=()), Grid(kind="grid", dimensions={name: axis})
    count = length_of(axis)
    return [
        parameters[name]
        for first, end in ((0, min(FIRST, count)), (max(FIRST, count - 1), count))
        if first < end
        for points in identities(alone, space, first, end, engine, stop=stop)
        for parameters in points["parameters"].to_pylist()
    ]

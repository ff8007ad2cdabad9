"""Cells of a design that repeat the parameters of others: simulated again, for the same results."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from sweepctl.design import Cross, Grid, Sampled, Space
from sweepctl.design.axes import length_of
from sweepctl.engine.client import Engine
from sweepctl.spec import Spec
from sweepctl.sweep.cells import identities

MOST_COMPARED = 1 << 16  # values of an axis, or cells of a zip or table: its first ones


@dataclass(frozen=True)
class Repeats:
    """How often a design repeats itself; at least so often if it is longer than what is compared."""

    cells: int
    values: Mapping[str, int]  # of axes of a grid, those that repeat any

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {"repeated_cells": self.cells, "repeated_values": dict(self.values)}


def find_repeats(spec: Spec, space: Space, engine: Engine, stop: Event) -> Repeats:
    """Return how often a design repeats itself, by the values that the engine makes of it.

    Draws of a sample may be equal, and are none.

    Raises:
        EngineFaultError: the engine failed.
        InterruptedRunError: `stop` was set.
    """
    match space:
        case Sampled():
            return Repeats(0, {})
        case Cross() as cross:
            parts = [find_repeats(spec, part, engine, stop) for part in cross.parts]
            different = math.prod(part.cells - found.cells for part, found in zip(cross.parts, parts, strict=True))
            values = {name: count for found in parts for name, count in found.values.items()}
            return Repeats(cross.cells - different, values)
        case Grid() as grid:
            axes = {
                name: grid.model_copy(update={"dimensions": {name: axis}}) for name, axis in grid.dimensions.items()
            }
            values = {name: _repeated(spec, axis, engine, stop) for name, axis in sorted(axes.items())}
            different = math.prod(length_of(axis) - values[name] for name, axis in grid.dimensions.items())
            return Repeats(grid.cells - different, {name: count for name, count in values.items() if count})
    return Repeats(_repeated(spec, space, engine, stop), {})


def _repeated(spec: Spec, space: Space, engine: Engine, stop: Event) -> int:
    cells = min(space.cells, MOST_COMPARED)
    if cells == 1:
        return 0
    # Rules are of whole cells, and these may be of one axis.
    alone = replace(spec, derived={}, constraints=())
    found = {
        fingerprint
        for points in identities(alone, space, 0, cells, engine, stop=stop)
        for fingerprint in points["parameter_fingerprint"].to_pylist()
    }
    return cells - len(found)

"""Which points of a model are tried: its defaults, the ends of each range, each choice."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sweepctl.protocol import Model, Parameter
from sweepctl.spec import Value

INSIDE = 1e-6  # how far a point is from an end that is excluded, of the range or of the end


@dataclass(frozen=True)
class Cell:
    """One point: every parameter's value, and what is special about it."""

    what: str
    values: Mapping[str, Value]


def cells_of(model: Model) -> Sequence[Cell]:
    """Return the cells, the defaults first: in each other one, one parameter has another value."""
    defaults = {parameter.name: parameter.default for parameter in model.parameters}
    others = (
        Cell(f"{parameter.name} = {'null' if value is None else value}", {**defaults, parameter.name: value})
        for parameter in model.parameters
        for value in _values(parameter)
        if value != parameter.default
    )
    return [Cell("the defaults", defaults), *others]


def _values(parameter: Parameter) -> Iterator[Value]:
    if parameter.nullable:
        yield None
    if parameter.type == "bool":
        yield from (False, True)
    yield from parameter.choices or ()
    yield from _ends(parameter)


def _ends(parameter: Parameter) -> Iterator[Value]:
    low = _number(parameter.minimum, parameter.exclusive_minimum)
    high = _number(parameter.maximum, parameter.exclusive_maximum)
    for end, other, is_excluded, sign in (
        (low, high, parameter.minimum is None, 1),
        (high, low, parameter.maximum is None, -1),
    ):
        if end is None:
            continue
        if not is_excluded:
            yield end
        elif parameter.type == "int":
            yield int(end) + sign
        else:
            width = math.inf if other is None else abs(other - end)
            yield end + sign * INSIDE * min(width, max(1.0, abs(end)))


def _number(included: Value, excluded: Value) -> int | float | None:
    given = included if included is not None else excluded
    return given if isinstance(given, int | float) else None

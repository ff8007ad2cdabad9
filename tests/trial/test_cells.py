"""Which points of a model are tried."""

from typing import Any

from sweepctl.protocol import ColumnType, Model, Parameter
from sweepctl.trial.cells import cells_of

NOTHING: dict[str, Any] = dict.fromkeys(
    ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "choices"),
)


def values(kind: ColumnType, default: object, **more: Any) -> list[Any]:  # noqa: ANN401
    fields = {"name": "p", "type": kind, "nullable": False, "unit": "", "doc": "", "range": "", **NOTHING}
    parameter = Parameter.model_validate({**fields, "default": default, **more})
    model = Model(name="m", version="1", doc="", parameters=[parameter], metrics=[], datasets=[])
    return [cell.values["p"] for cell in cells_of(model)]


def test_the_defaults_come_first_and_values_but_once() -> None:
    assert values("float", 1.0, minimum=1.0, maximum=2.0) == [1.0, 2.0]
    assert values("string", "b", choices=["a", "b", "c"]) == ["b", "a", "c"]
    assert values("bool", default=True) == [True, False]
    assert values("int", 0) == [0]


def test_null_is_tried() -> None:
    assert values("int", 3, nullable=True) == [3, None]


def test_ends_that_are_excluded_are_not_tried_themselves() -> None:
    assert values("int", 5, exclusive_minimum=0, exclusive_maximum=10) == [5, 1, 9]
    default, low, high = values("float", 0.5, exclusive_minimum=0.0, exclusive_maximum=1.0)
    assert default == 0.5
    assert 0.0 < low < 0.001
    assert 0.999 < high < 1.0
    _, low, _ = values("float", 0.5, exclusive_minimum=0.0, maximum=1e-9)
    assert 0.0 < low < 1e-9


def test_a_cell_has_every_parameter() -> None:
    fields = {"type": "int", "nullable": False, "unit": "", "doc": "", "range": "", **NOTHING, "default": 0}
    parameters = [Parameter.model_validate({**fields, "name": name, "maximum": 9}) for name in "ab"]
    model = Model(name="m", version="1", doc="", parameters=parameters, metrics=[], datasets=[])
    assert [dict(cell.values) for cell in cells_of(model)] == [{"a": 0, "b": 0}, {"a": 9, "b": 0}, {"a": 0, "b": 9}]
    assert [cell.what for cell in cells_of(model)] == ["the defaults", "a = 9", "b = 9"]

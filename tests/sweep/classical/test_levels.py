"""Coded levels become values: exactly, and never rounded unseen."""

import pytest

from sweepctl.design.distributions import Between
from sweepctl.spec import Value
from sweepctl.sweep.classical.levels import value_at


@pytest.mark.parametrize(
    ("low", "high", "level", "expected"),
    [
        (1, 4, -1, 1),
        (1, 4, 1, 4),
        (2, 6, 0, 4),
        (1, 4, 0, 2.5),
        (1.1, 1.3, 0, 1.2),  # as decimals: their sum as floats is 2.4000000000000004
        (0.0, 10, 0, 5.0),
        (10, 20, -2, 5),
        (1, 3, 2**0.5, 2 + 2**0.5),
        (-(1 << 62), 1 << 62, 0, 0),
        (9_007_199_254_740_993, 9_007_199_254_740_995 + 2**50, 1, 9_007_199_254_740_995 + 2**50),
    ],
)
def test_a_value_lies_where_its_level_does(low: float, high: float, level: float, expected: float) -> None:
    value = value_at(Between(low=low, high=high), level)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(("values", "level", "expected"), [(["b", "a"], -1, "b"), ([True, False], 1, False)])
def test_a_list_has_its_first_value_at_the_low_level(values: list[Value], level: float, expected: Value) -> None:
    assert value_at(values, level) == expected

"""Numbers as people read them."""

import pytest

from sweepctl.spec import Value
from sweepctl.view.page.axes import powers, ticks
from sweepctl.view.wording import shown, span


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (True, "true"), (1234567, "1,234,567"), ("word", "word"), (0.0, "0"), (-0.5, "-0.5"), (12.0, "12"),
        (0.123456, "0.1235"), (1234.5678, "1,235"), (99999.96, "100,000"), (1.5e12, "1.500e+12"), (1e-7, "1.000e-07"),
    ],
)  # fmt: skip
def test_a_value_is_shown_with_four_digits(value: Value, text: str) -> None:
    assert shown(value) == text


def test_an_interval_of_one_value_is_that_value() -> None:
    assert (span(1, 1), span(0.5, 1000.0)) == ("1", "0.5 – 1,000")


def test_ticks_are_round_and_within() -> None:
    assert ticks(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-3.0, 17.0, 4) == [0.0, 5.0, 10.0, 15.0]
    assert ticks(2.0, 2.0, 5) == [2.0]
    assert ticks(0.0, 3.5e-12, 4) == pytest.approx([0.0, 1e-12, 2e-12, 3e-12], abs=1e-20)
    assert powers(1.0, 100.0) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
    assert powers(0.01, 1e6) == [0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6]

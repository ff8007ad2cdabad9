"""Strips of quantiles: one for each level with a value, on one axis for all dimensions of a metric."""

import re

import pytest

from sweepctl.results.analysis.subject import Dimension, Level
from sweepctl.view.page.strips import quantile_scale, strips

WORDS = Dimension("a", (Level("x", "x"), Level("y", "y"), Level("z", "z")), is_number=False, is_log=False)


def test_a_strip_spans_its_quantiles_and_names_them() -> None:
    found = [[0.0, 10.0, 20.0, 30.0, 100.0], None, [1.0, 1.0, 1.0, 1.0, 1.0]]
    y = quantile_scale([found])
    figure = strips("m", WORDS, found, y)
    assert re.findall("<title>([^<]*)</title>", figure) == ["x: 0 | 10 | 20 | 30 | 100", "z: 1 | 1 | 1 | 1 | 1"]
    ((low, high), _) = re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", figure)
    assert [float(low), float(high)] == pytest.approx([y.at(0), y.at(100)], abs=0.1)
    top, height = (float(value) for value in re.findall(r' y="([\d.]+)" width="11" height="([\d.]+)"', figure)[0])
    assert [top, top + height] == pytest.approx([y.at(30), y.at(10)], abs=0.2)


def test_the_axis_is_shared_and_logarithmic_where_values_span_orders_of_magnitude() -> None:
    assert not quantile_scale([[[1.0, 2.0, 3.0, 4.0, 5.0]], [None]]).is_log
    scale = quantile_scale([[[1.0, 2.0, 3.0, 4.0, 5.0]], [[1.0, 2.0, 3.0, 4.0, 500.0]]])
    assert (scale.low, scale.high, scale.is_log) == (1, 500, True)

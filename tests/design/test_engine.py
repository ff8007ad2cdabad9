"""No design that passes the worker's checks is malformed to the engine: that would be taken for the wrong engine."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from paths import TESTS
from pydantic import ValidationError

from sweepctl.design import DESIGN
from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import RefusedError
from sweepctl.spec import Spec

ENGINE = Engine(find_engine())
EXTREMES = (
    0,
    -0.0,
    1,
    -1,
    36,
    40,
    0.1,
    0.9,
    1e-12,
    1e-300,
    5e-324,
    308.25,
    308.3,
    1e12,
    1e17,
    1e308,
    -1e308,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
)
NUMBERS = st.sampled_from(EXTREMES) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-9, 9)
COUNTS = st.sampled_from((1, 2, 3, 2**52, 2**52 + 1, 2**63 - 1))


def fields(*names: str, **others: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({**dict.fromkeys(names, NUMBERS), **others})


STEPS = fields("start", "stop", num=COUNTS)
AXES = st.one_of(
    st.fixed_dictionaries({"linspace": STEPS}),
    st.fixed_dictionaries({"logspace": STEPS}),
    st.fixed_dictionaries({"range": fields("start", "stop", "step")}),
)
DISTRIBUTIONS = st.one_of(
    st.fixed_dictionaries({"uniform": fields("low", "high")}),
    st.fixed_dictionaries({"log_uniform": fields("low", "high")}),
    st.fixed_dictionaries({"normal": fields("mean", "std") | fields("mean", "std", "low", "high")}),
    st.fixed_dictionaries({"triangular": fields("low", "mode", "high")}),
    st.fixed_dictionaries({"integer": fields("low", "high")}),
)
SWEPT = st.sampled_from(("arrival_rate", "servers"))
DRAWN = {"dimensions": st.dictionaries(SWEPT, DISTRIBUTIONS, min_size=1)}
PARTS = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(("grid", "zip")), "dimensions": st.dictionaries(SWEPT, AXES, min_size=1)}
    ),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(("random", "latin_hypercube", "sobol")), "samples": COUNTS, **DRAWN}
    ),
    st.fixed_dictionaries(
        {"kind": st.just("saltelli"), "base_samples": COUNTS, "second_order": st.booleans(), **DRAWN}
    ),
    st.fixed_dictionaries({"kind": st.just("morris"), "trajectories": COUNTS, "levels": COUNTS, **DRAWN}),
)
DESIGNS = PARTS | st.fixed_dictionaries({"kind": st.just("cross"), "parts": st.lists(PARTS, min_size=2, max_size=2)})


def sampled(distribution: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "random", "samples": 5, "dimensions": {"arrival_rate": distribution}}


@pytest.mark.parametrize("case", json.loads((TESTS / "golden/normals.json").read_text()), ids=str)
def test_a_normal_distribution_is_valid_here_where_it_is_to_the_engine(case: dict[str, Any]) -> None:
    """Rust's tests read the same file."""
    normal = {name: value for name, value in case.items() if name != "valid" and value is not None}
    try:
        DESIGN.validate_python(sampled({"normal": normal}))
    except ValidationError:
        assert not case["valid"]
    else:
        assert case["valid"]


@pytest.mark.slow
@settings(max_examples=400)
@given(DESIGNS)
@example(sampled({"normal": {"mean": 0.5, "std": 1e17, "low": 0.1, "high": 0.9}}))
@example(sampled({"normal": {"mean": 0, "std": 1.9e307, "low": 1.6e308}}))
def test_what_is_a_design_here_is_one_to_the_engine(written: dict[str, Any]) -> None:
    with suppress(ValidationError):
        design = DESIGN.validate_python(written)
        if design.cells < 1 << 63:
            try:
                point = ENGINE.identify(Spec("queue", written, {}, 1, 1, ()), design, design.cells - 1)
            except RefusedError as refusal:
                assert refusal.error_code == "invalid_parameters", refusal.message  # noqa: PT017
            else:
                assert math.isfinite(float(point.parameters["arrival_rate"] or 0))

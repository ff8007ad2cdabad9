"""Specs: in what two of them differ."""

from dataclasses import replace

import pytest

from sweepctl.spec import Limits, Spec

SPEC = Spec(
    model="queue",
    design={"kind": "grid", "dimensions": {"servers": [1, 2], "arrival_rate": [0.5]}},
    base={"customers": 50},
    replications=1,
    seed=42,
    outputs=(),
)
MANY = 'seed 42 and 1, design.kind "grid" and "zip", design.dimensions.arrival_rate [0.5] and nothing, and 1 more'
LONG = f"design.dimensions.servers [1, 2] and [{'1, ' * 16}…"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (replace(SPEC, seed=43), "seed 42 and 43"),
        (replace(SPEC, base={"customers": 50.0}), "nothing but their digests"),
        (replace(SPEC, base={"customers": None, "warmup": 0}), "base.customers 50 and null, base.warmup nothing and 0"),
        (replace(SPEC, outputs=("visits",)), 'outputs [] and ["visits"]'),
        (replace(SPEC, limits=Limits(point_seconds=1.0)), 'limits nothing and {"point_seconds": 1.0}'),
        (
            replace(SPEC, design={"kind": "grid", "dimensions": {"servers": [1, 3], "arrival_rate": [0.5]}}),
            "design.dimensions.servers [1, 2] and [1, 3]",
        ),
        (replace(SPEC, design={"kind": "zip", "dimensions": {"servers": [1] * 99}}, seed=1), MANY),
        (replace(SPEC, design={"kind": "grid", "dimensions": {"servers": [1] * 99, "arrival_rate": [0.5]}}), LONG),
    ],
)
def test_two_specs_differ_in_named_fields(other: Spec, expected: str) -> None:
    assert SPEC.differences(other) == expected

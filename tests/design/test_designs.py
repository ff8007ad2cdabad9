"""Designs are counted as Python and NumPy would count them, refused with their place and rule, and never rewritten."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sweepctl.design import DESIGN, Design, path_of, total_points
from sweepctl.design.evenness import uneven_samples

UNIFORM = {"uniform": {"low": 0, "high": 1.5}}
STEPS = {"start": 0, "stop": 1, "num": 5}
DESIGNS: dict[str, tuple[dict[str, Any], int]] = {
    "no dimension": ({"kind": "grid", "dimensions": {}}, 1),
    "grid": ({"kind": "grid", "dimensions": {"b": [1, 1.0, True, None, "x"], "a": {"linspace": STEPS}}}, 25),
    "formulas": (
        {
            "kind": "grid",
            "dimensions": {
                "a": {"logspace": {"start": -3, "stop": 300.5, "num": 10**12}},
                "b": {"range": {"start": 0, "stop": 1, "step": 0.1}},
            },
        },
        10**13,
    ),
    "zip": ({"kind": "zip", "dimensions": {"a": [1, 2, 3], "b": {"range": {"start": 3, "stop": 0, "step": -1}}}}, 3),
    "random": ({"kind": "random", "samples": 7, "dimensions": {"a": UNIFORM}}, 7),
    "latin hypercube": ({"kind": "latin_hypercube", "samples": 1 << 52, "dimensions": {"a": UNIFORM}}, 1 << 52),
    "sobol": (
        {
            "kind": "sobol",
            "samples": 8,
            "dimensions": {
                "a": {"log_uniform": {"low": 1e-3, "high": 1}},
                "b": {"normal": {"mean": 0, "std": 1.0}},
                "c": {"normal": {"mean": 0, "std": 1, "low": -1}},
                "d": {"triangular": {"low": 0, "mode": 0, "high": 2}},
                "e": {"integer": {"low": -(2**63), "high": 2**63 - 1}},
                "f": {"choice": [1, 1.0, None, "x", False]},
            },
        },
        8,
    ),
    "not scrambled": ({"kind": "sobol", "samples": 1, "scramble": False, "dimensions": {"a": UNIFORM}}, 1),
    "table": ({"kind": "table", "columns": ["b", "a"], "rows": [[1, "x"], [1.0, None]]}, 2),
    "saltelli": ({"kind": "saltelli", "base_samples": 5, "dimensions": {"a": UNIFORM, "b": UNIFORM}}, 20),
    "second order": (
        {"kind": "saltelli", "base_samples": 5, "second_order": True, "dimensions": {"a": UNIFORM, "b": UNIFORM}},
        30,
    ),
    "morris": ({"kind": "morris", "trajectories": 5, "dimensions": {"a": UNIFORM, "b": UNIFORM}}, 15),
    "levels": ({"kind": "morris", "trajectories": 5, "levels": 10, "dimensions": {"a": UNIFORM}}, 10),
    "cross": (
        {
            "kind": "cross",
            "parts": [
                {"kind": "grid", "dimensions": {"a": [1, 1.0, True]}},
                {"kind": "table", "columns": ["c"], "rows": [[1], [1.0]]},
                {"kind": "morris", "trajectories": 5, "dimensions": {"b": UNIFORM}},
            ],
        },
        60,
    ),
}


@pytest.mark.parametrize(("written", "cells"), DESIGNS.values(), ids=DESIGNS)
def test_a_design_is_counted_and_written_as_it_was_read(written: dict[str, Any], cells: int) -> None:
    design = DESIGN.validate_python(written)
    assert design.cells == cells
    # Dictionaries are equal where a 1 has become 1.0; text is not.
    assert json.dumps(design.to_json(), sort_keys=True) == json.dumps(written, sort_keys=True)
    names = [name for part in written.get("parts", [written]) for name in part.get("columns", part.get("dimensions"))]
    assert sorted(design.parameters) == sorted(names)


def grid(axis: object) -> dict[str, Any]:
    return {"kind": "grid", "dimensions": {"a": axis}}


def sobol(distribution: object) -> dict[str, Any]:
    return {"kind": "sobol", "samples": 1, "dimensions": {"a": distribution}}


def refusal(written: object) -> str:
    with pytest.raises(ValidationError) as caught:
        DESIGN.validate_python(written)
    first = caught.value.errors(include_url=False)[0]
    return f"{path_of(first['loc'])}: {first['msg'].removeprefix('Value error, ')}"


REFUSED: dict[str, tuple[object, str]] = {
    "no kind": ({"dimensions": {}}, ": kind: must be one of grid, zip"),
    "unknown kind": ({"kind": "halton", "dimensions": {}}, ": kind: must be one of grid, zip"),
    "a kind that is none": ({"kind": ["grid"], "dimensions": {}}, ": kind: must be one of grid, zip"),
    "no object": ([], ": kind: must be one of grid, zip"),
    "unknown field": ({"kind": "grid", "dimensions": {}, "samples": 1}, "samples: Extra inputs"),
    "bad name": ({"kind": "grid", "dimensions": {"A": [1]}}, "dimensions.A: String should match"),
    "identity column": ({"kind": "grid", "dimensions": {"seed": [1]}}, "dimensions.seed: 'seed' is the name of an"),
    "an axis that is none": (grid(1), "dimensions.a: must be a list of values, or an object with one of linspace"),
    "two formulas": (grid({"linspace": STEPS, "logspace": STEPS}), "dimensions.a: must be a list of values, or"),
    "empty list": (grid([]), "dimensions.a: must have at least one value"),
    "nested value": (grid([1, [2]]), "dimensions.a.1: must be a number, a string, true, false or null"),
    "infinite value": (grid([math.inf]), "dimensions.a.0: must be a finite number"),
    "value beyond 64 bits": (grid([2**63]), "dimensions.a.0: must be a finite number, and an integer must fit in"),
    "one step": (grid({"linspace": {**STEPS, "num": 1}}), "dimensions.a.linspace.num: Input should be greater"),
    "a fraction of a step": (grid({"logspace": {**STEPS, "num": 2.0}}), "dimensions.a.logspace.num: Input should be"),
    "a bound that is none": (grid({"linspace": {**STEPS, "stop": True}}), "dimensions.a.linspace.stop: must be a fin"),
    "a huge bound": (grid({"linspace": {**STEPS, "stop": 10**5000}}), "dimensions.a.linspace.stop: must be a finite"),
    "no step": (grid({"range": {"start": 0, "stop": 1, "step": 0.0}}), "dimensions.a.range: step: must not be 0"),
    "backward": (grid({"range": {"start": 0, "stop": 1, "step": -1}}), "dimensions.a.range: start 0, stop 1, step -1"),
    "endless": (
        grid({"range": {"start": 0, "stop": 1, "step": 1e-19}}),
        "dimensions.a.range: start 0, stop 1, step 1e-19: must have at least one value, and at most 92",
    ),
    "beyond counting": (
        grid({"range": {"start": 0, "stop": 1e300, "step": 1e-300}}),
        "dimensions.a.range: start 0, stop 1e+300, step 1e-300: must have magnitudes close enough to count",
    ),
    "an endless line": (
        grid({"linspace": {"start": -1e308, "stop": 1e308, "num": 2}}),
        "dimensions.a.linspace: start -1e+308, stop 1e+308: must have a finite difference",
    ),
    "a power beyond all numbers": (
        grid({"logspace": {"start": 1, "stop": 309, "num": 2}}),
        "dimensions.a.logspace: start 1, stop 309: are exponents of ten: must be below 308.25",
    ),
    "an endless interval": (
        sobol({"uniform": {"low": -1e308, "high": 1e308}}),
        "dimensions.a.uniform: low -1e+308, high 1e+308: must have a finite difference",
    ),
    "zip of nothing": ({"kind": "zip", "dimensions": {}}, "dimensions: Dictionary should have at least 1 item"),
    "zip of unequal axes": (
        {"kind": "zip", "dimensions": {"a": [1], "b": {"linspace": STEPS}}},
        ": dimensions: must have the same length, but 'a' has 1 values and 'b' has 5",
    ),
    "no samples": ({**sobol(UNIFORM), "samples": 0}, "samples: Input should be greater than or equal to 1"),
    "too many samples": ({**sobol(UNIFORM), "samples": 2**63}, "samples: Input should be less than or equal to 92"),
    "too many strata": (
        {"kind": "latin_hypercube", "samples": 2**52 + 1, "dimensions": {"a": UNIFORM}},
        "samples: Input should be less than or equal to 4503599627370496",
    ),
    "a sample of nothing": ({"kind": "random", "samples": 1, "dimensions": {}}, "dimensions: Dictionary should have"),
    "257 dimensions": (
        {"kind": "sobol", "samples": 1, "dimensions": {f"a{i}": UNIFORM for i in range(257)}},
        "dimensions: must have at most 256 parameters, and has 257: a Latin hypercube has no such limit",
    ),
    "scramble as a number": ({**sobol(UNIFORM), "scramble": 1}, "scramble: Input should be a valid boolean"),
    "a distribution that is none": (sobol([1]), "dimensions.a: must be an object with one of uniform"),
    "unknown distribution": (sobol({"beta": {}}), "dimensions.a: must be an object with one of uniform"),
    "equal ends": (sobol({"uniform": {"low": 1, "high": 1.0}}), "dimensions.a.uniform: low 1, high 1.0: must satisfy"),
    "ends that are one binary64": (
        sobol({"uniform": {"low": 2**53, "high": 2**53 + 1}}),
        "dimensions.a.uniform: low 9007199254740992, high 9007199254740993: must satisfy low < high",
    ),
    "logarithm of 0": (sobol({"log_uniform": {"low": 0, "high": 1}}), "dimensions.a.log_uniform: low 0: must be above"),
    "no spread": (sobol({"normal": {"mean": 0, "std": 0}}), "dimensions.a.normal: std 0: must be above 0"),
    "cut to nothing": (
        sobol({"normal": {"mean": 0, "std": 1, "low": 2, "high": 1}}),
        "dimensions.a.normal: low 2, high 1: must satisfy low < high",
    ),
    "cut to almost nothing": (
        sobol({"normal": {"mean": 0, "std": 1, "low": 40}}),
        "dimensions.a.normal: low 40, high inf: must leave values within 36 standard deviations of the mean",
    ),
    "cut to a point": (
        sobol({"normal": {"mean": 0.5, "std": 1e17, "low": 0.1, "high": 0.9}}),
        "dimensions.a.normal: low 0.1, high 0.9: must be at least 1e-12 standard deviations apart",
    ),
    "beyond all numbers": (
        sobol({"normal": {"mean": 1e308, "std": 1e308}}),
        "dimensions.a.normal: mean 1e+308, std 1e+308: must be small enough for all values to be finite",
    ),
    "a mode outside": (
        sobol({"triangular": {"low": 0, "mode": 3, "high": 2}}),
        "dimensions.a.triangular: low 0, mode 3, high 2: must satisfy low <= mode <= high",
    ),
    "no whole numbers": (sobol({"integer": {"low": 0, "high": 1.0}}), "dimensions.a.integer.high: Input should be a"),
    "integers backward": (sobol({"integer": {"low": 1, "high": 0}}), "dimensions.a.integer: low 1, high 0: must"),
    "no choice": (sobol({"choice": []}), "dimensions.a.choice: must have at least one value"),
    "a column twice": ({"kind": "table", "columns": ["a", "a"], "rows": [[1, 1]]}, ": columns: must name each param"),
    "a short row": (
        {"kind": "table", "columns": ["a", "b"], "rows": [[1, 1], [1]]},
        ": rows.1: must have one value for each of 2 columns, but has 1",
    ),
    "a table without rows": ({"kind": "table", "columns": ["a"], "rows": []}, "rows: List should have at least 1 item"),
    "saltelli of one parameter": (
        {"kind": "saltelli", "base_samples": 1, "dimensions": {"a": UNIFORM}},
        "dimensions: must have two parameters or more",
    ),
    "saltelli of 129 parameters": (
        {"kind": "saltelli", "base_samples": 1, "dimensions": {f"a{i}": UNIFORM for i in range(129)}},
        "dimensions: must have at most 128 parameters, and has 129: the Sobol sequence has 256 dimensions, two",
    ),
    "odd levels": (
        {"kind": "morris", "trajectories": 1, "levels": 5, "dimensions": {"a": UNIFORM}},
        "levels: must be even, and is 5: a step is half of the levels; use 4 or 6",
    ),
    "levels without ends": (
        {"kind": "morris", "trajectories": 1, "dimensions": {"a": {"normal": {"mean": 0, "std": 1, "low": 0}}}},
        ": dimensions.a.normal: must have low and high",
    ),
    "a cross of one": ({"kind": "cross", "parts": [grid([1])]}, "parts: List should have at least 2 items"),
    "a cross of 257": ({"kind": "cross", "parts": [grid([1])] * 257}, "parts: List should have at most 256 items"),
    "a cross in a cross": (
        {"kind": "cross", "parts": [grid([1]), {"kind": "cross", "parts": [grid([1]), grid([1])]}]},
        "parts.1: kind: must be one of grid, zip, random, latin_hypercube, sobol, saltelli, morris, table; a cross in",
    ),
    "a parameter in two parts": (
        {"kind": "cross", "parts": [grid([1]), {"kind": "table", "columns": ["b", "a"], "rows": [[1, 1]]}]},
        ": parts.1.columns.a: is varied by parts.0, too: each parameter must be in one part only",
    ),
    "a bad value in a part": (
        {"kind": "cross", "parts": [grid([1]), {"kind": "grid", "dimensions": {"b": []}}]},
        "parts.1.dimensions.b: must have at least one value",
    ),
    "a part of a table": (
        {"kind": "table", "columns": ["a"], "rows": [[1]], "first_row": 0},
        "first_row: Extra inputs are not permitted",
    ),
}


@pytest.mark.parametrize(("written", "says"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_names_the_place_and_the_rule(written: object, says: str) -> None:
    assert refusal(written).startswith(says)


INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(INTEGERS, INTEGERS, INTEGERS.filter(bool))
def test_a_range_of_integers_has_as_many_values_as_pythons(start: int, stop: int, step: int) -> None:
    python = range(start, stop, step)
    written = grid({"range": {"start": start, "stop": stop, "step": step}})
    first, last = (python[0], python[-1]) if python else (0, 0)
    if not python or (last - first) // step >= 2**63 - 1:
        assert "must have at least one value" in refusal(written)
    else:
        assert DESIGN.validate_python(written).cells == (last - first) // step + 1


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4), st.integers(1, 10**4), st.integers(0, 12))
def test_a_range_of_decimals_is_counted_as_they_are_written(start: int, count: int, step: int, places: int) -> None:
    """As integers of the last decimal place, where no step is rounded."""
    first, last, each = (float(Decimal(n).scaleb(-places)) for n in (start, start + count * step, step))
    assert DESIGN.validate_python(grid({"range": {"start": first, "stop": last, "step": each}})).cells == count


@given(st.lists(st.integers(1, 4), max_size=4))
def test_a_grid_has_a_cell_for_every_combination(lengths: list[int]) -> None:
    design = DESIGN.validate_python(
        {"kind": "grid", "dimensions": {f"d{place}": list(range(length)) for place, length in enumerate(lengths)}}
    )
    assert design.cells == math.prod(lengths)


def test_points_must_be_named_by_64_bits() -> None:
    design = DESIGN.validate_python({**sobol(UNIFORM), "samples": 2**31})
    assert total_points(design, 2**31) == 2**62
    with pytest.raises(ValueError, match=r"2147483648 cells times 4294967296 replications: must be at most 92"):
        total_points(design, 2**32)


@pytest.mark.parametrize(
    "written",
    [
        {"kind": "saltelli", "base_samples": 2**62, "dimensions": {"a": UNIFORM, "b": UNIFORM}},
        {"kind": "morris", "trajectories": 2**62, "dimensions": {"a": UNIFORM, "b": UNIFORM}},
        {
            "kind": "cross",
            "parts": [{**sobol(UNIFORM), "samples": 2**62}, {"kind": "grid", "dimensions": {"b": [1, 2]}}],
        },
    ],
)
def test_too_many_cells_of_a_structured_design_are_too_many_points(written: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"over {2**63 - 1} cells times 1 replications: must be at most"):
        total_points(DESIGN.validate_python(written), 1)


def test_an_engine_gets_the_whole_formula_and_the_rows_of_its_cells() -> None:
    formula = DESIGN.validate_python(sobol(UNIFORM))
    assert formula.part(0, 1) == sobol(UNIFORM)
    table = DESIGN.validate_python({"kind": "table", "columns": ["a"], "rows": [[1], [2], [3], [4]]})
    part = {"kind": "table", "columns": ["a"], "first_row": 1, "rows": [[2], [3]], "total_rows": 4}
    assert table.part(1, 3) == part


def test_the_schema_is_json_and_describes_every_field() -> None:
    schema = DESIGN.json_schema()
    json.dumps(schema, allow_nan=False)
    for definition in schema["$defs"].values():
        for name, field in definition["properties"].items():
            assert "description" in field or "$ref" in field or name == "choice", (definition["title"], name)


LEAF = st.none() | st.booleans() | INTEGERS | st.floats() | st.text(max_size=4)
JSON = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[Callable[[object], object]] = [
    grid,
    sobol,
    lambda value: {"kind": value, "dimensions": {}},
    lambda value: {"kind": "zip", "dimensions": value},
    lambda value: {"kind": "cross", "parts": value},
    lambda value: {"kind": "cross", "parts": [grid([1]), value]},
    lambda value: {"kind": "morris", "trajectories": 1, "levels": value, "dimensions": {"a": UNIFORM}},
    lambda value: {"kind": "saltelli", "base_samples": 1, "dimensions": {"a": UNIFORM, "b": value}},
    lambda value: {"kind": "table", "columns": ["a"], "rows": value},
    lambda value: grid({"range": value}),
    lambda value: sobol({"normal": {"mean": 0, "std": value}}),
]


@given(st.sampled_from(PLACES), JSON)
def test_any_value_in_any_place_is_a_design_or_refused(place: Callable[[object], object], value: object) -> None:
    try:
        design: Design = DESIGN.validate_python(place(value))
    except ValidationError:
        return
    assert design.cells >= 1


@pytest.mark.parametrize(
    ("samples", "nearest"), [(1, None), (2, None), (3, 4), (5, 4), (6, 8), (1000, 1024), (1025, 1024), (1 << 62, None)]
)
def test_samples_of_a_sobol_sequence_are_even_at_powers_of_two(samples: int, nearest: int | None) -> None:
    uniform = {"uniform": {"low": 0, "high": 1}}
    sobol = {"kind": "sobol", "samples": samples, "dimensions": {"x": uniform}}
    saltelli = {"kind": "saltelli", "base_samples": samples, "dimensions": {"y": uniform, "z": uniform}}
    latin = {"kind": "latin_hypercube", "samples": 3, "dimensions": {"w": uniform}}
    cross = {"kind": "cross", "parts": [latin, sobol, saltelli]}
    found = list(uneven_samples(DESIGN.validate_python(cross)))
    fields = ["parts.1.samples", "parts.2.base_samples"]
    assert found == ([] if nearest is None else [(field, samples, nearest) for field in fields])
    assert [each.field for each in uneven_samples(DESIGN.validate_python(sobol))] == ["samples"] * (nearest is not None)

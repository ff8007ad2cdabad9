"""Sobol indices of Saltelli's cells and Morris' effects, of cells that the engine derives from the design."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from results.analysis.views import connect, subject_of
from SALib.analyze import morris, sobol

from sweepctl.design import DESIGN
from sweepctl.engine.checks import parse_records
from sweepctl.engine.client import Engine, find_engine
from sweepctl.engine.identities import identity_schema
from sweepctl.protocol import encode_request
from sweepctl.results.analysis.sensitivity.indices import Sensitivity
from sweepctl.results.analysis.sensitivity.methods import sensitivities
from sweepctl.spec import Spec, Value

pytestmark = pytest.mark.filterwarnings("default")  # of what SALib imports

UNIFORM = {"uniform": {"low": 0.5, "high": 1.5}}
DIMENSIONS: dict[str, Any] = {
    "arrival_rate": UNIFORM,
    "service_rate": UNIFORM,
    "servers": {"integer": {"low": 1, "high": 3}},
}
PROBLEM = {"num_vars": 3, "names": sorted(DIMENSIONS), "bounds": [[0.0, 1.0]] * 3}
Function = Callable[[Mapping[str, Any], int], Any]


def cells_of(design: Mapping[str, Any]) -> list[dict[str, Value]]:
    """Return the cells that the engine derives; the model has no part in them."""
    engine, space = Engine(find_engine()), DESIGN.validate_python(design)
    request = encode_request(Spec("queue", design, {}, 1, 1, ()), space, 0, space.cells, threads=1)
    with engine.start(request, command="points", timeout=60.0) as run:
        run.begin()
        lines = b"".join(run.blocks())
    rows = parse_records(lines, identity_schema(engine.model("queue")))["parameters"].to_pylist()
    return [{name: row[name] for name in design["dimensions"]} for row in rows]


def found_of(design: Mapping[str, Any], cells: list[dict[str, Value]], function: Function) -> Sensitivity:
    with connect(cells, function) as connection:
        (found,) = sensitivities(connection, subject_of(connection, design))
    return found


def metric(cell: Mapping[str, Any]) -> float:
    return float(cell["servers"] * cell["arrival_rate"] + math.sin(5 * cell["service_rate"]))


@pytest.mark.parametrize("second_order", [False, True])
def test_saltellis_cells_give_salibs_indices(*, second_order: bool) -> None:
    design = {"kind": "saltelli", "base_samples": 100, "second_order": second_order, "dimensions": DIMENSIONS}
    cells = cells_of(design)
    found = found_of(design, cells, lambda cell, _: {"m": metric(cell)})
    values = np.array([metric(cell) for cell in cells])
    expected = sobol.analyze(PROBLEM, values, calc_second_order=second_order, seed=1)
    assert found.cells == len(cells) == 100 * (8 if second_order else 5)
    assert [index.dimension for index in found.indices] == sorted(DIMENSIONS)
    assert [index.first_order for index in found.indices] == pytest.approx(list(expected["S1"]), abs=1e-12)
    assert [index.total for index in found.indices] == pytest.approx(list(expected["ST"]), abs=1e-12)
    pairs = [pair.second_order for pair in found.pairs]
    assert pairs == pytest.approx(list(expected["S2"][np.triu_indices(3, 1)]) if second_order else [], abs=1e-12)


def test_their_indices_are_near_the_exact_ones_and_their_intervals_hold_them() -> None:
    design = {"kind": "saltelli", "base_samples": 2_048, "dimensions": DIMENSIONS}
    found = found_of(design, cells_of(design), lambda cell, _: {"m": metric(cell)})
    a, b, c = (np.linspace(0.5, 1.5, 200), np.linspace(0.5, 1.5, 200), np.array([1.0, 2.0, 3.0]))
    whole = c[None, None, :] * a[:, None, None] + np.sin(5 * b[None, :, None])
    # In the order of the names: arrival_rate, servers, service_rate.
    first = [whole.mean(axis=rest).var() / whole.var() for rest in ((1, 2), (0, 1), (0, 2))]
    total = [1 - whole.mean(axis=own).var() / whole.var() for own in (0, 2, 1)]
    for index, true_first, true_total in zip(found.indices, first, total, strict=True):
        assert index.half_width is not None
        assert index.total is not None
        assert index.total_half_width is not None
        assert abs(index.first_order - true_first) <= index.half_width < 0.1
        assert abs(index.total - true_total) <= index.total_half_width < 0.1


def test_a_base_sample_without_a_value_is_left_out_with_its_cells() -> None:
    design = {"kind": "saltelli", "base_samples": 100, "dimensions": DIMENSIONS}
    cells = cells_of(design)
    lost = {id(cells[7]), id(cells[8]), id(cells[499])}
    found = found_of(design, cells, lambda cell, _: "bad" if id(cell) in lost else {"m": metric(cell)})
    values = np.array([metric(cell) for cell in cells]).reshape(100, 5)
    expected = sobol.analyze(PROBLEM, np.delete(values, [1, 99], axis=0).ravel(), calc_second_order=False, seed=1)
    assert [index.total for index in found.indices] == pytest.approx(list(expected["ST"]), abs=1e-12)
    assert found.why_not == "2 of 100 base samples have a cell without a value and are left out"
    assert found.cells == 490
    few = found_of(design, cells, lambda cell, _: {"m": 1.0} if id(cell) in lost else "bad")
    assert (few.indices, few.why_not) == (
        (),
        "no Sobol indices: 16 base samples are needed, and 0 have all their values",
    )


@pytest.mark.parametrize("kind", ["numbers", "words"])
def test_trajectories_give_salibs_effects(kind: str) -> None:
    words: dict[str, Any] = {"choice": [1.5, 0.5, 1.0, 0.25]}  # their order is that of the list
    dimensions = DIMENSIONS if kind == "numbers" else {**DIMENSIONS, "service_rate": words}
    design = {"kind": "morris", "trajectories": 40, "levels": 4, "dimensions": dimensions}
    cells = cells_of(design)
    found = found_of(design, cells, lambda cell, _: {"m": metric(cell)})
    names = sorted(dimensions)
    listed: list[float] = words["choice"]

    def place(cell: Mapping[str, Any], name: str) -> float:
        """Return what grows with the dimension, from which SALib takes the direction of a step."""
        return float(listed.index(cell[name]) if kind == "words" and name == "service_rate" else cell[name])

    places = np.array([[place(cell, name) for name in names] for cell in cells])
    expected = morris.analyze(PROBLEM, places, np.array([metric(cell) for cell in cells]), num_levels=4, seed=1)
    assert [effect.dimension for effect in found.effects] == names
    for name in ("mu", "mu_star", "sigma"):
        assert [getattr(effect, name) for effect in found.effects] == pytest.approx(list(expected[name]), abs=1e-9), (
            name
        )
    assert found.cells == 160


def test_a_dimension_without_influence_has_no_effect_and_one_that_is_linear_no_sigma() -> None:
    design = {"kind": "morris", "trajectories": 20, "levels": 6, "dimensions": {**DIMENSIONS, "warmup": UNIFORM}}
    dimensions: dict[str, Any] = dict.fromkeys(("arrival_rate", "service_rate"), UNIFORM)
    design["dimensions"] = dimensions
    found = found_of(design, cells_of(design), lambda cell, _: {"m": 3 * cell["arrival_rate"]})
    (linear, nothing) = found.effects
    assert [linear.mu, linear.mu_star] == pytest.approx([3, 3])
    assert linear.sigma == pytest.approx(0, abs=1e-9)
    assert (nothing.mu_star, nothing.sigma) == (0, 0)


def test_a_trajectory_without_a_value_is_left_out() -> None:
    design = {"kind": "morris", "trajectories": 6, "dimensions": DIMENSIONS}
    cells = cells_of(design)
    found = found_of(design, cells, lambda cell, _: "bad" if cell is cells[3] else {"m": metric(cell)})
    assert (found.cells, found.why_not) == (20, "1 of 6 trajectories have a cell without a value and are left out")

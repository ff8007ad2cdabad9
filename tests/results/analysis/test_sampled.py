"""First-order indices of samples, against the exact ones of the full product of the parameters' values."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import product
from statistics import fmean, pvariance
from typing import Any

import numpy as np
import pytest
from results.analysis.views import connect, subject_of

from sweepctl.design import DESIGN
from sweepctl.engine.checks import parse_records
from sweepctl.engine.client import Engine, find_engine
from sweepctl.engine.identities import identity_schema
from sweepctl.protocol import encode_request
from sweepctl.results.analysis.sensitivity.methods import sensitivities
from sweepctl.results.analysis.sensitivity.sample import first_order
from sweepctl.spec import Spec

pytestmark = pytest.mark.filterwarnings("default")  # of what SALib imports

SAMPLES = 2_048
KINDS: list[dict[str, Any]] = [
    {"kind": "random"},
    {"kind": "latin_hypercube"},
    {"kind": "sobol"},
    {"kind": "sobol", "scramble": False},
]
# Each with values of equal weight, of which all combinations give the exact indices.
DISCRETE: dict[str, tuple[Any, list[Any]]] = {
    "servers": ({"integer": {"low": 1, "high": 4}}, [1, 2, 3, 4]),
    "warmup": ({"choice": [0, 1]}, [0, 1]),
    "service_rate": ({"choice": [place / 8 for place in range(1, 17)]}, [place / 8 for place in range(1, 17)]),
}
CONSTANT: dict[str, tuple[Any, list[Any]]] = {"customers": ({"choice": [500, 500]}, [500])}
CONTINUOUS: dict[str, tuple[Any, list[Any]]] = {
    "arrival_rate": ({"uniform": {"low": 1.0, "high": 2.0}}, [1 + (place + 0.5) / 64 for place in range(64)]),
    "customers": ({"integer": {"low": 1, "high": 2_000}}, [(place + 0.5) * 2_000 / 64 for place in range(64)]),
}
PARAMETERS = {
    "discrete": DISCRETE,
    "constant": {"servers": DISCRETE["servers"], "warmup": DISCRETE["warmup"], **CONSTANT},
    "mixed": {"servers": DISCRETE["servers"], "warmup": DISCRETE["warmup"], **CONTINUOUS},
    "continuous": CONTINUOUS,
}

Cell = Mapping[str, Any]


def metric(cell: Cell) -> float:
    """Neither smooth nor additive; warmup explains nothing, and of 16 service rates each second one is the same."""
    every_other = 2.0 * (cell.get("service_rate", 0) * 8 % 2)
    curve = 6 * (cell.get("arrival_rate", 1) - 1) ** 2 + cell.get("customers", 0) / 500
    return float(8 / cell.get("servers", 1) + every_other + curve * (1 + 0.3 * (cell.get("servers", 1) == 2)))


def exact(values: Mapping[str, Sequence[Any]], function: Callable[[Cell], float]) -> dict[str, float]:
    cells = [dict(zip(values, each, strict=True)) for each in product(*values.values())]
    results = [function(cell) for cell in cells]
    indices = {}
    for name in values:
        groups: dict[Any, list[float]] = {}
        for cell, result in zip(cells, results, strict=True):
            groups.setdefault(cell[name], []).append(result)
        indices[name] = pvariance(map(fmean, groups.values())) / pvariance(results)
    return indices


@cache
def exact_of(parameters: str) -> dict[str, float]:
    return exact({name: values for name, (_, values) in PARAMETERS[parameters].items()}, metric)


def drawn(design: Mapping[str, Any], seed: int) -> list[dict[str, Any]]:
    """Return the cells of a design as the engine draws them."""
    engine = Engine(find_engine())
    spec = Spec("queue", design, {}, 1, seed, ())
    request = encode_request(spec, DESIGN.validate_python(design), 0, design["samples"], threads=1)
    with engine.start(request, command="points", timeout=60.0) as run:
        run.begin()
        lines = b"".join(run.blocks())
    rows = parse_records(lines, identity_schema(engine.model("queue")))["parameters"].to_pylist()
    return [{name: row[name] for name in design["dimensions"]} for row in rows]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("parameters", PARAMETERS)
@pytest.mark.parametrize("kind", KINDS, ids=["random", "latin_hypercube", "sobol", "sobol_unscrambled"])
def test_the_indices_of_a_sample_are_near_the_exact_ones(kind: dict[str, Any], parameters: str, seed: int) -> None:
    chosen = PARAMETERS[parameters]
    dimensions = {name: distribution for name, (distribution, _) in chosen.items()}
    design = {**kind, "samples": SAMPLES, "dimensions": dimensions}
    connection = connect(drawn(design, seed), lambda cell, _: {"m": metric(cell)})
    (found,) = sensitivities(connection, subject_of(connection, design))
    varied = {name: index for name, index in exact_of(parameters).items() if len(chosen[name][1]) > 1}
    assert {index.dimension: index.first_order for index in found.indices} == pytest.approx(varied, abs=0.05)


def test_a_dimension_of_which_one_value_is_left_explains_nothing() -> None:
    values = np.arange(200.0)
    assert first_order(np.ones(200, dtype=int), values) == ("means by value", 0.0, 0.0)


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e308])
def test_indices_do_not_depend_on_a_metrics_unit(size: float) -> None:
    ranks = np.arange(200) % 4 + 1
    values = ranks / 4 + np.arange(200) % 7
    assert first_order(ranks, values * (size / 8)) == (
        "means by value", *map(pytest.approx, first_order(ranks, values)[1:])
    )  # fmt: skip


def model(a: int, b: int, c: float) -> float:
    return 1 / a + 0.2 * b + c**2


def test_intervals_contain_the_exact_index() -> None:
    truth = exact(
        {"a": [1, 2, 3, 4], "b": [0, 1], "c": [(place + 0.5) / 64 for place in range(64)]}, lambda c: model(**c)
    )
    draws = np.random.default_rng(5)
    hits, samples, trials = dict.fromkeys(truth, 0), 256, 40
    for _ in range(trials):
        cells = [(int(draws.integers(1, 5)), int(draws.integers(0, 2)), float(draws.random())) for _ in range(samples)]
        values = np.array([model(*cell) for cell in cells])
        for name, column in zip(truth, zip(*cells, strict=True), strict=True):
            _, first, width = first_order(np.unique(column, return_inverse=True)[1] + 1, values)
            hits[name] += abs(first - truth[name]) <= width
    assert min(hits.values()) >= 0.9 * trials, hits  # 95 in 100 of many; of few it varies by chance

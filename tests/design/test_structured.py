"""Saltelli, Morris and crossed designs, recomputed from their definitions in docs/designs.md without the engine.

SALib's analyses take their cells as they come.
"""

import math
import runpy
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from design.identified import points
from paths import TESTS
from scipy.stats import qmc

from sweepctl.design import DESIGN
from sweepctl.engine.client import Engine, find_engine

pytestmark = pytest.mark.filterwarnings("default")  # of what SALib imports

SEED = -42
PHILOX = runpy.run_path(str(TESTS / "golden/generate.py"))["philox"]
KEY = [SEED & 0xFFFFFFFF, (SEED >> 32) & 0xFFFFFFFF]
RANDOM, SCRAMBLE, ORDER, START = (1 << 31) + 0, (1 << 31) + 3, (1 << 31) + 4, (1 << 31) + 5
ENGINE = Engine(find_engine())


def draw(purpose: int, dimension: int, number: int) -> int:
    block = PHILOX([number & 0xFFFFFFFF, number >> 32, purpose, dimension], KEY)
    return int(block[0] | block[1] << 32)


def part(bits: int, count: int) -> int:
    """Return which of `count` equal parts of [0, 1) the upper 53 of 64 bits are in."""
    return (bits >> 11) * count >> 53


def names(count: int) -> list[str]:
    return [f"x{place:03}" for place in range(count)]


def uniform(count: int) -> dict[str, Any]:
    return {name: {"uniform": {"low": 0, "high": 1}} for name in names(count)}


def cells(design: dict[str, Any], count: int, indices: range, folder: Path) -> list[list[float]]:
    """Return the values of cells of a model with `count` parameters that takes any number."""
    model = ENGINE.model("queue").model_dump(mode="json", by_alias=True)
    free = {"minimum": None, "maximum": None, "exclusive_minimum": None, "exclusive_maximum": None}
    rate = next(each for each in model["parameters"] if each["name"] == "arrival_rate") | free
    model["parameters"] = [rate | {"name": name} for name in names(count)]
    request = {
        "protocol": "v1",
        "model": "queue",
        "declaration": model,
        "design": design,
        "seed": SEED,
        "start_index": indices.start,
        "end_index_exclusive": indices.stop,
    }
    return [[point[name] for name in names(count)] for point in points(request, folder)]


def some(blocks: int, length: int) -> Iterable[range]:
    """Return the cells of the first and the last blocks of a design."""
    return [range(3 * length), range((blocks - 3) * length, blocks * length)]


def scrambled(directions: Sequence[int], dimension: int, index: int) -> float:
    """Return a number of a scrambled Sobol sequence; direction by direction, without the matrix's product."""
    rows = [draw(SCRAMBLE, dimension, 1 + row) & ~((1 << 64 - row) - 1) | 1 << 63 - row for row in range(64)]
    gray, bits = index ^ index >> 1, 0
    for bit, direction in enumerate(directions):
        bits ^= int(direction) if gray >> bit & 1 else 0
    digits = sum(((row & bits).bit_count() & 1) << 63 - place for place, row in enumerate(rows))
    return ((digits ^ draw(SCRAMBLE, dimension, 0)) >> 11) * 2.0**-53


@pytest.mark.parametrize("second_order", [False, True])
def test_a_saltelli_design_is_blocks_of_a_scrambled_sobol_sequence(tmp_path: Path, *, second_order: bool) -> None:
    count, blocks = 3, 1 << 38
    design = {
        "kind": "saltelli",
        "base_samples": blocks,
        "second_order": second_order,
        "dimensions": uniform(count),
    }
    length = 2 * count + 2 if second_order else count + 2
    assert DESIGN.validate_python(design).cells == blocks * length
    directions = qmc.Sobol(2 * count, scramble=False, bits=64)._sv.tolist()
    for indices in some(blocks, length):
        expected = []
        for base in range(indices.start // length, indices.stop // length):
            row = [scrambled(directions[dimension], dimension, base) for dimension in range(2 * count)]
            a, b = row[:count], row[count:]
            expected.append(a)
            swaps = [(a, b), (b, a)] if second_order else [(a, b)]
            expected += [[*mine[:k], other[k], *mine[k + 1 :]] for mine, other in swaps for k in range(count)]
            expected.append(b)
        assert cells(design, count, indices, tmp_path) == expected


@pytest.mark.parametrize("levels", [4, 10])
def test_a_morris_design_is_steps_between_levels(tmp_path: Path, levels: int) -> None:
    count, trajectories = 5, 1 << 38
    dimensions = {name: {"integer": {"low": 0, "high": levels - 1}} for name in names(count)}
    design = {"kind": "morris", "trajectories": trajectories, "levels": levels, "dimensions": dimensions}
    assert DESIGN.validate_python(design).cells == trajectories * (count + 1)
    for indices in some(trajectories, count + 1):
        expected = []
        for trajectory in range(indices.start // (count + 1), indices.stop // (count + 1)):
            order = list(range(count))
            for last in range(count - 1, 0, -1):
                chosen = part(draw(ORDER, last, trajectory), last + 1)
                order[last], order[chosen] = order[chosen], order[last]
            at = [part(draw(START, dimension, trajectory), levels) for dimension in range(count)]
            expected.append(at)
            for dimension in order:
                at = [*at[:dimension], (at[dimension] + levels // 2) % levels, *at[dimension + 1 :]]
                expected.append(at)
        assert cells(design, count, indices, tmp_path) == expected


def test_levels_are_at_equal_distances_and_include_both_ends(tmp_path: Path) -> None:
    dimensions = {"x000": {"uniform": {"low": -1, "high": 4}}}
    design = {"kind": "morris", "trajectories": 50, "levels": 6, "dimensions": dimensions}
    found = {value for (value,) in cells(design, 1, range(100), tmp_path)}
    assert sorted(found) == pytest.approx([-1, 0, 1, 2, 3, 4], abs=1e-15)
    assert {-1, 4} < found


def test_samples_in_a_cross_are_numbered(tmp_path: Path) -> None:
    """The second of one kind has numbers of its own, and the first those that it would have alone."""

    def sample(kind: str, name: str) -> dict[str, Any]:
        return {"kind": kind, "samples": 5, "dimensions": {name: uniform(1)["x000"]}}

    parts = [sample("random", "x001"), {"kind": "grid", "dimensions": {"x002": [7, 8]}}, sample("random", "x000")]
    design = {"kind": "cross", "parts": parts}
    assert DESIGN.validate_python(design).cells == 50

    def number(sample: int, cell: int) -> float:
        return (draw(RANDOM + 256 * sample, 0, cell) >> 11) * 2.0**-53

    expected = [[number(1, third), number(0, first), 7 + second] for first in range(5) for second in range(2)
                for third in range(5)]  # fmt: skip
    assert cells(design, 3, range(50), tmp_path) == expected


def ishigami(x: Any) -> Any:  # noqa: ANN401  NumPy's
    """Return Ishigami and Homma's function (1990), a = 7, b = 0.1, of numbers in [0, 1)."""
    x = (2 * x - 1) * math.pi
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def test_salib_takes_the_cells_of_a_saltelli_design_in_order(tmp_path: Path) -> None:
    from SALib.analyze import sobol  # noqa: PLC0415  slow to import

    design = {"kind": "saltelli", "base_samples": 1024, "second_order": True, "dimensions": uniform(3)}
    values = ishigami(np.array(cells(design, 3, range(8192), tmp_path)))
    problem = {"num_vars": 3, "names": names(3), "bounds": [[0, 1]] * 3}
    found = sobol.analyze(problem, values, calc_second_order=True, num_resamples=10, seed=1)
    # Exact values by Saltelli et al., Sensitivity Analysis in Practice (2004).
    assert found["S1"] == pytest.approx([0.3139, 0.4424, 0], abs=0.03)
    assert found["ST"] == pytest.approx([0.5576, 0.4424, 0.2437], abs=0.03)
    assert found["S2"][0][2] == pytest.approx(0.2437, abs=0.06)


def test_salib_takes_the_cells_of_a_morris_design_in_order(tmp_path: Path) -> None:
    from SALib.analyze import morris  # noqa: PLC0415  slow to import

    design = {"kind": "morris", "trajectories": 20, "levels": 6, "dimensions": uniform(4)}
    x = np.array(cells(design, 4, range(100), tmp_path))
    slope = np.array([3.0, -2.0, 0.0, 10.0])
    problem = {"num_vars": 4, "names": names(4), "bounds": [[0, 1]] * 4}
    found = morris.analyze(problem, x, x @ slope, num_levels=6, num_resamples=10, seed=1)
    assert np.asarray(found["mu"]) == pytest.approx(slope, abs=1e-12)
    assert np.asarray(found["sigma"]) == pytest.approx(0, abs=1e-12)


def test_the_order_of_a_block_is_salibs(tmp_path: Path) -> None:
    """By which columns change from a cell to the next one, whatever the numbers are."""
    from SALib.sample import sobol as sampling  # noqa: PLC0415  slow to import

    problem = {"num_vars": 3, "names": names(3), "bounds": [[0, 1]] * 3}
    same: Callable[[Any], Any] = lambda x: (np.diff(x, axis=0) == 0).tolist()  # noqa: E731
    for second_order, length in [(False, 5), (True, 8)]:
        design = {"kind": "saltelli", "base_samples": 4, "second_order": second_order, "dimensions": uniform(3)}
        theirs = sampling.sample(problem, 4, calc_second_order=second_order, seed=1)
        assert same(np.array(cells(design, 3, range(4 * length), tmp_path))) == same(theirs)

"""Points of sampled designs are those of tests/golden/designs.json, which Rust's tests read too.

Two samplers are recomputed from their definitions in docs/designs.md, without the engine.
"""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from design.identified import points
from paths import TESTS
from scipy.stats import qmc

GOLDEN = TESTS / "golden"
CASES = json.loads((GOLDEN / "designs.json").read_text())
RATES = ["arrival_rate", "service_rate"]
LOW, HIGH = 1, 2


def uniforms(kind: str, samples: int, indices: range, folder: Path, **design: Any) -> list[list[float]]:  # noqa: ANN401
    """Return the uniform numbers behind a sampled design of two dimensions, less 1 by which they are not 0."""
    dimensions = {name: {"uniform": {"low": LOW, "high": HIGH}} for name in RATES}
    request = CASES[0]["request"] | {
        "design": {"kind": kind, "samples": samples, "dimensions": dimensions, **design},
        "start_index": indices.start,
        "end_index_exclusive": indices.stop,
    }
    return [[point[name] - LOW for name in RATES] for point in points(request, folder)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["request"]["design"]["kind"])
def test_points_are_the_golden_ones(case: dict[str, Any], tmp_path: Path) -> None:
    found = points(case["request"], tmp_path)
    assert [[point[name] for name in case["names"]] for point in found] == case["points"]


def test_a_random_design_is_philox_by_cell_and_dimension(tmp_path: Path) -> None:
    philox = runpy.run_path(str(GOLDEN / "generate.py"))["philox"]
    seed = CASES[0]["request"]["seed"]
    for indices in [range(5), range((1 << 40) - 2, (1 << 40) + 3)]:
        expected = []
        for cell in indices:
            blocks = [philox([cell & 0xFFFFFFFF, cell >> 32, 1 << 31, place], [seed, 0]) for place in range(2)]
            units = [(block[0] | block[1] << 32) >> 11 for block in blocks]
            expected.append([LOW + unit * 2.0**-53 - LOW for unit in units])
        assert uniforms("random", 1 << 50, indices, tmp_path) == expected


def test_an_unscrambled_sobol_design_is_scipys(tmp_path: Path) -> None:
    found = uniforms("sobol", 1 << 20, range(1000, 1100), tmp_path, scramble=False)
    assert found == qmc.Sobol(2, scramble=False).fast_forward(1000).random(100).tolist()

"""SciPy's Sobol sequence is what tests/golden/sobol.json says, which Rust's sequence is tested against.

`UPDATE_GOLDEN=1 pytest tests/design/test_sobol.py` writes it again.
"""

import json
import os
from typing import Any

import numpy as np
import pytest
from paths import TESTS
from scipy.stats import qmc

GOLDEN = TESTS / "golden" / "sobol.json"
DIMENSIONS = 256

INDICES = [*range(8), 100, 1023, 1024, 65_535, 65_536, 65_537, 1_000_003, (1 << 24) + 77]
# Of few dimensions: SciPy takes seconds to get there.
FAR_INDEX = (1 << 30) - 1
# Of SciPy's directions: their generator would take years to get there.
FARTHEST_INDICES = [(1 << 30) - 1, (1 << 40) + 12_345, (1 << 53) - 1]


def recomputed() -> list[dict[str, Any]]:
    points = []
    sequence = qmc.Sobol(DIMENSIONS, scramble=False)
    for index in INDICES:
        if skipped := index - sequence.num_generated:
            sequence.fast_forward(skipped)
        points.append({"index": index, "values": sequence.random(1)[0].tolist()})
    few = qmc.Sobol(3, scramble=False).fast_forward(FAR_INDEX)
    points.append({"index": FAR_INDEX, "values": few.random(1)[0].tolist()})
    directions = qmc.Sobol(DIMENSIONS, scramble=False, bits=64)._sv
    points.extend({"index": index, "values": by_directions(directions, index)} for index in FARTHEST_INDICES)
    return points


def by_directions(directions: Any, index: int) -> list[float]:  # noqa: ANN401  SciPy ships no types
    gray = index ^ index >> 1
    bits = np.bitwise_xor.reduce(directions[:, [bit for bit in range(64) if gray >> bit & 1]], axis=1)
    # The lower bits are 0: these indices have at most 53 bits.
    return [int(number) * 2.0**-64 for number in bits]


@pytest.mark.slow
def test_scipys_sequence_is_the_golden_one() -> None:
    points = recomputed()
    if os.environ.get("UPDATE_GOLDEN") == "1":
        lines = ",\n".join(json.dumps(point, separators=(",", ":")) for point in points)
        GOLDEN.write_text(f"[\n{lines}\n]\n")
    assert points == json.loads(GOLDEN.read_text())


def test_scipys_directions_and_its_generator_agree() -> None:
    by_index: dict[int, list[list[float]]] = {}
    for point in json.loads(GOLDEN.read_text()):
        by_index.setdefault(point["index"], []).append(point["values"])
    few, all_ = by_index[FAR_INDEX]
    assert few == all_[:3]

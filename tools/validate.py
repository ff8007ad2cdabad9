"""Runs the ride-hailing model's checks against theory; writes docs/validation.md's table and docs/figures.

The checks are Rust tests, in rust/models/src/ridehail/tests/validate (and the engine's, for determinism): they
simulate, compare and print a line for each number. This script adds SciPy's solutions of the assignment problems and
writes all results, failures too. If a line is missing, nothing is written.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import figures
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Row = dict[str, Any]

ROOT = Path(__file__).parents[1]
DOC = ROOT / "docs/validation.md"
FIGURES = ROOT / "docs/figures"
TESTS = (
    "cargo test --release --locked --no-fail-fast -p sweep-models -p sweep-engine"
    " -- --ignored validate --nocapture --test-threads=2"
)
# The number of lines of each check: a line that a test did not reach is not a check that passed.
LINES = {1: 2, 2: 2, 3: 3, 4: 4, 5: 9, 6: 6, 7: 9, 8: 8, 9: 3, 10: 1, 11: 1, 12: 2}
VERDICTS = {
    "passes": "passes",
    "fails": "**FAILS**",
    "outside": "outside: see below",
    "told": "no limit",
}
# More than the total cost of any assignment.
NO_EDGE = 10**9


def main() -> int:
    """Run all checks; the exit code is 1 if one failed or did not finish."""
    tests = subprocess.run(TESTS.split(), cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in re.findall(r"^\{.*\}$", tests.stdout, re.MULTILINE)]
    rows = [line for line in lines if "check" in line]
    rows += [against_scipy(line["instances"]) for line in lines if "instances" in line]
    rows.sort(key=lambda row: row["check"])
    failed = any(row["verdict"] == "fails" for row in rows)
    found = problems(lines, rows, finished=tests.returncode == 0 or failed)
    if found:
        print(tests.stdout[-5000:], tests.stderr[-5000:], *found, "nothing was written", sep="\n", file=sys.stderr)
        return 1
    head = ["| check | what | measured | expected | standard error | n |  |", "| -- | -- | -- | -- | -- | -- | -- |"]
    table = "\n".join([*head, *map(shown, rows)])
    start, end = "<!-- measured -->\n\n", "\n<!-- end -->\n"
    before, _, rest = DOC.read_text().partition(start)
    DOC.write_text(f"{before}{start}{table}\n{end}{rest.partition(end)[2]}")
    constants = {line["constant"]: line["value"] for line in lines if "constant" in line}
    figures.draw((line for line in lines if "figure" in line), constants, FIGURES)
    print(table)
    return int(failed)


def problems(lines: list[Row], rows: list[Row], *, finished: bool) -> list[str]:
    """Return what is missing from the output, because a test did not compile or panicked."""
    counts = Counter(row["check"] for row in rows)
    found = [
        f"check {check}: {counts[check]} lines instead of {LINES.get(check, 0)}"
        for check in sorted(LINES.keys() | counts.keys())
        if counts[check] != LINES.get(check, 0)
    ]
    missing = figures.FIGURES.keys() - {line.get("figure") for line in lines}
    found += [f"figure {name}: no points" for name in sorted(missing)]
    missing = set(figures.CONSTANTS) - {line.get("constant") for line in lines}
    found += [f"constant {name}: missing" for name in sorted(missing)]
    if not finished:
        found.append("a test failed, but no line says so")
    return found


def against_scipy(instances: list[list[int]]) -> Row:
    """Count the instances whose number of matches and cost equal SciPy's."""
    agreed = sum(solved(*instance[:4]) == tuple(instance[4:]) for instance in instances)
    return {
        "check": 10,
        "what": "Assignments up to 200 x 200 with SciPy's number of matches and its cost",
        "measured": agreed,
        "expected": str(len(instances)),
        "error": None,
        "number": len(instances),
        "verdict": "passes" if agreed == len(instances) > 0 else "fails",
    }


def solved(instance: int, rows: int, columns: int, tenths: int) -> tuple[int, int]:
    """Return the maximum number of matches of an instance, and their minimum cost."""
    row, column = np.ogrid[:rows, :columns]
    draws = mix(((instance << 32) + (row << 16) + column).astype(np.uint64))
    costs = np.where(draws % 10 < tenths, draws // 10 % 1_000_000, NO_EDGE)
    # Whole numbers below 2^53: exact as floats.
    chosen = costs[linear_sum_assignment(costs.astype(np.float64))]
    chosen = chosen[chosen < NO_EDGE]
    return len(chosen), int(chosen.sum())


def mix(seeds: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Draw the same numbers as the Rust test."""
    z = seeds * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def shown(row: Row) -> str:
    """Return a line of the table."""
    measured, error = ("" if row[key] is None else f"{row[key]:.6g}" for key in ("measured", "error"))
    what = row["what"].replace("|", "\\|")
    expected = row["expected"].replace("<=", "≤")  # as text, < may begin a tag
    cells = (row["check"], what, measured, expected, error, row["number"], VERDICTS[row["verdict"]])
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())

"""A failing seed, told with as few faults as it takes; kept in regressions/, it is played again by every test run.

{"seed": 25, "faults": {"118": "CRASH_AFTER"}, "finding": "lost: shard 1 has None"}
"""

import json
from collections.abc import Mapping
from pathlib import Path

from simulation.faults import Fault
from simulation.world import History, play

REGRESSIONS = Path(__file__).parent / "regressions"


def shrink(history: History) -> History:
    """Leave out every fault without which the same kind of finding remains."""
    kinds = _kinds(history)
    best, faults = history, dict(history.faults)
    size = max(1, len(faults) // 2)
    while True:
        smaller = None
        numbers = sorted(faults)
        for start in range(0, len(numbers), size):
            left_out = set(numbers[start : start + size])
            tried = play(history.seed, {number: faults[number] for number in numbers if number not in left_out})
            if _kinds(tried) & kinds:
                smaller = tried
                break
        if smaller is not None:
            # Only what did happen: where history took another way, some faults met no call that they fit.
            best, faults = smaller, dict(smaller.faults)
            size = min(size, max(1, len(faults) // 2))
        elif size == 1:
            return best
        else:
            size //= 2


def tell(history: History) -> str:
    """Return a history for people."""
    faults = ", ".join(f"{number}: {fault.name}" for number, fault in history.faults.items())
    findings = "\n".join(history.findings)
    return f"seed {history.seed}, faults {{{faults}}}\n{history.log}\n{findings}"


def save(history: History, folder: Path = REGRESSIONS, name: str | None = None) -> Path:
    """Keep a history as a regression file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name or f'seed-{history.seed}'}.json"
    faults = {str(number): fault.name for number, fault in history.faults.items()}
    path.write_text(
        json.dumps({"seed": history.seed, "faults": faults, "finding": history.findings[0]}, indent=1) + "\n"
    )
    return path


def load(path: Path) -> tuple[int, Mapping[int, Fault]]:
    """Return the seed and the faults of a regression file."""
    fields = json.loads(path.read_text())
    return fields["seed"], {int(number): Fault[name] for number, name in fields["faults"].items()}


def _kinds(history: History) -> set[str]:
    return {finding.partition(":")[0] for finding in history.findings}

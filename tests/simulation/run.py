"""Play schedules until there are N of them with this code; a run that was stopped goes on where it was.

    python tests/simulation/run.py N

What has been played is kept in played.json, beside a digest of the code: other code begins anew. The file is committed,
so that a million goes over as many sittings and clones as it takes. A failing seed is shrunk, printed, and kept as a
regression file.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
STATE = TESTS / "simulation" / "played.json"
SECONDS_BETWEEN_LINES = 60
# Some schedules in an interpreter of their own, and which modules they took.
_TAKEN = """
import json, sys
from simulation.world import play
for seed in range(50):
    play(seed)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


def modules() -> dict[str, Path]:
    """Return the project's modules that a schedule takes, and where they lie."""
    path = os.pathsep.join(each for each in sys.path if each)
    command = [sys.executable, "-P", "-c", _TAKEN]
    said = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True).stdout
    found = {name: Path(file) for name, file in json.loads(said).items() if file}
    # What is installed is what is played: sweepctl is told by its name, wherever it lies.
    return {
        name: file
        for name, file in sorted(found.items())
        if name.partition(".")[0] == "sweepctl" or file.is_relative_to(TESTS)
    }


def digest() -> str:
    """Return what tells the code that schedules take, simulation included, from any other."""
    whole = hashlib.sha256()
    for name, file in modules().items():
        whole.update(f"{name}\n".encode() + file.read_bytes())
    return whole.hexdigest()


def main(wanted: int) -> int:
    from simulation.pool import Summary, play_all  # noqa: PLC0415  spawned processes import this module too
    from simulation.shrink import save, shrink, tell  # noqa: PLC0415
    from simulation.world import play  # noqa: PLC0415

    code = digest()
    kept = json.loads(STATE.read_text()) if STATE.exists() else {}
    whole = Summary.from_json(kept["whole"]) if kept.get("code") == code else Summary()
    if whole.schedules:
        print(f"goes on after {whole.schedules:,} schedules")
    told_at = time.monotonic()
    for summary in play_all(range(whole.schedules, wanted)):
        whole.add(summary)
        # Before they count as played: stopped in between, they fail again.
        for seed in summary.failing:
            smallest = shrink(play(seed))
            print(f"{tell(smallest)}\nkept as {save(smallest)}")
        partial = STATE.with_suffix(".new")
        partial.write_text(json.dumps({"code": code, "whole": vars(whole)}, indent=1, sort_keys=True) + "\n")
        partial.rename(STATE)
        if time.monotonic() > told_at + SECONDS_BETWEEN_LINES:
            told_at = time.monotonic()
            print(whole, flush=True)
    print(whole)
    for name, count in whole.faults.most_common():
        print(f"  {name:16} {count:10,}")
    return int(bool(whole.failing))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

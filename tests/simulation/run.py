"""Play schedules until there are N of them with this code; a run that was stopped goes on where it was.

    python tests/simulation/run.py N

What has been played is kept in .simulation/, with a digest of the code: other code begins anew. A failing seed is
shrunk, printed, and kept as a regression file.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".simulation" / "state.json"
SECONDS_BETWEEN_LINES = 60
# What no history depends on.
BESIDE = ("mutants.py", "pool.py", "run.py", "shrink.py", "test_simulation.py")


def digest() -> str:
    """Return what tells this code, simulation included, from any other."""
    simulation = [path for path in ROOT.glob("tests/simulation/*.py") if path.name not in BESIDE]
    paths = sorted(
        [*ROOT.glob("sweepctl/**/*.py"), *simulation, ROOT / "tests/engines.py", ROOT / "tests/drain/toys.py"]
    )
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
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
    STATE.parent.mkdir(exist_ok=True)
    told_at = time.monotonic()
    for _, summary in play_all(range(whole.schedules, wanted)):
        whole.add(summary)
        partial = STATE.with_suffix(".new")
        partial.write_text(json.dumps({"code": code, "whole": vars(whole)}))
        partial.rename(STATE)
        for seed in summary.failing:
            smallest = shrink(play(seed))
            print(f"{tell(smallest)}\nkept as {save(smallest)}")
        if time.monotonic() > told_at + SECONDS_BETWEEN_LINES:
            told_at = time.monotonic()
            print(whole, flush=True)
    print(whole)
    for name, count in whole.faults.most_common():
        print(f"  {name:16} {count:10,}")
    return int(bool(whole.failing))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

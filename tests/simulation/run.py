"""Play schedules until there are N of them with this code; a run that was stopped goes on where it was.

    python tests/simulation/run.py N

What has been played is kept in played.json, with a digest of the code that a schedule runs: once that has changed, it
begins anew. A failing seed is shrunk, printed, and kept as a regression file.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

STATE = Path(__file__).with_name("played.json")
SECONDS_BETWEEN_LINES = 60
PACKAGES = {"drain", "engines", "simulation", "sweepctl"}
# What no history depends on.
BESIDE = {"simulation.mutants", "simulation.pool", "simulation.run", "simulation.shrink"}


def digest() -> str:
    """Return what tells the code that a schedule runs, simulation included, from any other."""
    from simulation.world import play  # noqa: PLC0415  as in `main`

    play(0)  # imports what is imported late
    whole = hashlib.sha256()
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in PACKAGES and name not in BESIDE and getattr(module, "__file__", None):
            whole.update(f"{name}\n".encode() + Path(str(module.__file__)).read_bytes())
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
    for _, summary in play_all(range(whole.schedules, wanted)):
        whole.add(summary)
        partial = STATE.with_suffix(".new")
        partial.write_text(json.dumps({"code": code, "whole": vars(whole)}, indent=2) + "\n")
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

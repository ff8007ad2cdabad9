"""Kill the processes of runs, one a second: `run.py SEEDS SHARDS FIRST`, half of the seeds on each S3 server.

A run that breaks a promise is named, and its folder kept; one that never ends stops everything.
"""

import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from chaos.play import new_place, play, undisturbed
from fakes import servers

MODELS = ("function", "command")


def main(seeds: int, shards: int, first: int) -> int:
    is_good = True
    rows: dict[str, list[list[str]]] = {}  # of each model, where nothing is killed
    os.environ |= servers.SETTINGS
    folder = Path(tempfile.mkdtemp(prefix="sweepctl-chaos-"))
    print(f"runs are in {folder}", flush=True)
    with ExitStack() as running:
        for name in ("ministack", "weed", "versity"):
            (folder / name).mkdir()
        queues = running.enter_context(servers.ministack(folder / "ministack"))
        stores = [running.enter_context(serve(folder / serve.__name__)) for serve in (servers.weed, servers.versity)]
        for seed in range(first, first + seeds):
            store, model = stores[seed % 2], MODELS[seed // 2 % len(MODELS)]
            place = new_place(folder / str(seed), queues, store, model, shards)
            rows[model] = rows.get(model) or undisturbed(place)
            print(f"seed {seed}, {store.name}, {model}, {shards:,} shards: ", end="", flush=True)
            played = play(place, seed, rows[model])
            print(played, flush=True)
            if not played.findings:
                shutil.rmtree(folder / str(seed))
            is_good = is_good and not played.findings
    if is_good:
        shutil.rmtree(folder)
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))

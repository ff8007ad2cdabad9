"""A whole run that has everything a run can have, for verify to be tested with: twenty-four points of a program.

A stored design, a derived parameter, a constraint that excludes two points, limits, an output, files that the program
keeps, a shard whose first attempt crashed (with its row and partial data), an attempt that met a conflict, claims,
compact files. Beside it is another run, of another seed and not compact.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from fakes.sweep_files import ENGINE
from verify.damage import RUN_DATE, RUN_ID

from sweepctl.compact.run import compact
from sweepctl.design import DESIGN
from sweepctl.engine.client import Engine
from sweepctl.errors import ConflictError
from sweepctl.messages import ShardMessage, ShardMessageV2
from sweepctl.records.design import encode, put
from sweepctl.shard.run import run_shard
from sweepctl.spec import Limits, Spec
from sweepctl.store import open_store
from sweepctl.store.contract import Store

MODEL, OTHER = "walk", "other"
DATASETS = ("effective_parameters", "point_outcomes", "steps", "kept_files")
POINTS, TOTAL = 6, 24
MANIFEST = """\
name = "walk"
version = "1"
command = ["./walk.sh", "${x}", "${z}", "${random}", "{out}"]
keep = ["walk.log"]
keep_of = "all"
[parameters]
x = 1
z = 1.0
[metrics]
y = "float"
[datasets.steps]
file = "steps.csv"
columns = { step = "int", place = "float" }
"""
SCRIPT = """\
#!/bin/sh
echo "point $1" > walk.log
printf 'step,place\\n0,%s\\n1,%s\\n' $1 $2 > steps.csv
printf '{"y":%s.5}' $3 > $4
"""
SPEC = Spec(
    MODEL,
    {"kind": "grid", "dimensions": {"x": list(range(12))}},
    {},
    2,
    1,
    ("steps",),
    limits=Limits(point_seconds=100.0),
    derived={"z": "x * 0.5"},
    constraints=("x != 7",),
)


def program(folder: Path) -> Path:
    """Write the program; return its manifest."""
    script = folder / "walk.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    manifest = folder / "walk.toml"
    manifest.write_text(MANIFEST)
    return manifest


def messages(store: Store, run_id: str, spec: Spec = SPEC) -> list[ShardMessage]:
    """Return the messages of a run, its design stored."""
    stored = replace(spec, design={"sha256": put(store, encode(DESIGN.validate_python(spec.design)))})
    return [
        ShardMessageV2.of(
            stored, run_id, RUN_DATE, total_points=TOTAL, shard_id=start // POINTS, start_index=start,
            end_index_exclusive=start + POINTS,
        )
        for start in range(0, TOTAL, POINTS)
    ]  # fmt: skip


def crashing(folder: Path, manifest: Path) -> Engine:
    """Return an engine that dies in the middle of each run."""
    path = folder / "crashing"
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *describe*) ;; *) {ENGINE} "$@" | head -n 4; exit 3;; esac\nexec {ENGINE} "$@"\n'
    )
    path.chmod(0o755)
    return Engine(path, [manifest])


def make(root: Path, folder: Path) -> None:
    """Make the store, with a program in `folder`."""
    store, manifest = open_store(str(root)), program(folder)
    engine = Engine(ENGINE, [manifest])
    for run_id, seed in ((RUN_ID, 1), (OTHER, 2)):
        run = messages(store, run_id, replace(SPEC, seed=seed))
        if run_id == RUN_ID:
            run_shard(run[1], crashing(folder, manifest), store)
        for message in run:
            run_shard(message, engine, store)
        with pytest.raises(ConflictError):
            run_shard(messages(store, run_id, replace(SPEC, seed=3))[2], engine, store)
    compact(store, RUN_ID)

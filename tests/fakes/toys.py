"""A run of the toy model in shards of four points, and engines that run whichever shard they are asked for.

    engine(folder, "if shard == 2 and first('crash'): sys.exit(3)")

The behaviour is Python before the shard's points are said. It may use `shard`, `begin`, `end`, `run(failing=())`, and
what the test and the engine tell one another by files in `folder`: `tell(name)`, `first(name)` (whether nobody told it
before), `wait_for(name)`.
"""

import json
from pathlib import Path
from typing import Any

from fakes.engines import DESCRIPTION, FINGERPRINT, STARTED, finished, point, scripted

from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessage, ShardMessageV1

RUN_ID = "r"
RUN_DATE = "2026-02-14"
POINTS = 4  # of a shard

_RUN = """
import json, select
begin, end = request["start_index"], request["end_index_exclusive"]
shard = begin // {size}
def told(name):
    return os.path.join({folder!r}, name)
def tell(name):
    open(told(name), "x").close() if not os.path.exists(told(name)) else None
def first(name):
    try:
        os.close(os.open(told(name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
def wait_for(name):
    while not os.path.exists(told(name)):
        # The end of its input is the end of its parent.
        if select.select([0], [], [], 0.01)[0]:
            sys.exit(9)
def record(**fields):
    say(json.dumps(fields, separators=(",", ":")))
def start():
    say({started!r})
def point(index, failing=()):
    x = {{"x": index}}
    ended = (
        {{"status": "failure"}} if index in failing else {{"status": "success"}}
    )
    why = (
        {{"error_code": "domain_error", "error_message": "x is odd"}}
        if index in failing
        else {{"metrics": {{"m": index / 2}}}}
    )
    record(record="point", point_index=index, replicate=0, **ended, parameters=x,
           effective_parameters_json=json.dumps(x, separators=(",", ":")), parameter_fingerprint={fingerprint!r},
           point_fingerprint={fingerprint!r}, **why)
def run(failing=()):
    start()
    for index in range(begin, end):
        point(index, failing)
    failed = sum(index in failing for index in range(begin, end))
    record(record="finished", points=end - begin, succeeded=end - begin - failed, failed=failed)
    sys.exit(0)
{behaviour}
run()
"""


def engine_path(folder: Path, behaviour: str = "") -> Path:
    """Write an engine into `folder`, which is also where it and the test tell one another things."""
    return scripted(
        folder,
        _RUN.format(size=POINTS, folder=str(folder), started=STARTED, fingerprint=FINGERPRINT, behaviour=behaviour),
        points=0,
    )


def engine(folder: Path, behaviour: str = "") -> Engine:
    return Engine(engine_path(folder, behaviour))


# Python takes longer to start than all the rest of a small shard.
_QUICK = """#!/bin/sh
[ "$1" = describe ] && exec echo '{description}'
read -r request
index=${{request#*\\"start_index\\":}}
index=${{index%%,*}}
printf '%s\\n' '{started}' '{point}' '{finished}'
"""


def quick_engine(folder: Path) -> Engine:
    """Return an engine for the shards of `replicates`, which starts in a thousandth of a second."""
    index = 123_456_789
    said = point(0, point_index=index, replicate=index).replace(str(index), "'$index'")
    path = folder / "engine"
    path.write_text(
        _QUICK.format(description=json.dumps(DESCRIPTION), started=STARTED, point=said, finished=finished(1))
    )
    path.chmod(0o755)
    return Engine(path)


def message(shard: int, shards: int, **changes: Any) -> bytes:  # noqa: ANN401  any JSON value
    """Return the body of one shard's message."""
    fields = {
        "run_id": RUN_ID,
        "run_date": RUN_DATE,
        "model": "toy",
        "dimensions": {"x": list(range(shards * POINTS))},
        "total_points": shards * POINTS,
        "shard_id": shard,
        "start_index": shard * POINTS,
        "end_index_exclusive": (shard + 1) * POINTS,
        "seed": 1,
        **changes,
    }
    return json.dumps(fields).encode()


def of_absent_design(shard: int, shards: int) -> bytes:
    """Return the body of a shard whose design nobody has stored."""
    fields = json.loads(message(shard, shards, schema_version="v2", design_sha256="0" * 64))
    del fields["dimensions"]
    return json.dumps(fields).encode()


def messages(shards: int) -> list[bytes]:
    """Return the bodies of a whole run."""
    return [message(shard, shards) for shard in range(shards)]


def replicates(count: int) -> list[bytes]:
    """Return the bodies of a run that repeats one point, each time in a shard of its own."""
    run = {"dimensions": {"x": [0]}, "replications": count, "total_points": count}
    return [message(shard, 1, **run, start_index=shard, end_index_exclusive=shard + 1) for shard in range(count)]


def decoded(body: bytes) -> ShardMessage:
    return ShardMessageV1.model_validate(json.loads(body))

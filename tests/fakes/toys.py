"""Runs of the toy model in shards of four points: their messages, and engines that run any of them.

    engine(folder, "if shard == 2 and first('crash'): sys.exit(3)")

The behaviour is that of `engines.scripted`, before the shard's points are said.
"""

import json
from pathlib import Path
from typing import Any

from fakes import engines

from sweepctl.engine.client import Engine
from sweepctl.messages import ShardMessage, ShardMessageV1

POINTS = engines.POINTS  # of a shard
RUN_ID = "r"
RUN_DATE = "2026-02-14"


def engine_path(folder: Path, behaviour: str = "") -> Path:
    """Write an engine into `folder`, which is also where it and the test tell one another things."""
    return engines.scripted(folder, f"{behaviour}\nrun()", points=0)


def engine(folder: Path, behaviour: str = "") -> Engine:
    return Engine(engine_path(folder, behaviour))


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


def one_shard(points: int) -> ShardMessage:
    """Return the message of a run that is one shard."""
    run = {"dimensions": {"x": list(range(points))}, "total_points": points, "end_index_exclusive": points}
    return decoded(message(0, 1, **run))


def decoded(body: bytes) -> ShardMessageV1:
    return ShardMessageV1.model_validate(json.loads(body))

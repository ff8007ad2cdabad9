"""Shards of the test engine's `faulty` model, one point of which ends, blocks or fills its process."""

import json
from typing import Any

from fakes.sweep_files import TEST_ENGINE

__all__ = ["AT", "BAD_POINTS", "POINTS", "SHARD", "TEST_ENGINE", "body"]

AT = 57  # the point
POINTS = 100
SHARD = 25


# What a point does, the run's limits, and how its record begins.
BAD_POINTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "abort": (None, "point_crashed: "),
    "exit": (None, "point_crashed: its process exited with status 7"),
    "hang": ({"point_seconds": 1}, "point_timeout: it ran for more than 1 s, the limit point_seconds"),
    "memory": ({"point_memory": 200 << 20}, "point_out_of_memory: "),
}


def body(mode: str, shard: int = 2, *, limits: dict[str, Any] | None = None, **base: object) -> bytes:
    """Return a message; `mode` is what point 57 does."""
    fields: dict[str, Any] = {
        "run_id": "r",
        "model": "faulty",
        "dimensions": {"x": list(range(POINTS))},
        "base": {"mode": mode, "at": AT, **base},
        "total_points": POINTS,
        "shard_id": shard,
        "start_index": shard * SHARD,
        "end_index_exclusive": (shard + 1) * SHARD,
        "seed": 1,
    }
    if limits is not None:
        fields |= {"schema_version": "v2", "limits": limits}
        fields["design"] = {"kind": "grid", "dimensions": fields.pop("dimensions")}
    return json.dumps(fields).encode()

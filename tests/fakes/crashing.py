"""Shards of the test engine's `faulty` model, one point of which ends, blocks or fills its process."""

import json
from typing import Any

from fakes.sweep_files import TEST_ENGINE

__all__ = ["AT", "POINTS", "SHARD", "TEST_ENGINE", "body"]

AT = 57  # the point
POINTS = 100
SHARD = 25


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

"""Engines that misbehave on purpose: each is a small script that speaks as much of the protocol as a test wants.

The model is `toy`: parameter `x` (int), metric `m` (float), dataset `parts` with one column `p` (int).
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweepctl.engine.child import Child
from sweepctl.messages import ShardMessage, ShardMessageV1

FINGERPRINT = "0" * 64
COLUMN = {"nullable": False, "unit": "", "doc": ""}
RANGE = dict.fromkeys(("minimum", "maximum", "exclusive_minimum", "exclusive_maximum", "choices"))
DESCRIPTION = {
    "protocol": "v1",
    "engine_version": "0.1.0",
    "target": "test",
    "models": [
        {
            "name": "toy",
            "version": "1",
            "doc": "a toy",
            "parameters": [{"name": "x", "type": "int", "default": 0, "range": "any", **RANGE, **COLUMN}],
            "metrics": [{"name": "m", "type": "float", **COLUMN}],
            "datasets": [{"name": "parts", "doc": "", "columns": [{"name": "p", "type": "int", **COLUMN}]}],
        },
    ],
}

PROGRAM = """#!{python} -IS
import json, os, signal, sys, time
if sys.argv[1] == "describe":
    print({description!r})
    sys.exit(0)
request = json.loads(sys.stdin.buffer.readline())
def say(text):
    sys.stdout.buffer.write(text if isinstance(text, bytes) else text.encode() + b"\\n")
    sys.stdout.buffer.flush()
points = {points!r}
{behaviour}
"""


def toy_message(points: int) -> ShardMessage:
    """Return a message whose one shard is a whole run of `toy`."""
    return ShardMessageV1(
        run_id="r",
        run_date="2026-02-14",
        model="toy",
        dimensions={"x": list(range(points))},
        total_points=points,
        shard_id=0,
        start_index=0,
        end_index_exclusive=points,
        seed=1,
    )


def line(**fields: Any) -> str:  # noqa: ANN401  any JSON value
    """Return one record as the engine writes it: no spaces, order kept."""
    return json.dumps(fields, separators=(",", ":"))


STARTED = line(
    record="started",
    protocol="v1",
    engine_version="0.1.0",
    model="toy",
    model_version="1",
    parameters={"x": "int"},
    metrics={"m": "float"},
    datasets={},
)


def point(index: int, **changes: Any) -> str:  # noqa: ANN401  any JSON value
    """Return a good point record of `toy`, with fields changed; a value of ... leaves the field out."""
    fields = {
        "record": "point",
        "point_index": index,
        "replicate": 0,
        "status": "success",
        "parameters": {"x": index},
        "effective_parameters_json": line(x=index),
        "parameter_fingerprint": FINGERPRINT,
        "point_fingerprint": FINGERPRINT,
        "metrics": {"m": index / 2},
        **changes,
    }
    return line(**{name: value for name, value in fields.items() if value is not ...})


def failed_point(index: int) -> str:
    """Return the record of a point that failed by itself."""
    return point(index, status="failure", metrics=..., error_code="domain_error", error_message="x is odd")


def rows(index: int, *values: int, **changes: Any) -> str:  # noqa: ANN401  any JSON value
    """Return the rows of dataset `parts` for one point."""
    fields = {"dataset": "parts", "point_index": index, "replicate": 0, "columns": {"p": list(values)}, **changes}
    return line(record="rows", **fields)


def finished(points: int, failed: int = 0) -> str:
    """Return the last record."""
    return line(record="finished", points=points, succeeded=points - failed, failed=failed)


def good(count: int) -> list[str]:
    """Return everything that a well-behaved engine says of points 0 to count - 1."""
    return [STARTED, *map(point, range(count)), finished(count)]


def scripted(folder: Path, behaviour: str, points: int = 10) -> Path:
    """Write an engine whose `run` executes `behaviour`: Python that may use `say`, `points`, os, signal, sys, time."""
    path = folder / "engine"
    path.write_text(
        PROGRAM.format(
            python=sys.executable,
            description=json.dumps(DESCRIPTION),
            points=good(points),
            behaviour=behaviour,
        ),
    )
    path.chmod(0o755)
    return path


def clock_until(monkeypatch: pytest.MonkeyPatch, said: bytes) -> Callable[[], float]:
    """Return a clock that stands still until an engine's `said` has been read, and is beyond every deadline then."""
    now, read = 0.0, Child.read

    def noting(child: Child, seconds: float) -> bytes:
        nonlocal now
        output = read(child, seconds)
        if said in output:
            now = 1e9
        return output

    monkeypatch.setattr(Child, "read", noting)
    return lambda: now

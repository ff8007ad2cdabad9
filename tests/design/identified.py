"""Points as the engine identifies them, asked for in its own protocol."""

import json
import subprocess
from pathlib import Path
from typing import Any

from sweepctl.engine.client import find_engine


def points(request: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    """Return the parameters of each requested point."""
    # A file: a pipe that is closed behind the request would end the engine.
    path = folder / "request.json"
    path.write_text(json.dumps(request))
    with path.open() as file:
        done = subprocess.run([find_engine(), "points"], stdin=file, capture_output=True, check=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert records[0]["record"] == "started", records
    return [record["parameters"] for record in records if record["record"] == "point"]

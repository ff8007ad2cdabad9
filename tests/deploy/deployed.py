"""The stack on a server, as environment variables have it, and a small sweep."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.stack import Stack
from fakes.servers import Server
from typer.testing import CliRunner

from sweepctl.cli import app

SWEEP = """
name = "deployed"
model = "queue"
seed = 7
[base]
customers = 50
[design]
kind = "grid"
[design.dimensions]
servers = [1, 2]
arrival_rate = [0.5, 0.9]
[shards]
points = 1
"""


@dataclass(frozen=True)
class Deployed:
    """The stack on a server, as environment variables have it, and a sweep."""

    server: Server
    made: Stack
    queue_url: str
    bucket: str
    sweep: Path

    def sweepctl(self, *arguments: object, exit_code: int = 0) -> dict[str, Any]:
        """Run a command and return the object that it prints."""
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == exit_code, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def submit(self) -> str:
        run_id: str = self.sweepctl("submit", self.sweep)["run_id"]
        return run_id

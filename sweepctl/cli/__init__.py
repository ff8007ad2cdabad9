"""The commands: the only place that reads arguments, turns errors into messages and exits.

Heavy libraries are imported inside the commands that need them, so that `--help` is fast.
"""

import traceback

import typer

from sweepctl import numpy_gate
from sweepctl.cli import athena, doctor, drain, plan, query, report, run, runs, shards, submit, verify
from sweepctl.cli.app import app

__all__ = [
    "app",
    "athena",
    "doctor",
    "drain",
    "main",
    "plan",
    "query",
    "report",
    "run",
    "runs",
    "shards",
    "submit",
    "verify",
]

DEFECT = 70  # EX_SOFTWARE of sysexits.h


def main() -> None:
    """Run the command line; report an unexpected exception as a bug, never as a failed shard."""
    try:
        with numpy_gate.shut():
            app()
    except Exception:  # noqa: BLE001  last resort
        traceback.print_exc()
        typer.echo("sweepctl: this is a bug; please report it with the traceback above", err=True)
        raise SystemExit(DEFECT) from None

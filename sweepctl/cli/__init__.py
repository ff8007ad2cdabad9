"""The commands: the only place that reads arguments, turns errors into messages and exits.

Heavy libraries are imported inside the commands that need them, so that `--help` is fast.
"""

import atexit
import gc
import os
import sys
import traceback

import typer

from sweepctl import numpy_gate
from sweepctl.cli import (
    athena,
    check_model,
    compare,
    doctor,
    drain,
    init,
    plan,
    query,
    report,
    run,
    runs,
    shards,
    submit,
    verify,
)
from sweepctl.cli.app import app

__all__ = [
    "app",
    "athena",
    "check_model",
    "compare",
    "doctor",
    "drain",
    "init",
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
    _shorten_start_and_exit()
    try:
        with numpy_gate.shut():
            app()
    except Exception:  # noqa: BLE001  last resort
        traceback.print_exc()
        typer.echo("sweepctl: this is a bug; please report it with the traceback above", err=True)
        raise SystemExit(DEFECT) from None


def _shorten_start_and_exit() -> None:
    # Pydantic would search every installed package for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    atexit.register(_skip_final_collection)


def _skip_final_collection() -> None:
    # Python would destroy every imported object, one by one, which takes as long as some commands.
    if "duckdb" not in sys.modules:  # it reports what is left as leaks
        gc.freeze()

"""The commands: the only place that reads arguments, turns errors into messages and exits.

Heavy libraries are imported inside the commands that need them, so that `--help` is fast.
"""

import atexit
import gc
import json
import os
import sys
import traceback

import typer

from sweepctl import __version__, numpy_gate
from sweepctl.cli import (
    athena,
    check_model,
    compact,
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
    streams,
    submit,
    ui,
    verify,
)
from sweepctl.cli.app import app, wants_json
from sweepctl.cli.terminal import open_console
from sweepctl.errors import DefectError
from sweepctl.texts import plain

__all__ = [
    "app",
    "athena",
    "check_model",
    "compact",
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
    "ui",
    "verify",
]

MOST_FRAMES = 8  # of a trace, the innermost
MOST_TEXT = 500  # characters of an exception


def main() -> None:
    """Run the command line; report an unexpected exception as a bug, never as a failed shard."""
    _shorten_start_and_exit()
    try:
        streams.prepare()
        with numpy_gate.shut():
            _run()
    except streams.OutputError as error:
        from sweepctl.view.console import show_error

        show_error(open_console(stderr=True), error)
        raise SystemExit(error.exit_code) from None
    except Exception as error:  # noqa: BLE001  last resort
        # Not the exception's own text as it is: it may quote what a store, a message or an engine says.
        typer.echo("\n".join(_defect_lines(error)), err=True)
        if wants_json(sys.argv[1:]):
            typer.echo(json.dumps(DefectError(_said(error), remedy="Please report it.").to_json()))
        raise SystemExit(DefectError.exit_code) from None


def _run() -> None:
    try:
        app()
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            streams.drop_output()


def _defect_lines(error: Exception) -> list[str]:
    """Return where an unexpected exception was raised, what it says, and what to do."""
    cause = error.__cause__ or error.__context__
    return [
        *([*_frames(cause), f"  {_said(cause)}, which led to"] if cause is not None else ()),
        *_frames(error),
        f"sweepctl: unexpected {_said(error)}",
        f"→ This is a bug in sweepctl {__version__}: what is committed is safe, and the command can be started again.",
        "  Please report it with the lines above and what you ran.",
    ]


def _frames(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [plain(f"  {frame.filename}:{frame.lineno} in {frame.name}") for frame in frames]


def _said(error: BaseException) -> str:
    return plain(" ".join(traceback.format_exception_only(error)).strip(), MOST_TEXT)


def _shorten_start_and_exit() -> None:
    # Pydantic would search every installed package for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    atexit.register(_skip_final_collection)


def _skip_final_collection() -> None:
    # Python would destroy every imported object, one by one, which takes as long as some commands.
    if "duckdb" not in sys.modules:  # it reports what is left as leaks
        gc.freeze()

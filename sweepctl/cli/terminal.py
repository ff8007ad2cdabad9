"""What every command does with its terminal: telling values and errors, taking signals, reading messages."""

import datetime as dt
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer

from sweepctl.errors import SweepctlError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from sweepctl.messages import ShardMessage


@contextmanager
def telling(*, json_output: bool) -> Iterator["Console"]:
    """Give the console for people; turn an error into its message and its exit code."""
    console = open_console(stderr=json_output)
    try:
        yield console
    except SweepctlError as error:
        from sweepctl import view

        if json_output:
            told = {"kind": error.kind, "message": error.message, "remedy": error.remedy}
            print_json({"error": told, "exit_code": error.exit_code})
        view.show_error(open_console(stderr=True), error)
        raise typer.Exit(error.exit_code) from error


@contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM; the second has its usual effect, at once."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop()
        restore()

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    for number in usual:
        signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        restore()


def read_message(source: str) -> "ShardMessage":
    """Return the message in a file, or on standard input for `-`."""
    return read_valid(source)[0]


def read_valid(source: str) -> "tuple[ShardMessage, bytes]":
    """Return a message that decodes, and its body as it was read."""
    from sweepctl.messages import MAX_BYTES, decode
    from sweepctl.shard import utc_now

    if source == "-" and sys.stdin is None:  # what Python makes of a closed one
        raise UsageError("standard input is closed", remedy="Give the path of a shard message.")
    try:
        # One byte more than a message may have is enough to refuse it.
        if source == "-":
            body = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(source).open("rb") as file:
                body = file.read(MAX_BYTES + 1)
    except OSError as error:
        msg = f"{source}: {error.strerror}"
        raise UsageError(msg, remedy="Give the path of a shard message, or - for standard input.") from error
    return decode(body, utc_now().date()), body


def open_console(*, stderr: bool) -> "Console":
    """Return a console that a reader who leaves does not end."""
    from rich.console import Console

    class Patient(Console):
        """One that a reader who leaves does not end."""

        def on_broken_pipe(self) -> None:
            _drop_output()

    return Patient(stderr=stderr)


def print_json(value: dict[str, Any]) -> None:
    """Print the one JSON object of a command."""
    try:
        typer.echo(json.dumps(value, default=_json_time))
    except BrokenPipeError:
        _drop_output()


def _drop_output() -> None:
    """Go on although who read the output has left: the exit code is the shard's, not the pipe's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _json_time(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

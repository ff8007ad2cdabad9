"""Terminal handling shared by all commands: output, errors, signals, message files."""

import datetime as dt
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import typer

from sweepctl.errors import MessageError, SweepctlError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from sweepctl.messages import ShardMessage

STANDARD_ERROR = 2
T = TypeVar("T")


@contextmanager
def error_exit(*, json_output: bool) -> Iterator["Console"]:
    """Yield the console for people; turn an error into its message and exit code."""
    console = open_console(stderr=json_output)
    try:
        yield console
    except SweepctlError as error:
        from sweepctl.view.console import show_error

        if json_output:
            payload = {"kind": error.kind, "message": error.message, "remedy": error.remedy}
            print_json({"error": payload, "exit_code": error.exit_code})
        show_error(open_console(stderr=True), error)
        raise typer.Exit(error.exit_code) from error


@contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on the first SIGINT or SIGTERM; the second one ends the process immediately."""
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop()
        for number in usual:
            signal.signal(number, end_at_once)

    def end_at_once(number: int, _frame: FrameType | None) -> None:
        restore()
        _show_cursor()
        os.kill(os.getpid(), number)

    def restore() -> None:
        for number, handler in usual.items():
            signal.signal(number, handler)

    for number in usual:
        signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        restore()


@contextmanager
def interrupted_by_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` repeatedly from the first signal on: DuckDB loses one that arrives between two of its steps."""
    from threading import Event, Thread

    stop, done = Event(), Event()

    def watch() -> None:
        stop.wait()
        while not done.wait(0.1):
            interrupt()

    watcher = Thread(target=watch)
    watcher.start()
    try:
        with on_signals(stop.set):
            yield
    finally:
        done.set()
        stop.set()
        watcher.join()


def _show_cursor() -> None:
    """Show the cursor again: a live view hides it, and has no time to restore it."""
    with suppress(OSError):
        if os.isatty(STANDARD_ERROR):
            # Not through `sys.stderr`: the signal may have interrupted a write to it.
            os.write(STANDARD_ERROR, b"\x1b[?25h\n")


def read_message(source: str) -> "ShardMessage":
    """Return the message read from a file, or from standard input for `-`."""
    from sweepctl.messages import decode

    return decode(_read(source), _today())


def read_bodies(source: str) -> list[bytes]:
    """Return the message bodies in a file, all valid: one per line of a `.jsonl` file, else the whole file.

    Raises:
        MessageError: a message is invalid; the error names it.
    """
    from sweepctl.messages import decode

    if source.endswith(".jsonl"):
        lines = enumerate(_opened(source, lambda file: file.read().split(b"\n")), start=1)
        bodies = {f"{source}:{number}": line for number, line in lines if line.strip()}
    else:
        bodies = {source: _read(source)}
    for where, body in bodies.items():
        try:
            decode(body, _today())
        except MessageError as error:
            raise MessageError(f"{where}: {error.message}", remedy=error.remedy) from error
    return list(bodies.values())


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _read(source: str) -> bytes:
    from sweepctl.messages import MAX_BYTES

    # One byte more than the limit is enough to reject a message.
    if source != "-":
        return _opened(source, lambda file: file.read(MAX_BYTES + 1))
    if sys.stdin is None:  # Python's value for a closed stream
        raise UsageError("standard input is closed", remedy="Give the path of a shard message.")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _opened(path: str, read: Callable[[BinaryIO], T]) -> T:
    try:
        with Path(path).open("rb") as file:
            return read(file)
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise UsageError(msg, remedy="Give the path of a shard message, or - for standard input.") from error


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that appears at `path` complete or not at all; a device or pipe is written to directly.

    Raises:
        UsageError: the file cannot be written.
    """
    replaces = path.is_file() or not path.exists()
    part = path.with_name(f".{path.name}.part") if replaces else path
    try:
        with part.open("wb") as file:
            yield file
        if replaces:
            part.replace(path)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise UsageError(msg, remedy="Choose a file that can be written.") from error
    finally:
        if replaces:
            part.unlink(missing_ok=True)


def open_console(*, stderr: bool) -> "Console":
    """Return a console that tolerates a closed output pipe."""
    from rich.console import Console

    class PipeSafeConsole(Console):
        """Drops its output once the reader has closed the pipe."""

        def on_broken_pipe(self) -> None:
            _drop_output()

    return PipeSafeConsole(stderr=stderr)


def print_json(value: dict[str, Any]) -> None:
    """Print a command's single JSON object."""
    try:
        typer.echo(json.dumps(value, default=_json_time))
    except BrokenPipeError:
        _drop_output()


@contextmanager
def pipe_safe_output() -> Iterator[BinaryIO]:
    """Yield standard output for bytes; a pipe closed by the reader ends the writing without an error."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _drop_output()


def _drop_output() -> None:
    """Discard all further output: the exit code reports the command's result, not a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _json_time(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

"""What every command does with its terminal: telling values and errors, taking signals, reading messages."""

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
    """Give the console for people; turn an error into its message and its exit code."""
    console = open_console(stderr=json_output)
    try:
        yield console
    except SweepctlError as error:
        from sweepctl.view.console import show_error

        if json_output:
            told = {"kind": error.kind, "message": error.message, "remedy": error.remedy}
            print_json({"error": told, "exit_code": error.exit_code})
        show_error(open_console(stderr=True), error)
        raise typer.Exit(error.exit_code) from error


@contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM; the second has its usual effect, at once."""
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
    """Call `interrupt` from the first signal on, again and again: DuckDB forgets one between two of its steps."""
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
    """Undo what a live view does to a terminal, which it gets no time to do itself."""
    with suppress(OSError):
        if os.isatty(STANDARD_ERROR):
            # Not through `sys.stderr`: the signal may have come in the middle of a write to it.
            os.write(STANDARD_ERROR, b"\x1b[?25h\n")


def read_message(source: str) -> "ShardMessage":
    """Return the message in a file, or on standard input for `-`."""
    from sweepctl.messages import decode
    from sweepctl.shard.run import utc_now

    return decode(_read(source), utc_now().date())


def read_bodies(source: str) -> list[bytes]:
    """Return the bodies of a file's message, or of each line's where it is named `.jsonl`; all of them decode.

    Raises:
        MessageError: one does not; it says which.
    """
    from sweepctl.messages import decode
    from sweepctl.shard.run import utc_now

    if source.endswith(".jsonl"):
        lines = enumerate(_opened(source, lambda file: file.read().split(b"\n")), start=1)
        bodies = {f"{source}:{number}": line for number, line in lines if line.strip()}
    else:
        bodies = {source: _read(source)}
    for where, body in bodies.items():
        try:
            decode(body, utc_now().date())
        except MessageError as error:
            raise MessageError(f"{where}: {error.message}", remedy=error.remedy) from error
    return list(bodies.values())


def _read(source: str) -> bytes:
    from sweepctl.messages import MAX_BYTES

    # One byte more than a message may have is enough to refuse it.
    if source != "-":
        return _opened(source, lambda file: file.read(MAX_BYTES + 1))
    if sys.stdin is None:  # what Python makes of a closed one
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
    """Give a file to write, which is at `path` whole or not at all; a device or a pipe there is written into.

    Raises:
        UsageError: it cannot be written.
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
        raise UsageError(msg, remedy="Name a file that can be written.") from error
    finally:
        if replaces:
            part.unlink(missing_ok=True)


def open_console(*, stderr: bool) -> "Console":
    """Return a console that a reader who leaves does not end."""
    from rich.console import Console

    class PipeSafeConsole(Console):
        """One that a reader who leaves does not end."""

        def on_broken_pipe(self) -> None:
            _drop_output()

    return PipeSafeConsole(stderr=stderr)


def print_json(value: dict[str, Any]) -> None:
    """Print the one JSON object of a command."""
    try:
        typer.echo(json.dumps(value, default=_json_time))
    except BrokenPipeError:
        _drop_output()


@contextmanager
def pipe_safe_output() -> Iterator[BinaryIO]:
    """Give standard output for bytes; a reader who leaves ends the writing, and is no error."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
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

"""Terminal handling shared by all commands: output, errors, signals, message files."""

import datetime as dt
import json
import math
import os
import re
import signal
import sys
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import typer

from sweepctl.cli.streams import OutputError, drop_output
from sweepctl.errors import InterruptedRunError, MessageError, ScratchError, SweepctlError, UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.segment import Segment

    from sweepctl.messages import ShardMessage
    from sweepctl.records.outcome import Caller

STANDARD_ERROR = 2
# What one command is told, and the one that its remedy names needs as well.
STORE_OPTIONS = ("store", "endpoint_url", "region")
SHARED_OPTIONS = (*STORE_OPTIONS, "engine", "program")
PATIENCE = 30  # tenths of a second that an interrupted query has to end by itself
_parts: set[Path] = set()  # files that are being written


@contextmanager
def error_exit(*, json_output: bool) -> Iterator["Console"]:
    """Yield the console for people; turn an error into its message and exit code."""
    console = open_console(stderr=json_output)
    try:
        yield console
    except OutputError:
        raise  # to `main`: nothing more can be printed
    except SweepctlError as error:
        from sweepctl.view.console import show_error

        if json_output:
            print_json(error.to_json())
        show_error(open_console(stderr=True), error)
        raise typer.Exit(error.exit_code) from error


def calling(context: typer.Context, file: Path | None = None, shared: Collection[str] = SHARED_OPTIONS) -> "Caller":
    """Return how the present command was called, for the commands in its remedies, which have the `shared` options."""
    import shlex

    from sweepctl.records.outcome import UNKNOWN_CALLER, Caller

    words: list[str] = []
    for option in (each for each in context.command.params if each.name in shared):
        source = context.get_parameter_source(option.name or "")
        if source is not None and source.name == "COMMANDLINE":
            value = context.params[option.name or ""]
            for each in value if isinstance(value, (list, tuple)) else (value,):
                words += [option.opts[0], str(each)]
    shown = UNKNOWN_CALLER.file if file is None else shlex.quote(str(file))
    return Caller(shown, "".join(f" {shlex.quote(word)}" for word in words))


@contextmanager
def on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop`, in a thread, on the first SIGINT or SIGTERM; the second one ends the process immediately.

    In a thread, since Python runs no handler while the main one is inside a library, or waits for a file.
    """
    import socket
    from threading import Thread

    arrived, sender = socket.socketpair()
    sender.setblocking(False)

    def watch() -> None:
        is_second = False
        while number := arrived.recv(1):
            if number[0] in usual:
                if is_second:
                    _end_at_once(number[0])
                is_second = True
                stop()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Every signal with a handler in Python sends its number there, from C.
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    for number in usual:
        signal.signal(number, lambda _number, _frame: None)
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)
        sender.close()
        watcher.join()
        arrived.close()


@contextmanager
def interrupted_by_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` repeatedly from the first signal on: DuckDB loses one that arrives between two of its steps.

    It looks at none within a step, which a single value can make long: the process ends if that lasts.

    Raises:
        InterruptedRunError: a signal arrived, in place of whatever error came of it.
    """
    from threading import Event, Thread

    done = Event()

    def insist() -> None:
        for _ in range(PATIENCE):
            interrupt()
            if done.wait(0.1):
                return
        with suppress(OSError):
            os.write(STANDARD_ERROR, b"interrupted: the query was ended\n")
        _end_at_once(signal.SIGINT)

    insisting = Thread(target=insist, daemon=True)
    try:
        with on_signals(insisting.start):
            try:
                yield
            finally:
                done.set()
    except Exception as error:
        # Arrow makes an OSError of DuckDB's interruption, and a writer may make another of that.
        if insisting.ident is None or isinstance(error, InterruptedRunError):
            raise
        raise InterruptedRunError("the query was interrupted") from error
    finally:
        if insisting.ident is not None:
            insisting.join()


def _end_at_once(number: int) -> None:
    """End the process, whatever its other threads do; remove the file that is being written."""
    for part in _parts:
        with suppress(OSError):
            part.unlink()
    _show_cursor()
    os._exit(128 + number)


def _show_cursor() -> None:
    """Show the cursor again: a live view hides it, and has no time to restore it."""
    with suppress(OSError):
        if os.isatty(STANDARD_ERROR):
            # Not through `sys.stderr`: the signal may have interrupted a write to it.
            os.write(STANDARD_ERROR, b"\x1b[?25h\n")


def read_message(source: str) -> "ShardMessage":
    """Return the message read from a file, or from standard input for `-`."""
    from sweepctl.messages import decode

    return decode(_read(source), today())


class Bodies:
    """Message bodies that were read and found valid, in a temporary file: any number of them."""

    def __init__(self, file: BinaryIO) -> None:
        """Keep them in `file`."""
        self._file = file
        self._sizes = array("L")

    def add(self, body: bytes) -> None:
        """Keep one more."""
        self._sizes.append(self._file.write(body))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sizes)

    def __iter__(self) -> Iterator[bytes]:
        """Yield them in their order."""
        self._file.seek(0)
        yield from map(self._file.read, self._sizes)


@contextmanager
def read_bodies(sources: Iterable[str]) -> Iterator[Bodies]:
    """Yield the message bodies in files, all valid: one per line of a `.jsonl` file, else the whole file.

    Raises:
        MessageError: a message is invalid; the error names it.
        ScratchError: there is no room for a copy.
    """
    from tempfile import TemporaryFile

    from sweepctl.messages import decode
    from sweepctl.store.files import store_errors

    with ExitStack() as stack:
        with store_errors("copy the messages to", Path("TMPDIR or /tmp"), ScratchError):
            bodies = Bodies(stack.enter_context(TemporaryFile()))
            for where, body in chain.from_iterable(map(_bodies, sources)):
                try:
                    decode(body, today())
                except MessageError as error:
                    raise MessageError(f"{where}: {error.message}", remedy=error.remedy) from error
                bodies.add(body)
        yield bodies


def _bodies(source: str) -> Iterator[tuple[str, bytes]]:
    """Yield each message of a file, and where it is."""
    from sweepctl.messages import MAX_BYTES

    if not source.endswith(".jsonl"):
        yield source, _read(source)
        return
    with _opened(source) as file:
        # Two bytes more than the limit, a newline's and one, are enough to reject a message.
        for number, written in enumerate(iter(lambda: file.readline(MAX_BYTES + 2), b""), start=1):
            line = written.removeprefix(BOM_UTF8) if number == 1 else written
            if line.strip() or len(line) > MAX_BYTES + 1:
                yield f"{source}:{number}", line.removesuffix(b"\n")


def today() -> dt.date:
    """Return today's date, UTC, from which a message's date is judged."""
    return dt.datetime.now(dt.UTC).date()


def _read(source: str) -> bytes:
    from sweepctl.messages import MAX_BYTES

    # One byte more than the limit is enough to reject a message.
    if source != "-":
        with _opened(source) as file:
            return file.read(MAX_BYTES + 1).removeprefix(BOM_UTF8)
    if sys.stdin is None:  # Python's value for a closed stream
        raise UsageError("standard input is closed", remedy="Give the path of a shard message.")
    return sys.stdin.buffer.read(MAX_BYTES + 1).removeprefix(BOM_UTF8)


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        with Path(path).open("rb") as file:
            yield file
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
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part") if replaces else path
    _parts.update([part] if replaces else [])
    try:
        # A new file: what is there under its name, a link for instance, is not sweepctl's to write to.
        with part.open("xb" if replaces else "wb") as file:
            yield file
        if replaces:
            part.replace(path)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise UsageError(msg, remedy="Choose a file that can be written.") from error
    finally:
        if replaces:
            part.unlink(missing_ok=True)
            _parts.discard(part)


def open_console(*, stderr: bool) -> "Console":
    """Return a console that tolerates a closed output pipe."""
    from rich.console import Console

    from sweepctl.view.console import ANY_WIDTH

    class PipeSafeConsole(Console):
        """Drops its output once the reader has closed the pipe. Outside of a terminal no line ends in blanks."""

        def _render_buffer(self, buffer: Iterable["Segment"]) -> str:
            text = super()._render_buffer(buffer)
            return text if self.is_terminal else re.sub(" +(?=\n)", "", text)

        def on_broken_pipe(self) -> None:
            drop_output()

    console = PipeSafeConsole(stderr=stderr)
    # A pipe has no width; Rich would take 80 columns.
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = ANY_WIDTH
    return console


def print_json(value: dict[str, Any]) -> None:
    """Print a command's single JSON object."""
    try:
        typer.echo(json.dumps(_finite(value), default=_json_time, allow_nan=False))
    except BrokenPipeError:
        drop_output()


@contextmanager
def pipe_safe_output() -> Iterator[BinaryIO]:
    """Yield standard output for bytes; a pipe closed by the reader ends the writing without an error."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        drop_output()


def _finite(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Return a value with null in place of numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _json_time(value: object) -> str:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds")
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)

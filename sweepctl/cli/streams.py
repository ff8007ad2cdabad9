"""The standard streams: whatever they are, a command ends with an error that says so, never with a trace."""

import errno
import io
import os
import sys
from typing import Any, TextIO

from sweepctl.errors import SweepctlError


class OutputError(SweepctlError):
    """Standard output takes nothing more: its disk is full, for instance."""

    exit_code = 2
    kind = "output"


class _Output(io.FileIO):
    """Standard output."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401  anything with a buffer
        """Write bytes.

        Raises:
            OutputError: that failed, and not because a reader has closed the pipe.
        """
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is still buffered would fail again when the process ends.
            drop_output()
            msg = f"standard output: {error.strerror or error}"
            remedy = "What the command did is kept; let it write to a file on another disk, or to a pipe."
            raise OutputError(msg, remedy=remedy) from error


class _Messages(io.FileIO):
    """Standard error: a message that cannot be written stops no command."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401  anything with a buffer
        """Write bytes, or lose them."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Make the standard streams safe to use.

    Raises:
        OutputError: standard output is closed.
    """
    if sys.stdout is not sys.__stdout__:
        return  # whoever replaced it, in this process, reads it
    is_closed = sys.stdout is None
    # A closed one gives its number to the next file that is opened, which a library might then write its messages to.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.open(os.devnull, os.O_RDWR)
    sys.stderr = _text(_Messages(2, "wb", closefd=False), sys.stderr, line_buffering=True)
    sys.stdout = _text(_Output(1, "wb", closefd=False), sys.stdout, line_buffering=os.isatty(1))
    if is_closed:
        raise OutputError("standard output is closed", remedy="Redirect it to a file, or to /dev/null.")


def _text(file: io.FileIO, before: TextIO | None, *, line_buffering: bool) -> TextIO:
    """Return a text file with the encoding of the one before; characters that it lacks are replaced."""
    encoding = "utf-8" if before is None else before.encoding
    return io.TextIOWrapper(io.BufferedWriter(file), encoding, errors="replace", line_buffering=line_buffering)


def drop_output() -> None:
    """Discard all further output: the exit code reports the command's result, not a closed pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

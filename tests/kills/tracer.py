"""Runs a process and all that it starts, and kills at one of the system calls by which they write.

Calls are counted over all of these processes, in the order in which the kernel meets them: what opens for writing,
writes, links, renames, removes, locks or syncs below the given folders, and what is written to a pipe. Linux's ptrace
does it, from the thread that starts the process.
"""

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType

from kills import writes
from kills.forks import end_with
from waiting import LIMIT

_CONTINUE, _TO_NEXT_STOP, _SEIZE, _LISTEN, _CALL_INFO = 7, 24, 0x4206, 0x4208, 0x420E  # of <linux/ptrace.h>
# Stops of calls told from signals; children, programs and filtered calls; all of them end with the tracer.
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x80 | 0x100000
_FILTERED, _STOPPED = 7, 128  # events
_CALL = signal.SIGTRAP | 0x80
_ALL = 0x40000000  # __WALL: threads too
_AT_CWD = -100
_INFO = struct.Struct("=B3xIQQQ6Q")


@dataclass(frozen=True)
class Kill:
    """When to kill, and what."""

    number: int  # of the call, from 1 on
    after: bool  # once it has taken effect, or before it is begun
    everything: bool  # all processes, or only the one that calls

    def __str__(self) -> str:
        """Return the name of the step."""
        return f"{self.number}/{'after' if self.after else 'before'}/{'everything' if self.everything else 'caller'}"


@dataclass
class Traced:
    """What came of a process and its descendants, all of which have ended."""

    status: int = 0  # of the process itself, as wait(2) has it
    calls: list[str] = field(default_factory=list)
    killed_at: str | None = None


def why_not() -> str | None:
    """Return why no process can be traced here; None if one can."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "it traces system calls of Linux on x86-64"
    try:
        traced = trace(lambda: os.write(os.pipe()[1], b"x") - 1, [])
    except OSError as error:
        return f"this system does not let a process be traced: {error.strerror}"
    return None if traced.status == 0 and len(traced.calls) == 1 else "this system does not filter system calls"


def trace(work: Callable[[], int], folders: Sequence[Path], kill: Kill | None = None) -> Traced:
    """Do `work` in a child of this process, which must have one thread, and return when all it started has ended.

    Raises:
        OSError: processes cannot be traced here.
    """
    ready, begin = os.pipe()
    child = os.fork()
    if child == 0:
        end_with(partial(_work, work, ready, begin))
    os.close(ready)
    try:
        _ptrace(_SEIZE, child, _OPTIONS)
    except OSError:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    finally:
        os.write(begin, b"x")
        os.close(begin)
    with _limited():
        return _Trace(child, folders, kill).follow()


def _work(work: Callable[[], int], ready: int, begin: int) -> int:
    os.read(ready, 1)
    os.close(ready)
    os.close(begin)
    writes.stop_at_writes()
    return work()


class _Trace:
    def __init__(self, child: int, folders: Sequence[Path], kill: Kill | None) -> None:
        self._child = child
        self._folders = tuple(f"{folder}/" for folder in folders)
        self._kill = kill
        self._dying = False  # every process, and whatever is still starting
        self._seen: set[int] = {child}  # threads that may be there
        self._traced = Traced()

    def follow(self) -> Traced:
        while True:
            try:
                thread, status = os.waitpid(-1, _ALL)
            except ChildProcessError:
                return self._traced
            if os.WIFSTOPPED(status):
                self._seen.add(thread)
                with suppress(ProcessLookupError):  # killed meanwhile
                    self._answer(thread, os.WSTOPSIG(status), status >> 16)
            else:
                self._seen.discard(thread)
                if thread == self._child:
                    self._traced.status = status

    def _answer(self, thread: int, number: int, event: int) -> None:
        if self._dying:
            os.kill(thread, signal.SIGKILL)
        elif event == _FILTERED:
            self._count(thread)
        elif number == _CALL:
            self._die(thread)
        elif event == _STOPPED and number in {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}:
            _ptrace(_LISTEN, thread, 0)
        else:
            _ptrace(_CONTINUE, thread, 0 if event else number)

    def _count(self, thread: int) -> None:
        what = self._written(thread)
        if what is not None:
            self._traced.calls.append(what)
        if what is None or self._kill is None or len(self._traced.calls) != self._kill.number:
            _ptrace(_CONTINUE, thread, 0)
            return
        self._traced.killed_at = f"{what} of {_text(Path(f'/proc/{thread}/comm'))}"
        if self._kill.after:
            _ptrace(_TO_NEXT_STOP, thread, 0)
        else:
            self._die(thread)

    def _die(self, thread: int) -> None:
        assert self._kill is not None
        self._dying = self._kill.everything
        for each in {thread} | (self._seen if self._dying else set()):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)

    def _written(self, thread: int) -> str | None:
        """Return the call at which a thread has stopped, if it is one that counts."""
        info = ctypes.create_string_buffer(128)
        _ptrace(_CALL_INFO, thread, len(info), ctypes.addressof(info))
        _, _, _, _, number, *arguments = _INFO.unpack_from(info.raw)
        name, kind, at = writes.CALLS[number]
        try:
            if kind == writes.DESCRIPTOR:
                path = _link(thread, "fd", str(arguments[at]))
            else:
                folder = _AT_CWD if kind == writes.PATH else ctypes.c_int(arguments[at]).value
                path = _path(thread, folder, arguments[at + (kind == writes.AT_FOLDER)])
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EBADF}:
                return None  # the call fails, too
            raise
        is_pipe = kind == writes.DESCRIPTOR and path.startswith("pipe:")
        return f"{name} {path}" if is_pipe or path.startswith(self._folders) else None


def _path(thread: int, folder: int, address: int) -> str:
    base = _link(thread, "cwd") if folder == _AT_CWD else _link(thread, "fd", str(folder))
    if address == 0:  # the descriptor itself
        return base
    return str(Path(base, os.fsdecode(_string(Path(f"/proc/{thread}/mem"), address))))


def _link(thread: int, *names: str) -> str:
    return str(Path("/proc", str(thread), *names).readlink())


def _string(memory: Path, address: int) -> bytes:
    """Return a string of a process, read page by page: what follows the last may not be readable."""
    found = b""
    with memory.open("rb", buffering=0) as file:
        while b"\0" not in found:
            found += os.pread(file.fileno(), 4096 - (address + len(found)) % 4096, address + len(found))
    return found.partition(b"\0")[0]


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return "?"


def _ptrace(request: int, thread: int, number: int, address: int | None = None) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    # Options and signals are its last argument, lengths the one before.
    first, last = (0, number) if address is None else (number, address)
    if libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), ctypes.c_void_p(first), ctypes.c_void_p(last)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def _limited() -> Iterator[None]:
    """End what hangs with an error; the traced processes end with this one."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError("what was killed left a process that does not end")

    former = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)

"""What Linux and macOS do in different ways, and what only Linux can do.

This is the only module that asks which of them it runs on. Nothing of it but the Linux branches has been run: those of
macOS are checked for types, and tried with stand-ins for its system calls.
"""

import ctypes
import errno
import fcntl
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from resource import struct_rusage

PIPE_BYTES = 1 << 20  # Linux's largest for an ordinary user; fewer, larger reads
PR_SET_DUMPABLE = 4  # of <sys/prctl.h>
CPU_CLOCK = 2  # of all threads of a process together: CPUCLOCK_SCHED of the Linux kernel
OOM_SCORE_TRIES = 100  # a millisecond apart
MOST_OOM_SCORE = 1_000  # of /proc/PID/oom_score_adj: the system kills such a process first when memory is short
# What file systems of macOS say that have no F_FULLFSYNC, network file systems for example.
_NO_FULL_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.ENOTTY}

HAS_PROCESS_CLOCKS = sys.platform == "linux"  # whether the CPU time of another process can be had


def sync(descriptor: int) -> None:
    """Return when a file's content, or a directory's names, would survive a power cut."""
    if sys.platform == "darwin":
        # There, fsync leaves it in the drive's cache.
        try:
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        except OSError as error:
            if error.errno not in _NO_FULL_SYNC:
                raise
        else:
            return
    os.fsync(descriptor)


def usable_cores() -> int:
    """Return how many cores this process may use; on macOS all of them."""
    cores = os.cpu_count() or 1
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    return cores


def mounts() -> str | None:
    """Return the kernel's table of mounts, as in proc_pid_mountinfo(5); None except on Linux."""
    try:
        return Path("/proc/self/mountinfo").read_text()
    except OSError:
        return None


def bound_own_memory(more: int) -> None:
    """Let this process take at most so many bytes more than it has reserved; on macOS the limit has no effect."""
    reserved = 0
    with suppress(OSError):
        reserved = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (reserved + more, reserved + more))


def has_ended(child: int) -> bool:
    """Whether a child has ended. It is not reaped, so that its id is not given to another process or group."""
    if sys.platform == "darwin":
        # Python has waitid there from 3.13 on.
        exits = select.kevent(child, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
        with closing(select.kqueue()) as events:
            try:
                events.control([exits], 0)
                has_ended = bool(events.control(None, 1, 0))
            except ProcessLookupError:  # it had ended before
                has_ended = True
    else:
        has_ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return has_ended


def kill_group(group: int) -> None:
    """Kill a process group of this user; one that has ended is left alone."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        # The answer of macOS if all processes of the group have ended, and are not reaped yet.
        if sys.platform != "darwin":
            raise


def groups_of(session: int) -> set[int]:
    """Return the process groups of a session but its first: a host has one for each of its children."""
    groups = set()
    for process in _processes():
        with suppress(ProcessLookupError, PermissionError):  # it has ended, or is none of ours
            if os.getsid(process) == session:
                groups.add(os.getpgid(process))
    return groups - {session}


def _processes() -> Iterable[int]:
    if sys.platform == "linux":
        names = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    else:
        names = subprocess.run(
            ("/bin/ps", "-A", "-o", "pid="), stdout=subprocess.PIPE, check=False, text=True
        ).stdout.split()
    return map(int, names)


def peak_bytes(usage: struct_rusage) -> int:
    """Return the memory that a process held at most."""
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cpu_seconds(process: int) -> float | None:
    """Return the CPU time of another process (Linux); None if it has ended, or that cannot be had."""
    # The clock has no name in Python (clock_getcpuclockid of POSIX, which macOS lacks).
    try:
        return time.clock_gettime((~process << 3) | CPU_CLOCK)
    except OSError:
        return None


def widen_pipe(descriptor: int) -> None:
    """Make a pipe larger (Linux), which only saves time."""
    if sys.platform == "linux":
        with suppress(OSError):  # the user's pipe memory is used up
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def close_proc() -> None:
    """Close this process in /proc to other processes of its user, so that a child cannot read its environment (Linux).

    Memory and open files are closed with it, and core dumps are off. Called before each start, not once, because the
    kernel opens /proc again where a process changes its user. On macOS there is nothing that a process could close.

    Raises:
        OSError: the kernel refused.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_DUMPABLE, *(ctypes.c_ulong(0),) * 4) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


@cache
def oom_score() -> int | None:
    """Return how soon the system kills this process when memory is short; None except on Linux.

    It is read once: a process whose files in /proc are closed may not read its own.
    """
    try:
        return int(Path("/proc/self/oom_score_adj").read_bytes())
    except OSError:
        return None


def offer_to_kill(pid: int, own_score: int | None) -> None:
    """Have the system kill an engine before its worker (Linux); the engine's own children come before it."""
    # In the middle of its start, a process has its files in /proc still closed: moments, and more on a busy machine.
    for _ in range(OOM_SCORE_TRIES if own_score is not None else 0):
        with suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_bytes(b"%d" % (((own_score or 0) + MOST_OOM_SCORE) // 2))
            return
        time.sleep(0.001)

"""A child process with limits on time and memory; it and everything it started are killed when its block ends.

It handles bytes; `engine.client` knows what they mean. Nothing here waits without a limit, whatever
the child does: not reading its input, never writing a line, ignoring signals, or leaving a grandchild with the pipe.
"""

import os
import selectors
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import IO, Self

from sweepctl import system
from sweepctl.errors import EngineFaultError, EngineUnavailableError, InterruptedRunError

READ_BYTES = 1 << 20
STDERR_BYTES = 4_096  # of standard error that an error quotes: the last ones
KEPT_BYTES = 64 << 10  # of it that are kept: all problems of a program
STOP_SECONDS = 0.1  # how late a stop or a deadline may be noticed


class Child:
    """One child in its own process group; one selector serves all three standard streams."""

    def __init__(
        self,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        *,
        stdin: bytes,
        timeout: float | None,
        stop: Event,
        has_groups: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start `command`; `stdin` is fed to it as it reads, and its standard input stays open after that.

        With `has_groups`, it may start process groups of its own, which are killed with it.

        Raises:
            EngineUnavailableError: the program cannot be started.
        """
        self._monotonic = monotonic
        self._timeout = timeout
        self._has_groups = has_groups
        self._deadline = None if timeout is None else monotonic() + timeout
        self._stop = stop
        self._unsent = memoryview(stdin)
        self._stderr = b""
        self._output = bytearray()
        self._output_ended = False
        self._cpu_before = 0.0  # of earlier requests
        self.cpu_seconds = 0.0
        self.peak_bytes = 0
        own_score = system.oom_score()
        try:
            system.close_proc()
            self._process = subprocess.Popen(  # noqa: S603  the program is the operator's choice, never a message's
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            msg = f"cannot start {command[0]}: {error.strerror}"
            raise EngineUnavailableError(
                msg,
                remedy="Give the engine's path with --engine or SWEEPCTL_ENGINE.",
            ) from error
        system.offer_to_kill(self._process.pid, own_score)
        self._selector = selectors.DefaultSelector()
        self._watch(self._process.stdin, selectors.EVENT_WRITE, self._feed)
        self._watch(self._process.stdout, selectors.EVENT_READ, self._take_output)
        self._watch(self._process.stderr, selectors.EVENT_READ, self._take_stderr)

    def __enter__(self) -> Self:
        """Return the child."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill the whole process group, whether or not its leader has exited, and reap the leader."""
        self._reap()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    @property
    def stderr_tail(self) -> str:
        """The last bytes that the child wrote to standard error, on one line."""
        return " | ".join(self._stderr[-STDERR_BYTES:].decode("utf-8", "replace").split("\n")).strip(" |")

    @property
    def stderr(self) -> str:
        """What the child wrote to standard error; the last part, if it was very much."""
        return self._stderr.decode("utf-8", "replace").strip()

    @property
    def last_line(self) -> str:
        """The last whole line that the child wrote to standard error: one thread may end it while another writes."""
        *whole, rest = self._stderr.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(whole) if line.strip()), rest.strip())

    def read(self, seconds: float) -> bytes:
        """Return output of the child as soon as there is some; nothing if there is none within `seconds`.

        Raises:
            EngineFaultError: the deadline has passed.
            InterruptedRunError: `stop` was set.
        """
        until = self._monotonic() + seconds
        while not self._output and not self._output_ended:
            self._check_limits()
            left = until - self._monotonic()
            if left <= 0:
                break
            self._pump(min(left, STOP_SECONDS))
            if not self._output and system.has_ended(self._process.pid):
                # A grandchild may hold the pipe open forever; what the child itself wrote is in it by now.
                self._pump(0)
                if not self._output:
                    self._end_output()
        output = bytes(self._output)
        self._output.clear()
        return output

    @property
    def output_ended(self) -> bool:
        """Whether all output of the child has been read, and no more can follow."""
        return self._output_ended and not self._output

    def wait(self, seconds: float) -> int | None:
        """Return the exit status (negative: the signal that killed it).

        None if it still runs after `seconds`, or writes more output: that is not gathered.
        """
        until = self._monotonic() + seconds
        while not system.has_ended(self._process.pid):
            self._check_limits()
            left = until - self._monotonic()
            if left <= 0 or self._output:
                return None
            # A child may be blocked until its last output is read.
            self._pump(min(left, 0.005))
            if not self._selector.get_map():
                time.sleep(0.001)
        self._pump(0)
        return self._reap()

    def pause(self) -> bool:
        """End a request, but not the child: take its CPU time (Linux); return False if that cannot be had."""
        total = system.cpu_seconds(self._process.pid)
        if total is None:
            return False
        self.cpu_seconds, self._cpu_before = total - self._cpu_before, total
        return True

    def resume(self, stdin: bytes, timeout: float | None, stop: Event) -> bool:
        """Feed the child another request; return False if it has ended, or has written what nobody asked for."""
        self._pump(0)
        has_ended = self._output_ended or system.has_ended(self._process.pid)
        if self._unsent or self._output or has_ended or self._process.stdin is None:
            return False
        self._timeout, self._deadline = timeout, None if timeout is None else self._monotonic() + timeout
        self._stop, self._stderr, self._unsent = stop, b"", memoryview(stdin)
        self._selector.register(self._process.stdin, selectors.EVENT_WRITE, self._feed)
        return True

    def _watch(self, stream: IO[bytes] | None, event: int, serve: Callable[[IO[bytes]], None]) -> None:
        if stream is None:  # cannot happen: all three are pipes
            return
        os.set_blocking(stream.fileno(), False)
        system.widen_pipe(stream.fileno())
        self._selector.register(stream, event, serve)

    def _pump(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            key.data(key.fileobj)

    def _feed(self, stream: IO[bytes]) -> None:
        try:
            self._unsent = self._unsent[os.write(stream.fileno(), self._unsent) :]
        except BrokenPipeError:  # it does not read its input; its output says why
            self._unsent = memoryview(b"")
        if not self._unsent:
            # Not closed: an engine takes the end of its input for the death of its parent.
            self._selector.unregister(stream)

    def _take_output(self, stream: IO[bytes]) -> None:
        chunk = os.read(stream.fileno(), READ_BYTES)
        self._output += chunk
        if not chunk:
            self._end_output()

    def _end_output(self) -> None:
        if not self._output_ended and self._process.stdout is not None:
            self._output_ended = True
            self._selector.unregister(self._process.stdout)

    def _take_stderr(self, stream: IO[bytes]) -> None:
        chunk = os.read(stream.fileno(), READ_BYTES)
        self._stderr = (self._stderr + chunk)[-KEPT_BYTES:]
        if not chunk:
            self._selector.unregister(stream)

    def _check_limits(self) -> None:
        if self._stop.is_set():
            msg = "stopped by a signal"
            raise InterruptedRunError(msg, remedy="Run the same message again; it starts over.")
        if self._deadline is not None and self._monotonic() > self._deadline:
            msg = f"the engine did not finish within {self._timeout:g} s"
            raise EngineFaultError("engine_timeout", msg)

    def _reap(self) -> int:
        if self._process.returncode is None:
            # Before the leader is reaped: until then its id cannot be reused for another group or session.
            system.kill_group(self._process.pid)
            for group in system.groups_of(self._process.pid) if self._has_groups else ():
                system.kill_group(group)
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = max(0.0, usage.ru_utime + usage.ru_stime - self._cpu_before)
            # Of the child or of one of its own children that it waited for, whichever was larger.
            self.peak_bytes = system.peak_bytes(usage)
        return self._process.returncode

"""What an engine writes while it runs points: read, bounded, and ended if it hangs; nothing of it is trusted unchecked.

Lines of point records are passed on as received; `engine.reader` checks them.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Self, TypeVar

from pydantic import ValidationError

from sweepctl.engine.child import Child
from sweepctl.errors import (
    RUNNING,
    EngineFaultError,
    EngineUnavailableError,
    RefusedError,
    SweepctlError,
)
from sweepctl.protocol import (
    Finished,
    Model,
    PointIdentity,
    Refused,
    Running,
    Started,
)

EXIT_SECONDS = 10.0  # from the last record to the exit of the process
MAX_LINE_BYTES = 64 << 20  # one point's rows of an extra dataset; point records are about a thousand bytes
MAX_REPLY_BYTES = 4 << 20  # a description, or a record that occurs once; its errors may take 100 times as much memory
BLOCK_BYTES = 1 << 20  # enough for Arrow to be fast, little compared to a row group in memory
BLOCK_SECONDS = 1.0  # how long a slow model's points wait before they are passed on
REPORT_START = b'{"record":"running"'
MAX_REPORTS = 100  # of a running point, and one for each second: an engine is asked for fewer
BAD_PROGRAM = 78  # the exit status of an engine that cannot use a program
PROGRAM_CHANGED = "engine_program_changed"

Reply = TypeVar("Reply", Started, Refused, Running, Finished, PointIdentity)


class EngineRun:
    """One request that the engine runs: call `begin`, then `blocks`, then read `finished`.

    The methods raise EngineFaultError if the engine crashes, hangs, floods or breaks the protocol,
    EngineUnavailableError if it cannot use a program any more, and InterruptedRunError once `stop` is set.
    """

    finished: Finished

    def __init__(
        self,
        child: Child,
        monotonic: Callable[[], float],
        silence: float | None,
        programs: Mapping[str, Model] = MappingProxyType({}),
        changed: Callable[[str], str | None] = lambda _: None,
        *,
        spares_last: bool = False,
        has_children: bool = False,
        keep: Callable[[], None] | None = None,
        was_asked: bool = False,
    ) -> None:
        """Wrap a child that was just started; it has hung once it finishes no point for `silence` seconds.

        `programs` are the engine's models that are programs; `changed` says what of one is no longer as it was. With
        `spares_last`, it has not hung as long as no point waits to begin: nothing would be saved by ending it. With
        `has_children` these run all points. `keep` is called instead of ending a child that did all that it was asked
        for, and can be asked again; `was_asked` is whether it has done so before.
        """
        self._child = child
        self._programs = programs
        self._changed = changed
        self._model: str | None = None  # until the engine has started
        self._monotonic = monotonic
        self._silence = silence
        self._spares_last = spares_last
        self._has_children = has_children
        self._keep = keep
        self.was_asked = was_asked
        self._is_over = False  # whether the last record was read, and nothing after it
        self.cpu_seconds = 0.0  # of the engine's process for this request; known after the context has ended
        self._waiting: int | None = None  # points that had not begun, as last reported
        self._began_at = self._heard_at = monotonic()
        self._pending = bytearray()
        self._whole = 0  # bytes of `_pending` that are whole lines
        self._reports = 0
        self._has_report = False  # that `blocks` has not passed on yet
        self.running: Running | None = None  # what was last reported; None as soon as another record arrives

    def __enter__(self) -> Self:
        """Return the run."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill the process and everything that it started, unless it is kept."""
        # A point that failed may have left a model in any state, and one that was given up still runs.
        is_good = error is None and self._is_over and not self.finished.failed
        if self._keep is not None and is_good and self._child.pause():
            self.cpu_seconds = self._child.cpu_seconds  # before another thread may ask it
            self._keep()
        else:
            self._child.__exit__(kind, error, trace)
            self.cpu_seconds = self._child.cpu_seconds

    @property
    def peak_bytes(self) -> int:
        """Memory of the largest of its processes; known after the context has ended."""
        return self._child.peak_bytes

    def begin(self) -> Started:
        """Read the first record.

        Raises:
            RefusedError: the engine refused the request.
        """
        while not self._whole:
            self._read()
        end = self._pending.index(b"\n") + 1
        line = self._take(end)
        if line.startswith(b'{"record":"refused"'):
            refused = decode(Refused, line)
            raise RefusedError(refused.error_code, refused.message)
        started = decode(Started, line)
        self._model = started.model
        return started

    def blocks(self) -> Iterator[bytes]:
        """Yield whole lines of `point` and `rows` records, as bytes that end in a newline; then set `finished`.

        A block without any line means that `running` has changed.

        Raises EngineFaultError after all whole lines have been yielded.
        """
        while True:
            try:
                block, last = self._next_block()
            except EngineFaultError:
                if self._whole:
                    yield self._take(self._whole)
                raise
            if block or last is None:
                yield block
            if last is not None:
                self.finished = decode(Finished, last)
                self._end()
                return

    def _next_block(self) -> tuple[bytes, bytes | None]:
        """Return the next block, once it is large or old enough, and the last record if it has arrived."""
        until = self._monotonic() + BLOCK_SECONDS
        while self._last_record_at() is None and not self._child.output_ended and not self._has_report:
            if self._whole >= BLOCK_BYTES or (self._whole and self._monotonic() >= until):
                break
            self._read()
        last_at = self._last_record_at()
        if last_at is not None:
            return self._take(last_at), self._take(self._whole)
        if not self._whole and not self._has_report:
            raise self._unfinished()
        self._has_report = False
        return self._take(self._whole), None

    def _take(self, end: int) -> bytes:
        taken = bytes(self._pending[:end])
        del self._pending[:end]
        self._whole -= end
        return taken

    def _last_record_at(self) -> int | None:
        """Return where the line of the last record starts: it must be the last line received."""
        if not self._pending.endswith(b"\n"):
            return None
        start = self._pending.rfind(b"\n", 0, len(self._pending) - 1) + 1
        return start if self._pending.startswith(b'{"record":"finished"', start) else None

    def _read(self) -> None:
        if self._child.output_ended:
            raise self._unfinished()
        try:
            chunk = self._child.read(BLOCK_SECONDS if self._silence is None else min(BLOCK_SECONDS, self._silence))
        except EngineFaultError as late:
            raise self._naming(late) from None
        start, end = self._whole, chunk.rfind(b"\n") + 1
        if end:
            self._whole = len(self._pending) + end
        self._pending += chunk
        if end:
            self._take_reports(start)
        if self._whole > start:
            self._heard_at = self._monotonic()
        elif self._has_hung():
            msg = f"the engine finished no point for {self._silence:g} s"
            raise self._naming(EngineFaultError("engine_timeout", msg))
        if len(self._pending) - self._whole > MAX_LINE_BYTES:
            msg = f"the engine wrote more than {MAX_LINE_BYTES} bytes without a newline"
            raise EngineFaultError("engine_flooded", msg)

    def _take_reports(self, start: int) -> None:
        """Take the reports of running points out of the whole lines from `start` on: they belong to no digest."""
        self.running, at = None, start
        while (at := self._report_at(at)) >= 0:
            end = self._pending.index(b"\n", at) + 1
            running = decode(Running, bytes(self._pending[at:end]))
            del self._pending[at:end]
            self._whole -= end - at
            self._has_report = True
            self._reports += 1
            if self._reports > MAX_REPORTS + self._monotonic() - self._began_at:
                msg = f"the engine wrote {self._reports} reports of running points"
                raise EngineFaultError("engine_flooded", msg)
            if self._waiting is None or running.waiting < self._waiting:
                self._heard_at = self._monotonic()  # a point has begun: the first one alone stands still
            self._waiting = running.waiting
            # Only the last one is news, and only if no record follows it.
            if at == self._whole:
                self.running = running

    def _has_hung(self) -> bool:
        if self._silence is None or self._monotonic() - self._heard_at <= self._silence:
            return False
        return not (self._spares_last and self._waiting == 0)

    def _report_at(self, start: int) -> int:
        """Return where the next report from the line at `start` on begins; -1 if there is none."""
        if self._pending.startswith(REPORT_START, start):
            return start
        # A line that has these bytes elsewhere may be a record of parameters with such a name and value.
        return self._pending.find(b"\n" + REPORT_START, start, self._whole) + 1 or -1

    def _naming(self, fault: EngineFaultError) -> EngineFaultError:
        """Return a fault that lies in time, with the point that was running, if that is known."""
        running = self.running
        if running is None:
            return fault
        msg = f"{fault.message}; point {running.point_index} {RUNNING} {running.seconds:.0f} s"
        alone = None if running.others else running.point_index
        return EngineFaultError(fault.error_code, msg, remedy=fault.remedy, point_index=alone)

    def _end(self) -> None:
        self._is_over = True
        if self._keep is not None:
            return  # before it is asked again, it must be alive and have written nothing more
        status = self._child.wait(EXIT_SECONDS)
        if self._child.read(0):
            msg = "the engine wrote more after its last record"
            raise EngineFaultError("engine_invalid_output", msg)
        if status is None:
            msg = f"the engine did not exit within {EXIT_SECONDS:g} s after its last record"
            raise EngineFaultError("engine_timeout", msg)
        if status != 0:
            raise self._crashed(status)

    def _unfinished(self) -> SweepctlError:
        status = self._child.wait(EXIT_SECONDS)
        if status is None:
            return EngineFaultError("engine_timeout", "the engine closed its output but did not exit")
        if status == 0:
            return EngineFaultError("engine_incomplete", "the engine exited without its last record")
        return self._crashed(status)

    def _crashed(self, status: int) -> SweepctlError:
        is_program = bool(self._programs) if self._model is None else self._model in self._programs
        # Of a model in the engine's own process, it is a point's own exit status.
        if status == BAD_PROGRAM and (is_program or self._has_children):
            what = "cannot use a program" if is_program else "cannot run its model in child processes"
            # Its last line has what a child said at last, which is above it, too.
            why = self._child.last_line
            msg = f"the engine {what}: {why}"
            names = self._programs if self._model is None else [self._model]
            if is_program and any(self._changed(name) for name in names):
                # Recorded, so that the shard whose points did this to their own program can be found.
                return EngineFaultError(PROGRAM_CHANGED, msg, remedy="Have it write to no file of its own; restore it.")
            # Not the shard's fault, so nothing is recorded: another worker may have what this one lacks.
            remedy = "Correct it, and start again."
            if "ModuleNotFoundError" in why:
                remedy = 'Install the module, or name the Python that has it: interpreter = "PATH" in the manifest.'
            return EngineUnavailableError(msg, remedy=remedy)
        cause = f"signal {-status}" if status < 0 else f"exit status {status}"
        stderr = self._child.stderr_tail
        return EngineFaultError("engine_crashed", f"the engine ended with {cause}" + (f": {stderr}" if stderr else ""))


def require_short(reply: bytes | bytearray) -> None:
    """Raise EngineFaultError if a reply is longer than a description may be."""
    if len(reply) > MAX_REPLY_BYTES:
        msg = f"the engine wrote more than {MAX_REPLY_BYTES} bytes where one record or a description was expected"
        raise EngineFaultError("engine_flooded", msg)


def decode(kind: type[Reply], line: bytes) -> Reply:
    """Return a record of this kind; raise EngineFaultError if the line is none."""
    require_short(line)
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        shown = line[:120].decode("utf-8", "backslashreplace").strip()
        msg = f"the engine wrote an invalid {kind.__name__.lower()!r} record: {first_line(error)}: {shown}"
        raise EngineFaultError("engine_invalid_output", msg) from error


def first_line(error: EngineFaultError | ValidationError) -> str:
    """Return what is wrong, without the rest of what pydantic finds."""
    if isinstance(error, EngineFaultError):
        return error.message
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")

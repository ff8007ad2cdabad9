"""Finds the engine, reads its description and has it run points; nothing that it says is trusted unchecked.

Lines of point records are passed on as received; `engine.reader` checks them.
"""

import hashlib
import os
import shutil
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Event
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar

from pydantic import ValidationError

from sweepctl import protocol
from sweepctl.engine.child import Child
from sweepctl.errors import (
    EngineFaultError,
    EngineUnavailableError,
    ProgramError,
    RefusedError,
    SweepctlError,
    WrongEngineError,
)
from sweepctl.protocol import (
    Description,
    Finished,
    Model,
    PointIdentity,
    Refused,
    Running,
    ShardTime,
    Started,
    encode_request,
    with_limits,
)
from sweepctl.spec import NO_LIMITS, Limits, Spec

if TYPE_CHECKING:
    from sweepctl.design import Space

PROGRAM = "sweep-engine"
HANDSHAKE_SECONDS = 30.0
EXIT_SECONDS = 10.0  # from the last record to the exit of the process
MAX_LINE_BYTES = 64 << 20  # one point's rows of an extra dataset; point records are about a thousand bytes
MAX_REPLY_BYTES = 4 << 20  # a description, or a record that occurs once; its errors may take 100 times as much memory
BLOCK_BYTES = 4 << 20  # enough for Arrow to be fast, little compared to a row group in memory
BLOCK_SECONDS = 1.0  # how long a slow model's points wait before they are passed on

REPORT_START = b'{"record":"running"'
MAX_REPORTS = 100  # of a running point, and one for each second: an engine is asked for fewer
BAD_PROGRAM = 78  # the exit status of an engine that cannot use a program
PROGRAM_CHANGED = "engine_program_changed"

# The engine needs no secret, so it gets none: these names are passed on, those that a program's manifest asks for, and
# no others.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE")
SECRET = ("AWS_", "SWEEPCTL_")  # how names of variables begin that no manifest gets


Reply = TypeVar("Reply", Started, Refused, Running, Finished, PointIdentity)


class Engine:
    """A `sweep-engine` binary on this machine, and programs whose models it has besides its own."""

    def __init__(
        self,
        path: Path,
        programs: Iterable[Path] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the binary's path and the programs' manifests, each once; it is started when it is needed."""
        self.path = path
        self.programs = tuple(dict.fromkeys(each.resolve() for each in programs or ()))
        self._monotonic = monotonic

    @cached_property
    def description(self) -> Description:
        """The engine's description of itself.

        Raises:
            EngineUnavailableError: it does not exist, does not start, or does not speak this protocol.
            ProgramError: it cannot use a program.
        """
        with self._child("describe", stdin=b"", timeout=HANDSHAKE_SECONDS, stop=Event()) as child:
            try:
                output = bytearray()
                while not child.output_ended:
                    output += child.read(HANDSHAKE_SECONDS)
                    _require_short(output)
                if self.programs and not output and child.wait(EXIT_SECONDS) == BAD_PROGRAM:
                    raise ProgramError(child.stderr, remedy="Correct the manifest; docs/programs.md lists every key.")
                return Description.model_validate_json(bytes(output))
            except (EngineFaultError, ValidationError) as error:
                reason = child.stderr_tail or _first_line(error)
                msg = f"{self.path} does not describe itself in protocol {protocol.VERSION}: {reason}"
                raise EngineUnavailableError(msg, remedy="Give --engine a sweep-engine of this release.") from error

    @property
    def sha256(self) -> str | None:
        """The digest of the engine's file; None if it may be run but not read.

        Of a wrapper script it is the script's, not that of what it starts. The file is read again only when it was
        replaced.
        """
        try:
            found = self.path.stat()
            return _file_digest(self.path, found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError:
            return None

    def model(self, name: str) -> Model:
        """Return the declaration of one model.

        Raises:
            WrongEngineError: this engine does not have it.
            EngineUnavailableError: it does not describe itself.
        """
        models = {model.name: model for model in self.description.models}
        if name not in models:
            msg = f"model {name!r} is not in this engine ({self.path}); it has: {', '.join(sorted(models))}"
            raise WrongEngineError(
                msg, remedy="Use one of these models, or give --program its manifest, or --engine one that has it."
            )
        return models[name]

    def require_limits(self, limits: Limits) -> None:
        """Raise WrongEngineError if this engine cannot keep the limits that a run sets to its points."""
        if limits.of_points == NO_LIMITS:
            return
        if not self.description.host:
            msg = f"the run limits what a point may take, which this engine ({self.path}) cannot keep: it has no `host`"
            raise WrongEngineError(
                msg, remedy="Build the engine with this release's runtime, or give --engine another."
            )
        if limits.point_memory is not None and "linux" not in self.description.target:
            msg = f"the run limits a point's memory, which an engine of {self.description.target} cannot keep"
            raise WrongEngineError(msg, remedy="Run it on Linux, or remove point_memory from the sweep file.")

    def start(
        self,
        request: bytes,
        *,
        command: Literal["run", "host", "points"] = "run",
        limits: Limits = NO_LIMITS,
        shard_time: ShardTime | None = None,
        timeout: float | None = None,
        silence: float | None = None,
        stop: Event | None = None,
    ) -> "EngineRun":
        """Start the engine on `request`; use the result as a context manager, which kills the process on exit.

        `limits` of points are for `host` alone. `timeout` is in seconds, from start to exit; setting `stop` ends the
        run. With `shard_time` the engine may be silent for longer once none of its points waits to begin.

        Raises:
            EngineUnavailableError: the engine cannot be started.
        """
        child = self._child(
            command, stdin=with_limits(request, limits, shard_time), timeout=timeout, stop=stop or Event()
        )
        return EngineRun(
            child,
            self._monotonic,
            silence,
            self._program_models,
            self.has_changed,
            spares_last=shard_time is not None,
            has_children=command == "host",
        )

    def identify(self, spec: Spec, space: "Space", index: int) -> PointIdentity:
        """Return the identity of point `index`: parameters and fingerprints; nothing is simulated.

        Raises:
            RefusedError: the engine refused the spec or the index.
            EngineFaultError: it answered with anything but this point.
        """
        request = encode_request(spec, space, index, index + 1, threads=1)
        with self.start(request, command="points", timeout=HANDSHAKE_SECONDS) as run:
            run.begin()
            lines = bytearray()
            for block in run.blocks():
                lines += block
                _require_short(lines)
        return _decode(PointIdentity, bytes(lines))

    def has_changed(self, models: Mapping[str, Model]) -> bool:
        """Describe the engine again; return whether any of these models, by name, is another now, or gone.

        A program that can no longer be used is left out, so that the engine can run its other models.
        """
        usable: tuple[Path, ...] = ()
        fresh = Engine(self.path).description
        for each in self.programs:
            with suppress(ProgramError):
                fresh = Engine(self.path, (*usable, each)).description
                usable = (*usable, each)
        self.programs, self.description = usable, fresh
        return not models.items() <= {model.name: model for model in fresh.models}.items()

    @property
    def _program_models(self) -> Mapping[str, Model]:
        """The models that are programs, by name; an engine without any is not asked."""
        models = self.description.models if self.programs else ()
        return {model.name: model for model in models if model.program}

    def _environment(self, command: str) -> Iterable[str]:
        """Return the names of the variables that are passed on."""
        if command == "describe":
            return ENVIRONMENT
        programs = [model.program for model in self._program_models.values() if model.program]
        needs = [name for program in programs for name in program.environment]
        return *ENVIRONMENT, *(name for name in needs if not name.startswith(SECRET))

    def _child(self, command: str, *, stdin: bytes, timeout: float | None, stop: Event) -> Child:
        programs = [word for path in self.programs for word in ("--program", path)]
        return Child(
            (self.path, *programs, command),
            {name: os.environ[name] for name in self._environment(command) if name in os.environ},
            stdin=stdin,
            timeout=timeout,
            stop=stop,
            # Points of programs are in child processes with any command.
            has_groups=command == "host" or bool(programs),
            monotonic=self._monotonic,
        )


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
        has_changed: Callable[[Mapping[str, Model]], bool] = lambda _: False,
        *,
        spares_last: bool = False,
        has_children: bool = False,
    ) -> None:
        """Wrap a child that was just started; it has hung once it finishes no point for `silence` seconds.

        `programs` are the engine's models that are programs; `has_changed` says whether any is another by now. With
        `spares_last`, it has not hung as long as no point waits to begin: nothing would be saved by ending it. With
        `has_children` these run all points.
        """
        self._child = child
        self._programs = programs
        self._has_changed = has_changed
        self._model: str | None = None  # until the engine has started
        self._monotonic = monotonic
        self._silence = silence
        self._spares_last = spares_last
        self._has_children = has_children
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
        """Kill the process and everything that it started."""
        self._child.__exit__(kind, error, trace)

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the engine's process; known after the context has ended."""
        return self._child.cpu_seconds

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
            refused = _decode(Refused, line)
            raise RefusedError(refused.error_code, refused.message)
        started = _decode(Started, line)
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
                self.finished = _decode(Finished, last)
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
            running = _decode(Running, bytes(self._pending[at:end]))
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
        msg = f"{fault.message}; point {running.point_index} had been running for {running.seconds:.0f} s"
        alone = None if running.others else running.point_index
        return EngineFaultError(fault.error_code, msg, remedy=fault.remedy, point_index=alone)

    def _end(self) -> None:
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
            msg = f"the engine {what}: {self._child.stderr_tail}"
            if is_program and self._has_changed(self._programs):
                # Points can do this to files of their own program: it must not end the worker, which has other models.
                return EngineFaultError(PROGRAM_CHANGED, msg, remedy="Have it write to no file of its own; restore it.")
            # Not the shard's fault, so nothing is recorded: another worker may have what this one lacks.
            return EngineUnavailableError(msg, remedy="Correct it, and start this worker again.")
        cause = f"signal {-status}" if status < 0 else f"exit status {status}"
        stderr = self._child.stderr_tail
        return EngineFaultError("engine_crashed", f"the engine ended with {cause}" + (f": {stderr}" if stderr else ""))


@contextmanager
def identifying(what: str) -> Iterator[None]:
    """Have a fault of an engine say what it was to identify: `what`."""
    try:
        yield
    except EngineFaultError as fault:
        msg = f"{what}: {fault.message}"
        remedy = "This takes an engine milliseconds: `sweepctl doctor` checks it; --engine names another one."
        raise EngineFaultError(fault.error_code, msg, remedy=remedy) from fault


def find_engine(path: str | None = None) -> Path:
    """Return the engine to use: `path` if given, else the one installed with sweepctl, else one on PATH.

    Raises:
        EngineUnavailableError: there is none.
    """
    # The second is where `pip install --target` puts programs, as in the function's package.
    in_scripts, in_target = Path(sysconfig.get_path("scripts")) / PROGRAM, Path(__file__).parents[2] / "bin" / PROGRAM
    if path is not None:
        # As a shell does: a name without a folder is looked up on PATH.
        found = shutil.which(path)
        if found is None:
            msg = f"engine {path}: no such program"
            raise EngineUnavailableError(msg, remedy="Correct --engine or SWEEPCTL_ENGINE.")
        # Absolute: a relative path without a folder would be looked up on PATH when it is started.
        return Path(found).absolute()
    installed = next((str(each) for each in (in_scripts, in_target) if each.is_file()), None)
    found = installed or shutil.which(PROGRAM)
    if found is None:
        msg = f"no {PROGRAM} next to sweepctl ({in_scripts}) or on PATH"
        raise EngineUnavailableError(msg, remedy="Install sweepctl's wheel, or give --engine or SWEEPCTL_ENGINE.")
    return Path(found)


def shipped_engine() -> Engine | None:
    """Return the engine that is installed with sweepctl, or else on PATH; None if there is none."""
    try:
        return Engine(find_engine())
    except EngineUnavailableError:
        return None


@lru_cache(maxsize=16)
def _file_digest(path: Path, *_identity: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_short(reply: bytes | bytearray) -> None:
    if len(reply) > MAX_REPLY_BYTES:
        msg = f"the engine wrote more than {MAX_REPLY_BYTES} bytes where one record or a description was expected"
        raise EngineFaultError("engine_flooded", msg)


def _decode(kind: type[Reply], line: bytes) -> Reply:
    _require_short(line)
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        shown = line[:120].decode("utf-8", "backslashreplace").strip()
        msg = f"the engine wrote an invalid {kind.__name__.lower()!r} record: {_first_line(error)}: {shown}"
        raise EngineFaultError("engine_invalid_output", msg) from error


def _first_line(error: EngineFaultError | ValidationError) -> str:
    if isinstance(error, EngineFaultError):
        return error.message
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")

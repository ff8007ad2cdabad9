"""Finds the engine, reads its description and starts it; nothing that it says is trusted unchecked."""

import hashlib
import os
import shlex
import shutil
import stat
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from sweepctl import protocol, system
from sweepctl.engine.child import Child
from sweepctl.engine.run import BAD_PROGRAM, EXIT_SECONDS, EngineRun, decode, first_line, require_short
from sweepctl.engine.warm import Warm, WarmEngines
from sweepctl.errors import (
    EngineFaultError,
    EngineUnavailableError,
    ProgramError,
    WrongEngineError,
)
from sweepctl.protocol import (
    Description,
    Model,
    PointIdentity,
    ShardTime,
    encode_request,
    with_limits,
)
from sweepctl.spec import NO_LIMITS, Limits, Spec
from sweepctl.texts import listed, nearest

if TYPE_CHECKING:
    from sweepctl.design import Space

PROGRAM = "sweep-engine"
HANDSHAKE_SECONDS = 30.0


# The engine needs no secret, so it gets none: these names are passed on, those that a program's manifest asks for, and
# no others.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "RUST_BACKTRACE")
SECRET = ("AWS_", "SWEEPCTL_")  # how names of variables begin that no manifest gets


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
        self.programs = tuple(dict.fromkeys(Path(os.path.expanduser(each)).resolve() for each in programs or ()))
        self._monotonic = monotonic
        self._warm = WarmEngines(monotonic)

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
                    require_short(output)
                if self.programs and not output and child.wait(EXIT_SECONDS) == BAD_PROGRAM:
                    if missing := next((path for path in self.programs if not path.exists()), None):
                        remedy = "A path is from the current folder, and one in a sweep file from that file's folder."
                        raise ProgramError(f"program {missing}: no such file", remedy=remedy)
                    raise ProgramError(child.stderr, remedy="Correct the manifest; docs/programs.md lists every key.")
                return Description.model_validate_json(bytes(output))
            except (EngineFaultError, ValidationError) as error:
                reason = child.stderr_tail or first_line(error)
                msg = f"{self.path} does not describe itself in protocol {protocol.VERSION}: {reason}"
                mend = "Mend what it says, or give" if child.stderr_tail else "Give"
                raise EngineUnavailableError(msg, remedy=f"{mend} --engine a sweep-engine of this release.") from error

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
            msg = f"model {name!r} is not in this engine ({self.path})"
            near = nearest(name, models)
            if near is None:
                msg, first = f"{msg}; it has: {listed(sorted(models), name)}", "Use one of these models, or give"
            else:
                first = f"Did you mean `{near}`? If not, give"
            raise WrongEngineError(msg, remedy=f"{first} --program its manifest, or --engine one that has it.")
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
        if limits.point_memory is not None and not self.description.limits_memory:
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
        spec: str | None = None,
    ) -> "EngineRun":
        """Start the engine on `request`; use the result as a context manager, which kills the process on exit.

        `limits` of points are for `host` alone. `timeout` is in seconds, from start to exit; setting `stop` ends the
        run. With `shard_time` the engine may be silent for longer once none of its points waits to begin. With `spec`,
        a fingerprint, `run` is in a process that other requests of this spec are asked of before and after it, if the
        engine has one.

        Raises:
            EngineUnavailableError: the engine cannot be started.
        """
        request, stop = with_limits(request, limits, shard_time), stop or Event()
        is_warm = spec is not None and command == "run" and self._can_wait
        warm = self._begin(request, spec or "", timeout, stop) if is_warm else None
        return EngineRun(
            warm.child if warm else self._child(command, stdin=request, timeout=timeout, stop=stop),
            self._monotonic,
            silence,
            self._program_models,
            self.changed,
            spares_last=shard_time is not None,
            has_children=command == "host",
            keep=partial(self._warm.keep, warm) if warm else None,
            was_asked=warm is not None and warm.requests > 1,
        )

    @property
    def _can_wait(self) -> bool:
        """Whether a process can be asked again: the files of programs are checked when one starts."""
        return system.HAS_PROCESS_CLOCKS and self.description.again and not self.programs

    def _begin(self, request: bytes, spec: str, timeout: float | None, stop: Event) -> Warm:
        """Have a process that can be asked again begin with a request."""
        # Before the start: an outcome must not have the digest of a file that is older than the process.
        sha256 = self.sha256
        found = self._warm.take(sha256, spec, request, timeout, stop)
        return found or Warm(
            self._child("run --again", stdin=request, timeout=timeout, stop=stop), sha256, spec, self._monotonic()
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
                require_short(lines)
        return decode(PointIdentity, bytes(lines))

    def changed(self, name: str) -> str | None:
        """Describe the engine again; return what of a program is no longer as it was, None if nothing."""
        model = self.model(name)
        try:
            models = Engine(self.path, self.programs).description.models
        except ProgramError as error:
            return error.message
        fresh = next((each for each in models if each.name == name), None)
        if fresh == model or model.program is None:
            return None
        changes = model.program.changes(fresh.program) if fresh and fresh.program else []
        return ", ".join(changes) or "its manifest changed"

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
            (self.path, *programs, *command.split()),
            {name: os.environ[name] for name in self._environment(command) if name in os.environ},
            stdin=stdin,
            timeout=timeout,
            stop=stop,
            # Points of programs are in child processes with any command.
            has_groups=command == "host" or bool(programs),
            monotonic=self._monotonic,
        )


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
        found = shutil.which(os.path.expanduser(path))
        if found is None:
            raise _no_engine(path)
        # Absolute: a relative path without a folder would be looked up on PATH when it is started.
        return Path(found).absolute()
    installed = next((str(each) for each in (in_scripts, in_target) if each.is_file()), None)
    found = installed or shutil.which(PROGRAM)
    if found is None:
        msg = f"no {PROGRAM} next to sweepctl ({in_scripts}) or on PATH"
        raise EngineUnavailableError(msg, remedy="Install sweepctl's wheel, or give --engine or SWEEPCTL_ENGINE.")
    return Path(found)


def _no_engine(path: str) -> EngineUnavailableError:
    """Return why there is no program at a path that was given."""
    place = Path(os.path.expanduser(path))
    problem, remedy = "no such program", "Correct --engine or SWEEPCTL_ENGINE."
    try:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except OSError:
        pass
    else:
        if is_folder:
            problem, remedy = "a folder, not a program", "Give the path of the engine in it."
        elif os.sep not in path:
            problem, remedy = "no such program on PATH", f"One in this folder is ./{path}."
        else:
            problem, remedy = "not executable", f"If it is an engine: chmod +x {shlex.quote(str(place))}"
    return EngineUnavailableError(f"engine {path}: {problem}", remedy=remedy)


def shipped_engine() -> Engine | None:
    """Return the engine that is installed with sweepctl, or else on PATH; None if there is none."""
    try:
        return Engine(find_engine())
    except EngineUnavailableError:
        return None


def find_prover(path: str | None, programs: Sequence[str | Path] | None) -> Engine | None:
    """Return the engine for verify; None if no path was given and none is found.

    Raises:
        EngineUnavailableError: the path is not one of an engine, or it cannot use a program.
    """
    # Without one, the report lists what could not be checked.
    found = shipped_engine() if path is None else Engine(find_engine(path))
    if found is None or not programs:
        return found
    engine = Engine(found.path, map(Path, programs))
    _ = engine.description  # a wrong manifest is the user's mistake, not one of the run
    return engine


def units_of(engine: Engine | None, model: str) -> dict[str, str]:
    """Return the units of a model's parameters and metrics; none without an engine that has it."""
    try:
        found = None if engine is None else engine.model(model)
    except EngineUnavailableError:
        found = None
    return {} if found is None else {column.name: column.unit for column in (*found.parameters, *found.metrics)}


@lru_cache(maxsize=16)
def _file_digest(path: Path, *_identity: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Every check of a model, each with what is wrong and how to mend it; a check that fails does not end the others."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from resource import RUSAGE_SELF, getrusage
from threading import Event
from typing import Any, Literal

from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError, EngineUnavailableError, RefusedError
from sweepctl.protocol import Model
from sweepctl.records.outcome import MACHINE_DEPENDENT
from sweepctl.spec import Limits
from sweepctl.system import peak_bytes
from sweepctl.texts import counted
from sweepctl.trial.cells import Cell, cells_of
from sweepctl.trial.points import Bench, Point, Points

ENOUGH_SECONDS = 0.2  # to take the time of a point, which is run again and again
MOST_REPEATS = 10_000
OF_THE_PROCESS = set(MACHINE_DEPENDENT)  # it ended, or had to be ended
# What comes is not what was declared.
BROKEN = {"panic", "bad_result", "bad_output", "missing_metric", "non_finite_metric", "too_many_rows"}

STATELESS = (
    "A point must follow from its parameters, seed and replicate alone: keep nothing from one point to the next, "
    "and draw random numbers from those that the point is given."
)
ALONE = "Points run at the same time: give each its own files, ports and folders."
DECLARED = "Declare what it returns, and return all of it, as its type; `nullable` allows null, never NaN."
CRASHED = "The program must not end at a point: return an error, or exclude these values by the parameter's range."
SLOW = "Exclude these values by the parameter's range, or set [limits] point_seconds and point_memory in sweep files."
NO_SUCCESS = "not tried: no point succeeds"
ANSWERED = "If these values are not meant, exclude them by the parameter's range or choices."


@dataclass(frozen=True)
class Finding:
    """What one check found; a note is no fault."""

    check: str
    state: Literal["ok", "wrong", "note"]
    finding: str
    remedy: str | None = None


@dataclass(frozen=True)
class Trial:
    """Everything that was found about a model."""

    model: Model
    findings: Sequence[Finding]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.state != "wrong" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return all of it."""
        checks = [asdict(finding) for finding in self.findings]
        return {"model": self.model.name, "model_version": self.model.version, "checks": checks, "ok": self.is_sound}


def try_model(
    engine: Engine,
    name: str,
    *,
    seconds: float,
    point_seconds: float,
    observe: Callable[[str], None] = lambda _: None,
    stop: Event | None = None,
) -> Trial:
    """Try a model; `seconds` is for all of it, `point_seconds` for each point.

    Raises:
        EngineUnavailableError: the engine cannot be used, or lacks the model.
        InterruptedRunError: `stop` was set.
    """
    model = engine.model(name)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limits = Limits(point_seconds=point_seconds, point_memory=memory if engine.description.limits_memory else None)
    bench = Bench(engine, model, time.monotonic() + seconds, limits, stop or Event())
    return Trial(model, list(_Checks(bench).findings(observe)))


class _Checks:
    """The checks, in their order: later ones leave out the points that earlier ones found to end their process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._model = bench.model
        self._cells = cells_of(bench.model)
        self._has_host = bench.engine.description.host

    def findings(self, observe: Callable[[str], None]) -> Iterator[Finding]:
        checks: dict[str, Callable[[], Iterable[Finding]]] = {
            "defaults": self._defaults,
            "ranges": self._ranges,
            "declaration": self._declaration,
            "run and host": self._same_everywhere,
            "same point twice": self._twice,
            "other order": self._order,
            "several at once": self._threads,
            "fresh process": self._fresh,
            "after a crash": self._after_crash,
            "identities": self._identities,
            "seed": self._seed,
            "time and memory": self._cost,
        }
        for name, check in checks.items():
            observe(name)
            try:
                if name == "run and host" and not self._sound:
                    return  # there is nothing to compare
                yield from check()
            except EngineFaultError as fault:
                is_late = fault.error_code == "engine_timeout"
                remedy = "Give it more time with --timeout." if is_late else CRASHED
                yield Finding(name, "wrong", f"not done: {fault.message}", fault.remedy or remedy)
            except RefusedError as refusal:
                yield Finding(name, "wrong", f"the engine refuses it: {refusal.message}", ANSWERED)
            except EngineUnavailableError as error:
                yield Finding(name, "wrong", error.message, error.remedy)
                return  # nor can it run anything else

    @cached_property
    def _reference(self) -> Points:
        """All cells, in child processes if the engine can: there a point cannot take others along."""
        return self._bench.run(self._cells, "host" if self._has_host else "run")

    @cached_property
    def _sound(self) -> Sequence[tuple[Cell, Point]]:
        """The cells that do not end or block their process."""
        pairs = zip(self._cells, self._reference.points, strict=True)
        return [(cell, point) for cell, point in pairs if _code(point) not in OF_THE_PROCESS]

    @property
    def _has_success(self) -> bool:
        return any(point.failure is None for point in self._reference.points)

    @property
    def _sound_cells(self) -> Sequence[Cell]:
        return [cell for cell, _ in self._sound]

    def _defaults(self) -> Iterator[Finding]:
        failure = self._reference.points[0].failure
        if failure is None:
            yield Finding("defaults", "ok", "the point of all defaults succeeds")
        else:
            remedy = DECLARED if failure[0] in BROKEN else "Mend the model, or give it defaults that it can run."
            yield Finding("defaults", "wrong", ": ".join(failure), remedy)

    def _ranges(self) -> Iterator[Finding]:
        failed = [
            (cell, point)
            for cell, point in zip(self._cells[1:], self._reference.points[1:], strict=True)
            if point.failure
        ]
        yield from _grouped("ranges", "wrong", [each for each in failed if _code(each[1]) == "point_crashed"], CRASHED)
        slow = OF_THE_PROCESS - {"point_crashed"}
        yield from _grouped("ranges", "note", [each for each in failed if _code(each[1]) in slow], SLOW)
        known = OF_THE_PROCESS | BROKEN
        yield from _grouped("ranges", "note", [each for each in failed if _code(each[1]) not in known], ANSWERED)
        tried = len(self._cells) - 1
        if tried and not failed:
            yield Finding("ranges", "ok", f"{tried} points at the ends of ranges and at choices succeed")
        unbounded = [each.name for each in self._model.parameters if each.type in {"int", "float"} and not each.range]
        if unbounded:
            finding = f"no range, so that any number is accepted: {', '.join(unbounded)}"
            yield Finding("ranges", "note", finding, "Declare what makes sense: range = [0, 10].")

    def _declaration(self) -> Iterator[Finding]:
        pairs = zip(self._cells, self._reference.points, strict=True)
        broken = [(cell, point) for cell, point in pairs if _code(point) in BROKEN]
        yield from _grouped("declaration", "wrong", broken, DECLARED)
        if not broken and not self._has_success:
            yield Finding("declaration", "note", NO_SUCCESS)
        elif not broken:
            metrics = counted("metrics", len(self._model.metrics))
            yield Finding("declaration", "ok", f"all points that succeed have their {metrics}, of their types")

    def _same_everywhere(self) -> Iterator[Finding]:
        if not self._has_host:
            yield Finding("run and host", "note", "this engine has no host: points are not tried in child processes")
            return
        again = self._bench.run(self._sound_cells).points
        yield self._compared("run and host", self._sound_cells, again, "the same with `run` as with `host`", STATELESS)

    def _twice(self) -> Iterator[Finding]:
        # Without parameters there is one cell, which the reference has run already.
        cells = [*self._sound_cells, *self._sound_cells] if self._model.parameters else self._sound_cells
        points = self._bench.run(cells).points
        yield self._compared("same point twice", cells, points, "the second time as the first", STATELESS)

    def _order(self) -> Iterator[Finding]:
        cells = self._sound_cells[::-1]
        points = self._bench.run(cells).points
        yield self._compared("other order", cells, points, "backwards as forwards", STATELESS)

    def _threads(self) -> Iterator[Finding]:
        threads = max(2, os.cpu_count() or 1)
        points = self._bench.run(self._sound_cells, threads=threads).points
        done = f"the same with {threads} threads as with one"
        yield self._compared("several at once", self._sound_cells, points, done, ALONE)

    def _fresh(self) -> Iterator[Finding]:
        cells = self._sound_cells[-1:]
        points = self._bench.run(cells).points
        done = f"{cells[0].what} alone, as after others"
        yield self._compared("fresh process", cells, points, done, STATELESS)

    def _after_crash(self) -> Iterator[Finding]:
        crashed = len(self._cells) - len(self._sound)
        if not crashed:
            yield Finding("after a crash", "note", "not tried: no point ends its process")
            return
        points = self._bench.run(self._sound_cells, "host").points
        done = f"the same without the points that end their process: {crashed}"
        yield self._compared("after a crash", self._sound_cells, points, done, STATELESS)

    def _identities(self) -> Iterator[Finding]:
        named = self._bench.run(self._sound_cells, "points").points
        names = ("parameters", "effective_parameters_json", "parameter_fingerprint", "point_fingerprint")
        for (cell, point), identity in zip(self._sound, named, strict=True):
            for name in names:
                if point.record[name] != identity.record[name]:
                    finding = f"{cell.what}: `points` has another {name} than `run`"
                    yield Finding("identities", "wrong", finding, "Build the engine with this release's runtime.")
                    return
        yield Finding("identities", "ok", "`points` names them as `run` does")

    def _seed(self) -> Iterator[Finding]:
        if not self._has_success:
            yield Finding("seed", "note", NO_SUCCESS)
            return
        others = self._bench.run(self._sound_cells, seed=2).points
        pairs = [(mine.metrics, its.metrics) for (_, mine), its in zip(self._sound, others, strict=True)]
        names = [metric.name for metric in self._model.metrics]
        moved = [name for name in names if any(mine.get(name) != its.get(name) for mine, its in pairs)]
        if not moved:
            finding = "no metric depends on it: replications would compute the same again"
            yield Finding("seed", "note", finding)
        else:
            fixed = [name for name in names if name not in moved]
            also = f"; not {', '.join(fixed)}" if fixed else ""
            yield Finding("seed", "ok", f"these depend on it: {', '.join(moved)}{also}")

    def _cost(self) -> Iterator[Finding]:
        if self._sound_cells[:1] != self._cells[:1]:
            return
        alone = self._bench.run(self._cells[:1])
        repeats, more, peak = 0, 0.0, alone.peak_bytes
        while more < ENOUGH_SECONDS and repeats < MOST_REPEATS:
            repeats = max(1, 10 * repeats)
            several = self._bench.run(self._cells[:1], replications=1 + repeats)
            more, peak = several.seconds - alone.seconds, max(peak, several.peak_bytes)
        each = f"{max(0.0, more) / repeats * 1e3:.3g} ms a point at the defaults"
        yield Finding("time", "ok", f"{each}; {alone.seconds * 1e3:.3g} ms for the first, with the engine's start")
        # A process begins with the memory of the one that started it, in the kernel's account.
        own = peak_bytes(getrusage(RUSAGE_SELF))
        least = "at most" if peak <= own else ""
        yield Finding("memory", "ok", f"{least} {max(peak, own) / 1e6:,.0f} MB in the largest process".strip())

    def _compared(self, check: str, cells: Sequence[Cell], points: Sequence[Point], done: str, remedy: str) -> Finding:
        """Return whether cells have the points that they have in the reference."""
        known = {id(cell): point for cell, point in self._sound}
        different = [
            f"{cell.what}: {difference}"
            for cell, point in zip(cells, points, strict=True)
            if (difference := known[id(cell)].differs(point)) is not None
        ]
        if not different:
            return Finding(check, "ok", done)
        return Finding(check, "wrong", _shown(different), remedy)


def _code(point: Point) -> str | None:
    return None if point.failure is None else point.failure[0]


def _grouped(
    check: str, state: Literal["wrong", "note"], failed: Sequence[tuple[Cell, Point]], remedy: str
) -> Iterator[Finding]:
    """Yield one finding for all failures of a kind, if there are any."""
    if failed:
        lines = [f"{cell.what}: {': '.join(point.failure or ())}" for cell, point in failed]
        yield Finding(check, state, _shown(lines), remedy)


def _shown(lines: Sequence[str]) -> str:
    """Return the first line, and how many there are beside it."""
    return lines[0] + (f" (and {len(lines) - 1} more)" if len(lines) > 1 else "")

"""From a sweep file to a run and its shards: what will be run, before anything is written or sent.

A plan is a pure value: the same sweep and shard size give the same plan everywhere.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sweepctl.design import Cross, Grid, Random, Saltelli, Sampled, Space, Table, Zip, total_points
from sweepctl.design.base import BaseDesign
from sweepctl.engine.client import Engine, identifying
from sweepctl.errors import RefusedError, WrongEngineError
from sweepctl.messages import ShardMessageV2
from sweepctl.protocol import Model
from sweepctl.records import design as stored_design
from sweepctl.records.design import StoredTable
from sweepctl.records.table import schemas
from sweepctl.spec import Limits, Spec
from sweepctl.sweep.exclusion import Exclusion, find_excluded
from sweepctl.sweep.file import NULL_HINT, SweepFile
from sweepctl.sweep.pairing import paired
from sweepctl.sweep.toml_lines import TomlPath
from sweepctl.texts import counted, listed, nearest

# A design with longer JSON is stored, and messages refer to it, so that they stay below 4 KB.
MAX_INLINE_BYTES = 2_048
FINGERPRINT_DIGITS = 8
MAX_SHARDS = 10_000_000  # several files each; a store with more can hardly be listed
ROWS_AT_ONCE = 1 << 16  # of a table, in one request


@dataclass(frozen=True)
class Plan:
    """A run and its sharding: shard k has the points from k x `shard_points` on."""

    spec: Spec
    space: Space
    stored: bytes | None  # the design's bytes, if it is too long for messages
    run_id: str
    run_date: str
    total_points: int
    shard_points: int

    @property
    def shards(self) -> int:
        """How many shards there are; all but the last have `shard_points` points."""
        return -(-self.total_points // self.shard_points)

    def bounds(self, shard_id: int) -> tuple[int, int]:
        """Return `start_index` and `end_index_exclusive` of a shard."""
        start = shard_id * self.shard_points
        return start, min(start + self.shard_points, self.total_points)

    def message(self, shard_id: int) -> ShardMessageV2:
        """Return the message of a shard."""
        # What differs is valid by construction; validating a long design again for each shard would be slow.
        return self._first.model_copy(update=dict(self._differing(shard_id)))

    def bodies(self, shard_ids: Iterable[int]) -> Iterator[bytes]:
        """Yield the body of each shard's message."""
        fields = json.loads(self._first.to_json())
        for shard_id in shard_ids:
            body = fields | self._differing(shard_id)
            yield json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()

    def objects(self, model: Model) -> int:
        """Return how many files a run without failures creates in its store."""
        of_run = 2 + (self.stored is not None)  # run record, engine pin, design
        return of_run + self.shards * (1 + len(schemas(model, self.spec.outputs)))

    def _differing(self, shard_id: int) -> Mapping[str, int]:
        start, end = self.bounds(shard_id)
        return {"shard_id": shard_id, "start_index": start, "end_index_exclusive": end}

    @cached_property
    def _first(self) -> ShardMessageV2:
        start, end = self.bounds(0)
        return ShardMessageV2.of(
            self.spec,
            self.run_id,
            self.run_date,
            total_points=self.total_points,
            shard_id=0,
            start_index=start,
            end_index_exclusive=end,
        )


@dataclass(frozen=True)
class Draft:
    """A sweep whose values the engine accepts; its shard size and run_id may not be known yet."""

    file: SweepFile
    spec: Spec
    stored: bytes | None
    model_version: str  # of the engine that accepts it
    exclusion: Exclusion | None = None  # None without constraints

    @property
    def total_points(self) -> int:
        """How many points there are."""
        return total_points(self.file.space, self.spec.replications)

    @property
    def shard_points(self) -> int | None:
        """Points of each shard but the last, as set in the file; None if a pilot must measure it."""
        shards = self.file.sweep.shards
        if shards.points is not None:
            return min(shards.points, self.total_points)
        if shards.count is not None:
            return -(-self.total_points // min(shards.count, self.total_points))
        return None

    def plan(self, run_id: str, run_date: str, shard_points: int) -> Plan:
        """Return the plan of a run of this sweep.

        Raises:
            SweepFileError: it would have too many shards.
        """
        plan = Plan(self.spec, self.file.space, self.stored, run_id, run_date, self.total_points, shard_points)
        if plan.shards > MAX_SHARDS:
            rule = (
                f"{counted('shards', plan.shards)} of {counted('points', shard_points)}: must be at most {MAX_SHARDS:,}"
            )
            raise self.file.error({("shards",): rule})
        return plan

    def new_run_id(self, run_date: str) -> str:
        """Return the default run_id of a new run of this sweep."""
        return f"{self.file.sweep.name}-{run_date}-{self.spec.fingerprint[:FINGERPRINT_DIGITS]}"


def draft(file: SweepFile, engine: Engine) -> Draft:
    """Return a sweep after the engine has accepted all its values.

    Raises:
        SweepFileError: values break a rule, or the engine refuses them or lacks the model; all errors are reported.
        WrongEngineError: the engine cannot keep the sweep's limits.
        EngineUnavailableError: the engine cannot be used.
    """
    sweep = file.sweep
    try:
        model = engine.model(sweep.model)
    except WrongEngineError as error:
        near = nearest(sweep.model, [each.name for each in engine.description.models])
        hint = "" if sweep.program else '; that of a program needs `program = "FILE"`'
        hint = hint if near is None else f"; did you mean `{near}`?"
        raise file.error({("model",): error.message + hint}) from error
    file = _with_metric_checked(file, model).of_model(model)
    engine.require_limits(sweep.limits)
    spec, _ = _spec_of(file)
    try:
        _accept(spec, file.space, engine)
    except RefusedError as refusal:
        raise file.error(_refusals(file, spec, engine) or {(): refusal.message}) from refusal
    if file.problems:
        raise file.error({})
    file = paired(file, spec, engine)
    spec, stored = _spec_of(file)
    exclusion = find_excluded(spec, file.space, engine)
    if exclusion is not None and exclusion.is_total and exclusion.is_exact:
        raise file.error(_nothing_left(exclusion))
    return Draft(file, spec, stored, model.version, exclusion)


def _spec_of(file: SweepFile) -> tuple[Spec, bytes | None]:
    """Return what a run of the sweep computes, and its design's bytes if they are too long for messages."""
    sweep, space, stored = file.sweep, file.space, None
    design: Mapping[str, Any]
    if isinstance(space, BaseDesign) and not file.has_table_file and len(file.design_body) <= MAX_INLINE_BYTES:
        design = space.to_json()
    else:
        stored, design = file.design_body, {"sha256": stored_design.digest(file.design_body)}
    spec = Spec(
        model=sweep.model,
        design=design,
        base=sweep.base,
        replications=sweep.replications_range[0],
        seed=sweep.seed,
        outputs=tuple(sorted(sweep.outputs)),
        limits=Limits.model_validate(sweep.limits.to_json()),
        derived=sweep.derived,
        constraints=tuple(sweep.constraints),
    )
    return spec, stored


def _with_metric_checked(file: SweepFile, model: Model) -> SweepFile:
    """Return the file with the problem of the metric that its precision names, if there is one."""
    precision = file.sweep.precision
    if precision is None:
        return file
    kinds = {metric.name: metric.type for metric in model.metrics}
    numbers = [name for name, kind in kinds.items() if kind != "string"]
    if precision.metric in numbers:
        return file
    if precision.metric in kinds:
        rule = f'metric "{precision.metric}" is text, which has no mean'
    else:
        near = nearest(precision.metric, numbers)
        hint = f"metrics: {listed(numbers, precision.metric)}" if near is None else f'did you mean "{near}"?'
        rule = f'unknown metric "{precision.metric}"; {hint}'
    return replace(file, problems=file.problems | {("replications", "metric"): rule})


def _nothing_left(found: Exclusion) -> dict[TomlPath, str]:
    cells = counted("cells", found.cells)
    if found.excluded == found.cells:
        return {("constraints",): f"exclude all {cells}: no point is left to run"}
    return {("derived",): f"no point of {cells} is left to run: {found.first_failure}"}


def _accept(spec: Spec, space: Space, engine: Engine) -> None:
    """Raise RefusedError unless the engine accepts every value of the design."""
    if isinstance(space, StoredTable | Table):
        # An engine checks only the rows that it gets; every other design it checks as a whole.
        for first in range(0, space.cells, ROWS_AT_ONCE):
            end = min(first + ROWS_AT_ONCE, space.cells)
            with identifying(f"rows {first + 1} to {end}"):
                engine.identify(spec, _TableSlice(space, first, end), first * spec.replications)
    else:
        with identifying("the design"):
            engine.identify(spec, space, 0)


@dataclass(frozen=True)
class _TableSlice:
    """Some rows of a table, whichever cells are requested."""

    table: Space
    first: int
    end: int

    @property
    def cells(self) -> int:
        return self.table.cells

    @property
    def parameters(self) -> Collection[str]:
        return self.table.parameters

    def part(self, _first_cell: int, _end_cell: int) -> Mapping[str, Any]:
        return self.table.part(self.first, self.end)


def _refusals(file: SweepFile, spec: Spec, engine: Engine) -> dict[TomlPath, str]:
    """Check each output and each parameter separately: an engine reports only the first that it refuses."""
    bare = replace(spec, base={}, outputs=(), design={}, derived={}, constraints=())
    one_cell = Grid(kind="grid", dimensions={})
    checks: dict[TomlPath, tuple[Spec, Space]] = {
        ("outputs", name): (replace(bare, outputs=(name,)), one_cell) for name in spec.outputs
    }
    checks |= {("base", name): (replace(bare, base={name: value}), one_cell) for name, value in spec.base.items()}
    checks |= {file.path_to(name): (bare, _only(file.space, name)) for name in file.space.parameters}
    checks |= {
        ("derived", name): (replace(bare, derived={name: text}), one_cell) for name, text in spec.derived.items()
    }
    checks |= {
        ("constraints", number): (replace(bare, constraints=(text,)), one_cell)
        for number, text in enumerate(spec.constraints)
    }
    # All of them together may need each other in a circle.
    checks |= {("derived",): (replace(bare, derived=spec.derived), one_cell)}
    declared = engine.model(spec.model).parameters
    hints = {file.path_to(each.name): file.hint(each) for each in declared if each.name in file.space.parameters}
    hints |= {("base", each.name): NULL_HINT for each in declared if each.nullable}
    problems: dict[TomlPath, str] = {}
    for path, (part, space) in checks.items():
        try:
            _accept(part, space, engine)
        except RefusedError as refusal:
            if path != ("derived",) or not any(known[:1] == path for known in problems):
                problems[path] = refusal.message + hints.get(path, "")
    return problems


def _only(space: Space, name: str) -> Space:
    """Return a design with only one of its parameters."""
    if isinstance(space, Cross):
        return _only(next(part for part in space.parts if name in part.parameters), name)
    if isinstance(space, Saltelli):  # which one dimension is not enough for
        return Random(kind="random", samples=1, dimensions={name: space.dimensions[name]})
    if isinstance(space, Grid | Zip | Sampled):
        return space.model_copy(update={"dimensions": {name: space.dimensions[name]}})
    part = space.part(0, space.cells)
    place = part["columns"].index(name)
    return Table.model_construct(kind="table", columns=[name], rows=[[row[place]] for row in part["rows"]])

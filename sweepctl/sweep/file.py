"""The sweep file: a sweep in TOML, parsed and checked as a whole.

All errors are reported at once, each with its line, key and rule. `plan` has the engine check the parameters' values,
and splits the points into shards.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from sweepctl.design import Cross, Space, Table, total_points
from sweepctl.design.distributions import Between
from sweepctl.design.values import Count, Integer, RuleError, Scalar, Strict, reject
from sweepctl.errors import SweepFileError, UsageError
from sweepctl.names import DatasetName, Name
from sweepctl.protocol import Model, Parameter
from sweepctl.spec import Constraints, Expression, Limits
from sweepctl.strict_json import require_bounded
from sweepctl.sweep.classical import Coded
from sweepctl.sweep.given import (
    AnyDesign,
    CrossOfTables,
    SweepDesign,
    TableFile,
    beside,
    space_of,
    table_files,
)
from sweepctl.sweep.precision import MAX_REPLICATIONS, Precision
from sweepctl.sweep.rules import broken_rules
from sweepctl.sweep.toml_lines import TomlPath, line_of, lines_by_path
from sweepctl.sweep.toml_nulls import as_values, with_written_nulls

MAX_BYTES = 64 << 20
DEFAULT_SHARD_SECONDS = 30.0
NULL_HINT = "; in a sweep file, null is {}"


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        reject("must name each dataset once")
    return names


class Shards(Strict):
    """How the points are split into shards: exactly one of these."""

    points: Count | None = Field(default=None, description="Points per shard; the last shard may have fewer.")
    count: Count | None = Field(default=None, description="Maximum number of shards; all but the last are equal.")
    seconds: float | None = Field(
        default=None, gt=0, le=36_000, description="Target seconds per shard on one core, measured by a pilot."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            reject("must have exactly one of points, count, seconds")
        return self


_SIZE = re.compile(r"^([1-9][0-9]{0,18}) ?([kMGT]i?)?B$")


def _bytes(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value)
    if found is None:
        reject('must be a number of bytes, or a text such as "512 MiB" or "2 GB"')
    unit = found[2] or " "
    return int(found[1]) * (1024 if unit.endswith("i") else 1000) ** " kMGT".index(unit[0])


_Bytes = BeforeValidator(
    _bytes,
    json_schema_input_type=Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=_SIZE.pattern)],
)


class FileLimits(Limits):
    """What the run allows its points; without a limit there is none."""

    # Text, too: nobody counts the zeros of bytes.
    point_memory: Annotated[Count, _Bytes] | None = Field(
        default=None, description='Memory that a point may hold: bytes, or a text such as "512 MiB" or "2 GB".'
    )


class Sweep(Strict):
    """A sweep: which points of which model to run, and how they are split into shards."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")] = Field(
        description="Name of the sweep; the run_id begins with it."
    )
    model: Name = Field(description="The model, as listed by `sweepctl models`.")
    program: str | None = Field(
        default=None, min_length=1, description="Manifest of the program that is the model, relative to this file."
    )
    seed: Integer = Field(description="Seed of all random numbers; a signed 64-bit integer.")
    replications: Annotated[
        Annotated[int, Field(ge=1, le=MAX_REPLICATIONS), Tag("[count]")] | Annotated[Precision, Tag("[precision]")],
        Discriminator(lambda value: "[precision]" if isinstance(value, dict | Precision) else "[count]"),
    ] = Field(
        default=1,
        description="How many times each cell is run, each with different random numbers; or [replications]: until "
        "intervals are narrow enough.",
    )
    outputs: Annotated[list[DatasetName], AfterValidator(_once)] = Field(
        default=[], description="Extra datasets of the model to keep, as listed by `sweepctl models NAME`."
    )
    base: dict[Name, Scalar] = Field(default={}, description="Values of parameters that the design does not vary.")
    design: SweepDesign = Field(description="Which points to run.")
    derived: dict[Name, Expression] = Field(
        default={}, description='Parameters as expressions of others: buffer = "ceil(demand / 10)".'
    )
    constraints: Constraints = Field(
        default=[], description='Conditions that a point must meet, else it is excluded: "warmup < customers".'
    )
    limits: FileLimits = Field(
        default=FileLimits(), description="What the run allows its points; part of its identity."
    )
    shards: Shards = Field(
        default=Shards(seconds=DEFAULT_SHARD_SECONDS), description="How the points are split into shards."
    )

    @property
    def precision(self) -> Precision | None:
        """When replications are enough; None if their number is given."""
        return self.replications if isinstance(self.replications, Precision) else None

    @property
    def replications_range(self) -> tuple[int, int]:
        """How many replications there are at first, and at most."""
        given = self.replications
        return (given.min, given.max) if isinstance(given, Precision) else (given, given)


@dataclass(frozen=True)
class SweepFile:
    """A parsed sweep file; the engine has not checked the parameters' values yet."""

    path: Path
    sweep: Sweep
    space: Space
    design_body: bytes  # as it would be stored, once the model is known
    problems: dict[TomlPath, str]  # the rules that values break, by path; these values are left out of all the above
    _lines: Mapping[TomlPath, int]

    @property
    def programs(self) -> tuple[Path, ...]:
        """The manifest that the file names, if any."""
        program = self.sweep.program
        return () if program is None else (beside(self.path.parent, program),)

    @property
    def has_table_file(self) -> bool:
        """Whether the design has tables in files, which may be long."""
        return bool(table_files(self.sweep.design))

    def of_model(self, model: Model) -> "SweepFile":
        """Return the sweep with the values of its table files, which are what the model declares of their columns.

        Raises:
            SweepFileError: a file has values that no parameter can have.
        """
        if not self.has_table_file:
            return self
        declared = {parameter.name: parameter for parameter in model.parameters}
        try:
            body, space = space_of(self.sweep.design, self.path.parent, declared)
        except RuleError as error:
            raise self.error({("design", *error.path): error.rule}) from error
        return replace(self, design_body=body, space=space)

    def path_to(self, parameter: str) -> TomlPath:
        """Return the path at which the design varies a parameter."""
        design, path = self._varying(parameter)
        field = "file" if isinstance(design, TableFile) else "columns" if isinstance(design, Table) else "dimensions"
        return (*path, field, parameter)

    def hint(self, parameter: Parameter) -> str:
        """Return what else to say of values of a parameter that a model refuses: where they come from."""
        design, _ = self._varying(parameter.name)
        if parameter.nullable and not isinstance(design, TableFile):
            return NULL_HINT
        if not isinstance(design, Coded) or not isinstance(design.dimensions[parameter.name], Between):
            return ""
        levels = ", ".join(map(str, design.values_of(parameter.name).values()))
        return f"; its levels are {levels}: change low and high so that the model accepts them all"

    def _varying(self, parameter: str) -> tuple[AnyDesign, TomlPath]:
        design = self.sweep.design
        if isinstance(design, Cross | CrossOfTables) and isinstance(self.space, Cross):
            place = next(place for place, part in enumerate(self.space.parts) if parameter in part.parameters)
            return design.parts[place], ("design", "parts", place)
        return design, ("design",)

    def error(self, problems: dict[TomlPath, str]) -> SweepFileError:
        """Return the error that reports all problems: the given ones, by path, and those already known."""
        return _error(self.path, self.problems | problems, self._lines)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a sweep file, for editors."""
    schema = Sweep.model_json_schema()
    schema["$defs"]["Grid"]["required"].remove("dimensions")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **with_written_nulls(schema)}


def read(path: Path) -> SweepFile:
    """Read a sweep file, and the table that it names.

    Values that break a rule are left out and kept as `problems`; `plan.draft` reports them with the engine's.

    Raises:
        SweepFileError: the problems are too severe to check the rest.
        UsageError: the file cannot be read.
    """
    text = _text(path)
    try:
        parsed = tomllib.loads(text)
        require_bounded(parsed)
    except (ValueError, RecursionError) as error:
        raise _error(path, {(): f"must be valid TOML: {error}"}, {}) from error
    return _checked(path, parsed, lines_by_path(text))


def of_fields(fields: Mapping[str, Any]) -> SweepFile:
    """Return a sweep that is given as the fields of a file; other files' paths are relative to the current folder.

    Raises:
        SweepFileError: the problems are too severe to check the rest.
        UsageError: a table file cannot be read.
    """
    path = Path("sweep")  # as errors name it
    try:
        require_bounded(fields)
    except ValueError as error:
        raise _error(path, {(): str(error)}, {}) from error
    return _checked(path, fields, {})


def _checked(path: Path, parsed: Mapping[str, Any], lines: Mapping[TomlPath, int]) -> SweepFile:
    fields = as_values(parsed)
    problems: dict[TomlPath, str] = {}
    try:
        sweep = Sweep.model_validate(fields)
    except ValidationError as error:
        problems = dict(broken_rules(error, json_schema()))
        try:
            # Without these values, the rest can be checked too, so that all errors are reported at once.
            sweep = Sweep.model_validate(_without(fields, problems))
        except ValidationError:
            raise _error(path, problems, lines) from error
    try:
        body, space = space_of(sweep.design, path.parent, None)
    except RuleError as error:
        raise _error(path, problems | {("design", *error.path): error.rule}, lines) from error
    except ValidationError as error:
        raise _error(path, problems | _in_design(error), lines) from error
    try:
        total_points(space, sweep.replications_range[1])
    except ValueError as error:
        raise _error(path, problems | {("design",): str(error)}, lines) from error
    sweep, more = _each_once(sweep, space)
    return SweepFile(path, sweep, space, body, problems | more, lines)


def _each_once(sweep: Sweep, space: Space) -> tuple[Sweep, dict[TomlPath, str]]:
    """Return a sweep that gives each parameter once, and what else it says, as problems."""
    varied = set(space.parameters)
    base = {name: value for name, value in sweep.base.items() if name not in varied}
    derived = {name: text for name, text in sweep.derived.items() if name not in varied | base.keys()}
    twice: dict[TomlPath, str] = {("base", name): "varied by the design" for name in sweep.base.keys() - base.keys()}
    twice |= {("derived", name): "set by the design or [base]" for name in sweep.derived.keys() - derived.keys()}
    problems = {where: f"is also {how}: must be in only one of them" for where, how in twice.items()}
    if sweep.precision is not None and sweep.outputs:
        rule = "must be absent: a round takes over the metrics of the one before, and no rows of outputs"
        problems |= {("outputs",): rule}
    return sweep.model_copy(update={"base": base, "derived": derived}), problems


def _without(fields: Mapping[str, Any], paths: Iterable[TomlPath]) -> Mapping[str, Any]:
    """Remove the values at some paths; required fields on which no other depends get a placeholder."""
    left = deepcopy(dict(fields))
    for path in paths:
        inner: Any = left
        design = 3 if path[:2] == ("design", "parts") else 1
        # The whole parameter, and the whole [shards], [replications] and constraints, not only the value inside.
        is_whole = path[0] in {"shards", "replications", "constraints"}
        keys = path[: design + 2 if path[design : design + 1] == ("dimensions",) else 1 if is_whole else 2]
        with suppress(KeyError):  # it is in something that another path has removed
            for key in keys[:-1]:
                inner = inner[key]
            if isinstance(inner, dict):
                inner.pop(keys[-1], None)
    return {"name": "x", "seed": 0} | left


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            body = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="Give the path of a sweep file.") from error
    if len(body) > MAX_BYTES:
        raise _error(path, {(): "must be at most 64 MiB: move long lists to a table file"}, {})
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(path, {(): f"byte {error.start}: must be UTF-8"}, {}) from error


def _in_design(error: ValidationError) -> dict[TomlPath, str]:
    return {("design", *where): rule for where, rule in broken_rules(error, json_schema())}


def _error(path: Path, problems: Mapping[TomlPath, str], lines: Mapping[TomlPath, int]) -> SweepFileError:
    # Places in a list are ordered as numbers, and come after names.
    ordered = sorted(problems, key=lambda keys: (line_of(lines, keys), [(isinstance(key, int), key) for key in keys]))
    placed = [(f"{path}:{line_of(lines, keys)}" if lines else path, keys, problems[keys]) for keys in ordered]
    errors = (
        f"{place}: {'.'.join(map(str, keys))}: {rule}" if keys else f"{path}: {rule}" for place, keys, rule in placed
    )
    return SweepFileError(tuple(errors), remedy="Correct the file; docs/sweep-files.md lists every field and its rule.")

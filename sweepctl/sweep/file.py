"""The sweep file: a sweep as a person writes it, in TOML, checked as a whole.

Every error is told at once, with its line, its key and its rule. Which values a parameter takes is the engine's
business (`check`); how the points are cut into shards is `plan`'s.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from sweepctl.design import Design, Space, Table, path_parts, total_points
from sweepctl.design.values import Count, Integer, Scalar, Strict, reject
from sweepctl.errors import SweepFileError, UsageError
from sweepctl.names import DatasetName, Name
from sweepctl.records import design as stored_design
from sweepctl.strict_json import require_bounded
from sweepctl.sweep.table_file import encode_file
from sweepctl.sweep.toml_lines import TomlPath, line_of, lines_by_path

MAX_BYTES = 64 << 20
DEFAULT_SHARD_SECONDS = 30.0


def _once(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        reject("must name each dataset once")
    return names


class Shards(Strict):
    """How the points are cut into shards; one of these."""

    points: Count | None = Field(default=None, description="Points of each shard; the last one may have fewer.")
    count: Count | None = Field(default=None, description="How many shards at most; they are equally large.")
    seconds: Annotated[float, BeforeValidator(lambda value: float(value) if type(value) is int else value)] | None = (
        Field(default=None, gt=0, le=36_000, description="Seconds that a shard should take on one core, by a pilot.")
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.model_fields_set) != 1:
            reject("must have exactly one of points, count, seconds")
        return self


class TableFile(Strict):
    """One cell a row of a file."""

    kind: Literal["table"] = Field(description="One cell a row.")
    file: str = Field(min_length=1, description="A CSV or Parquet file, by its path from the sweep file's folder.")


def _from_file(value: object) -> str:
    return "[file]" if isinstance(value, dict) and "file" in value else "[design]"


SweepDesign = Annotated[
    Annotated[Design, Tag("[design]")] | Annotated[TableFile, Tag("[file]")], Discriminator(_from_file)
]


class Sweep(Strict):
    """A sweep: which points of which model, and how they are cut into shards."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")] = Field(
        description="What the sweep is called; the run_id begins with it."
    )
    model: Name = Field(description="The model, as `sweepctl models` lists it.")
    seed: Integer = Field(description="Decides every random number; signed 64 bits.")
    replications: Annotated[int, Field(ge=1, le=1 << 32)] = Field(
        default=1, description="How often each cell is run, each time with other random numbers."
    )
    outputs: Annotated[list[DatasetName], AfterValidator(_once)] = Field(
        default=[], description="Extra datasets of the model to keep, as `sweepctl models NAME` lists them."
    )
    base: dict[Name, Scalar] = Field(default={}, description="Values of parameters that the design does not vary.")
    design: SweepDesign = Field(description="The space of points.")
    shards: Shards = Field(
        default=Shards(seconds=DEFAULT_SHARD_SECONDS), description="How the points are cut into shards."
    )


@dataclass(frozen=True)
class SweepFile:
    """A sweep as its file says it; which values a parameter takes is for the engine to judge."""

    path: Path
    sweep: Sweep
    space: Space
    design_body: bytes  # as it would be stored
    wrong: dict[TomlPath, str]  # what breaks a rule, and is left out of all this
    _lines: Mapping[TomlPath, int]

    def path_to(self, parameter: str) -> tuple[str, ...]:
        """Return the path to where the design varies a parameter."""
        design = self.sweep.design
        if isinstance(design, TableFile):
            return ("design", "file", parameter)
        return ("design", "columns" if isinstance(design, Table) else "dimensions", parameter)

    def error(self, wrong: dict[TomlPath, str]) -> SweepFileError:
        """Return the error that tells all that is wrong: some values, by their paths, and what was known before."""
        return _error(self.path, self.wrong | wrong, self._lines)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a sweep file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Sweep.model_json_schema()


def read(path: Path) -> SweepFile:
    """Read a sweep file, and the table that it names.

    What breaks a rule is left out and kept as `wrong`, for `plan.draft` to tell with what the engine refuses.

    Raises:
        SweepFileError: so much is wrong that there is nothing left to look at.
        UsageError: it cannot be read.
    """
    text = _text(path)
    try:
        fields = tomllib.loads(text)
        require_bounded(fields)
    except (ValueError, RecursionError) as error:
        raise _error(path, {(): f"must be TOML: {error}"}, {}) from error
    lines = lines_by_path(text)
    wrong: dict[TomlPath, str] = {}
    try:
        sweep = Sweep.model_validate(fields)
    except ValidationError as error:
        wrong = dict(_rules(error))
        try:
            # Without what is wrong, the rest can be looked at, so that all is told at once.
            sweep = Sweep.model_validate(_without(fields, wrong))
        except ValidationError:
            raise _error(path, wrong, lines) from error
    space: Space
    if isinstance(sweep.design, TableFile):
        try:
            body = encode_file(path.parent / sweep.design.file)
            space = stored_design.decode(body)
        except ValueError as error:
            raise _error(path, wrong | {("design", "file"): stored_design.rule_of(error)}, lines) from error
    else:
        body, space = stored_design.encode(sweep.design), sweep.design
    twice = sweep.base.keys() & set(space.parameters)
    wrong |= {("base", name): "is varied by the design, too: must be in one of them" for name in twice}
    base = {name: value for name, value in sweep.base.items() if name not in twice}
    try:
        total_points(space, sweep.replications)
    except ValueError as error:
        raise _error(path, wrong | {("design",): str(error)}, lines) from error
    return SweepFile(path, sweep.model_copy(update={"base": base}), space, body, wrong, lines)


def _without(fields: Mapping[str, Any], wrong: Iterable[TomlPath]) -> Mapping[str, Any]:
    """Leave out the values at some paths; what must be there and decides nothing else is made up."""
    left = deepcopy(dict(fields))
    for path in wrong:
        inner: Any = left
        # A whole parameter, and a whole way to cut shards, not what is inside.
        keys = path[: 3 if path[:2] == ("design", "dimensions") else 1 if path[0] == "shards" else 2]
        for key in keys[:-1]:
            inner = inner.get(key) if isinstance(inner, dict) else None
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
        raise _error(path, {(): "must be at most 64 MiB: long lists belong into a table's file"}, {})
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(path, {(): f"byte {error.start}: must be UTF-8"}, {}) from error


def _rules(error: ValidationError) -> Iterator[tuple[TomlPath, str]]:
    for each in error.errors(include_url=False, include_context=False):
        path = path_parts(each["loc"])
        rule = each["msg"].removeprefix("Value error, ")
        if each["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(path[-1]), _fields(), n=1)
            rule = f"is no field; did you mean {close[0]}?" if close else "is no field here"
        elif each["type"] == "missing":
            rule = "must be there"
        elif rule.startswith("Input should"):
            rule = rule.replace("Input should", "must", 1)
        yield path, rule


@cache
def _fields() -> frozenset[str]:
    """The names of all fields of sweep files, whatever they belong to."""

    def names(schema: Any) -> Iterator[str]:  # noqa: ANN401  any JSON value
        if isinstance(schema, dict):
            yield from schema.get("properties", {})
        for inner in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
            yield from names(inner)

    return frozenset(names(json_schema()))


def _error(path: Path, wrong: Mapping[TomlPath, str], lines: Mapping[TomlPath, int]) -> SweepFileError:
    placed = sorted((line_of(lines, keys), ".".join(map(str, keys)), rule) for keys, rule in wrong.items())
    told = (f"{path}:{line}: {key}: {rule}" if key else f"{path}: {rule}" for line, key, rule in placed)
    return SweepFileError(tuple(told), remedy="Correct the file; docs/sweep-files.md lists every field and its rule.")

"""Designs: which cells a run has, as JSON and TOML say it; counted here, computed by the engine.

A design keeps every number as it was written: an integer stays one. Which values a parameter takes is the engine's
business; what a design says by itself is checked here, at least as strictly as engines do, because an engine that
refuses a checked design is taken for the wrong program. Descriptions of fields are for people who write designs.
"""

import math
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, Self, TypeAlias

from pydantic import Field, Tag, TypeAdapter, model_validator

from sweepctl.design.axes import Axis, length_of
from sweepctl.design.distributions import Distribution
from sweepctl.design.values import Count, Scalar, Strict, one_of, reject
from sweepctl.names import Name
from sweepctl.spec import Value
from sweepctl.strict_json import INT64_MAX

MAX_STRATA = 1 << 52  # of a Latin hypercube: with more, a binary64 in [0, 1) no longer tells one from the next
MAX_SOBOL_DIMENSIONS = 256


class Space(Protocol):
    """The cells of a design, wherever its values lie."""

    @property
    def cells(self) -> int:
        """How many there are."""

    @property
    def parameters(self) -> Collection[str]:
        """The names of the parameters that it varies."""

    def part(self, first_cell: int, end_cell: int) -> Mapping[str, Any]:
        """The design as an engine gets it (docs/protocol.md): at least what cells `[first_cell, end_cell)` need."""


def total_points(space: Space, replications: int) -> int:
    """Return how many points a run has.

    Raises:
        ValueError: more than a signed 64-bit index can name.
    """
    points = space.cells * replications
    if points > INT64_MAX:
        reject(f"{space.cells} cells times {replications} replications: must be at most {INT64_MAX} points")
    return points


def _kind(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"[{kind}]" if isinstance(kind, str) else None


class _Design(Strict):
    """What every kind of design can say of itself."""

    @property
    @abstractmethod
    def cells(self) -> int:
        """How many cells there are."""

    @property
    @abstractmethod
    def parameters(self) -> Collection[str]:
        """The names of the parameters that it varies."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON that it was made of: what was left out stays out."""
        return self.model_dump(exclude_unset=True)

    def part(self, first_cell: int, end_cell: int) -> Mapping[str, Any]:  # noqa: ARG002  a formula has no parts
        """Return the design as an engine gets it."""
        return self.to_json()


class Grid(_Design):
    """Every combination of the axes' values; dimensions in byte order of their names, the last one fastest."""

    kind: Literal["grid"] = Field(description="Every combination.")
    dimensions: dict[Name, Axis] = Field(description="The values of each parameter; none at all is one cell.")

    @property
    def cells(self) -> int:
        """The product of the axes' lengths."""
        return math.prod(map(length_of, self.dimensions.values()))

    @property
    def parameters(self) -> Collection[str]:
        """The names of the dimensions."""
        return self.dimensions.keys()


class Zip(_Design):
    """Cell i takes value i of every axis."""

    kind: Literal["zip"] = Field(description="The axes side by side.")
    dimensions: dict[Name, Axis] = Field(min_length=1, description="The values of each parameter, equally many.")

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        lengths = {name: length_of(axis) for name, axis in sorted(self.dimensions.items())}
        first, *others = lengths
        for name in (name for name in others if lengths[name] != lengths[first]):
            reject(
                f"dimensions: must be equally long, and {first!r} has {lengths[first]} values, "
                f"{name!r} has {lengths[name]}"
            )
        return self

    @property
    def cells(self) -> int:
        """The length of each axis."""
        return length_of(next(iter(self.dimensions.values())))

    @property
    def parameters(self) -> Collection[str]:
        """The names of the dimensions."""
        return self.dimensions.keys()


class _Sampled(_Design):
    """A sample of points of a space of distributions; drawn with the run's seed."""

    samples: Count = Field(description="How many cells there are.")
    dimensions: dict[Name, Distribution] = Field(min_length=1, description="The distribution of each parameter.")

    @property
    def cells(self) -> int:
        """The samples."""
        return self.samples

    @property
    def parameters(self) -> Collection[str]:
        """The names of the dimensions."""
        return self.dimensions.keys()


class Random(_Sampled):
    """Independent draws."""

    kind: Literal["random"] = Field(description="Independent draws.")


class LatinHypercube(_Sampled):
    """Draws of which each dimension's are spread evenly: one in each of `samples` equally likely strata."""

    kind: Literal["latin_hypercube"] = Field(description="One draw in each of equally likely strata.")
    samples: int = Field(ge=1, le=MAX_STRATA, description="How many cells there are, and strata of each dimension.")


class Sobol(_Sampled):
    """A Sobol sequence: draws that fill the space evenly in all dimensions together; best a power of two of them."""

    kind: Literal["sobol"] = Field(description="Draws that fill the space evenly.")
    scramble: bool = Field(default=True, description="Whether the sequence is scrambled with the run's seed.")
    dimensions: dict[Name, Distribution] = Field(
        min_length=1, max_length=MAX_SOBOL_DIMENSIONS, description="The distribution of each parameter; 256 at most."
    )


class Table(_Design):
    """One cell a row."""

    kind: Literal["table"] = Field(description="One cell a row.")
    columns: list[Name] = Field(min_length=1, description="The parameters, each once.")
    rows: list[list[Scalar]] = Field(min_length=1, description="The cells: a value a column.")

    @model_validator(mode="after")
    def _meaning(self) -> Self:
        require_columns(self.columns)
        require_row_lengths(self.rows, self.columns, 0)
        return self

    @property
    def cells(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @property
    def parameters(self) -> Collection[str]:
        """The names of the columns."""
        return self.columns

    def part(self, first_cell: int, end_cell: int) -> Mapping[str, Any]:
        """Return only the rows of these cells."""
        return table_part(self.columns, self.rows[first_cell:end_cell], first_cell, self.cells)


def require_columns(columns: Sequence[str]) -> None:
    """Raise ValueError where a table names a column twice."""
    if len(set(columns)) < len(columns):
        reject("columns: must name each parameter once")


def require_row_lengths(rows: Sequence[Sequence[Value]], columns: Sequence[str], first_row: int) -> None:
    """Raise ValueError where a row has not one value for each column."""
    for place, row in enumerate(rows, start=first_row):
        if len(row) != len(columns):
            reject(f"rows.{place}: must have a value for each of {len(columns)} columns, and has {len(row)}")


def table_part(
    columns: Sequence[str], rows: Sequence[Sequence[Value]], first_row: int, total_rows: int
) -> Mapping[str, Any]:
    """Return some rows of a table as an engine gets them."""
    return {"kind": "table", "columns": columns, "first_row": first_row, "rows": rows, "total_rows": total_rows}


Design: TypeAlias = Annotated[
    Annotated[Grid, Tag("[grid]")]
    | Annotated[Zip, Tag("[zip]")]
    | Annotated[Random, Tag("[random]")]
    | Annotated[LatinHypercube, Tag("[latin_hypercube]")]
    | Annotated[Sobol, Tag("[sobol]")]
    | Annotated[Table, Tag("[table]")],
    one_of(_kind, "design", "kind: must be one of grid, zip, random, latin_hypercube, sobol, table"),
]

DESIGN: TypeAdapter[Design] = TypeAdapter(Design)


def path_parts(location: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the keys and indexes on the way to a field, as its author wrote them, from the `loc` of an error."""
    return tuple(part for part in location if part not in _MARKS)


def path_of(location: Sequence[int | str]) -> str:
    """Return that way as one text, with dots."""
    return ".".join(map(str, path_parts(location)))


_MARKS = frozenset(
    {
        "[key]",  # pydantic's own, of a bad key
        *("[list]", "[linspace]", "[logspace]", "[range]"),
        *("[uniform]", "[log_uniform]", "[normal]", "[triangular]", "[integer]", "[choice]"),
        *("[design]", "[file]"),  # a sweep file's
        *("[grid]", "[zip]", "[random]", "[latin_hypercube]", "[sobol]", "[table]"),
    }
)

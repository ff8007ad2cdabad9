"""Designs: the cells of a run, as written in JSON and TOML; counted here, computed by the engine.

A design keeps every number as written: an integer stays an integer. The engine knows which values a parameter accepts;
everything else about a design is validated here, at least as strictly as by engines, because an engine that refuses a
validated design is taken for the wrong program. Field descriptions are for people who write designs.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, Tag, TypeAdapter, model_validator

from sweepctl.design.axes import Axis, length_of
from sweepctl.design.base import BaseDesign, Space
from sweepctl.design.sampled import LatinHypercube, Morris, Random, Saltelli, Sobol
from sweepctl.design.values import RuleError, Scalar, one_of, reject
from sweepctl.names import Name
from sweepctl.spec import Value
from sweepctl.strict_json import INT64_MAX, short

MAX_PARTS = 256  # of a cross


def total_points(space: Space, replications: int) -> int:
    """Return the number of points of a run.

    Raises:
        ValueError: there are more than a signed 64-bit index allows.
    """
    cells = space.cells
    points = cells * replications
    if points > INT64_MAX:
        counted = cells if cells <= INT64_MAX else f"over {INT64_MAX}"
        reject(f"{counted} cells times {replications} replications: must be at most {INT64_MAX} points")
    return points


def tag_of_kind(value: object) -> str | None:
    """Return pydantic's tag for a design of this kind (`one_of`)."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"[{kind}]" if isinstance(kind, str) else None


class Grid(BaseDesign):
    """Every combination of the axes' values; dimensions are in byte order of their names, the last varies fastest."""

    kind: Literal["grid"] = Field(description="Every combination.")
    dimensions: dict[Name, Axis] = Field(description="Values of each parameter; without dimensions there is one cell.")

    @property
    def cells(self) -> int:
        """The product of the axes' lengths; INT64_MAX + 1 stands for all that are larger."""
        cells = 1
        # Bounded at each step: a message may have so many axes that multiplying their lengths would take minutes.
        for axis in self.dimensions.values():
            cells = min(cells * length_of(axis), INT64_MAX + 1)
        return cells

    @property
    def parameters(self) -> Collection[str]:
        """The names of the dimensions."""
        return self.dimensions.keys()


class Zip(BaseDesign):
    """Cell i takes value i of every axis."""

    kind: Literal["zip"] = Field(description="The axes in parallel.")
    dimensions: dict[Name, Axis] = Field(min_length=1, description="Values of each parameter, equally many.")

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        lengths = {name: length_of(axis) for name, axis in sorted(self.dimensions.items())}
        first, *others = lengths
        for name in (name for name in others if lengths[name] != lengths[first]):
            reject(
                f"dimensions: must have the same length, but {first!r} has {lengths[first]} values and "
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


class Table(BaseDesign):
    """One cell per row."""

    kind: Literal["table"] = Field(description="One cell per row.")
    columns: list[Name] = Field(min_length=1, description="Parameter names, each once.")
    rows: list[list[Scalar]] = Field(min_length=1, description="The cells: one value per column.")

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
    """Raise ValueError if a table has duplicate columns."""
    if len(set(columns)) < len(columns):
        reject("columns: must name each parameter once")


def require_row_lengths(rows: Sequence[Sequence[Value]], columns: Sequence[str], first_row: int) -> None:
    """Raise ValueError unless every row has one value per column."""
    for place, row in enumerate(rows, start=first_row):
        if len(row) != len(columns):
            reject(f"rows.{place}: must have one value for each of {len(columns)} columns, but has {len(row)}")


def table_part(
    columns: Sequence[str], rows: Sequence[Sequence[Value]], first_row: int, total_rows: int
) -> Mapping[str, Any]:
    """Return some rows of a table as sent to an engine."""
    return {"kind": "table", "columns": columns, "first_row": first_row, "rows": rows, "total_rows": total_rows}


PART_KINDS = ("grid", "zip", "random", "latin_hypercube", "sobol", "saltelli", "morris", "table")
IN_CROSS = "a cross in a cross is the same as its parts"

_Plain: TypeAlias = (
    Annotated[Grid, Tag("[grid]")]
    | Annotated[Zip, Tag("[zip]")]
    | Annotated[Random, Tag("[random]")]
    | Annotated[LatinHypercube, Tag("[latin_hypercube]")]
    | Annotated[Sobol, Tag("[sobol]")]
    | Annotated[Saltelli, Tag("[saltelli]")]
    | Annotated[Morris, Tag("[morris]")]
    | Annotated[Table, Tag("[table]")]
)
Part: TypeAlias = Annotated[
    _Plain, one_of(tag_of_kind, "design", f"kind: must be one of {', '.join(PART_KINDS)}; {IN_CROSS}")
]


class Cross(BaseDesign):
    """Every combination of the cells of its parts; those of the last vary fastest."""

    kind: Literal["cross"] = Field(description="Every combination of the cells of several designs.")
    parts: list[Part] = Field(
        min_length=2, max_length=MAX_PARTS, description="Designs over different parameters; the last varies fastest."
    )

    @model_validator(mode="after")
    def _different_parameters(self) -> Self:
        part_of: dict[str, int] = {}
        for place, part in enumerate(self.parts):
            for name in part.parameters:
                if part_of.setdefault(name, place) != place:
                    rule = f"is varied by parts.{part_of[name]}, too: each parameter must be in one part only"
                    where = "columns" if isinstance(part, Table) else "dimensions"
                    raise RuleError(rule, "parts", place, where, name)
        return self

    @property
    def cells(self) -> int:
        """The product of the parts' cells; INT64_MAX + 1 stands for all that are larger."""
        cells = 1
        for part in self.parts:
            cells = min(cells * part.cells, INT64_MAX + 1)
        return cells

    @property
    def parameters(self) -> Collection[str]:
        """The parameters of all parts."""
        return [name for part in self.parts for name in part.parameters]


Design: TypeAlias = Annotated[
    _Plain | Annotated[Cross, Tag("[cross]")],
    one_of(tag_of_kind, "design", f"kind: must be one of {', '.join(PART_KINDS)}, cross"),
]

DESIGN: TypeAdapter[Design] = TypeAdapter(Design)


def path_parts(location: Sequence[int | str]) -> tuple[int | str, ...]:
    """Return the keys and indexes of the path to a field, as written in the file, from the `loc` of an error."""
    return tuple(part for part in location if part not in _MARKS)


def rule_in(details: Mapping[str, Any]) -> str:
    """Return the rule in one of pydantic's errors; one about a name or another pattern has the text that breaks it."""
    rule: str = details["msg"].removeprefix("Value error, ")
    if details["type"] != "string_pattern_mismatch":
        return rule
    return rule.replace("String should", f"{json.dumps(short(details['input']))} must", 1)


def path_of(location: Sequence[int | str]) -> str:
    """Return that path as text, with dots."""
    return ".".join(map(str, path_parts(location)))


_MARKS = frozenset(
    {
        "[key]",  # pydantic's own, of a bad key
        *("[list]", "[linspace]", "[logspace]", "[range]"),
        *("[uniform]", "[log_uniform]", "[normal]", "[triangular]", "[integer]", "[choice]"),
        *(f"[{kind}]" for kind in (*PART_KINDS, "cross")),
        # A sweep file's.
        *("[design]", "[file]", "[classical]", "[tables]", "[ends]", "[count]", "[precision]"),
        *("[plackett_burman]", "[fractional_factorial]", "[box_behnken]", "[central_composite]"),
        "[maximin_latin_hypercube]",
    }
)

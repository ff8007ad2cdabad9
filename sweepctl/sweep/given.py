"""The designs that a sweep file may give: those of messages, and those that become tables when it is read."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, Tag

from sweepctl.design import IN_CROSS, MAX_PARTS, PART_KINDS, Cross, Design, LatinHypercube, Part, Space, Table
from sweepctl.design.values import RuleError, Strict, one_of
from sweepctl.protocol import Parameter
from sweepctl.records import design as stored_design
from sweepctl.sweep.classical import KINDS, Classical, Coded, MaximinLatinHypercube
from sweepctl.sweep.table_file import encode_file, shape_of


class TableFile(Strict):
    """A table in a file, one cell per row."""

    kind: Literal["table"] = Field(description="One cell per row.")
    file: str = Field(min_length=1, description="Path of a CSV or Parquet file, relative to the sweep file's folder.")


def _part_form(value: object) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else None
    if isinstance(value, dict) and "file" in value:
        return "[file]"
    return "[classical]" if kind in KINDS else "[design]" if kind in PART_KINDS else None


def _form(value: object) -> str | None:
    if not isinstance(value, dict) or value.get("kind") != "cross":
        return _part_form(value)
    parts = value.get("parts")
    return "[design]" if not isinstance(parts, list) or {"[design]"} >= set(map(_part_form, parts)) else "[tables]"


_ALL_KINDS = ", ".join((*PART_KINDS, *KINDS))


class CrossOfTables(Strict):
    """Every combination of the cells of its parts, some of which become tables when the sweep is planned."""

    kind: Literal["cross"] = Field(description="Every combination of the cells of several designs.")
    parts: list[
        Annotated[
            Annotated[Part, Tag("[design]")]
            | Annotated[TableFile, Tag("[file]")]
            | Annotated[Classical, Tag("[classical]")],
            one_of(_part_form, "design", f"kind: must be one of {_ALL_KINDS}; {IN_CROSS}"),
        ]
    ] = Field(
        min_length=2, max_length=MAX_PARTS, description="Designs over different parameters; the last varies fastest."
    )


AnyDesign: TypeAlias = Design | TableFile | Classical | CrossOfTables
SweepDesign = Annotated[
    Annotated[Design, Tag("[design]")]
    | Annotated[TableFile, Tag("[file]")]
    | Annotated[Classical, Tag("[classical]")]
    | Annotated[CrossOfTables, Tag("[tables]")],
    one_of(_form, "design", f"kind: must be one of {_ALL_KINDS}, cross"),
]


def table_files(design: AnyDesign) -> list[Path]:
    """Return the files of a design's tables, as they are written."""
    parts = design.parts if isinstance(design, CrossOfTables) else [design]
    return [Path(part.file) for part in parts if isinstance(part, TableFile)]


def space_of(design: AnyDesign, folder: Path, declared: Mapping[str, Parameter] | None) -> tuple[bytes, Space]:
    """Return a design with its tables, those of files included: as it would be stored, and its cells.

    `declared` are the model's parameters by name, which say what a CSV's values are. While they are not known (None),
    tables in files have no values, and the design is not what would be stored.

    Raises:
        RuleError: a file is not a table.
        ValidationError: parts of a cross have a parameter in common.
    """
    if isinstance(design, TableFile):
        return _table(beside(folder, design.file), declared, "file")
    if isinstance(design, CrossOfTables):
        parts: list[Part] = []
        for place, part in enumerate(design.parts):
            if isinstance(part, TableFile):
                _, table = _table(beside(folder, part.file), declared, "parts", place, "file")
                rows = table.part(0, table.cells)["rows"]
                parts.append(Table.model_construct(kind="table", columns=list(table.parameters), rows=rows))
            else:
                parts.append(_drawn_up(part) if isinstance(part, Coded | MaximinLatinHypercube) else part)
        design = Cross(kind="cross", parts=parts)
    elif isinstance(design, Coded | MaximinLatinHypercube):
        design = _drawn_up(design)
    return stored_design.encode(design), design


def _drawn_up(design: Classical) -> Table | LatinHypercube:
    """Return a classical design's table, or a Latin hypercube that is paired anew when its values are known."""
    return design.table() if isinstance(design, Coded) else design.plain()


def beside(folder: Path, name: str) -> Path:
    """Return the path of a file that is named relative to a folder, or to the user's home as `~/file`."""
    return folder / os.path.expanduser(name)


def _table(file: Path, declared: Mapping[str, Parameter] | None, *path: str | int) -> tuple[bytes, Space]:
    try:
        if declared is None:
            return b"", shape_of(file)
        body = encode_file(file, declared)
        return body, stored_design.decode(body)
    except ValueError as error:
        raise RuleError(stored_design.rule_of(error), *path) from error

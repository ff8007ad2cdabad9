"""Points and rows of SQL as tables, a page at a time: what a person asks for, in the sandbox of `query`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pyarrow as pa

from sweepctl.design import Space
from sweepctl.errors import UsageError
from sweepctl.names import quoted
from sweepctl.records.outcome import RunRecord
from sweepctl.results import formats, views
from sweepctl.results.analysis.subject import columns_after
from sweepctl.spec import Value
from sweepctl.texts import counted, plain
from sweepctl.view.page.markup import Markup, element, join
from sweepctl.view.page.tables import table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Connection
    from duckdb import DuckDBPyRelation as Relation

PAGE_ROWS = 100
MOST_ROWS, MOST_CELLS, MOST_CHARACTERS = 1_000, 20_000, 200  # of an answer to SQL, and of a cell
LAST_PAGE = 10**9
SORTING = "A heading sorts by its column; again, in the other direction."
_NUMBERS = frozenset(
    {
        *("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"),
        *("float", "double"),
    }
)


@dataclass(frozen=True)
class Wanted:
    """A page of points: those of a condition, in an order."""

    where: str = ""
    sort: str = "point_index"
    descending: bool = False
    page: int = 1

    @property
    def link(self) -> str:
        """The address of the page, from any other one."""
        fields = {"where": self.where, "sort": self.sort, "order": "desc" if self.descending else "", "page": self.page}
        usual = {"where": "", "sort": "point_index", "order": "", "page": 1}
        return f"?{urlencode({name: value for name, value in fields.items() if value != usual[name]})}"


def points(connection: "Connection", record: RunRecord, space: Space, wanted: Wanted) -> Markup:
    """Return a page of points: parameters that the design varies, metrics, status.

    Raises:
        QueryError: DuckDB refuses the condition.
        UsageError: there is no such column.
    """
    columns = _columns(connection, record, space)
    if wanted.sort not in columns:
        raise UsageError(f"points have no column {wanted.sort!r}", remedy=f"Columns: {', '.join(columns)}.")
    condition = f"WHERE ({wanted.where}\n)" if wanted.where.strip() else ""  # a comment in it ends with its line
    selected = ", ".join(map(quoted, columns))
    direction = "DESC" if wanted.descending else "ASC"
    order = f"{quoted(wanted.sort)} {direction} NULLS LAST, point_index"
    (recorded,) = connection.execute("SELECT count(*) FROM point_outcomes").fetchall()[0]
    matching = views.ask(connection, f"FROM points {condition}")
    (count,) = matching.count("*").fetchall()[0]
    first = (wanted.page - 1) * PAGE_ROWS
    shown = matching.project(selected).order(order).limit(PAGE_ROWS, offset=first)
    found = _fetched(_cut(shown), PAGE_ROWS)
    headings = [_heading(name, wanted) for name in columns]
    orders = {columns.index(wanted.sort): "descending" if wanted.descending else "ascending"}
    return join(
        (
            element("p", _how_many(record, recorded, count, bool(condition)), class_="lead"),
            table("Points", headings, found, orders=orders) if found else "",
            element("p", SORTING, class_="note") if found else "",
            _pages(wanted, -(-count // PAGE_ROWS)),
        )
    )


def _columns(connection: "Connection", record: RunRecord, space: Space) -> list[str]:
    parameters = columns_after(connection, "effective_parameters", "effective_parameters_json")
    varied = [name for name in parameters if name in space.parameters or name in record.spec.derived]
    metrics = columns_after(connection, "point_outcomes", "error_message")
    named = [f"metric_{name}" if name in parameters else name for name in metrics]
    return ["point_index", "replicate", *varied, *named, "status", "error_code"]


def _how_many(record: RunRecord, recorded: int, count: int, is_filtered: bool) -> str:  # noqa: FBT001  a fact
    of = f"{recorded:,} of {record.total_points:,} points are recorded so far"
    if recorded >= record.total_points:
        of = f"all {counted('points', record.total_points)} are recorded"
    return f"The condition holds for {counted('points', count)}; {of}." if is_filtered else f"{of[:1].upper()}{of[1:]}."


def _heading(name: str, wanted: Wanted) -> Markup:
    is_sorted = name == wanted.sort
    link = replace(wanted, sort=name, descending=is_sorted and not wanted.descending, page=1).link
    return element("a", name, href=link)


def _pages(wanted: Wanted, pages: int) -> Markup:
    if pages <= 1 and wanted.page == 1:
        return Markup()
    steps = (("First", 1), ("Previous", wanted.page - 1), ("Next", wanted.page + 1), ("Last", pages))
    links = (
        element("a", text, href=replace(wanted, page=page).link)
        for text, page in steps
        if 1 <= page <= pages and page != wanted.page
    )
    return element(
        "nav", element("span", f"Page {wanted.page:,} of {pages:,}"), *links, class_="pages", aria_label="Pages"
    )


def rows(connection: "Connection", statement: str, missing: str | None) -> Markup:
    """Return the first rows of a statement, each cell cut to some characters, below a warning of what is missing.

    Raises:
        QueryError: it is not one SELECT statement, or DuckDB refuses it.
    """
    asked = views.ask(connection, statement)
    most = max(1, min(MOST_ROWS, MOST_CELLS // len(asked.columns)))
    found = _fetched(_cut(asked).limit(most + 1), most + 1)
    warning = element("p", missing, class_="warning") if missing else ""
    if not found:
        return join((warning, element("p", "No rows.", class_="lead")))
    text = counted("rows", len(found)) if len(found) <= most else f"The first {counted('rows', most)}; there are more"
    shown = table("Rows", [plain(name, MOST_CHARACTERS) for name in asked.columns], found[:most])
    return join((warning, element("p", f"{text}.", class_="lead"), shown))


def _cut(asked: "Relation") -> "Relation":
    """Return the rows with long texts cut by DuckDB, so that none of them is ever whole in Python."""
    columns = (
        quoted(name)
        if kind.id in _NUMBERS
        else f"left(CAST({quoted(name)} AS VARCHAR), {MOST_CHARACTERS}) AS {quoted(name)}"
        for name, kind in zip(asked.columns, asked.types, strict=True)
    )
    return asked.project(", ".join(columns))


def _fetched(asked: "Relation", most: int) -> Sequence[Sequence[Value]]:
    with formats.record_batches(asked) as reader:
        return [*islice(_each(reader), most)]


def _each(reader: pa.RecordBatchReader) -> Iterator[Sequence[Value]]:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

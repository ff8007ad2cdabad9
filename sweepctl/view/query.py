"""A query's first rows on a terminal: a table, or one block per row if the columns do not fit."""

import itertools
from collections.abc import Iterator, Sequence

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweepctl.texts import plain
from sweepctl.view.console import fits, new_table
from sweepctl.view.wording import counted

MOST_ROWS = 100
MOST_BLOCKS = 10  # each takes one line per column


def show_answer(console: Console, reader: pa.RecordBatchReader) -> None:
    """Print the first rows, and whether there are more."""
    names = reader.schema.names
    is_number = [
        pa.types.is_integer(t) or pa.types.is_floating(t) or pa.types.is_decimal(t) for t in reader.schema.types
    ]
    rows = list(itertools.islice(_rows(reader), MOST_ROWS + 1))
    shown = _table(names, is_number, rows[:MOST_ROWS])
    most = MOST_ROWS
    if not fits(console, shown):
        shown, most = _blocks(names, rows[:MOST_BLOCKS]), MOST_BLOCKS
    console.print(shown)
    if not rows:
        console.print("  no rows", style="dim")
    elif len(rows) > most:
        console.print(f"  first {counted('rows', most)}; use --format csv for all", style="dim")


def _rows(reader: pa.RecordBatchReader) -> Iterator[Sequence[object]]:
    for batch in reader:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _table(names: Sequence[str], is_number: Sequence[bool], rows: Sequence[Sequence[object]]) -> Table:
    table = new_table()
    for name, right in zip(names, is_number, strict=True):
        table.add_column(Text(plain(name)), justify="right" if right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _blocks(names: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        for name, value in zip(names, row, strict=True):
            table.add_row(Text(plain(name)), _cell(value))
        table.add_section()
    return table


def _cell(value: object) -> Text:
    """Return a value as text without markup."""
    if value is None:
        return Text("null", style="dim")
    return Text(f"{value:.6g}" if isinstance(value, float) else plain(str(value)))

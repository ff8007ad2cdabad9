"""Output shared by all commands: errors, checks, tables. Imports little, so that errors print quickly."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from sweepctl.errors import SweepctlError
from sweepctl.texts import plain

if TYPE_CHECKING:
    from sweepctl.doctor.preflight import Diagnosis


ANY_WIDTH = 10_000  # columns of what has no width


def foreign(text: object) -> str:
    """Return what an engine, a store, a message or a file says, for Rich: on one line, without any markup in it."""
    return escape(plain(str(text)))


def show_error(console: Console, error: SweepctlError) -> None:
    """Print the problem on one line, and the remedy on the next."""
    label = error.kind.replace("_", " ")
    console.print(f"[bold red]{label}:[/] {escape(error.message)}", soft_wrap=True, highlight=False)
    if error.remedy:
        console.print(f"[dim]→ {escape(error.remedy)}[/]", soft_wrap=True, highlight=False)


def show_checks(console: Console, checks: Sequence["Diagnosis"]) -> None:
    """Print one row per finding, with its remedy below."""
    table = new_table("", "check", "finding")
    for check in checks:
        mark = "[red]✗[/]" if check.error else "[yellow]![/]" if check.remedy else "[green]✓[/]"
        remedy = f"\n[dim]→ {foreign(check.remedy)}[/]" if check.remedy else ""
        table.add_row(mark, check.what, foreign(check.finding) + remedy)
    show_table(console, table)


def fits(console: Console, table: Table) -> bool:
    """Return whether a table fits on a line of the terminal, no cell wrapped; a pipe has room for all."""
    return Measurement.get(console, console.options.update(max_width=ANY_WIDTH), table).maximum <= console.width


def show_table(console: Console, table: Table) -> None:
    """Print a table. What is copied from it is wrapped where it has to be, and never cut."""
    first = table.columns[0]
    if Measurement.get(console, console.options.update(max_width=ANY_WIDTH), table).minimum > console.width:
        first.no_wrap = False
    console.print(table, highlight=False)


def show_narrowed(
    console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]], optional: Sequence[str]
) -> None:
    """Print a table; where it does not fit, columns of `optional` are left out, from the last one on, and named."""
    for count in range(len(optional) + 1):
        dropped = optional[len(optional) - count :]
        places = [place for place, header in enumerate(headers) if header not in dropped]
        table = new_table(*(headers[place] for place in places))
        for row in rows:
            table.add_row(*(row[place] for place in places))
        if fits(console, table):
            break
    show_table(console, table)
    if dropped:
        console.print(
            f"[dim]not shown here: {', '.join(dropped)}; a wider terminal, a pipe or --json has them[/]",
            highlight=False,
            soft_wrap=True,
        )


def new_table(*headers: str, title: str | None = None) -> Table:
    """Return an empty table in the common style."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for place, header in enumerate(headers):
        # Names get copied: they are wrapped, never truncated.
        table.add_column(header, overflow="fold", no_wrap=place == 0)
    return table

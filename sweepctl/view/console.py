"""Output shared by all commands: errors, checks, tables. Imports little, so that errors print quickly."""

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sweepctl.errors import SweepctlError
from sweepctl.texts import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sweepctl.doctor.preflight import Diagnosis


def foreign(text: object) -> str:
    """Return what an engine, a store, a message or a file says, for Rich: on one line, without any markup in it."""
    return escape(plain(str(text)))


def show_error(console: Console, error: SweepctlError) -> None:
    """Print the problem on one line, and the remedy on the next."""
    label = error.kind.replace("_", " ")
    console.print(f"[bold red]{label}:[/] {escape(error.message)}", soft_wrap=True, highlight=False)
    if error.remedy:
        console.print(f"[dim]→ {escape(error.remedy)}[/]", soft_wrap=True, highlight=False)


def show_checks(console: Console, checks: "Sequence[Diagnosis]") -> None:
    """Print one row per finding, with its remedy below."""
    table = new_table("", "check", "finding")
    for check in checks:
        mark = "[red]✗[/]" if check.error else "[yellow]![/]" if check.remedy else "[green]✓[/]"
        remedy = f"\n[dim]→ {foreign(check.remedy)}[/]" if check.remedy else ""
        table.add_row(mark, check.what, foreign(check.finding) + remedy)
    console.print(table, highlight=False)


def new_table(*headers: str, title: str | None = None) -> Table:
    """Return an empty table in the common style."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for place, header in enumerate(headers):
        # Names get copied: they are wrapped, never truncated.
        table.add_column(header, overflow="fold", no_wrap=place == 0)
    return table

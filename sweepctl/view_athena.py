"""Rich rendering of what became of a store's tables in Athena."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape

from sweepctl.athena.apply import Change
from sweepctl.athena.catalog import Catalog


def show_changes(console: Console, catalog: Catalog, changes: Iterable[Change]) -> None:
    """One line for whatever is changed, as it is done; the rest is counted."""
    counts: Counter[str] = Counter()
    for change in changes:
        counts[change.action] += 1
        if change.action != "unchanged":
            console.print(f"[green]✓[/] {change.kind} [bold]{change.name}[/] {change.action}", highlight=False)
        for difference in change.differences:
            console.print(f"  {escape(difference)}", highlight=False, soft_wrap=True)
    told = ", ".join(f"{count} {action}" for action, count in counts.items())
    console.print(f"[bold green]✓[/] {catalog.database} over {escape(catalog.root)}: {told}", soft_wrap=True)

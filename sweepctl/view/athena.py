"""The changes to a store's tables in Athena, on a terminal."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console

from sweepctl.athena.apply import Made
from sweepctl.athena.catalog import Catalog
from sweepctl.athena.check import Counted
from sweepctl.athena.iceberg import Registered
from sweepctl.texts import counted
from sweepctl.view.console import foreign


def show_made(console: Console, catalog: Catalog, steps: Iterable[Made]) -> None:
    """Print one line per change, as it is made; then the totals."""
    counts: Counter[str] = Counter()
    for made in steps:
        counts[made.change] += 1
        if made.change != "unchanged":
            console.print(
                f"[green]✓[/] {foreign(made.kind)} [bold]{foreign(made.name)}[/] {made.change}", highlight=False
            )
        for difference in made.differences:
            console.print(f"  {foreign(difference)}", highlight=False, soft_wrap=True)
    totals = ", ".join(f"{count} {change}" for change, count in counts.items())
    console.print(
        f"[bold green]✓[/] {foreign(catalog.database)} over {foreign(catalog.root)}: {totals}", soft_wrap=True
    )


def show_counted(console: Console, found: Counted | None) -> None:
    """Print that Athena finds the files of a run, or that none was counted."""
    if found is None:
        why = "with --since, the store is not read; else it has no run with an outcome"
        console.print(f"[dim]not checked whether Athena finds files: {why}[/]", highlight=False, soft_wrap=True)
        return
    shards = counted("shards", found.of_run)
    console.print(
        f"[green]✓[/] Athena finds {shards} of run [bold]{foreign(found.run_id)}[/] ({foreign(found.run_date)}), "
        "by the tables across runs and by those of a run",
        highlight=False,
        soft_wrap=True,
    )


def show_registered(console: Console, steps: Iterable[Registered]) -> None:
    """Print one line per table, as it has the run."""
    for each in steps:
        files = f"{counted('files', each.files)}, {counted('rows', each.rows)}"
        state = "had them already" if each.already else "registered"
        console.print(
            f"[green]✓[/] table [bold]{foreign(each.table)}[/]: {files}, {state}", highlight=False, soft_wrap=True
        )

"""What was found about a model that was tried."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

from sweepctl.trial.checks import Trial
from sweepctl.view.console import foreign, new_table, show_table

_MARKS = {"ok": "[green]ok[/]", "wrong": "[bold red]wrong[/]", "note": "[yellow]note[/]"}


@contextmanager
def trying(console: Console) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows which check is made; only on a terminal."""
    with console.status("") as status:
        yield lambda check: status.update(f"checking {check}")


def show_trial(console: Console, trial: Trial) -> None:
    """Print one row per finding, with its remedy below."""
    model = trial.model
    table = new_table("", "check", "finding", title=f"{model.name} version {foreign(model.version)}")
    for each in trial.findings:
        remedy = f"\n[dim]→ {foreign(each.remedy)}[/]" if each.remedy else ""
        table.add_row(_MARKS[each.state], each.check, foreign(each.finding) + remedy)
    show_table(console, table)
    wrong = sum(each.state == "wrong" for each in trial.findings)
    console.print("[green]nothing is wrong[/]" if not wrong else f"[bold red]{wrong} wrong[/]", highlight=False)

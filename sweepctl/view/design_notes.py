"""What to know of a sweep's design before it is run, in a line each; nothing is wrong with its results."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console

from sweepctl.design import Morris, Saltelli
from sweepctl.design.evenness import uneven_samples
from sweepctl.view.console import foreign

_LIKE_A_NUMBER = re.compile(r"\d+(\.\d+)?([eE]\d+)?|\d{4}-\d\d-\d\d")

if TYPE_CHECKING:
    from sweepctl.sweep.exclusion import Exclusion
    from sweepctl.sweep.plan import Draft


def show_design_notes(console: Console, draft: "Draft", run_id: str | None) -> None:
    """Print what the sweep's rules do to its cells, and what would be better otherwise; `run_id` is the given one."""
    if run_id is not None and _LIKE_A_NUMBER.fullmatch(run_id):
        readers = "pandas, pyarrow, polars, DuckDB or Spark take the folder of such a run for a number or a date"
        note = f"{readers}: filter by the column run_id, or choose a --run-id with a letter"
        console.print(f"[yellow]! run_id {run_id}: {note}[/]", highlight=False, soft_wrap=True)
    if draft.exclusion is not None:
        for text in _rules(draft.exclusion, draft):
            console.print(text, highlight=False, soft_wrap=True)
    for field, samples, nearest in uneven_samples(draft.file.space):
        note = f"{field} = {samples}: a power of two ({nearest}) spreads a Sobol sequence more evenly"
        console.print(f"[dim]note: {note}[/]", highlight=False, soft_wrap=True)


def _rules(found: "Exclusion", draft: "Draft") -> Iterator[str]:
    of = f"{found.looked_at:,} cells" + ("" if found.is_exact else f" that were looked at, of {found.cells:,}")
    if draft.spec.constraints:
        share = (
            f"{found.excluded:,} of {of} ({found.excluded / found.looked_at:.1%})"
            if found.excluded
            else f"none of {of}"
        )
        text = f"constraints exclude {share}"
        yield f"[yellow]! {text}: perhaps none is left to run[/]" if found.is_total else text
    if found.failed:
        failed = f"{found.failed:,} of {of} fail by the sweep's rules, the first with"
        yield f"[yellow]! {failed}: {foreign(found.first_failure or '')}[/]"
    if found.excluded and isinstance(draft.file.space, Saltelli | Morris):
        whole = "base samples" if isinstance(draft.file.space, Saltelli) else "trajectories"
        yield f"[yellow]! indices are made of whole {whole}: those with an excluded cell give none[/]"

"""What to know of a sweep's design before it is run, in a line each; nothing is wrong with its results."""

from typing import TYPE_CHECKING

from rich.console import Console

from sweepctl.design.evenness import uneven_samples

if TYPE_CHECKING:
    from sweepctl.sweep.plan import Draft


def show_design_notes(console: Console, draft: "Draft") -> None:
    """Print how many cells the constraints exclude, and numbers of samples that should be powers of two."""
    if (found := draft.exclusion) is not None:
        of = "cells" if found.is_exact else f"cells that were looked at, of {found.cells:,}"
        share = f"{found.excluded:,} of {found.looked_at:,} {of} ({found.excluded / found.looked_at:.1%})"
        text = f"constraints exclude {share}"
        if found.is_total:
            text = f"[yellow]! {text}: perhaps none is left to run[/]"
        console.print(text, highlight=False, soft_wrap=True)
    for field, samples, nearest in uneven_samples(draft.file.space):
        note = f"{field} = {samples}: a power of two ({nearest}) spreads a Sobol sequence more evenly"
        console.print(f"[dim]note: {note}[/]", highlight=False, soft_wrap=True)

"""What is shown of a design whose number of samples spreads a Sobol sequence unevenly."""

from rich.console import Console

from sweepctl.design import Space
from sweepctl.design.evenness import uneven_samples


def show_uneven(console: Console, space: Space) -> None:
    """Print a note for each number of samples that should be a power of two; nothing is wrong with the results."""
    for field, samples, nearest in uneven_samples(space):
        note = f"{field} = {samples}: a power of two ({nearest}) spreads a Sobol sequence more evenly"
        console.print(f"[dim]note: {note}[/]", highlight=False, soft_wrap=True)

"""What is shown of a round: how far it is, which mean is known worst, and which cells are left out."""

import io

from rich.console import Console

from sweepctl.results.analysis.precision import Attained, Widest
from sweepctl.sweep.precision import Precision
from sweepctl.view.rounds import show_round


def shown(attained: Attained, of: str = "cells") -> list[str]:
    rule = {"min": 2, "max": 9, "metric": "m", "half_width": "5 %", "of": of}
    file = io.StringIO()
    show_round(Console(file=file, width=200), 10, attained, Precision.model_validate(rule))
    return file.getvalue().splitlines()


def test_cells_are_named_by_their_points() -> None:
    found = shown(Attained(6, 4, 1, 7, (0, 3, 4, 5, 6), Widest(2, 1234.5678, 100.25, 61.73), 1.62))
    assert found == [
        "10 replications: 4 of 6 cells are precise enough",
        "  widest: points 20 to 29: m 1,235 ± 100.2; wanted: ± 61.73",
        "  with one value only, and so without an interval: 1 cell",
        "  left out, since no point has a value: 7 cells: points 0 to 9, 30 to 39, 40 to 49, 50 to 59, 60 to 69, …",
    ]


def test_a_mean_over_all_cells_is_one() -> None:
    assert shown(Attained(1, 0, 0, 0, (), Widest(None, 2.0, 0.5, 0.1), 5.0), "mean") == [
        "10 replications: the mean over all cells is not precise enough yet",
        "  mean: m 2 ± 0.5; wanted: ± 0.1",
    ]
    assert shown(Attained(1, 1, 0, 0, (), Widest(None, 2.0, 0.05, 0.1), 0.5), "mean")[0] == (
        "10 replications: all is precise enough"
    )
    assert shown(Attained(0, 0, 0, 3, (), None, None)) == [
        "10 replications: no mean is known",
        "  left out, since no point has a value: 3 cells",
    ]

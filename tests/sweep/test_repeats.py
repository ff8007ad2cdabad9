"""What a plan says of values and rows that repeat others."""

import io
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from rich.console import Console

from sweepctl.engine.client import Engine, find_engine
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan, preview, repeats
from sweepctl.view.plan import show_plan

SWEEP = """\
name = "s"
model = "queue"
seed = 1
replications = 4
[base]
customers = 50
[shards]
points = 1000
[design]
"""
GRID = "kind = 'grid'\n[design.dimensions]\n"
PART = "\n[[design.parts]]\nkind = "
DESIGNS = {  # the design, its repeated cells, and the repeated values of each axis
    "spellings": (GRID + "arrival_rate = [0.5, 0.50, 5e-1, 0.9]\nservers = [1, 2]", 4, {"arrival_rate": 2}),
    "types": (GRID + "arrival_rate = [1, 1.0]\nservers = [1, 2]", 2, {"arrival_rate": 1}),
    "both": (GRID + "arrival_rate = [0.5, 0.5]\nservers = [2, 2, 3]", 4, {"arrival_rate": 1, "servers": 1}),
    "one_value": (GRID + "arrival_rate = { linspace = { start = 0.5, stop = 0.5, num = 5 } }", 4, {"arrival_rate": 4}),
    "rounding": (
        GRID + "arrival_rate = { linspace = { start = 1.0, stop = 1.0000000000000002, num = 10 } }",
        8,
        {"arrival_rate": 8},
    ),
    "logspace": (GRID + "arrival_rate = { logspace = { start = -1, stop = -1, num = 3 } }", 2, {"arrival_rate": 2}),
    "none": (GRID + "arrival_rate = [0.5, 0.9]\nservers = { range = { start = 1, stop = 9, step = 1 } }", 0, {}),
    "long": (GRID + "customers = { range = { start = 1, stop = 900000000, step = 1 } }", 0, {}),
    "zip": ("kind = 'zip'\n[design.dimensions]\narrival_rate = [0.5, 0.50, 0.9]\nservers = [1, 1, 1]", 1, {}),
    "table": ("kind = 'table'\ncolumns = ['servers', 'arrival_rate']\nrows = [[1, 1], [2, 1.0], [1, 1.0]]", 1, {}),
    "cross": (
        (
            f"kind = 'cross'{PART}'grid'\ndimensions.servers = [1, 1, 2]{PART}'zip'\n"
            f"dimensions.arrival_rate = [1, 1, 2]{PART}'random'\n"
            f"samples = 5\ndimensions.warmup = {{ integer = {{ low = 1, high = 2 }} }}"
        ),
        (9 - 2 * 2) * 5,
        {"servers": 1},
    ),
    "sample": (
        "kind = 'random'\nsamples = 50\n[design.dimensions]\nservers = { integer = { low = 1, high = 2 } }",
        0,
        {},
    ),
}


def planned(folder: Path, design: str) -> preview.PlanReport:
    engine = Engine(find_engine())
    path = folder / "s.toml"
    path.write_text((SWEEP + design).replace("customers = 50\n", "" if "customers =" in design else "customers = 50\n"))
    draft = plan.draft(sweep_file.read(path), engine)
    return preview.report(
        draft, engine, "r", date(2026, 3, 1), None, point_seconds=60.0, progress=lambda _: None, stop=Event()
    )


@pytest.mark.parametrize("name", DESIGNS)
def test_repeated_values_and_rows_are_counted_and_said(tmp_path: Path, name: str) -> None:
    design, cells, values = DESIGNS[name]
    report = planned(tmp_path, design)
    told: dict[str, Any] = report.to_json()
    assert (told["repeated_cells"], told["repeated_values"]) == (cells, values)
    output = io.StringIO()
    show_plan(Console(file=output, width=400), report)
    said = f"{cells} of {report.plan.space.cells} cells repeat the parameters of others"
    assert (said in output.getvalue()) == bool(cells)
    for axis, count in values.items():
        assert f"{axis} repeats {count} of " in output.getvalue()


def test_a_plan_of_a_cross_says_what_it_is_of(tmp_path: Path) -> None:
    output = io.StringIO()
    show_plan(Console(file=output, width=400), planned(tmp_path, DESIGNS["cross"][0]))
    assert "cross of grid (3) x zip (3) x random (5): 45 cells x 4 replications = 180 points" in output.getvalue()
    assert "integer low 1, high 2" in output.getvalue()


def test_rows_of_a_table_file_are_compared(tmp_path: Path) -> None:
    rows = "".join(f"{1 + place % 3},{place % 7 / 8 + 0.1}\n" for place in range(1000))
    (tmp_path / "t.csv").write_text(f"servers,arrival_rate\n{rows}")
    assert planned(tmp_path, "kind = 'table'\nfile = 't.csv'").repeats.cells == 1000 - 21


def test_of_a_long_design_the_first_cells_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "MOST_COMPARED", 2)
    assert planned(tmp_path, DESIGNS["spellings"][0]).repeats.cells == 2

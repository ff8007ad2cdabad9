"""What a plan shows of axes that are formulas."""

from pathlib import Path
from threading import Event

import pytest
from sweep.files import draft
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.engine.client import Engine, find_engine
from sweepctl.sweep.first_values import first_values

SWEEP = """\
name = "s"
model = "queue"
seed = 1
[design]
kind = "cross"
[[design.parts]]
kind = "grid"
[design.parts.dimensions]
arrival_rate = { logspace = { start = -5, stop = -1, num = 5 } }
servers = { range = { start = 1, stop = 8, step = 2 } }
warmup = { range = { start = 0, stop = 2, step = 1 } }
[[design.parts]]
kind = "zip"
dimensions.customers = [5, 6]
dimensions.service_rate = { linspace = { start = 0.5, stop = 1, num = 2 } }
"""
SHOWN = {
    "arrival_rate": [1e-5, 1e-4, 1e-3, 0.1],
    "servers": [1, 3, 5, 7],
    "warmup": [0, 1],
    "service_rate": [0.5, 1.0],
}


def test_formulas_have_their_first_values_and_the_last(tmp_path: Path) -> None:
    engine = Engine(find_engine())
    drafted = draft(tmp_path, SWEEP, engine)
    assert first_values(drafted.spec, drafted.file.space, engine, Event()) == SHOWN


def test_a_plan_shows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    (tmp_path / "s.toml").write_text(f"{SWEEP}[shards]\npoints = 10\n")
    shown = CliRunner().invoke(app, ["plan", str(tmp_path / "s.toml")]).stdout
    assert "logspace start -5, stop -1, num 5 (5 values): 1e-05, 0.0001, 0.001, … 0.1" in shown
    assert "range start 1, stop 8, step 2 (4 values): 1, 3, 5, 7" in shown
    assert "range start 0, stop 2, step 1 (2 values): 0, 1" in shown

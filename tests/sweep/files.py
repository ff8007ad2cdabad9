"""Sweep files of tests, and what becomes of them."""

from pathlib import Path

import pytest

from sweepctl.engine.client import Engine
from sweepctl.errors import SweepFileError
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan

CROSS = """\
name = "s"
model = "queue"
seed = 42
[design]
kind = "cross"
[[design.parts]]
kind = "grid"
dimensions.servers = [1, 2]
[[design.parts]]
kind = "latin_hypercube"
samples = 9
[design.parts.dimensions]
arrival_rate = { uniform = { low = 0.1, high = 0.9 } }
customers = { integer = { low = 5, high = 9 } }
"""


def draft(folder: Path, text: str, engine: Engine) -> plan.Draft:
    path = folder / "s.toml"
    path.write_text(text)
    return plan.draft(sweep_file.read(path), engine)


def errors(folder: Path, text: str, engine: Engine) -> list[str]:
    with pytest.raises(SweepFileError) as caught:
        draft(folder, text, engine)
    return [error.removeprefix(f"{folder}/") for error in caught.value.errors]


def require_errors(folder: Path, text: str, engine: Engine, expected: list[str]) -> None:
    """Require that a file has these errors, of which the starts are given, and no other."""
    found = errors(folder, text, engine)
    assert len(found) == len(expected), found
    for line, start in zip(found, expected, strict=True):
        assert line.startswith(start), line

"""Metrics and parameters at the ends of double precision: every command ends well, and says what it cannot compute."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from fakes.sweep_files import TEST_ENGINE
from typer.testing import CliRunner, Result

from sweepctl.cli import app
from sweepctl.results.analysis.subject import TOO_EXTREME

pytestmark = [pytest.mark.usefixtures("elsewhere"), pytest.mark.slow]

EXTREME = (
    [-1e308, 1e308],
    [-1.7976931348623157e308, 0.0, 1.7976931348623157e308],
    [0.0, 5e-324],
    [1e-320, 2e-320],
    [1.0, 2.0, 1e308],
    [1e-160, 2e-160, 5e-160],
    [5e-324],
    [1e308, 1e308, 1e308],
)
USUAL = ([1e147, -1e147, 3.0], [1e-138, 2e-138], [0.0], [-0.0, 0.0], [7.0], [1e16, 1e16 + 2.0])
SWEEP = """
name = "extremes"
model = "typed"
seed = 1
replications = {replications}
[design]
kind = "grid"
[design.dimensions]
real = {values}
flag = [false, true]
[shards]
points = 12
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def make_runs(values: Sequence[float], replications: int) -> None:
    Path("sweep.toml").write_text(SWEEP.format(values=list(values), replications=replications))
    for run_id in "ab":
        assert invoke("run", "sweep.toml", "--engine", str(TEST_ENGINE), "--run-id", run_id).exit_code == 0


# A cell with one value has less to compute: two of each kind stand for all.
@pytest.mark.parametrize(
    ("values", "replications"),
    [*((values, 3) for values in (*EXTREME, *USUAL)), *((values, 1) for values in (*EXTREME[:2], *USUAL[:2]))],
    ids=str,
)
def test_every_command_ends_well(values: Sequence[float], replications: int) -> None:
    make_runs(values, replications)
    # Of the other metric the extreme values are a parameter.
    metrics = ("--metric", "real", "--metric", "flag")
    is_extreme = values in EXTREME
    shown = invoke("summary", "a", *metrics)
    assert shown.exit_code == 0, shown.stderr
    real, flag = shown.stdout.split("\nflag  mean")
    assert (TOO_EXTREME in real, TOO_EXTREME in flag) == (is_extreme, False)
    told = json.loads(invoke("summary", "a", *metrics, "--json").stdout)["metrics"]
    assert [each["distribution"]["mean"] is None for each in told] == [is_extreme, False]
    assert (told[0]["distribution"]["minimum"], told[0]["distribution"]["maximum"]) == (min(values), max(values))
    page = invoke("report", "a", "--engine", str(TEST_ENGINE), *metrics, "--against", "b")
    assert page.exit_code == 0, page.stderr
    assert invoke("compare", "a", "b").exit_code == 0
    for where in ("real > 0", "flag"):
        assert invoke("summary", "a", "--where", where).exit_code in (0, 2)

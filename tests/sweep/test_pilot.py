"""Pilots among points that crash or hang: these cost themselves, and a bounded time."""

from pathlib import Path

import pytest
from fakes.sweep_files import TEST_ENGINE

from sweepctl.engine.client import Engine
from sweepctl.errors import EngineFaultError
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import pilot, plan
from sweepctl.sweep.pilot import Pilot, measure_shard, run_pilot
from sweepctl.sweep.plan import Draft

SWEEP = """\
name = "f"
model = "faulty"
seed = 1
[base]
mode = "{mode}"
at = 0
{base}
[design]
kind = "grid"
[design.dimensions]
x = {{ range = {{ start = 0, stop = {points}, step = 1 }} }}
{dimensions}
"""


@pytest.fixture
def engine() -> Engine:
    return Engine(TEST_ENGINE)


def draft(folder: Path, engine: Engine, mode: str, *, points: int = 100, dimensions: str = "", base: str = "") -> Draft:
    path = folder / "sweep.toml"
    path.write_text(SWEEP.format(mode=mode, points=points, dimensions=dimensions, base=base))
    return plan.draft(sweep_file.read(path), engine)


def require_one_bad(found: Pilot, code: str) -> None:
    assert (found.failed, found.bad) == (1, 1)
    assert found.first_bad is not None
    assert found.first_bad.startswith(f"point 0: {code}: ")


@pytest.mark.parametrize("mode", ["abort", "exit", "overflow"])
def test_a_point_that_crashes_is_stepped_over(tmp_path: Path, engine: Engine, mode: str) -> None:
    found = run_pilot(draft(tmp_path, engine, mode), engine, 100)
    assert found.points == 96
    require_one_bad(found, "point_crashed")


@pytest.mark.parametrize(
    ("mode", "point_seconds", "limits"),
    [("hang", 0.3, ""), ("loop", 0.3, ""), ("hang", None, "[limits]\npoint_seconds = 0.3")],
    ids=["hangs", "loops", "beyond the run's limit"],
)
def test_a_point_that_never_ends_is_stepped_over(  # noqa: PLR0917  fixtures
    tmp_path: Path,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    point_seconds: float | None,
    limits: str,
) -> None:
    monkeypatch.setattr(pilot, "PATIENCE_SECONDS", 0.0)
    found = run_pilot(draft(tmp_path, engine, mode, dimensions=limits), engine, 100, point_seconds=point_seconds)
    assert found.points == 12  # two blocks: after a point that hung, there is not much patience
    require_one_bad(found, "point_timeout")
    assert found.seconds.mean < 0.01  # of the block without it; its own takes a second


def test_a_crash_that_does_not_happen_again_is_not_counted(tmp_path: Path, engine: Engine) -> None:
    marker = tmp_path / "marker"
    marker.touch()
    found = run_pilot(draft(tmp_path, engine, "abort_once", base=f'marker = "{marker}"'), engine, 100)
    assert not marker.exists()
    assert (found.points, found.failed, found.bad, found.first_bad) == (96, 0, 0, None)


@pytest.mark.parametrize("points", [100, 10_000])
def test_the_size_of_a_shard_is_measured_among_crashes(tmp_path: Path, engine: Engine, points: int) -> None:
    size = measure_shard(draft(tmp_path, engine, "abort", points=points), engine)
    assert size.points == points  # microseconds each
    require_one_bad(size.pilot, "point_crashed")


def test_a_model_all_of_whose_points_crash_has_a_shard_size(tmp_path: Path, engine: Engine) -> None:
    all_at_0 = "[design.dimensions.milliseconds]\nrange = { start = 0, stop = 1000, step = 1 }"
    size = measure_shard(draft(tmp_path, engine, "abort", points=1, dimensions=all_at_0), engine)
    assert size.points >= 1
    assert size.pilot.bad == size.pilot.points == pilot.MOST_BAD


def test_an_engine_without_a_host_measures_what_it_can(tmp_path: Path, engine: Engine) -> None:
    engine.description = engine.description.model_copy(update={"host": False})
    found = run_pilot(draft(tmp_path, engine, "abort"), engine, 100)
    assert (found.points, found.failed, found.bad) == (90, 0, 1)
    assert found.first_bad is not None
    assert found.first_bad.startswith("one of the points 0 to 5: engine_crashed: the engine ended with signal 6")
    one = run_pilot(draft(tmp_path, engine, "abort", points=1), engine, 4)
    assert one.first_bad is not None
    assert one.first_bad.startswith("point 0: engine_crashed: ")


def test_an_engine_that_breaks_its_protocol_is_named_with_the_points(tmp_path: Path, engine: Engine) -> None:
    liar = tmp_path / "engine"
    liar.write_text(f'#!/bin/sh\n[ "$1" = run ] || exec {TEST_ENGINE} "$@"\n{TEST_ENGINE} "$@" | sed s/half/third/\n')
    liar.chmod(0o755)
    with pytest.raises(EngineFaultError, match="the pilot's points 0 to 5: "):
        run_pilot(draft(tmp_path, engine, "ok"), Engine(liar), 100)

"""Faults by the thousand through the worker's whole path: no history breaks a promise, and one seed is one history."""

import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from simulation import pool, run, shrink, world
from simulation.case import draw
from simulation.faults import Fault
from simulation.mutants import MUTANTS, Mutant, hunt_all
from simulation.world import play

SCHEDULES = int(os.environ.get("SWEEPCTL_TEST_SCHEDULES", "5_000"))
ENOUGH = 2_000  # for each fault to happen
FEW = 40


def test_no_schedule_breaks_a_promise(capsys: pytest.CaptureFixture[str]) -> None:
    whole = pool.Summary()
    for summary in pool.play_all(range(SCHEDULES)):
        whole.add(summary)
    with capsys.disabled():
        print(f"\n  {whole}")  # noqa: T201
    for seed in list(whole.failing)[:1]:
        pytest.fail(shrink.tell(shrink.shrink(play(seed))))
    assert whole.schedules == SCHEDULES
    if SCHEDULES >= ENOUGH:
        assert set(whole.faults) == {fault.name for fault in Fault}, "each fault happens"


@pytest.mark.slow
def test_one_seed_is_one_history() -> None:
    script = f"from simulation.world import play\nfor seed in range({FEW}): print(play(seed).log)"
    command = [sys.executable, "-P", "-c", script]
    path = os.pathsep.join(each for each in sys.path if each)
    logs = {
        subprocess.run(
            command, env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hashes}, capture_output=True, check=True
        ).stdout
        for hashes in ("1", "2")
    }
    assert len(logs) == 1
    assert len(next(iter(logs)).splitlines()) > FEW


@pytest.mark.slow
def test_a_history_told_by_its_faults_is_the_same() -> None:
    for seed in range(FEW):
        drawn = play(seed)
        assert play(seed, drawn.faults).log.ops == drawn.log.ops


@pytest.mark.slow
def test_files_in_memory_change_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real disk, with every byte encoded and decoded anew."""
    # What goes wrong with a disk goes wrong with the one in memory.
    seeds = [seed for seed in range(2 * FEW) if not draw(seed).disk]
    quick = [play(seed).log for seed in seeds]
    monkeypatch.setattr(world, "in_memory", nullcontext)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert [play(seed).log for seed in seeds] == quick
    assert any(tmp_path.iterdir()), "the disk was used"


KEPT = [mutant for mutant in MUTANTS if (shrink.REGRESSIONS / f"{mutant.file_name}.json").exists()]


@pytest.mark.slow
def test_every_mutant_is_caught_that_no_kept_history_catches(capsys: pytest.CaptureFixture[str]) -> None:
    kills = list(hunt_all([number for number, mutant in enumerate(MUTANTS) if mutant not in KEPT]))
    with capsys.disabled():
        print("", *kills, sep="\n  ")  # noqa: T201
    assert [kill.mutant for kill in kills if kill.finding is None] == []


@pytest.mark.slow
def test_a_failing_history_shrinks_and_is_kept(tmp_path: Path) -> None:
    mutant = next(each for each in MUTANTS if each.name == "a sharding not compared")
    with mutant.applied():
        failing = next(history for history in map(play, range(2_000)) if history.findings)
        smallest = shrink.shrink(failing)
        assert smallest.findings
        assert len(smallest.faults) < len(failing.faults)
        kept = shrink.save(smallest, tmp_path)
        assert play(*shrink.load(kept)).log.ops == smallest.log.ops
    assert play(*shrink.load(kept)).findings == []


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(shrink.REGRESSIONS.glob("*.json")), ids=lambda path: path.stem)
def test_what_failed_once_does_not_fail_again(path: Path) -> None:
    history = play(*shrink.load(path))
    assert not history.findings, shrink.tell(history)


@pytest.mark.slow
@pytest.mark.parametrize("mutant", KEPT, ids=lambda mutant: mutant.file_name)
def test_a_history_that_is_kept_of_a_mutant_catches_it(mutant: Mutant) -> None:
    with mutant.applied():
        assert play(*shrink.load(shrink.REGRESSIONS / f"{mutant.file_name}.json")).findings


@pytest.mark.slow
def test_a_long_run_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "STATE", tmp_path / "played.json")
    monkeypatch.setattr(run, "digest", lambda: "this code")
    assert run.main(pool.CHUNK) == 0
    assert run.main(pool.CHUNK + 10) == 0
    printed = capsys.readouterr().out
    assert f"goes on after {pool.CHUNK} schedules" in printed
    assert f"{pool.CHUNK + 10} schedules" in printed
    monkeypatch.setattr(run, "digest", lambda: "other code")
    assert run.main(10) == 0
    assert "goes on" not in capsys.readouterr().out


@pytest.mark.slow
def test_only_code_that_schedules_take_begins_a_long_run_anew() -> None:
    taken = run.modules()
    assert taken.keys() >= {"sweepctl.worker.lease", "sweepctl.verify.rows", "simulation.checker", "fakes.toy_model"}
    assert taken.keys().isdisjoint(
        {"sweepctl.view.console", "sweepctl.cli", "simulation.run", "simulation.mutants", "pytest"}
    )
    assert all(file.is_file() for file in taken.values())

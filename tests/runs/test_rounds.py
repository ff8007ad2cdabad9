"""Which round is next follows from the runs that a store has."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.sweep_files import ENGINE

from sweepctl.engine.client import Engine
from sweepctl.runs.rounds import Rounds
from sweepctl.runs.start import pin
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.sweep.plan import Draft

SWEEP = """\
name = "s"
model = "queue"
seed = {seed}
base = {{ customers = 20 }}
design = {{ kind = "grid", dimensions = {{ servers = [1, 2] }} }}
shards = {{ points = 2 }}
[replications]
min = 10
max = 200
metric = "mean_wait"
half_width = 1
"""
NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return drafted(tmp_path)


def drafted(folder: Path, seed: int = 1) -> Draft:
    path = folder / f"s-{seed}.toml"
    path.write_text(SWEEP.format(seed=seed))
    return plan.draft(sweep_file.read(path), Engine(ENGINE))


def begin(draft: Draft, store: Store, replications: Sequence[int], name: str | None = None) -> None:
    for number in replications:
        run = replace(draft, spec=replace(draft.spec, replications=number))
        pin(run, store, name and f"{name}-r{number}", NOW, lambda: 1)


def rounds(draft: Draft, store: Store, run_id: str | None = None) -> Rounds:
    precision = draft.file.sweep.precision
    assert precision is not None
    return Rounds.find(draft, precision, store, run_id)


def test_the_first_round_has_the_least_replications_unless_a_larger_one_has_begun(draft: Draft, store: Store) -> None:
    assert (rounds(draft, store).first.replications, rounds(draft, store).first.earlier) == (10, None)
    begin(draft, store, [9, 41, 1000])
    found = rounds(draft, store)
    assert sorted(found.begun) == [9, 41, 1000]
    assert (found.first.replications, found.first.earlier) == (10, found.begun[9].run_id)
    begin(draft, store, [12, 40])
    assert rounds(draft, store).first.replications == 12
    begin(draft, store, [10])
    assert rounds(draft, store).first.replications == 10


def test_the_next_round_is_one_that_has_begun_or_the_one_that_is_asked_for(draft: Draft, store: Store) -> None:
    assert rounds(draft, store).after(10, 1.5).replications == 23
    begin(draft, store, [10, 41])
    assert rounds(draft, store).after(10, 1.5).replications == 23
    begin(draft, store, [40])
    following = rounds(draft, store).after(10, 1.5)
    assert (following.replications, following.earlier) == (40, rounds(draft, store).begun[10].run_id)
    begin(draft, store, [1000])
    assert rounds(draft, store).after(90, 1.5).replications == 200, "and 1000 is more than `max`"


def test_runs_of_another_spec_or_name_are_no_rounds(tmp_path: Path, draft: Draft, store: Store) -> None:
    begin(drafted(tmp_path, seed=2), store, [10])
    begin(draft, store, [20], "named")
    assert rounds(draft, store).begun == {}
    assert [each.run_id for each in rounds(draft, store, "named").begun.values()] == ["named-r20"]
    assert rounds(draft, store, "name").begun == {}
    assert rounds(draft, store, "named").of(30).run_id == "named-r30"
    assert rounds(draft, store, "named").of(30).earlier == "named-r20"


def test_a_round_has_the_shards_that_a_pilot_measured_before(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SWEEP.format(seed=1).replace("shards = { points = 2 }\n", ""))
    draft = plan.draft(sweep_file.read(path), Engine(ENGINE))

    def begun(replications: int, shard_points: int) -> Draft:
        pin(rounds(draft, store).of(replications).draft, store, None, NOW, lambda: shard_points)
        return rounds(draft, store).of(100).draft

    assert begun(10, 20).shard_points is None, "one shard of all its points says nothing"
    assert begun(20, 30).shard_points == 30
    assert begun(20, 30).spec == replace(draft.spec, replications=100)

"""Plans: what a sweep becomes, and that what it is does not depend on how it is cut."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweepctl.engine.client import Engine, find_engine
from sweepctl.errors import ConflictError, UsageError
from sweepctl.messages import decode
from sweepctl.records import layout
from sweepctl.records.outcome import EnginePin
from sweepctl.runs.start import pin
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.sweep import file as sweep_file
from sweepctl.sweep import plan
from sweepctl.sweep.cost import Interval, estimate_cost, interval
from sweepctl.sweep.pilot import MAX_SHARD_POINTS, measure_shard, run_pilot
from sweepctl.sweep.plan import Draft, Plan

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SWEEP = """\
name = "s"
model = "queue"
seed = 42
replications = 3
[base]
customers = 50
[design]
kind = "sobol"
samples = 1_000_000_000
[design.dimensions]
arrival_rate = { uniform = { low = 0.1, high = 0.9 } }
servers = { integer = { low = 1, high = 4 } }
[shards]
points = 70000
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(find_engine())


def draft(folder: Path, engine: Engine, text: str = SWEEP) -> Draft:
    path = folder / "s.toml"
    path.write_text(text)
    return plan.draft(sweep_file.read(path), engine)


def never() -> int:
    raise AssertionError


def test_messages_decode_to_the_shards_of_the_plan(tmp_path: Path, engine: Engine) -> None:
    planned = draft(tmp_path, engine).plan("r", "2026-03-01", 70_000)
    assert planned.shards == 42_858
    for shard_id in (0, 1, 42_857):
        (body,) = planned.bodies([shard_id])
        message = decode(body, NOW.date())
        assert message == planned.message(shard_id)
        assert (message.spec, message.total_points) == (planned.spec, 3_000_000_000)
        assert len(body) < 4_096


@settings(max_examples=200)
@given(total=st.integers(1, 10**18), shard=st.integers(1, 10**18))
def test_shards_part_the_points(total: int, shard: int) -> None:
    cut = replace(PLAN, total_points=total, shard_points=min(shard, total))
    assert cut.bounds(0)[0] == 0
    assert cut.bounds(cut.shards - 1)[1] == total
    middle = cut.shards // 2
    assert cut.bounds(middle)[1] == (total if middle == cut.shards - 1 else cut.bounds(middle + 1)[0])
    assert all(start < end for start, end in map(cut.bounds, (0, middle, cut.shards - 1)))


PLAN = Plan(spec=None, space=None, stored=None, run_id="r", run_date="", total_points=1, shard_points=1)  # type: ignore[arg-type]


def test_a_long_design_is_stored_before_the_record_that_names_it(tmp_path: Path, engine: Engine) -> None:
    values = ", ".join(str(1 + number / 1e6) for number in range(1000))
    text = SWEEP.replace("{ uniform = { low = 0.1, high = 0.9 } }", f"{{ choice = [{values}] }}")
    drafted = draft(tmp_path, engine, text)
    store = open_store(str(tmp_path / "store"))
    planned, record = pin(drafted, store, None, NOW, never)
    assert store.read(layout.stored_design(planned.spec.design["sha256"])) is not None
    assert (record.run_id, record.shard_points) == (f"s-2026-03-01-{drafted.spec.fingerprint[:8]}", 70_000)
    assert len(next(planned.bodies([0]))) < 4_096


def test_a_run_is_continued_on_another_day_and_as_it_was_cut_first(tmp_path: Path, engine: Engine) -> None:
    store = open_store(str(tmp_path / "store"))
    first, _ = pin(draft(tmp_path, engine), store, None, NOW, never)
    again = draft(tmp_path, engine, SWEEP.replace("70000", "5000"))
    later = NOW + dt.timedelta(days=3)
    assert pin(again, store, None, later, never)[0] == first
    assert pin(again, store, "other", later, never)[0].shard_points == 5_000
    assert pin(draft(tmp_path, engine), store, "other", later, never)[0].shard_points == 5_000


def test_a_run_id_means_one_sweep(tmp_path: Path, engine: Engine) -> None:
    store = open_store(str(tmp_path / "store"))
    pin(draft(tmp_path, engine), store, "r", NOW, never)
    before = sorted(path.name for path in (tmp_path / "store").rglob("*"))
    with pytest.raises(ConflictError, match=r"(?m)was created with spec .* differ in seed 42 and 43$"):
        pin(draft(tmp_path, engine, SWEEP.replace("42", "43")), store, "r", NOW, never)
    assert sorted(path.name for path in (tmp_path / "store").rglob("*")) == before


def test_another_version_of_the_model_is_another_run(tmp_path: Path, engine: Engine) -> None:
    store, first = open_store(str(tmp_path / "store")), draft(tmp_path, engine)
    changed, later = replace(first, model_version="other"), NOW + dt.timedelta(days=3)
    _, record = pin(first, store, None, NOW, never)
    assert pin(changed, store, None, later, never)[1] == record, "no shard has begun: any version may"
    commit.agree_engine(store, engine_pin(record.run_id, first.model_version))
    assert pin(first, store, None, later, never)[1] == record
    _, second = pin(changed, store, None, NOW, never)
    assert second.run_id == f"{record.run_id}-2"
    assert pin(changed, store, None, later, never)[1] == second
    commit.agree_engine(store, engine_pin(second.run_id, "other"))
    assert pin(changed, store, None, later, never)[1] == second
    assert pin(first, store, None, later, never)[1] == record
    _, third = pin(replace(first, model_version="third"), store, None, NOW, never)
    assert third.run_id == f"{record.run_id}-3"
    with pytest.raises(ConflictError, match="began with version 1 of model queue, and the engine has version other"):
        pin(changed, store, record.run_id, later, never)


def engine_pin(run_id: str, version: str) -> EnginePin:
    return EnginePin(
        run_id=run_id, model="queue", model_version=version, engine_version="1", created_at=NOW, engine_sha256=None,
        declaration_json=None,
    )  # fmt: skip


@pytest.mark.parametrize("run_id", ["../x", "has space", ""])
def test_no_record_gets_a_name_that_no_run_can_have(tmp_path: Path, engine: Engine, run_id: str) -> None:
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(UsageError, match="invalid run_id"):
        pin(draft(tmp_path, engine), store, run_id, NOW, never)
    assert not (tmp_path / "store").exists()


def test_a_pilot_counts_points_without_a_result(tmp_path: Path, engine: Engine) -> None:
    text = SWEEP.replace('"queue"', '"ridehail"').replace("customers = 50", "num_riders = 5")
    text = text.replace('"sobol"', '"grid"').replace("samples = 1_000_000_000", "").partition("arrival_rate")[0]
    crossed = text + "min_trip_cells = [5, 61]\n[shards]\ncount = 1\n"
    assert run_pilot(draft(tmp_path, engine, crossed), engine, 6).failed > 0


def test_a_message_cut_otherwise_than_planned_is_a_conflict(tmp_path: Path, engine: Engine) -> None:
    store = open_store(str(tmp_path / "store"))
    planned, record = pin(draft(tmp_path, engine), store, "r", NOW, never)
    commit.require_same_run(record, planned.message(5))
    with pytest.raises(ConflictError, match="is sharded differently"):
        commit.require_same_run(record, replace(planned, shard_points=10).message(5))


@pytest.mark.slow
def test_seconds_are_measured_once(tmp_path: Path, engine: Engine) -> None:
    store = open_store(str(tmp_path / "store"))
    drafted = draft(tmp_path, engine, SWEEP.replace("points = 70000", "seconds = 2"))
    measured = measure_shard(drafted, engine).points
    assert 1_000 < measured <= MAX_SHARD_POINTS
    first, _ = pin(drafted, store, None, NOW, lambda: measured)
    assert pin(drafted, store, None, NOW, never)[0] == first


@pytest.mark.slow
def test_a_pilot_measures_what_a_shard_takes(tmp_path: Path, engine: Engine) -> None:
    drafted = draft(tmp_path, engine, SWEEP.replace("customers = 50", "customers = 5000"))
    pilot = run_pilot(drafted, engine, 800)
    assert pilot.points == 800
    assert 0 <= pilot.seconds.low <= pilot.seconds.mean <= pilot.seconds.high
    # 5,000 customers take some tenths of a ms.
    assert 2e-5 < pilot.seconds.mean < 2e-2
    assert pilot.failed == 0
    assert run_pilot(drafted, engine, 100).points == 96
    one = draft(tmp_path, engine, SWEEP.replace("1_000_000_000", "1").replace("replications = 3", ""))
    assert run_pilot(one, engine, 800).points == 1


def test_intervals_are_students() -> None:
    # By hand: mean 2, standard deviation 1, t(2) = 4.303.
    found = interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.high == pytest.approx(2 + 4.303 / 3**0.5)
    assert found.low == 0


def test_costs_are_of_the_price_table() -> None:
    found = estimate_cost(Interval(0.001, 0.0005, 0.002), 10**9, 10**4, 30_002, cores=4)
    assert found.core_seconds.mean == pytest.approx(1e6)
    assert found.wall_seconds.mean == pytest.approx(250_000)
    # 1e6 s x 1.769 GB x 0.0000166667 + 10^4 requests, messages and some PUTs.
    assert found.lambda_dollars.mean == pytest.approx(29.483 + 0.002 + 0.012 + 0.15, abs=0.01)
    assert found.fargate_dollars.mean == pytest.approx(1e6 / 3600 * (0.04048 + 2 * 0.004445) + 0.162, abs=0.01)
    assert found.lambda_dollars.high - found.lambda_dollars.mean == pytest.approx(29.483, abs=0.01)


def test_a_message_of_a_grid_of_listed_values_is_json(tmp_path: Path, engine: Engine) -> None:
    text = SWEEP.replace('"sobol"', '"grid"').replace("samples = 1_000_000_000", "")
    text = text.replace("{ uniform = { low = 0.1, high = 0.9 } }", "[0.5]").replace(
        "{ integer = { low = 1, high = 4 } }", "[1, 2]"
    )
    planned = draft(tmp_path, engine, text).plan("r", "2026-03-01", 5)
    assert json.loads(next(planned.bodies([1])))["design"] == {
        "kind": "grid",
        "dimensions": {"arrival_rate": [0.5], "servers": [1, 2]},
    }

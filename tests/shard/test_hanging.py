"""Points that never end or crash, in shards without limits: others have their results within the time limit."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fakes.crashing import TEST_ENGINE

from sweepctl.engine.client import Engine
from sweepctl.engine.run import EngineRun
from sweepctl.messages import decode
from sweepctl.records.outcome import Outcome
from sweepctl.records.table import POINT_OUTCOMES
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store.contract import Store

POINTS = 12


class Watched(Engine):
    """The test engine, and what it was started with."""

    def __init__(self) -> None:
        super().__init__(TEST_ENGINE)
        self.starts: list[dict[str, Any]] = []

    def start(self, request: bytes, **options: Any) -> EngineRun:  # noqa: ANN401  as the engine's
        self.starts.append(options)
        return super().start(request, **options)


def run(
    store: Store,
    engine: Engine,
    modes: dict[int, str],
    *,
    threads: int,
    timeout: float,
    limits: dict[str, int] | None = None,
    **base: object,
) -> Outcome:
    """Run a shard whose points at these indices do what is given."""
    fields = {
        "schema_version": "v2",
        "run_id": "r",
        "model": "faulty",
        "design": {
            "kind": "table",
            "columns": ["mode", "at", "x"],
            "rows": [[modes.get(x, "ok"), x, x] for x in range(POINTS)],
        },
        "base": base,
        "total_points": POINTS,
        "shard_id": 0,
        "start_index": 0,
        "end_index_exclusive": POINTS,
        "seed": 1,
        "limits": limits or {},
    }
    message = decode(json.dumps(fields).encode(), dt.date(2026, 2, 14))
    return run_shard(message, engine, store, Conditions(threads=threads, timeout=timeout)).outcome


def test_a_crash_behind_a_points_own_error_is_on_record(store: Store) -> None:
    outcome = run(store, Watched(), {2: "domain_error", 7: "abort"}, threads=1, timeout=60.0)
    assert (outcome.error_code, outcome.error_point_index, outcome.points_failed) == ("point_failed", 2, 2)
    assert (outcome.error_message or "").startswith("at_fault: ")
    assert (outcome.points_machine_dependent, outcome.depends_on_machine) == (1, True)


def failures(store: Store, outcome: Outcome) -> dict[int, tuple[str, str]]:
    (artifact,) = (each for each in outcome.artifacts if each.dataset == POINT_OUTCOMES)
    rows = pq.read_table(Path(store.url) / artifact.key).to_pylist()
    assert [row["half"] for row in rows if row["status"] == "success"] == [
        row["point_index"] / 2 for row in rows if row["status"] == "success"
    ]
    return {row["point_index"]: (row["error_code"], row["error_message"]) for row in rows if row["status"] == "failure"}


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "at"), [("loop", 0), ("hang", POINTS - 1)])
def test_a_point_that_hangs_alone_in_its_shard_fails_alone(store: Store, mode: str, at: int) -> None:
    """Nobody waits behind it, since there is another thread: it has nearly all of the time limit."""
    engine = Watched()
    outcome = run(store, engine, {at: mode}, threads=2, timeout=10.0)
    assert (outcome.error_code, outcome.points_failed, outcome.error_point_index) == ("point_failed", 1, at)
    (code, message) = failures(store, outcome)[at]
    assert code == "point_timeout"
    for said in ("more than 50 % of its shard's time limit of 10 s (--timeout)", "[limits] point_seconds"):
        assert said in message
    assert "--reuse" not in message, "a run with outputs has no use for it"
    assert [each["command"] for each in engine.starts] == ["run"]


@pytest.mark.slow
def test_four_points_that_hang_leave_time_for_all_others(store: Store) -> None:
    engine = Watched()
    hanging = dict.fromkeys((1, 4, 5, 9), "hang")
    outcome = run(store, engine, hanging, threads=1, timeout=10.0)
    assert (outcome.error_code, outcome.points_failed) == ("point_failed", 4)
    failed = failures(store, outcome)
    assert failed.keys() == hanging.keys()
    for code, message in failed.values():
        assert code == "point_timeout"
        for said in ("% of its shard's time limit of 10 s (--timeout)", "[limits] point_seconds"):
            assert said in message
        assert "--reuse" not in message
    assert [each["command"] for each in engine.starts] == ["run", "host"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["abort", "ok"])
def test_a_point_may_hang_after_another_has_crashed_or_in_a_host_with_limits(store: Store, mode: str) -> None:
    engine = Watched()
    limits = {"point_memory": 1 << 40} if mode == "ok" else None
    outcome = run(store, engine, {1: mode, 3: "hang"}, threads=1, timeout=6.0, limits=limits)
    assert outcome.error_code == "point_failed"
    codes = {index: code for index, (code, _) in failures(store, outcome).items()}
    assert codes == {3: "point_timeout"} | ({1: "point_crashed"} if mode == "abort" else {})


@pytest.mark.slow
def test_a_point_may_take_most_of_the_time_limit_if_none_waits_for_it(store: Store) -> None:
    engine = Watched()
    outcome = run(store, engine, {0: "sleep"}, threads=2, timeout=8.0, milliseconds=6_000)
    assert outcome.status == "success"
    assert [each["command"] for each in engine.starts] == ["run"]


@pytest.mark.slow
def test_a_second_point_that_hangs_late_loses_nothing_that_was_computed(store: Store) -> None:
    """The first has hung for long and is settled: what was computed behind it is kept, though no time is left."""
    modes = {0: "hang", 5: "sleep", POINTS - 2: "sleep", POINTS - 1: "hang"}
    outcome = run(store, Watched(), modes, threads=2, timeout=8.0, milliseconds=2_500)
    assert (outcome.error_code, outcome.error_point_index) == ("engine_timeout", POINTS - 1)
    assert (outcome.points_succeeded, outcome.points_failed) == (POINTS - 2, 1)
    assert failures(store, outcome)[0][0] == "point_timeout"


@pytest.mark.slow
def test_a_point_that_hangs_after_half_of_the_limit_keeps_what_is_before_it(store: Store) -> None:
    outcome = run(store, Watched(), {3: "sleep", 6: "sleep", 7: "hang"}, threads=1, timeout=12.0, milliseconds=3_600)
    assert (outcome.error_code, outcome.points_succeeded, outcome.retryable) == ("engine_timeout", 7, True)
    assert outcome.error_point_index == 7
    assert "; point 7 had been running for" in (outcome.error_message or "")

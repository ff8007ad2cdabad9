"""Points that crash or hang when they are run again: named, not proved, and no trouble to their neighbours."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from fakes.crashing import AT, POINTS, SHARD, TEST_ENGINE, body
from verify.damage import RUN_DATE, RUN_ID, Damaged

from sweepctl.engine.client import Engine
from sweepctl.messages import decode
from sweepctl.records.table import POINT_OUTCOMES
from sweepctl.shard.run import Conditions, run_shard
from sweepctl.store.contract import Store
from sweepctl.verify import Check, Finding, Reexecution, Report, Verdict, verify

ENGINE = Engine(TEST_ENGINE)


def make_run(store: Store, mode: str, **base: Any) -> None:  # noqa: ANN401  any JSON value
    for shard in range(POINTS // SHARD):
        message = decode(body(mode, shard, **base), dt.date(2026, 2, 14))
        message = message.model_copy(update={"run_id": RUN_ID, "run_date": RUN_DATE})
        assert run_shard(message, ENGINE, store).outcome.status == "success"


def examined(store: Store, engine: Engine = ENGINE, points: int | None = None, seconds: float = 60.0) -> Report:
    return verify(store, RUN_ID, engine, Reexecution(points, point_seconds=seconds))


def not_reproduced(report: Report, lost: int) -> Finding:
    """Return the one finding of a run that is not proved, of which `lost` points are the reason."""
    assert report.verdict is Verdict.UNPROVEN
    why_not = report.unchecked[Check.REEXECUTION]
    assert why_not.startswith(f"{lost} point")
    assert report.coverage[Check.REEXECUTION].checked == {"points": POINTS - lost}
    (finding,) = report.findings
    assert finding.code == "reexecution.not_reproduced"
    return finding


@pytest.mark.parametrize("points", [None, POINTS], ids=["whole", "sample"])
def test_a_success_that_crashes_now_is_not_reproduced(store: Store, tmp_path: Path, points: int | None) -> None:
    marker = tmp_path / "crashes"
    make_run(store, "abort_in", marker=str(marker))
    assert examined(store, points=points).verdict is Verdict.WHOLE
    marker.mkdir()
    finding = not_reproduced(examined(store, points=points), 1)
    assert (finding.shard_id, finding.point_index, finding.count) == (2, AT, 1)
    said = "it has another result in the store; run again, it ends as point_crashed: its process was ended by signal 6"
    assert finding.message.startswith(said)


def test_a_crash_hides_no_wrong_metric_of_a_neighbour(store: Store, tmp_path: Path) -> None:
    marker = tmp_path / "crashes"
    make_run(store, "abort_in", marker=str(marker))
    Damaged(Path(store.url), "faulty").set(POINT_OUTCOMES, 2, "half", 1.0, row=AT - 2 * SHARD + 1)
    marker.mkdir()
    report = examined(store)
    assert report.verdict is Verdict.CORRUPT
    (wrong,) = (finding for finding in report.findings if finding.code == "reexecution.metrics")
    assert (wrong.shard_id, wrong.point_index, wrong.count) == (2, AT + 1, 1)


def test_a_point_that_takes_too_long_is_not_reproduced(store: Store) -> None:
    make_run(store, "sleep", milliseconds=400)
    finding = not_reproduced(examined(store, seconds=0.2), 1)
    assert (finding.shard_id, finding.point_index) == (2, AT)
    assert "run again, it ends as point_timeout: " in finding.message


def test_an_engine_without_a_host_loses_what_follows_in_the_shard(store: Store, tmp_path: Path) -> None:
    marker = tmp_path / "crashes"
    make_run(store, "abort_in", marker=str(marker))
    marker.mkdir()
    engine = Engine(TEST_ENGINE)
    engine.description = engine.description.model_copy(update={"host": False})
    finding = not_reproduced(examined(store, engine), SHARD)
    assert (finding.shard_id, finding.point_index, finding.count) == (2, None, SHARD)
    assert "not run again: engine_crashed: the engine ended with signal 6" in finding.message
    finding = not_reproduced(examined(store, engine, POINTS), 1)
    assert (finding.point_index, finding.count) == (AT, 1)


def test_many_points_that_hang_end_the_shard(store: Store) -> None:
    fields = {
        "run_id": RUN_ID,
        "model": "faulty",
        "dimensions": {"milliseconds": list(range(300, 306))},
        "base": {"mode": "sleep"},
        "total_points": 6,
        "shard_id": 0,
        "start_index": 0,
        "end_index_exclusive": 6,
        "seed": 1,
    }
    message = decode(json.dumps(fields).encode(), dt.date(2026, 2, 14))
    assert run_shard(message, ENGINE, store, Conditions(threads=6)).outcome.status == "success"
    report = examined(store, seconds=0.1)
    assert report.verdict is Verdict.UNPROVEN
    (finding,) = report.findings
    assert (finding.point_index, finding.count) == (0, 6)
    assert report.coverage[Check.REEXECUTION].checked == {"points": 0}

"""Levels, distributions, extremes, failures and shards, against small runs that a reader can check by eye."""

import datetime as dt
from typing import Any

import pytest
from results.analysis.views import cells_of, connect, grid, record_of, register_outcomes, subject_of

from sweepctl.errors import UsageError
from sweepctl.results.analysis import effects, points, shards
from sweepctl.results.analysis.overview import make_overview
from sweepctl.results.analysis.points import BARS, FailureCount
from sweepctl.results.analysis.shards import MapCell
from sweepctl.results.analysis.subject import INTERVALS, Level
from sweepctl.results.analysis.summary import summarize

NAN_FREE = grid(a=[1, 2], b=[10, 20])
NOW = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)


def outcome(shard_id: int, **different: Any) -> dict[str, Any]:  # noqa: ANN401
    usual = {
        "run_id": "r", "shard_id": shard_id, "start_index": shard_id * 2, "end_index_exclusive": shard_id * 2 + 2,
        "status": "success", "retryable": False, "content_sha256": "c", "started_at": NOW,
        "finished_at": NOW + dt.timedelta(seconds=shard_id), "cpu_seconds": 0.5, "engine_version": "1",
        "model_version": "1",
    }  # fmt: skip
    return {**usual, **different}


def test_many_values_are_cut_into_intervals_of_equal_width() -> None:
    cells = [{"a": place / 240} for place in range(241)]
    connection = connect(cells, lambda cell, _: {"m": cell["a"]})
    (a,) = subject_of(connection, grid(a=[0.0, 1.0])).dimensions
    assert len(a.levels) == INTERVALS
    assert (a.levels[0].low, a.levels[-1].high, a.is_log) == (0.0, 1.0, False)
    counts = connection.execute(f"SELECT {a.key_sql} AS k, count(*) FROM points GROUP BY k ORDER BY k").fetchall()
    assert [count for _, count in counts] == [20] * 11 + [21]


def test_values_over_orders_of_magnitude_are_cut_by_their_logarithms() -> None:
    cells = [{"a": 10 ** (place / 100)} for place in range(301)]
    connection = connect(cells, lambda cell, _: {"m": cell["a"]})
    (a,) = subject_of(connection, grid(a=[1.0, 2.0])).dimensions
    assert a.is_log
    assert a.levels[3].high == pytest.approx(10.0)
    counts = connection.execute(f"SELECT {a.key_sql} AS k, count(*) FROM points GROUP BY k ORDER BY k").fetchall()
    assert [count for _, count in counts] == pytest.approx([25] * 12, abs=2)


def test_missing_values_are_a_level_before_the_intervals() -> None:
    cells: list[dict[str, Any]] = [{"a": None}, *({"a": 1.0 + place} for place in range(24))]
    connection = connect(cells, lambda cell, _: {"m": cell["a"] or 0.0})
    subject = subject_of(connection, grid(a=[0.0, 1.0]))
    (a,) = subject.dimensions
    assert a.levels[:2] == (Level(None, None), Level(1.0, pytest.approx(1 + 23 / 12)))  # type: ignore[arg-type]
    assert len(a.levels) == 1 + INTERVALS
    (effect,) = effects.means_by_level(connection, subject, [[a]])
    assert [each and (each.mean, each.points) for (each,) in effect.values()] == [
        (0.0, 1), *((1.5 + 2 * place, 2) for place in range(12))
    ]  # fmt: skip


def test_words_are_levels_and_too_many_of_them_are_left_out() -> None:
    cells = [{"a": f"w{place:02}", "b": "x" if place % 2 else "y"} for place in range(30)]
    connection = connect(cells, lambda _cell, _: {"m": 1})
    (b,) = subject_of(connection, grid(a=["x"], b=["x"])).dimensions
    assert b.levels == (Level("x", "x"), Level("y", "y"))


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    connection = connect(cells_of(NAN_FREE), lambda _cell, _: {"mean_wait": 1.0, "word": "w"})
    with pytest.raises(UsageError, match="no metric 'mean_wiat'") as caught:
        subject_of(connection, NAN_FREE, 1, "mean_wiat")
    assert caught.value.remedy == "Did you mean `mean_wait`?"
    with pytest.raises(UsageError, match="is text"):
        subject_of(connection, NAN_FREE, 1, "word")


def test_a_distribution_counts_every_value_once() -> None:
    cells = [{"a": place} for place in range(100)]
    connection = connect(cells, lambda cell, _: {"m": float(cell["a"]) if cell["a"] < 90 else None, "flat": 2})
    m, flat = points.distributions(connection, subject_of(connection, grid(a=[1])))
    assert (m.points, m.missing, m.minimum, m.maximum, m.mean) == (90, 10, 0.0, 89.0, 44.5)
    assert (len(m.counts), sum(m.counts)) == (BARS, 90)
    assert (flat.points, flat.minimum, flat.maximum, flat.counts) == (100, 2.0, 2.0, ())


def test_the_points_at_both_ends_come_with_their_parameters() -> None:
    connection = connect(cells_of(NAN_FREE), lambda cell, _: {"m": cell["a"] * cell["b"]})
    ((lowest, highest),) = points.extremes(connection, subject_of(connection, NAN_FREE, 1, "m"), 3)
    assert [(row.point_index, row.metrics["m"]) for row in lowest] == [(0, 10), (1, 20), (2, 20)]
    assert [(row.point_index, row.metrics["m"]) for row in highest] == [(3, 40), (1, 20), (2, 20)]
    assert highest[0].parameters == {"a": 2, "b": 20}


def test_failures_are_told_by_code_with_an_example() -> None:
    def function(cell: Any, _replicate: int) -> Any:  # noqa: ANN401
        return "large" if cell["b"] == 20 else "odd" if cell["a"] == 1 else {"m": 1}

    connection = connect(cells_of(NAN_FREE), function)
    crash = {"status": "failure", "error_code": "engine_crashed", "error_message": "died", "retryable": True}
    register_outcomes(connection, [outcome(0), outcome(3, content_sha256=None, **crash)])
    assert points.failure_counts(connection) == [
        FailureCount("large", "points", 2, 1, "large at 1"),
        FailureCount("odd", "points", 1, 0, "odd at 0"),
        FailureCount("engine_crashed", "shards", 1, 3, "died"),
    ]
    subject = subject_of(connection, NAN_FREE)
    assert [row.point_index for row in points.failed(connection, subject, 2)] == [0, 1]
    assert points.fixed_parameters(connection, subject) == {"constant": 7}


def test_some_points_are_spread_over_all_levels_and_replicates() -> None:
    design = grid(a=[*range(10)], b=[*range(10)])
    connection = connect(cells_of(design), lambda _cell, _: {"m": 1}, 10)
    subject = subject_of(connection, design, 10)
    assert len(points.spread(connection, subject, 1000)) == 1000
    some = points.spread(connection, subject, 100)
    indexes = [row.point_index for row in some]
    assert (len(indexes), indexes) == (100, sorted(set(indexes)))
    assert len({row.replicate for row in some}) == len({row.parameters["b"] for row in some}) == 10
    assert points.spread(connection, subject, 100) == some


def test_the_map_has_every_shard_and_the_worst_is_kept_when_they_are_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = connect(cells_of(NAN_FREE), lambda _cell, _: {"m": 1})
    failed = {"status": "failure", "error_code": "x", "error_message": "x"}
    register_outcomes(
        connection,
        [
            outcome(0),
            outcome(1, **failed),
            outcome(2, **failed, retryable=True, content_sha256=None),
            outcome(3, **failed, content_sha256=None),
        ],
    )
    record = record_of(grid(a=[*range(10)]), 1, shard_points=2)
    found = shards.shard_map(connection, record)
    assert (found.shards, found.is_planned, found.shards_a_cell) == (5, True, 1)
    assert found.cells[:2] == (MapCell(1, 0, 0, 0, 0), MapCell(0, 1, 0, 0, 0))
    assert found.cells[2:] == (MapCell(0, 0, 0, 1, 0), MapCell(0, 0, 1, 0, 0), MapCell(0, 0, 0, 0, 1))
    monkeypatch.setattr(shards, "MAX_CELLS", 2)
    assert shards.shard_map(connection, record).cells == (MapCell(1, 1, 0, 1, 0), MapCell(0, 0, 1, 0, 1))
    assert not shards.shard_map(connection, record_of(NAN_FREE, 1)).is_planned
    assert [each.shard_id for each in shards.slowest(connection, 1)] == [1]
    assert shards.costs(connection).last_end == NOW + dt.timedelta(seconds=3)


def test_everything_together_in_twelve_dimensions() -> None:
    design = grid(**{f"d{place:02}": [0, 1] for place in range(12)})
    connection = connect(cells_of(design), lambda cell, _: {"m": cell["d03"] * 4 + cell["d05"] * 2 + cell["d07"]})
    subject = subject_of(connection, design)
    overview = make_overview(connection, subject)
    (pairs,) = overview.pairs
    assert [(a.name, b.name) for a, b, _ in pairs] == [("d03", "d05"), ("d03", "d07"), ("d05", "d07")]
    (metric,) = overview.summary.metrics
    assert [round(index.first_order, 4) for index in metric.sensitivity.indices if index.first_order > 0] == [
        0.7619, 0.1905, 0.0476,
    ]  # fmt: skip


def test_a_run_without_points_has_nothing_to_say_and_says_it() -> None:
    connection = connect([], lambda _cell, _: {})
    summary = summarize(connection, subject_of(connection, NAN_FREE), 5)
    assert (summary.metrics, summary.failures, summary.to_json()["points"]) == ((), [], 0)


def test_a_run_in_which_all_points_failed_has_failures_alone() -> None:
    connection = connect(cells_of(NAN_FREE), lambda _cell, _: "bad")
    told = make_overview(connection, subject_of(connection, NAN_FREE)).summary.to_json()
    assert (told["succeeded"], told["metrics"]) == (0, [])
    assert told["failures"][0]["count"] == 4

"""Outcomes only rise, whatever the order in which attempts end."""

import datetime as dt
import itertools
from dataclasses import replace
from typing import Any

import pytest

from sweepctl.errors import ConflictError
from sweepctl.records.outcome import Outcome, Precedence, Rank, judge, rank

TIME = dt.datetime(2026, 2, 14, tzinfo=dt.UTC)
SUCCESS = Outcome(
    run_id="r",
    shard_id=0,
    start_index=0,
    end_index_exclusive=2,
    total_points=4,
    status="success",
    attempt_id="a",
    attempt_number=None,
    points_succeeded=2,
    points_failed=0,
    error_code=None,
    error_message=None,
    error_point_index=None,
    retryable=False,
    started_at=TIME,
    finished_at=TIME,
    cpu_seconds=0.0,
    engine_version="0.1.0",
    model="queue",
    model_version="1",
    spec_fingerprint="f",
    content_sha256="c",
    artifacts=(),
)
POINTS_FAILED = replace(SUCCESS, status="failure", error_code="point_failed")
INVALID = replace(POINTS_FAILED, error_code="invalid_parameters", content_sha256=None)
CRASHED = replace(INVALID, error_code="engine_crashed", retryable=True)
RISING = [CRASHED, INVALID, POINTS_FAILED, SUCCESS]


def test_ranks_rise_from_a_crash_to_a_success() -> None:
    assert [rank(outcome) for outcome in RISING] == sorted(Rank)


@pytest.mark.parametrize(("standing", "new"), list(itertools.product(RISING, RISING)))
def test_only_a_higher_rank_replaces(standing: Outcome, new: Outcome) -> None:
    higher = RISING.index(new) > RISING.index(standing)
    assert judge(standing, new) is (Precedence.REPLACE if higher else Precedence.KEEP)


@pytest.mark.parametrize("standing", RISING)
@pytest.mark.parametrize(
    "change",
    [{"start_index": 1}, {"end_index_exclusive": 3}, {"spec_fingerprint": "other"}],
    ids=lambda change: next(iter(change)),
)
def test_another_shard_under_the_same_name_is_a_conflict(standing: Outcome, change: dict[str, Any]) -> None:
    with pytest.raises(ConflictError) as caught:
        judge(standing, replace(SUCCESS, **change))
    assert all(str(value) in caught.value.message for value in change.values())


def test_content_digests_of_two_versions_are_not_compared() -> None:
    assert judge(SUCCESS, replace(SUCCESS, content_sha256="v2:c")) is Precedence.KEEP
    assert judge(replace(SUCCESS, content_sha256="v2:d"), SUCCESS) is Precedence.KEEP
    assert judge(POINTS_FAILED, replace(SUCCESS, content_sha256="v2:c")) is Precedence.REPLACE
    with pytest.raises(ConflictError, match="a different result"):
        judge(replace(SUCCESS, content_sha256="v2:c"), replace(SUCCESS, content_sha256="v2:d"))


def test_equal_work_with_two_results_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="a different result"):
        judge(SUCCESS, replace(SUCCESS, content_sha256="d"))

"""Runs in which points belong to two shards, as workers without claims leave them: what verify advises mends them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from verify.runs import ENGINE, RUN_DATE, SPEC, messages, total

from sweepctl.errors import ConflictError
from sweepctl.messages import ShardMessage, ShardMessageV2
from sweepctl.records.outcome import Outcome
from sweepctl.records.sharding import NO_PATTERN, Claim
from sweepctl.shard import run
from sweepctl.shard.run import run_shard
from sweepctl.store import Store
from sweepctl.verify import Report, Verdict, verify
from sweepctl.verify.outcomes import overlapping

WHOLE = replace(SPEC, design={"kind": "grid", "dimensions": {"servers": [*range(1, 13)]}})  # 24 points, in fours of six


def message(shard: int, start: int, end: int) -> ShardMessage:
    bounds = {"shard_id": shard, "start_index": start, "end_index_exclusive": end}
    return ShardMessageV2.of(WHOLE, "r", RUN_DATE, total_points=total(WHOLE), **bounds)


@pytest.fixture
def heedless(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Workers that claim nothing, until it is undone."""
    for name in ("require_unclaimed", "claim_points"):
        monkeypatch.setattr(run, name, lambda *_: None)
    return monkeypatch


def set_aside(store: Store, report: Report, to: Path) -> Report:
    """Do what the report says, and verify again."""
    for key in report.set_aside:
        target = to / key
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(store.url, key).rename(target)
    return verify(store, "r", ENGINE)


def rows(store: Store, dataset: str) -> list[int]:
    files = Path(store.url).glob(f"{dataset}/*/*/run=r/*.parquet")
    return sorted(each for path in files for each in pq.read_table(path)["point_index"].to_pylist())


@pytest.mark.parametrize(
    ("more", "aside"),
    [
        ([(9, 0, 18)], {9}),
        ([(9, 0, 24)], {9}),
        ([(9, 0, 6)], {9}),
        ([(9, 5, 7)], {9}),
        ([(9, 0, 12), (8, 3, 20), (7, 23, 24)], {7, 8, 9}),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_what_has_points_of_others_is_set_aside_and_the_run_is_whole(  # noqa: PLR0917  fixtures
    store: Store,
    heedless: pytest.MonkeyPatch,
    tmp_path: Path,
    more: list[tuple[int, int, int]],
    aside: set[int],
    is_first: bool,  # noqa: FBT001
) -> None:
    wrong, right = [message(*each) for each in more], messages("r", WHOLE)
    for each in [*wrong, *right] if is_first else [*right, *wrong]:
        run_shard(each, ENGINE, store)
    report = verify(store, "r", ENGINE)
    assert report.verdict is Verdict.CORRUPT
    assert {each.code for each in report.findings} == {"outcomes.overlap"}
    names = ("shard_outcomes", "effective_parameters", "point_outcomes", "customers")
    assert {key.partition("/")[0] for key in report.set_aside} == set(names)
    assert len(report.set_aside) == len(names) * len(aside)
    assert {int(key.rpartition("-")[2].partition(".")[0]) for key in report.set_aside} == aside
    report = set_aside(store, report, tmp_path / "aside")
    assert (report.verdict, report.set_aside) == (Verdict.WHOLE, [])
    for dataset in ("effective_parameters", "point_outcomes"):
        assert rows(store, dataset) == list(range(24))
    heedless.undo()
    for each in wrong:
        with pytest.raises(ConflictError):
            run_shard(each, ENGINE, store)
    for each in right:
        run_shard(each, ENGINE, store)
    assert verify(store, "r", ENGINE).verdict is Verdict.WHOLE


def test_where_no_choice_has_all_points_the_runs_own_messages_complete_it(
    store: Store, heedless: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Shard 9 has more points than shard 0; but only with shard 0 can the other messages run."""
    right = messages("r", WHOLE)
    for each in [right[0], right[3], message(9, 5, 13)]:
        run_shard(each, ENGINE, store)
    heedless.undo()
    report = set_aside(store, verify(store, "r", ENGINE), tmp_path / "aside")
    assert {each.code for each in report.findings} == {"outcomes.gap"}
    assert [each.shard_id for each in report.missing] == [1, 2]
    for each in right:
        run_shard(each, ENGINE, store)
    assert verify(store, "r", ENGINE).verdict is Verdict.WHOLE


def test_claims_of_what_is_set_aside_go_too(store: Store, heedless: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for each in [*messages("r", WHOLE)[1:], message(9, 5, 13)]:
        run_shard(each, ENGINE, store)
    heedless.undo()
    with pytest.raises(ConflictError):  # every outcome has a claim now, the wrong one too
        run_shard(message(8, 0, 24), ENGINE, store)
    report = verify(store, "r", ENGINE)
    assert "shard_claims/run=r/other/shard-00000009-5-13.json" in report.set_aside
    assert set_aside(store, report, tmp_path / "aside").verdict is Verdict.INCOMPLETE
    run_shard(messages("r", WHOLE)[0], ENGINE, store)
    assert verify(store, "r", ENGINE).verdict is Verdict.WHOLE


def is_disjoint(some: Sequence[Outcome]) -> bool:
    return all(
        one.end_index_exclusive <= other.start_index or other.end_index_exclusive <= one.start_index
        for one, other in combinations(some, 2)
    )


def worth(some: Sequence[Outcome], usual: set[int]) -> tuple[int, ...]:
    return (
        sum(each.points for each in some if each.shard_id in usual),
        sum(each.points for each in some if each.complete),
        sum(each.points for each in some),
        len(some),
    )


def test_of_any_overlapping_shards_what_is_left_has_as_many_points_as_can_be(store: Store) -> None:
    draw = random.Random(11)
    example = run_shard(messages("r", WHOLE)[0], ENGINE, store).outcome
    for _ in range(200):
        bounds = [sorted(draw.sample(range(12), 2)) for _ in range(draw.randrange(1, 7))]
        outcomes = [
            replace(
                example,
                shard_id=shard,
                start_index=start,
                end_index_exclusive=end,
                content_sha256=draw.choice(["0" * 64, "0" * 64, None]),
            )
            for shard, (start, end) in enumerate(bounds)
        ]
        aside = overlapping(outcomes)
        left = [each for each in outcomes if each not in aside]
        names = [Claim.of(each).pattern(example.total_points) for each in outcomes]
        most = max(set(names), key=lambda name: (names.count(name), name))
        usual = {shard for shard, name in enumerate(names) if name == most != NO_PATTERN and names.count(name) > 1}

        subsets = chain.from_iterable(combinations(outcomes, count) for count in range(len(outcomes) + 1))
        assert is_disjoint(left)
        assert worth(left, usual) == max(worth(some, usual) for some in subsets if is_disjoint(some))

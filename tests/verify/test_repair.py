"""What is missing of a run, and the messages that bring it back."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import process_memory
import pytest
from verify.damage import Damaged
from verify.runs import (
    ENGINE,
    RUN_DATE,
    WHOLE,
    codes,
    crashing,
    messages,
    missing,
    of_huge_run,
    repaired,
    run_all,
    total,
)

from sweepctl.messages import ShardMessage, ShardMessageV2, decode
from sweepctl.shard.run import run_shard, utc_now
from sweepctl.store import Store
from sweepctl.verify import Verdict, repair, verify
from sweepctl.verify.repair import ShardSeries
from sweepctl.verify.report import MOST_LISTED


@pytest.mark.parametrize("gone", [[0], [1], [3], [0, 1], [1, 2], [2, 3]])
def test_missing_shards_come_back_with_their_own_numbers_and_bounds(store: Store, gone: list[int]) -> None:
    run = messages("r", replace(WHOLE, replications=7))
    run_all(store, [message for message in run if message.shard_id not in gone])
    report = verify(store, "r", ENGINE)
    assert (report.verdict, codes(report)) == (Verdict.INCOMPLETE, {"outcomes.gap"})
    assert missing(report) == [run[shard] for shard in gone]
    assert repaired(store, report).verdict is Verdict.WHOLE


def uneven(bounds: list[tuple[int, int]]) -> list[ShardMessage]:
    return [
        ShardMessageV2.of(
            WHOLE, "r", RUN_DATE, total_points=12, shard_id=shard, start_index=start, end_index_exclusive=end
        )
        for shard, (start, end) in enumerate(bounds)
    ]


def test_one_shard_between_its_neighbours_is_known_whatever_its_size(store: Store) -> None:
    run = uneven([(0, 2), (2, 7), (7, 12)])
    run_all(store, [run[0], run[2]])
    report = verify(store, "r", ENGINE)
    assert missing(report) == [run[1]]
    assert repaired(store, report).verdict is Verdict.WHOLE


def test_bounds_that_nothing_tells_are_never_invented(store: Store) -> None:
    """The shards' own messages may still be on a queue: points under two shards would count twice."""
    run = uneven([(0, 2), (2, 7), (7, 9), (9, 12)])
    run_all(store, run[:1])
    assert verify(store, "r", ENGINE).unknown_gaps == [(2, 12)]
    run_all(store, run[3:])
    report = verify(store, "r", ENGINE)
    assert report.missing.count == 0
    assert report.unknown_gaps == [(2, 9)]
    assert report.verdict is Verdict.INCOMPLETE


def test_an_attempt_tells_the_bounds_of_its_shard(store: Store, tmp_path: Path) -> None:
    run = uneven([(0, 2), (2, 7), (7, 9), (9, 12)])
    engine = crashing(tmp_path, 2)
    run_shard(run[1], engine, store)
    run_shard(run[2], engine, store)
    run_all(store, [run[0], run[3]])
    for shard in (1, 2):
        Path(store.url, f"shard_outcomes/run_date={RUN_DATE}/run=r/shard-{shard:08d}.parquet").unlink()
    report = verify(store, "r", ENGINE)
    assert missing(report) == run[1:3]
    assert report.unknown_gaps == []
    assert repaired(store, report).verdict is Verdict.WHOLE


def test_missing_shards_without_number_take_no_memory(store: Store) -> None:
    run_all(store, [of_huge_run(0, 0), of_huge_run(5, 5)])
    before = process_memory.begin()
    report = verify(store, "r", ENGINE)
    assert (report.verdict, report.missing.count) == (Verdict.INCOMPLETE, (1 << 62) - 2)
    told = report.to_json()
    assert told["shards_missing"] == (1 << 62) - 2
    assert len(told["missing"]) == MOST_LISTED
    assert [each["shard_id"] for each in told["missing"][:5]] == [1, 2, 3, 4, 6]
    first = [decode(body, utc_now().date()) for body in islice(report.messages(), 5)]
    assert first == [of_huge_run(shard, shard) for shard in (1, 2, 3, 4, 6)]
    assert process_memory.peak() - before < 256 << 20


@pytest.mark.parametrize(("limit", "count"), [("MOST_MESSAGES", 2), ("MOST_BYTES", 1_000)])
def test_no_more_messages_are_made_at_once_than_a_disk_holds(
    store: Store, monkeypatch: pytest.MonkeyPatch, limit: str, count: int
) -> None:
    run_shard(of_huge_run(0, 0), ENGINE, store)
    run_shard(of_huge_run(5, 5), ENGINE, store)
    monkeypatch.setattr(repair, limit, count)
    assert len(list(verify(store, "r", ENGINE).messages())) == 2


def test_a_series_of_shards_is_cut_where_some_are_hidden() -> None:
    whole = ShardSeries(3, 30, 75, 10)
    shards = list(whole)
    assert [(each.shard_id, each.start_index, each.end_index_exclusive) for each in shards] == [
        (3, 30, 40), (4, 40, 50), (5, 50, 60), (6, 60, 70), (7, 70, 75)
    ]  # fmt: skip
    for hidden in ([], [2, 8], [3], [7], [4, 5], [3, 7], [3, 4, 5, 6, 7]):
        parts = list(whole.without(hidden))
        assert [shard for part in parts for shard in part] == [each for each in shards if each.shard_id not in hidden]
        assert sum(part.count for part in parts) == sum(each.shard_id not in hidden for each in shards)


def test_no_message_is_written_of_a_damaged_record(store: Store) -> None:
    run_all(store, messages("r", replace(WHOLE, replications=8))[:2])
    run = Damaged(Path(store.url))
    run.edit(run.path("runs/run=r/run.parquet"), run_id="other")
    report = verify(store, "r", ENGINE)
    assert (report.verdict, report.missing.count, list(report.messages())) == (Verdict.CORRUPT, 0, [])


def test_a_shard_whose_outcome_is_unreadable_is_in_no_message(store: Store) -> None:
    run_all(store, messages("r", replace(WHOLE, replications=8)))
    Path(store.url, f"shard_outcomes/run_date={RUN_DATE}/run=r/shard-00000001.parquet").write_bytes(b"")
    report = verify(store, "r", ENGINE)
    assert (report.verdict, report.missing.count) == (Verdict.CORRUPT, 0)


def test_bounds_beyond_all_measure_end_too(store: Store) -> None:
    spec = replace(WHOLE, replications=1 << 32)
    bounds = {"shard_id": 0, "start_index": 0, "end_index_exclusive": 5}
    run_shard(ShardMessageV2.of(spec, "r", RUN_DATE, total_points=total(spec), **bounds), ENGINE, store)
    run = Damaged(Path(store.url))
    path = run.path(f"shard_outcomes/run_date={RUN_DATE}/run=r/shard-00000000.parquet")
    run.edit(path, end_index_exclusive=10**10, points_succeeded=10**10)
    assert "points.missing" in codes(verify(store, "r", ENGINE))

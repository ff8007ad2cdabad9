"""What a listing tells of a run, and what it passes over."""

from pathlib import Path

from sweepctl.records import layout
from sweepctl.records.run import list_attempts, list_outcomes
from sweepctl.store import open_store


def test_outcomes_and_attempts_are_found_and_strays_are_passed_over(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    keys = [layout.ShardKeys("r", "2026-03-01", shard_id) for shard_id in (0, 7, 123_456_789)]
    for each in keys:
        store.create(each.outcome, b"outcome")
        store.create(each.attempt("a"), b"attempt")
    outcomes, attempts = layout.outcomes_folder("r", "2026-03-01"), layout.attempts_folder("r", "2026-03-01")
    for stray in ("notes.txt", "shard-00000008-a.parquet", "deep/shard-00000009.parquet", "shard-000000010.parquet"):
        store.create(outcomes + stray, b"")
    store.create(f"{attempts}notes.txt", b"")
    store.create(layout.ShardKeys("other", "2026-03-01", 1).outcome, b"")
    found = {shard_id: entry.key for shard_id, entry in list_outcomes(store, "r", "2026-03-01")}
    assert found == {each.shard_id: each.outcome for each in keys}
    assert sorted(shard_id for shard_id, _ in list_attempts(store, "r", "2026-03-01")) == [0, 7, 123_456_789]

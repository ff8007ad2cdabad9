"""A shard's files: which of them are adopted or compared, and how much a worker lets them take."""

import errno
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.refusing import refusing
from fakes.toy_model import STARTED, finished, point, rows
from shard.toy_shard import (
    FILES,
    GOOD,
    OUTCOME_KEY,
    POINTS,
    RUN_KEYS,
    SHARD,
    TODAY,
    keys,
    message,
    read,
    run,
    stored_body,
)

from sweepctl.engine.client import Engine
from sweepctl.errors import (
    ConflictError,
    MessageError,
    NoRoomError,
    ScratchError,
    StoreError,
)
from sweepctl.records import table
from sweepctl.records.row_digest import ContentDigest
from sweepctl.shard import conditions
from sweepctl.shard.run import Conditions, Disposition, run_shard
from sweepctl.store import open_store
from sweepctl.store.contract import Store


def test_both_datasets_join_one_to_one(store: Store, engine: Callable[..., Engine]) -> None:
    run(message(), engine(), store)
    parameters, outcomes = (read(store, SHARD.dataset(name, "toy")) for name in FILES)
    joined = parameters.join(outcomes, ["run_id", "point_index"], join_type="full outer", right_suffix="_o")
    assert joined.num_rows == POINTS
    assert joined["point_fingerprint"].equals(joined["point_fingerprint_o"])
    assert parameters.schema.names[:10] == [
        "run_id",
        "shard_id",
        "point_index",
        "replicate",
        "seed",
        "model",
        "model_version",
        "parameter_fingerprint",
        "point_fingerprint",
        "effective_parameters_json",
    ]


@pytest.mark.parametrize("is_equal", [True, False])
def test_rows_are_compared_where_the_digest_in_the_store_is_of_another_version(
    store: Store, engine: Callable[..., Engine], *, is_equal: bool
) -> None:
    first = run(message(), engine(), store).outcome
    stored = store.read(OUTCOME_KEY)
    assert stored is not None
    old = replace(first, content_sha256="0" * 64)  # as earlier releases write it
    store.replace(OUTCOME_KEY, table.encode(old), stored.etag)
    if is_equal:
        again = run(message(), engine(), store, force=True)
        assert (again.disposition, again.outcome) == (Disposition.KEPT, old)
    else:
        other = engine(GOOD.replace("say(p)", "say(p.replace('\"m\":2.0', '\"m\":2.5'))"))
        with pytest.raises(ConflictError, match="a different result"):
            run(message(), other, store, force=True)


@pytest.mark.parametrize("is_equal", [True, False])
def test_a_lost_file_of_an_earlier_release_is_recreated_only_with_its_own_bytes(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch, *, is_equal: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ContentDigest, "text", "0" * 64)  # it is in the file's metadata
        first = run(message(), engine(), store).outcome
    (lost,) = (each.key for each in first.artifacts if each.dataset == "point_outcomes")
    body = stored_body(store, lost)
    Path(store.locate(lost)).unlink()
    if is_equal:
        again = run(message(), engine(), store, force=True)
        assert (again.disposition, again.outcome) == (Disposition.KEPT, first)
        assert stored_body(store, lost) == body
    else:
        other = engine(GOOD.replace("say(p)", "say(p.replace('\"m\":2.0', '\"m\":2.5'))"))
        with pytest.raises(ConflictError, match="is missing, and cannot be recreated here"):
            run(message(), other, store, force=True)
        assert store.read(lost) is None


def test_a_shard_of_more_points_than_a_worker_allows_leaves_nothing(
    store: Store, engine: Callable[..., Engine]
) -> None:
    with pytest.raises(MessageError, match="a shard of 10 points: this worker runs at most 9"):
        run(message(), engine("sys.exit(3)"), store, max_points=POINTS - 1)
    assert keys(store) == set()
    assert run(message(), engine(), store, max_points=POINTS).outcome.status == "success"


ENDLESS = f"""
say({STARTED!r})
index = 0
while True:
    said = {point(123)!r}.replace("123", str(index)).replace('"metrics":{{"m":61.5}}', '"metrics":{{"m":0.5}}')
    say(said.replace('"replicate":0', f'"replicate":{{index}}').replace(f'"x":{{index}}', '"x":0')
        .replace(f'\\"x\\":{{index}}', '\\"x\\":0'))
    index += 1
"""


def test_a_shard_whose_files_take_more_than_a_worker_allows_is_ended_while_they_are_written(
    store: Store, engine: Callable[..., Engine], tmp_path: Path
) -> None:
    most, reached = 100_000, [0]
    huge = message(dimensions={"x": [0]}, replications=10**9, total_points=10**9, end_index_exclusive=10**9)
    with pytest.raises(MessageError, match="its shard take more than 100,000 bytes"):
        run_shard(
            huge,
            engine(ENDLESS),
            store,
            Conditions(max_scratch_bytes=most),
            progress=lambda points, _: reached.append(points),
            now=lambda: TODAY,
        )
    assert reached[-1] < 10 * table.ROW_GROUP_ROWS
    assert keys(store) == RUN_KEYS
    assert not [path for path in (tmp_path / "store").rglob("*.parquet") if path.stat().st_size > most]


def test_what_remains_of_the_files_at_the_end_counts_too(store: Store, engine: Callable[..., Engine]) -> None:
    with pytest.raises(MessageError, match="take more than 1,000 bytes"):
        run(message(), engine(), store, max_scratch_bytes=1_000)
    assert keys(store) == RUN_KEYS
    assert run(message(), engine(), store, max_scratch_bytes=100_000).outcome.status == "success"


def free(monkeypatch: pytest.MonkeyPatch, bytes_free: int) -> None:
    monkeypatch.setattr(conditions, "disk_usage", lambda _: SimpleNamespace(free=bytes_free))


def test_a_shard_takes_at_most_its_share_of_what_is_free_when_it_starts(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 16 << 20)
    huge = message(dimensions={"x": [0]}, replications=10**9, total_points=10**9, end_index_exclusive=10**9)
    with pytest.raises(NoRoomError, match="more than 4,194,304 bytes, its share of this worker's free space"):
        run(huge, engine(ENDLESS), store, max_scratch_bytes=1 << 30, concurrency=2)
    assert keys(store) == RUN_KEYS
    with pytest.raises(MessageError, match="more than 100,000 bytes, which this worker does not allow"):
        run(huge, engine(ENDLESS), store, max_scratch_bytes=100_000, concurrency=2)
    assert run(message(run_id="s"), engine(), store, max_scratch_bytes=1 << 30, concurrency=2).outcome.complete


def test_a_worker_whose_disk_is_full_starts_no_shard(
    store: Store, engine: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 3 << 20)
    with pytest.raises(ScratchError, match="only 3,145,728 bytes are free for 2 shards at once") as caught:
        run(message(), engine(), store, max_scratch_bytes=1 << 30, concurrency=2)
    assert not isinstance(caught.value, NoRoomError)
    assert run(message(), engine(), store, max_scratch_bytes=1 << 30, concurrency=1).outcome.status == "success"


def test_a_full_disk_is_the_stores_fault_and_leaves_nothing(
    store: Store,
    engine: Callable[..., Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table.DatasetWriter, "finish", refusing(errno.ENOSPC))
    with pytest.raises(StoreError, match="No space left on device"):
        run(message(), engine(), store)
    assert keys(store) == RUN_KEYS


def test_equal_content_in_other_bytes_is_adopted(store: Store, engine: Callable[..., Engine]) -> None:
    """What a crash between data and outcome leaves, found by a worker with another Parquet library."""
    first = run(message(), engine(), store).outcome
    root = Path(store.url)
    (root / OUTCOME_KEY).unlink()
    for artifact in first.artifacts:
        written = pq.read_table(pa.BufferReader(stored_body(store, artifact.key)))
        (root / artifact.key).unlink()
        pq.write_table(written, root / artifact.key, compression="none")
    second = run(message(), engine(), store)
    assert second.disposition is Disposition.COMMITTED
    assert replace(second.outcome, artifacts=(), attempt_id="") == replace(
        first,
        artifacts=(),
        attempt_id="",
        cpu_seconds=second.outcome.cpu_seconds,
    )
    for artifact in second.outcome.artifacts:
        assert hashlib.sha256((root / artifact.key).read_bytes()).hexdigest() == artifact.sha256


@pytest.mark.parametrize("with_outcome", [True, False])
def test_a_damaged_file_is_never_adopted(store: Store, engine: Callable[..., Engine], *, with_outcome: bool) -> None:
    first = run(message(), engine(), store).outcome
    root = Path(store.url)
    path = root / first.artifacts[1].key
    body = bytearray(path.read_bytes())
    metric = pq.read_metadata(path).row_group(0).column(8)
    body[metric.data_page_offset + metric.total_compressed_size - 9] ^= 1
    path.chmod(0o644)
    path.write_bytes(body)
    if not with_outcome:
        (root / OUTCOME_KEY).unlink()
    with pytest.raises(ConflictError):
        run(message(), engine(), store, force=True)
    assert path.read_bytes() == body


def test_files_that_the_outcome_does_not_name_are_told_by_force(store: Store, engine: Callable[..., Engine]) -> None:
    first = run(message(), engine(), store).outcome
    path = Path(store.url) / first.artifacts[0].key
    rows_there = pq.read_table(pa.BufferReader(path.read_bytes()))
    pq.write_table(rows_there, path, compression="none")
    with pytest.raises(ConflictError, match="do not match its outcome"):
        run(message(), engine(), store, force=True)


@pytest.mark.slow
def test_equal_work_gives_equal_bytes_however_the_engine_pauses(
    store: Store,
    engine: Callable[..., Engine],
    tmp_path: Path,
) -> None:
    whole = run(message(), engine(), store).outcome
    other = open_store(str(tmp_path / "other"))
    pieces = run(message(), engine("for p in points: say(p); time.sleep(0.05)"), other).outcome
    assert [artifact.sha256 for artifact in whole.artifacts] == [artifact.sha256 for artifact in pieces.artifacts]


def test_rows_of_an_extra_dataset_lie_beside_the_points(store: Store, engine: Callable[..., Engine]) -> None:
    started = json.dumps({**json.loads(STARTED), "datasets": {"parts": {"p": "int"}}}, separators=(",", ":"))
    lines = [started]
    for index in range(POINTS):
        lines += [rows(index, *range(index)), point(index)]
    result = run(message(outputs=["parts"]), engine(f"for p in {[*lines, finished(POINTS)]!r}: say(p)"), store)
    assert result.outcome.status == "success"
    parts = read(store, SHARD.dataset("parts", "toy"))
    assert parts["point_index"].to_pylist() == [index for index in range(POINTS) for _ in range(index)]
    assert [artifact.dataset for artifact in result.outcome.artifacts] == [*FILES, "parts"]

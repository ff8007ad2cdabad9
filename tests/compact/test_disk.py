"""Compaction on a disk that is full, fails, or forgets in a power cut what was not synced."""

import errno
import json
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pytest
from fakes.refusing import refusing
from typer.testing import CliRunner
from verify.damage import RUN_ID

from sweepctl.cli import app
from sweepctl.compact import parts
from sweepctl.compact.run import compact
from sweepctl.errors import StoreError
from sweepctl.records import compact_source, layout
from sweepctl.records.table import DatasetWriter
from sweepctl.store import open_store
from sweepctl.store.contract import Put
from sweepctl.store.local import LocalStore

SHARDS = 4


def test_a_full_disk_ends_it_as_one_and_is_no_bug(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(DatasetWriter):
        def add(self, rows: pa.Table) -> None:
            refusing(errno.ENOSPC)(rows)

    with monkeypatch.context() as patched:
        patched.setattr(parts, "DatasetWriter", Full)
        ended = CliRunner().invoke(app, ["compact", RUN_ID, "--store", str(root), "--json"])
    assert ended.exit_code == StoreError.exit_code
    error = json.loads(ended.stdout)["error"]
    assert (error["kind"], error["remedy"].partition(".")[0]) == ("scratch", "Free space there")
    assert "No space left on device" in error["message"]
    assert not (root / layout.compact_manifest(RUN_ID)).exists()
    assert not compact(open_store(str(root)), RUN_ID).already


@pytest.mark.parametrize("module", [parts, compact_source], ids=["copy", "source"])
def test_a_disk_that_fails_makes_no_file_a_damaged_one(
    root: Path, module: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact_source, "BYTES_AT_ONCE", 1)
    monkeypatch.setattr(module, "tables_of", refusing(errno.EIO))
    with pytest.raises(StoreError, match=r"cannot read .*: Input/output error"):
        compact(open_store(str(root)), RUN_ID)


def test_what_it_reads_is_durable_before_anything_is_made_of_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcomes before the parts, each part of another compaction before the manifest that names it."""
    steps: list[tuple[str, str]] = []
    create = LocalStore.create

    def created(store: LocalStore, key: str, body: bytes | Path) -> Put:
        steps.append(("create", key))
        return create(store, key, body)

    def all_durable(_: LocalStore, keys: Iterable[str]) -> None:
        steps.extend(("durable", key) for key in keys)

    monkeypatch.setattr(LocalStore, "create", created)
    monkeypatch.setattr(LocalStore, "make_all_durable", all_durable)
    monkeypatch.setattr(LocalStore, "make_durable", lambda _, key: steps.append(("durable", key)))
    store = open_store(str(root))
    outcomes = [f"{layout.outcomes_folder(RUN_ID, '2026-02-14')}{layout.shard_file(shard)}" for shard in range(SHARDS)]
    made = {part.key for part in compact(store, RUN_ID).manifest.parts}
    assert steps[:SHARDS] == [("durable", key) for key in outcomes]
    assert set(steps[SHARDS:-1]) == {("create", key) for key in made}

    (root / layout.compact_manifest(RUN_ID)).unlink()
    steps.clear()
    compact(store, RUN_ID)
    assert set(steps[SHARDS:-1]) == {("durable", key) for key in made}
    assert steps[-1] == ("create", layout.compact_manifest(RUN_ID))

"""A disk that fails while Arrow reads a file says nothing about the file: verify ends with the store's error."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from verify.damage import RUN_ID, Damaged
from verify.runs import ENGINE, SPEC, messages, run_all

from sweepctl.compact.run import compact
from sweepctl.errors import DamagedError, StoreError
from sweepctl.records import compact_source
from sweepctl.store import open_store
from sweepctl.verify import Reexecution, Verdict, artifacts, verify
from sweepctl.verify.run import ExaminedRun

pytestmark = pytest.mark.slow


class Reads:
    """Counts Arrow's reads of files, of which one may fail as at a bad sector; what is in memory is not counted."""

    def __init__(self) -> None:
        self.count = 0
        self.failing: int | None = None

    def of(self, source: object) -> None:
        if isinstance(source, Path):
            self.count += 1
            if self.count == self.failing:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def before(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def reading(source: object, *args: object, **options: object) -> object:
            self.of(source)
            return read(source, *args, **options)

        return reading


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads()

    class File(pq.ParquetFile):  # type: ignore[misc]
        def __init__(self, source: object, **options: object) -> None:
            reads.of(source)
            self._source = source
            super().__init__(source, **options)

        def read(self, **options: object) -> pa.Table:
            reads.of(self._source)
            return super().read(**options)

        def read_row_group(self, group: int, **options: object) -> pa.Table:
            reads.of(self._source)
            return super().read_row_group(group, **options)

        def iter_batches(self, *args: object, **options: object) -> Iterator[pa.RecordBatch]:
            for batch in super().iter_batches(*args, **options):
                reads.of(self._source)
                yield batch

    monkeypatch.setattr(pq, "read_metadata", reads.before(pq.read_metadata))
    monkeypatch.setattr(pq, "read_table", reads.before(pq.read_table))
    monkeypatch.setattr(pq, "ParquetFile", File)
    monkeypatch.setattr(os, "cpu_count", lambda: 0)  # one file after the other, always in the same order
    # Files as of large shards, which are read where they are.
    monkeypatch.setattr(artifacts, "SMALL_BYTES", 0)
    monkeypatch.setattr(compact_source, "BYTES_AT_ONCE", 1)
    return reads


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole") / "store"
    store = open_store(str(root))
    run_all(store, messages(RUN_ID, SPEC, 12))
    compact(store, RUN_ID)
    return root


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "store")
    return tmp_path / "store"


def require_store_errors(root: Path, reads: Reads, verdict: Verdict, *asked: object) -> None:
    store = open_store(str(root))
    assert verify(store, RUN_ID, *asked).verdict is verdict  # type: ignore[arg-type]
    count = reads.count
    assert count
    for number in range(1, count + 1):
        reads.count, reads.failing = 0, number
        with pytest.raises(StoreError, match=r"cannot read .*: Input/output error") as caught:
            verify(store, RUN_ID, *asked)  # type: ignore[arg-type]
        assert not isinstance(caught.value, DamagedError)


def test_at_any_read_of_a_compact_run_and_of_the_file_that_shows_its_columns(
    root: Path, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExaminedRun, "declaration", None)
    require_store_errors(root, reads, Verdict.UNPROVEN, None)


def test_at_any_read_of_what_an_attempt_left(root: Path, reads: Reads) -> None:
    shutil.rmtree(root / "compact-v1")
    Damaged(root).outcome(1).unlink()
    require_store_errors(root, reads, Verdict.INCOMPLETE, None)


def test_at_any_read_for_points_that_are_run_again(root: Path, reads: Reads) -> None:
    shutil.rmtree(root / "compact-v1")
    require_store_errors(root, reads, Verdict.FAILURES, ENGINE, Reexecution(None))

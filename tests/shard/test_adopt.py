"""Files that are compared with what an attempt computed: they come from a store, and may be anything."""

import errno
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.refusing import refusing

from sweepctl.records.table import POINT_OUTCOMES, ROW_GROUP_ROWS, SHARED_COLUMNS, DataFile
from sweepctl.shard import adopt
from sweepctl.shard.adopt import same_without, standing

ROWS = ROW_GROUP_ROWS + 1
POINTS = pa.table(
    {
        **{name: pa.array(["x"] * ROWS) for name in SHARED_COLUMNS},
        "point_index": pa.array(range(ROWS), pa.int64()),
        "status": pa.array(["failure", *["success"] * (ROWS - 1)]),
        "error_code": pa.array(["point_crashed", *[None] * (ROWS - 1)], pa.string()),
        "error_message": pa.array(["it crashed", *[None] * (ROWS - 1)], pa.string()),
    }
)


def file(path: Path, digest: bytes = b"0" * 64, *, group: int = ROW_GROUP_ROWS) -> Path:
    pq.write_table(POINTS.replace_schema_metadata({"content_sha256": digest}), path, row_group_size=group)
    return path


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return file(tmp_path / "own.parquet")


def test_an_equal_file_stands(tmp_path: Path, own: Path) -> None:
    found = standing(file(tmp_path / "found.parquet"), own)
    assert found is not None
    assert (found.apart.to_pylist(), found.failed, found.first_failure) == ([0], 1, (0, "point_crashed", "it crashed"))


@pytest.mark.parametrize(("digest", "group"), [(b"0" * 64, ROWS), (b"\xff", ROW_GROUP_ROWS), (b"", ROW_GROUP_ROWS)])
def test_a_file_that_no_worker_wrote_is_another_result(tmp_path: Path, own: Path, digest: bytes, group: int) -> None:
    """It has a row group without bound, or a digest that is none."""
    assert standing(file(tmp_path / "found.parquet", digest, group=group), own) is None


@pytest.mark.parametrize("body", [b"", b"junk" * 99])
def test_a_damaged_file_of_an_extra_dataset_is_another_result(tmp_path: Path, own: Path, body: bytes) -> None:
    damaged = tmp_path / "found.parquet"
    damaged.write_bytes(body)
    mine = DataFile(POINT_OUTCOMES, own, ROWS)
    assert not same_without(DataFile(POINT_OUTCOMES, damaged, ROWS), mine, pa.array([0], pa.int64()))


def test_a_disk_that_fails_makes_no_file_another_result(
    tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, a full disk would be recorded as a conflict."""
    missing = tmp_path / "missing.parquet"
    with pytest.raises(FileNotFoundError):
        standing(missing, own)

    monkeypatch.setattr(adopt, "DatasetWriter", refusing(errno.ENOSPC))
    mine = DataFile(POINT_OUTCOMES, own, ROWS)
    found = DataFile(POINT_OUTCOMES, file(tmp_path / "found.parquet"), ROWS)
    with pytest.raises(OSError, match="No space left on device"):
        same_without(found, mine, pa.array([0], pa.int64()))

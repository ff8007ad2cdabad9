"""A short soak, as `make soak` runs long ones; and its judge, before series that grow."""

import mmap
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from soak import judge
from soak.soak import Plan, Soak
from soak.watch import Sample, memory_of

FLAT = Sample(0.0, 100 << 20, 90 << 20, 12, 4, 2, 0, 0.0, 0.0)


@pytest.mark.servers
@pytest.mark.slow
def test_drains_prove_every_run_among_faults_and_leave_nothing(tmp_path: Path) -> None:
    report = Soak(Plan.of(15), tmp_path, lambda _, __: None).run()
    assert report.findings() == []
    assert all(runs > 1 for runs in report.runs.values())
    assert report.struck.keys() >= {"queue restarted", "store restarted"}


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_is_what_a_process_has_for_itself(tmp_path: Path) -> None:
    size = 32 << 20
    (tmp_path / "file").write_bytes(bytes(size))
    before = memory_of(os.getpid())
    with (tmp_path / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as shared:
        assert shared.find(b"x") == -1  # each page has been read
        assert memory_of(os.getpid()) < before + size // 2
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
        own.write(b"x" * size)
        assert memory_of(os.getpid()) > before + size // 2


def test_a_series_that_rises_and_falls_is_flat() -> None:
    assert judge.growth([replace(FLAT, memory=FLAT.memory + (number % 7 << 20)) for number in range(400)]) == []


@pytest.mark.parametrize("name", ["memory", "own_memory"])
def test_a_leak_of_a_tenth_of_a_megabyte_a_sample_is_told(name: str) -> None:
    leaking = [replace(FLAT, **{name: getattr(FLAT, name) + number * 100_000}) for number in range(400)]
    (told,) = judge.growth(leaking)
    assert told.startswith(f"{name} grew from ")


def test_a_file_that_no_shard_can_have_any_more_is_told() -> None:
    (told,) = judge.growth([*[FLAT] * 399, replace(FLAT, files=1, oldest_file=400.0)])
    assert told == "a scratch file lay there for 400 s"


@pytest.mark.parametrize("name", ["descriptors", "threads", "children", "files"])
def test_what_a_drain_at_rest_keeps_is_told(name: str) -> None:
    assert judge.at_rest(FLAT, FLAT) == []
    after = replace(FLAT, **{name: getattr(FLAT, name) + 10})
    (told,) = judge.at_rest(FLAT, after)
    assert told == f"{name} at rest grew from {getattr(FLAT, name)} to {getattr(after, name)}"

"""What `status` remembers: it saves reading, and whatever becomes of it, no number is another."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.faulty import FaultyStore
from runs.test_status import RUN, after, file, key, outcome, sweepctl

from sweepctl.records import table
from sweepctl.runs import remembered
from sweepctl.runs.status import Status, StatusReader
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.store.contract import Store


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of what is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/sweepctl/status"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store with a run of ten shards, of which three have outcomes."""
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    file(store, outcome(0), outcome(1, "points"), outcome(2, "retryable"))
    return store


def looked(store: Store) -> tuple[Status, list[str]]:
    """Return the status as the command finds it, and the outcomes that it reads."""
    faulty = FaultyStore(store)
    reader = StatusReader.of(faulty, "r")
    reader.seen = remembered.load(faulty, reader.run)
    found = reader.read(after(60))
    if reader.has_read:
        remembered.save(faulty, reader.run, reader.seen)
    read = [call.key for call in faulty.calls if call.method == "read"]
    return found, read[1:]  # the first is the run record


def afresh(store: Store) -> Status:
    return StatusReader.of(store, "r").read(after(60))


def test_what_did_not_change_is_not_read_again(store: Store) -> None:
    assert looked(store) == (afresh(store), [key(0), key(1), key(2)])
    assert looked(store) == (afresh(store), [])
    standing = store.read(key(2))
    assert standing is not None
    store.replace(key(2), table.encode(outcome(2)), standing.etag)
    file(store, outcome(3))
    assert looked(store) == (afresh(store), [key(2), key(3)])
    assert looked(store) == (afresh(store), [])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"v', b'"w').replace(b"true", b"null"))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def other_form(path: Path) -> None:
    (form, *identity), rows = json.loads(path.read_bytes()[64:])
    content = json.dumps(([form + 1, *identity], rows)).encode()
    path.write_bytes(hashlib.sha256(content).hexdigest().encode() + content)


@pytest.mark.parametrize(
    "damage",
    [Path.unlink, cut, changed, folder, other_form, lambda path: path.write_bytes(b"")],
)
def test_it_may_be_lost_or_damaged(store: Store, cache: Path, damage: Callable[[Path], object]) -> None:
    expected = looked(store)
    (path,) = cache.iterdir()
    damage(path)
    assert looked(store) == expected
    shutil.rmtree(cache.parent)
    cache.parent.write_text("in the way")
    assert looked(store) == expected


def test_a_run_that_was_deleted_and_made_anew_is_another(store: Store, tmp_path: Path) -> None:
    looked(store)
    versions = {each.key: each.version for each in store.objects("shard_outcomes/")}
    shutil.rmtree(tmp_path / "store/runs")
    commit.pin_run(store, replace(RUN, created_at=after(1)))
    assert versions == {each.key: each.version for each in store.objects("shard_outcomes/")}
    assert looked(store)[1] == [key(0), key(1), key(2)]


def test_what_was_moved_away_counts_no_longer(store: Store, tmp_path: Path) -> None:
    looked(store)
    (tmp_path / "store" / key(1)).unlink()
    found, _ = looked(store)
    assert (found, found.shards_missing) == (afresh(store), 8)


def test_what_cannot_be_read_is_read_again(store: Store) -> None:
    store.create(key(4), b"no Parquet")
    assert looked(store)[0].shards_unreadable == 1
    assert looked(store) == (afresh(store), [key(4)])


def test_stores_and_runs_do_not_share_it(store: Store, tmp_path: Path, cache: Path) -> None:
    looked(store)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert len(looked(open_store(str(tmp_path / "copy")))[1]) == 3
    assert len(list(cache.iterdir())) == 2


def test_only_some_runs_are_remembered(store: Store, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST_RUNS", 2)
    names = []
    for number in range(4):
        remembered.save(store, replace(RUN, run_id=f"r{number}"), {})
        names += [path.name for path in cache.iterdir() if path.name not in names]
        os.utime(cache / names[-1], (number, number))
    assert {path.name for path in cache.iterdir()} == set(names[-2:])
    monkeypatch.setattr(remembered, "MOST_BYTES", 100)
    looked(store)
    assert len(list(cache.iterdir())) == 2, "a run that is too large is not kept"


LOOK_OFTEN = """
import sys
from sweepctl.runs import remembered
from sweepctl.runs.status import StatusReader
from sweepctl.shard.run import utc_now
from sweepctl.store import open_store

store = open_store(sys.argv[1])
for _ in range(20):
    reader = StatusReader.of(store, "r")
    reader.seen = remembered.load(store, reader.run)
    reader.read(utc_now())
    remembered.save(store, reader.run, reader.seen)
"""


@pytest.mark.slow
def test_two_processes_at_once_leave_one_that_is_whole(store: Store, cache: Path) -> None:
    command = [sys.executable, "-P", "-c", LOOK_OFTEN, store.url]
    processes = [subprocess.Popen(command) for _ in range(2)]
    assert [each.wait() for each in processes] == [0, 0]
    assert len(list(cache.iterdir())) == 1
    assert looked(store) == (afresh(store), [])


def test_the_command_remembers_and_says_the_same(store: Store, cache: Path) -> None:
    first, again = (json.loads(sweepctl("status", "r", "--store", store.url, "--json").stdout) for _ in range(2))
    assert list(cache.iterdir())
    assert {**first, "at": ""} == {**again, "at": ""}

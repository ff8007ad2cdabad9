"""The store contract, one suite for every store; real servers are marked `servers`."""

import datetime as dt
import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import pytest
from fakes.bucket import Bucket, Client
from fakes.faulty import Crash, FaultyStore, StoreFault
from fakes.servers import BUCKET, Server
from store import racer

from sweepctl.errors import DamagedError, StoreError
from sweepctl.store import Put, Store, Stored, open_store
from sweepctl.store.contract import MAX_BODY, Entry
from sweepctl.store.listing import Page
from sweepctl.store.s3 import S3Store, open_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "point_outcomes/queue/run_date=2026-02-14/run=demo-001/shard-00000042.parquet"
RIVALS = 8
T = TypeVar("T")
_numbers = itertools.count()


@dataclass(frozen=True)
class Place:
    """A fresh store, how another process opens it, and what lies in it by another way than the store's own."""

    store: Store
    endpoint_url: str | None
    list: Callable[[], list[str]]


SERVERS = [pytest.param(name, marks=pytest.mark.servers) for name in ("weed", "versity")]


@pytest.fixture(params=["local", "memory", "moto", *SERVERS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        root = tmp_path / "store"
        return Place(open_store(str(root)), None, lambda: _files_in(root))
    if request.param == "memory":
        bucket = Bucket()
        memory = S3Store("memory", "", cast("S3Client", Client(bucket)), time.sleep)
        keys = bucket.objects
        return Place(memory, None, lambda: sorted(key for key in keys if not key.startswith(".sweepctl/")))
    server: Server = request.getfixturevalue(f"{request.param}_server")
    prefix = f"contract/{next(_numbers)}"
    opened = _opened(server.endpoint_url)
    return Place(
        S3Store(BUCKET, prefix, opened._client, time.sleep, lambda: opened._signed_gets),
        server.endpoint_url,
        lambda: [key.removeprefix(f"{prefix}/") for key in server.keys(f"{prefix}/")],
    )


@pytest.fixture
def store(place: Place) -> Store:
    return place.store


@cache
def _opened(endpoint_url: str) -> S3Store:
    """Whose clients are kept among tests: one takes longer to make than most tests run."""
    return open_s3(BUCKET, "", endpoint_url=endpoint_url)


def _files_in(root: Path) -> list[str]:
    paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in paths if path.parts[0] != ".sweepctl")


def _read(store: Store, key: str = KEY) -> Stored:
    stored = store.read(key)
    assert stored is not None
    return stored


@pytest.mark.slow
def test_an_absent_object_reads_as_none(store: Store, tmp_path: Path) -> None:
    assert store.read(KEY) is None
    assert not store.fetch(KEY, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_what_was_created_is_read(store: Store) -> None:
    assert store.create(KEY, b"body") is Put.WRITTEN
    assert _read(store).body == b"body"


def test_the_first_to_create_stays(store: Store) -> None:
    store.create(KEY, b"first")
    assert store.create(KEY, b"second") is Put.EXISTS
    assert _read(store).body == b"first"


def test_many_are_read_at_a_time_in_their_order(store: Store) -> None:
    keys = [f"a/{number % 3}/shard-{number:08d}.parquet" for number in range(40)]
    for number, key in enumerate(keys):
        if number % 5:
            store.create(key, f"body {number}".encode())
    store.create("b", b"x" * (MAX_BODY + 1))
    *found, large, absent = store.bodies([*keys, "b", "nowhere/c"])
    assert found == [f"body {number}".encode() if number % 5 else None for number in range(40)]
    assert isinstance(large, DamagedError)
    assert absent is None
    assert list(store.bodies([])) == []
    small, large = store.bodies([keys[1], "b"], MAX_BODY // 2)
    assert small == b"body 1"
    assert isinstance(large, DamagedError)
    assert isinstance(next(store.bodies([keys[1]], len(b"body 1") - 1)), DamagedError)


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_bodies_of_any_size_come_back_whole(store: Store, tmp_path: Path, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert store.create(KEY, body) is Put.WRITTEN
    assert _read(store).body == body
    assert store.fetch(KEY, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == body


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_a_file_is_created_from_scratch(store: Store, size: int) -> None:
    with store.scratch() as folder:
        file = folder / "file"
        file.write_bytes(b"x" * size)
        assert store.create(KEY, file) is Put.WRITTEN
        assert store.create(KEY, file) is Put.EXISTS
    assert _read(store).body == b"x" * size


def test_a_file_from_elsewhere_stays_the_callers_own(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"before")
    assert store.create(KEY, file) is Put.WRITTEN
    file.write_bytes(b"after")
    assert _read(store).body == b"before"


def test_a_file_that_cannot_be_read_is_a_store_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        store.create(KEY, tmp_path / "absent")
    assert store.read(KEY) is None


def test_a_judged_body_is_replaced(store: Store) -> None:
    store.create(KEY, b"old")
    assert store.replace(KEY, b"new", _read(store).etag) is Put.WRITTEN
    assert _read(store).body == b"new"


def test_what_was_read_can_be_made_durable(store: Store) -> None:
    store.create(KEY, b"body")
    store.make_durable(KEY)
    store.make_all_durable([KEY])
    assert _read(store).body == b"body"


def test_a_stale_etag_replaces_nothing(store: Store) -> None:
    store.create(KEY, b"old")
    stale = _read(store).etag
    store.replace(KEY, b"new", stale)
    assert store.replace(KEY, b"late", stale) is Put.CHANGED
    assert _read(store).body == b"new"


def test_an_absent_object_is_not_replaced(place: Place, store: Store) -> None:
    store.create("other", b"old")
    assert store.replace(KEY, b"new", _read(store, "other").etag) is Put.CHANGED
    assert store.read(KEY) is None
    assert place.list() == ["other"]


@pytest.mark.parametrize(
    "key",
    ["a", "runs/run=a.b-c_d/run.parquet", "/".join(f"level={n}" for n in range(12)), "partial/a=1-2/shard-00.parquet"],
)
def test_keys_of_a_layout_are_kept_as_they_are(place: Place, store: Store, key: str) -> None:
    assert store.create(key, b"body") is Put.WRITTEN
    assert place.list() == [key]
    assert store.locate(key) == f"{store.url}/{key}"


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", ".sweepctl/probe", "a b", "a\n", "-a"])
def test_a_bad_key_is_a_defect_of_the_caller(store: Store, tmp_path: Path, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.read(key),
        lambda: store.fetch(key, tmp_path / "fetched"),
        lambda: store.create(key, b""),
        lambda: store.replace(key, b"", "etag"),
        lambda: store.locate(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not a key"):
            call()


def test_a_good_store_passes_the_probe_again_and_again(place: Place, store: Store) -> None:
    for _ in range(2):
        store.probe()
    assert all(key.startswith(".sweepctl/") for key in place.list())


def test_rivals_may_probe_together(store: Store) -> None:
    _together(lambda _: store.probe())


def test_a_listing_names_all_below_a_folder_and_nothing_beside_it(store: Store) -> None:
    for key, body in (("t/m/a", b"1"), ("t/m/b", b"22"), ("t/m/deep/c", b""), ("t/mm/d", b"4444"), ("u", b"5")):
        store.create(key, body)
    listed = [(entry.key, entry.bytes) for entry in store.objects("t/m/")]
    assert listed == [("t/m/a", 1), ("t/m/b", 2), ("t/m/deep/c", 0)]
    assert store.folders("t/") == ["m", "mm"]
    assert store.folders("t/m/") == ["deep"]
    assert store.folders("") == ["t"]
    assert list(store.objects("absent/")) == []
    assert store.folders("absent/") == []


def test_a_listing_takes_names_that_begin_alike_for_what_they_are(store: Store) -> None:
    keys = ["t/a-b/c", "t/a.b", "t/a/b", "t/a/c", "t/a0", "t/b"]
    for key in keys:
        store.create(key, b"")
    # In no certain order: servers differ in whether `a/` comes before `a-`.
    assert sorted(entry.key for entry in store.objects("t/")) == keys


def test_a_listing_in_parts_names_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = S3Store._listed

    def in_small_pages(self: S3Store, prefix: str, after: str) -> Iterator[Page]:
        for page in whole(self, prefix, after):
            for at in range(0, len(page.entries), 2):
                yield Page(page.entries[at : at + 2], page.is_last and at + 2 >= len(page.entries))

    monkeypatch.setattr(S3Store, "_listed", in_small_pages)
    files = [f"t/a-{number}.x" for number in range(12) if number not in {2, 3, 4}]
    strays = ["t/Z", "t/a-1.w", "t/a-1/b", "t/a-7/b", "t/a/b/c", "t/a/d", "t/b"]
    for key in (*files, *strays, "t-a-5.x", "u/a-1.x"):
        store.create(key, key.encode())
    entries = sorted(store.objects("t/"), key=lambda entry: entry.key)
    assert [entry.key for entry in entries] == sorted((*files, *strays))
    # Some of the cuts are keys, some are not; some are next to each other, or have nothing between them.
    for numbers in ((1,), (4,), (1, 2, 3, 5, 7), (7, 8), range(5, 10), (99,)):
        cuts = [f"t/a-{number}.x" for number in numbers]
        assert sorted(store.objects("t/", cuts), key=lambda entry: entry.key) == entries
    assert list(store.objects("absent/", ["absent/a-1.x"])) == []


def test_a_listing_tells_what_was_replaced_and_when_it_was_written(store: Store) -> None:
    def listed() -> Entry:
        (entry,) = store.objects("t/")
        return entry

    store.create("t/a", b"first")
    before = listed()
    assert listed() == before
    assert abs(dt.datetime.now(dt.UTC) - before.modified_at) < dt.timedelta(minutes=1)
    assert store.replace("t/a", b"other", _read(store, "t/a").etag) is Put.WRITTEN
    assert listed().version != before.version


@pytest.mark.slow
def test_a_listing_of_more_than_a_page_is_whole(place: Place) -> None:
    names = [f"t/{number:04}/x" for number in range(1_001)]
    with ThreadPoolExecutor(RIVALS) as pool:
        list(pool.map(lambda key: place.store.create(key, b""), names))
    assert sorted(entry.key for entry in place.store.objects("t/")) == names
    assert place.store.folders("t/") == [key.split("/")[1] for key in names]


def test_a_borrowed_object_is_its_own_file_or_a_copy_that_is_gone_on_exit(store: Store) -> None:
    store.create(KEY, b"body")
    with store.borrow(KEY) as path, store.borrow(KEY) as other, store.borrow("absent/key") as absent:
        assert path is not None
        assert other is not None
        assert [path.read_bytes(), other.read_bytes(), absent] == [b"body", b"body", None]
        is_own = not isinstance(store, S3Store)
        assert (path == other == Path(store.locate(KEY))) is is_own
    assert path.exists() is is_own
    assert path.parent.exists() is is_own


def test_scratch_is_private_and_gone_on_exit(store: Store) -> None:
    with store.scratch() as first, store.scratch() as second:
        assert first != second
        (first / "file").write_bytes(b"x")
        assert list(second.iterdir()) == []
    assert not first.exists()
    assert not second.exists()


def test_an_error_in_scratch_passes_unchanged(store: Store) -> None:
    with pytest.raises(OSError, match="mine"), store.scratch():
        raise OSError("mine")


def test_of_rival_threads_one_creates(store: Store) -> None:
    for key in ("race/a", "race/b", "race/c"):
        puts = _together(partial(_create_numbered, store, key))
        winner = puts.index(Put.WRITTEN)
        assert puts.count(Put.EXISTS) == RIVALS - 1
        assert _read(store, key).body == b"%d" % winner * 1000


@pytest.mark.slow
def test_of_rival_threads_none_loses_an_update(store: Store) -> None:
    store.create(racer.COUNTER, b"0")
    _together(lambda _: racer.add(store, racer.TURNS))
    assert _read(store, racer.COUNTER).body == b"%d" % (RIVALS * racer.TURNS)


@pytest.mark.slow
def test_rival_processes_neither_win_twice_nor_lose_an_update(place: Place, store: Store) -> None:
    if place.store.url == "s3://memory":
        pytest.skip("memory is one process's own")
    store.create(racer.COUNTER, b"0")
    names = ["a", "b", "c"]
    outputs = _race(place, names)
    won = dict(zip(names, map(json.loads, outputs), strict=True))
    assert sorted(key for keys in won.values() for key in keys) == racer.KEYS
    for name, keys in won.items():
        assert all(_read(store, key).body == name.encode() * 1000 for key in keys)
    assert _read(store, racer.COUNTER).body == b"%d" % (len(names) * racer.TURNS)


@pytest.mark.parametrize("fault", StoreFault)
@pytest.mark.parametrize("call", range(4))
def test_a_write_that_ended_anyhow_can_be_settled_by_reading(
    place: Place, store: Store, call: int, fault: StoreFault
) -> None:
    """Dead or without a reply at any call: the next attempt finds old or new, and can go on."""
    try:
        _raise_to(FaultyStore(store, {call: fault}), b"mine")
    except (StoreError, Crash):
        _raise_to(store, b"mine")
    assert _read(store).body == b"mine"
    assert place.list() == [KEY]


def _raise_to(store: Store, body: bytes) -> None:
    store.create(KEY, b"old")
    stored = _read(store)
    if stored.body == b"old":
        store.replace(KEY, body, stored.etag)
    assert _read(store).body == body


def _create_numbered(store: Store, key: str, number: int) -> Put:
    return store.create(key, b"%d" % number * 1000)


def _race(place: Place, names: list[str]) -> list[str]:
    script = [sys.executable, str(Path(racer.__file__)), place.store.url, place.endpoint_url or "-"]
    with ExitStack() as running:
        processes = [
            running.enter_context(
                subprocess.Popen([*script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for name in names
        ]
        for process in processes:
            running.callback(process.kill)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        with ThreadPoolExecutor(len(names)) as pool:
            return list(pool.map(lambda process: process.communicate("go\n")[0], processes))


def _together(work: Callable[[int], T]) -> list[T]:
    barrier = threading.Barrier(RIVALS)

    def run(number: int) -> T:
        barrier.wait()
        return work(number)

    with ThreadPoolExecutor(RIVALS) as pool:
        return list(pool.map(run, range(RIVALS)))

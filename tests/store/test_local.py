"""What only a directory can do wrong: order of syncs, kills at any step, garbage, file systems that lack something."""

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from fakes.refusing import refusing
from store import crasher

from sweepctl.errors import StoreError
from sweepctl.store import Put, Store, files, local, open_store
from sweepctl.store.local import LocalStore

KEY = "runs/run=r/run.parquet"
SCRATCH = f"scratch-{os.geteuid()}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Store:
    return open_store(str(root))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[tuple[str, str]]:
    """Record what is synced, linked and renamed, in order; a file in scratch is called `*`."""
    seen: list[tuple[str, str]] = []
    real: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in ("fsync", "link", "rename")}

    def name_of(path: Path) -> str:
        return "*" if SCRATCH in path.parts else str(path.relative_to(root.parent))

    def fsync(descriptor: int) -> None:
        real["fsync"](descriptor)
        seen.append(("sync", name_of(_path_of(descriptor, root.parent))))

    def link(source: Path, name: str, *, dst_dir_fd: int) -> None:
        real["link"](source, name, dst_dir_fd=dst_dir_fd)
        seen.append(("link", name_of(_path_of(dst_dir_fd, root.parent) / name)))

    def replace(source: Path, name: str, *, dst_dir_fd: int) -> None:
        assert files.is_locked(root / ".sweepctl/replace.lock")
        real["rename"](source, name, dst_dir_fd=dst_dir_fd)
        seen.append(("rename", name_of(_path_of(dst_dir_fd, root.parent) / name)))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "replace", replace)
    return seen


def _path_of(descriptor: int, below: Path) -> Path:
    wanted = os.fstat(descriptor)
    paths = (path for path in (below, *below.rglob("*")) if path.exists())
    return next(path for path in paths if os.path.samestat(path.stat(), wanted))


SYNCED_NAME = ("sync", "store/runs/run=r")
WAY_TO_ROOT = [("sync", "store/runs"), ("sync", "store")]


def test_content_is_durable_before_its_name_and_the_name_on_return(store: Store, steps: list[tuple[str, str]]) -> None:
    store.create(KEY, b"body")
    assert steps == [("sync", "*"), ("link", f"store/{KEY}"), SYNCED_NAME, *WAY_TO_ROOT]


def test_the_way_to_the_root_is_made_durable_once(store: Store, root: Path, steps: list[tuple[str, str]]) -> None:
    store.create(KEY, b"body")
    steps.clear()
    other = "runs/run=r/engine.parquet"
    store.create(other, b"body")
    assert steps == [("sync", "*"), ("link", f"store/{other}"), SYNCED_NAME]
    shutil.rmtree(root / "runs")
    steps.clear()
    store.create(KEY, b"body")
    assert steps == [("sync", "*"), ("link", f"store/{KEY}"), SYNCED_NAME, *WAY_TO_ROOT]


def test_a_file_that_is_given_away_is_durable_too(store: Store, steps: list[tuple[str, str]]) -> None:
    with store.scratch() as folder:
        (folder / "file").write_bytes(b"body")
        store.create(KEY, folder / "file")
    assert steps == [("sync", "*"), ("link", f"store/{KEY}"), SYNCED_NAME, *WAY_TO_ROOT]


def test_what_exists_is_durable_before_anyone_builds_on_it(root: Path, steps: list[tuple[str, str]]) -> None:
    open_store(str(root)).create(KEY, b"body")
    steps.clear()
    assert open_store(str(root)).create(KEY, b"other") is Put.EXISTS
    assert steps == [("sync", "*"), SYNCED_NAME, *WAY_TO_ROOT]


def test_what_was_read_is_made_durable_once(root: Path, steps: list[tuple[str, str]]) -> None:
    open_store(str(root)).create(KEY, b"body")
    steps.clear()
    reader = open_store(str(root))
    reader.make_durable(KEY)
    assert steps == [SYNCED_NAME, *WAY_TO_ROOT]
    steps.clear()
    reader.make_durable(KEY)
    assert steps == []
    stored = reader.read(KEY)
    assert stored is not None
    open_store(str(root)).replace(KEY, b"new", stored.etag)
    steps.clear()
    reader.make_durable(KEY)
    assert steps == [SYNCED_NAME]


def test_many_objects_are_made_durable_by_a_sync_of_each_folder(root: Path, steps: list[tuple[str, str]]) -> None:
    writer, reader = open_store(str(root)), open_store(str(root))
    keys = ["runs/a", "runs/b", "specs/c"]
    for key in keys:
        writer.create(key, b"body")
    reader.make_durable("runs/a")
    steps.clear()
    reader.make_all_durable(keys)
    assert steps == [("sync", "store/runs"), ("sync", "store/specs"), ("sync", "store")]


def test_what_is_remembered_as_durable_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(local, "KNOWN_DURABLE", 1)
    for key in ("runs/a", "runs/b"):
        store.create(key, b"body")
        store.make_durable(key)
    steps.clear()
    store.make_durable("runs/a")
    assert steps == [("sync", "store/runs")]


def test_folders_that_are_remembered_as_durable_are_bounded(
    root: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr(local, "KNOWN_DURABLE", 1)
    writer, reader = open_store(str(root)), open_store(str(root))
    for key in ("runs/a", "specs/b"):
        writer.create(key, b"body")
    for key in ("runs/a", "specs/b"):
        reader.make_durable(key)
    steps.clear()
    reader.make_durable("runs/a")
    assert steps == [("sync", "store/runs"), ("sync", "store")]


def test_a_replacement_is_durable_before_its_name_and_renamed_under_the_lock(
    store: Store, steps: list[tuple[str, str]]
) -> None:
    store.create(KEY, b"body")
    stored = store.read(KEY)
    assert stored is not None
    steps.clear()
    store.replace(KEY, b"new", stored.etag)
    assert steps == [("sync", "*"), ("rename", f"store/{KEY}"), SYNCED_NAME]


def test_the_probe_makes_the_way_to_a_new_store_durable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync", synced.append)
    open_store(str(root / "new/store")).probe()
    assert synced[:4] == [root / "new/store", root / "new", root, root.parent]


def test_a_file_that_is_given_away_is_not_copied(store: Store, root: Path) -> None:
    with store.scratch() as folder:
        (folder / "file").write_bytes(b"body")
        store.create(KEY, folder / "file")
        assert (folder / "file").samefile(root / KEY)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Where syncing costs nothing: a kill, other than a power cut, does not depend on it."""
    shared = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else tmp_path) as folder:
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["create", "replace"])
def test_a_kill_at_any_step_leaves_old_or_new(memory: Path, operation: str) -> None:
    script = [sys.executable, crasher.__file__, str(memory), operation]
    steps = int(subprocess.run(script, check=True, capture_output=True).stdout)
    before = None if operation == "create" else crasher.OLD
    found = [_body(LocalStore(memory / str(step))) for step in range(1, steps + 1)]
    assert set(found) == {before, crasher.NEW}
    assert found.index(crasher.NEW) > 20  # kills came before the commit,
    assert found.count(crasher.NEW) > 20  # and after it
    for step in range(1, steps + 1):
        _require_usable(memory / str(step))


def _body(store: LocalStore) -> bytes | None:
    stored = store.read(crasher.KEY)
    return None if stored is None else stored.body


def _require_usable(root: Path) -> None:
    """The next writer succeeds, and nothing but its object and the work area's locks is left."""
    store = LocalStore(root)
    if store.create(crasher.KEY, b"later") is Put.EXISTS:
        stored = store.read(crasher.KEY)
        assert stored is not None
        assert store.replace(crasher.KEY, b"later", stored.etag) is Put.WRITTEN
    assert _body(store) == b"later"
    del store  # what it had claimed goes with it
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert left - {".sweepctl/replace.lock"} == {crasher.KEY, f".sweepctl/{SCRATCH}/lock"}


def test_scratch_of_the_killed_is_swept_and_of_the_living_kept(store: Store, root: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from sweepctl.store.local import LocalStore\n"
        "with LocalStore(Path(sys.argv[1])).scratch() as folder:\n"
        "    (folder / 'file').touch(); print(folder, flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", script, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        with store.scratch() as mine:
            assert (theirs / "file").exists()
            process.send_signal(signal.SIGKILL)
            process.wait()
            with open_store(str(root)).scratch():
                assert not theirs.exists()
                assert mine.exists()


def test_scratch_of_another_machine_is_kept_where_locks_hold_on_one_machine_only(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.scratch() as theirs:
        monkeypatch.setattr(files, "MACHINE", "@another")
        monkeypatch.setattr(files, "is_locked", lambda *_: False)
        with open_store(str(root)).scratch() as ours:
            assert theirs.exists()
            assert ours.parent.name.endswith("@another")


@pytest.mark.parametrize("name", ["sweepctl-12345678@another", "sweepctl-12345678", "sweepctl-12345678@x@another"])
def test_scratch_of_another_machine_is_swept_a_week_after_its_last_use(root: Path, name: str) -> None:
    part = root / ".sweepctl" / SCRATCH / name
    part.mkdir(parents=True)
    now = part.stat().st_mtime
    for days, is_left in ((6.9, True), (7.1, False)):
        os.utime(part, (now, now - days * 86_400))
        with open_store(str(root)).scratch():
            assert part.exists() == is_left


def test_readers_of_datasets_skip_the_work_area(store: Store, root: Path) -> None:
    with store.scratch() as folder:
        pq.write_table(pa.table({"x": [1]}), folder / "file.parquet")
        (folder / "junk.parquet").write_bytes(b"junk")
        store.create("t/run=r/file.parquet", folder / "file.parquet")
        assert ds.dataset(root, format="parquet", partitioning="hive").to_table().num_rows == 1


def test_another_users_scratch_is_left_alone(store: Store, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> bool:
        raise PermissionError(errno.EACCES, "no")

    with store.scratch() as folder:
        monkeypatch.setattr(files, "is_locked", forbidden)
        with open_store(str(root)).scratch():
            assert folder.exists()


def test_a_work_area_that_was_cleared_is_made_anew(store: Store, root: Path) -> None:
    store.create(KEY, b"body")
    shutil.rmtree(root / ".sweepctl")
    with store.scratch() as folder:
        assert folder.is_dir()


def test_a_store_that_was_only_read_leaves_no_trace(store: Store, root: Path) -> None:
    assert store.read(KEY) is None
    assert not root.exists()


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file/below"):
        _refused(open_store(str(path)).probe, "file exists where a directory")


def test_a_key_below_a_file_is_a_store_error(store: Store) -> None:
    store.create("a", b"")
    _refused(lambda: store.create("a/b", b""), "file exists where a directory")


@pytest.mark.parametrize(
    ("function", "code", "remedy"),
    [
        ("os.link", errno.EPERM, "hard links"),
        ("os.link", errno.EOPNOTSUPP, "hard links"),
        ("os.link", errno.EXDEV, "hard links"),
        ("os.fsync", errno.EINVAL, "hard links"),
        ("os.fsync", errno.EIO, "Check the disk"),
        ("fcntl.flock", errno.ENOLCK, "hard links"),
        ("os.open", errno.EACCES, "permission"),
        ("os.mkdir", errno.EROFS, "read-only"),
        ("os.mkdir", errno.ENOSPC, "Free space"),
        ("os.open", errno.EMFILE, "ulimit"),
    ],
)
def test_what_a_file_system_refuses_is_told_with_a_remedy(
    store: Store, monkeypatch: pytest.MonkeyPatch, function: str, code: int, remedy: str
) -> None:
    monkeypatch.setattr(function, refusing(code))
    _refused(store.probe, remedy)
    _refused(lambda: store.create(KEY, b""), remedy)


def test_a_file_system_whose_locks_are_not_kept_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    _refused(store.probe, "local disk")


def test_a_file_system_whose_links_overwrite_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_, **__: None)
    _refused(store.probe, "local disk")


def test_a_file_system_whose_links_stay_in_their_folder_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def within(source: Path, name: str, *, dst_dir_fd: int) -> None:
        if os.stat(dst_dir_fd).st_ino != source.parent.stat().st_ino:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        link(source, name, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "link", within)
    _refused(store.probe, "hard links")


def test_a_file_system_that_renames_over_nothing_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "replace", lambda *_, **__: None)
    with pytest.raises(StoreError, match="renaming over a file"):
        store.probe()


def test_a_file_system_that_makes_symbolic_links_of_hard_ones_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", lambda source, name, *, dst_dir_fd: os.symlink(source, name, dir_fd=dst_dir_fd))
    _refused(store.probe, "local disk")


@pytest.fixture
def unwritable(root: Path) -> Iterator[Path]:
    (root / ".sweepctl").mkdir(parents=True)
    root.chmod(0o555)
    yield root
    root.chmod(0o755)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_refused(unwritable: Path) -> None:
    _refused(open_store(str(unwritable)).probe, "permission")


def test_access_is_asked_for_the_directory_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    _refused(store.probe, "permission")


def _refused(call: Callable[[], object], remedy: str) -> None:
    with pytest.raises(StoreError) as caught:
        call()
    assert remedy in str(caught.value.remedy)

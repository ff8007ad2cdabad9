"""Links in a store: it may come from a clone, an archive or a shared folder, and may lead anywhere."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sweepctl.cli.terminal import written_whole
from sweepctl.errors import StoreError
from sweepctl.store.files import MACHINE
from sweepctl.store.local import LocalStore

KEY = "a/run=r/shard-00000000.parquet"
BODY = b"body"
SCRATCH = f".sweepctl/scratch-{os.geteuid()}"
OURS = f"sweepctl-12345678{MACHINE}"  # as this user's worker on this machine names a work folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """Somebody's folder, where nothing may change."""
    folder = tmp_path / "theirs"
    (folder / "thesis").mkdir(parents=True)
    (folder / "thesis/chapter-1.txt").write_text("years of work")
    (folder / "thesis/lock").touch()
    (folder / "sweepctl-work").mkdir()
    (folder / "sweepctl-work/notes.txt").write_text("mine")
    (folder / "shard-00000000.parquet").write_bytes(b"theirs")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def written(root: Path) -> None:
    """Write in every way that a store is written in."""
    store = LocalStore(root)
    store.probe()
    store.create(KEY, BODY)
    stored = store.read(KEY)
    assert stored is not None
    store.replace(KEY, b"new", stored.etag)
    store.create("partial/a/run=r/shard-00000000-x.parquet", BODY)


def read(root: Path) -> None:
    """Read in every way that a store is read in."""
    store = LocalStore(root)
    store.read(KEY)
    list(store.bodies([KEY]))
    store.borrow(KEY).__enter__()
    store.fetch(KEY, root / "copy")
    list(store.objects("a/run=r/"))


def linked(place: str) -> Callable[[Path, Path], None]:
    """Put a link to somebody's folder at `place`."""

    def damage(root: Path, theirs: Path) -> None:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).symlink_to(theirs)

    return damage


def linked_file(place: str, to: str = "new") -> Callable[[Path, Path], None]:
    """Put a link to a file of that folder at `place`."""
    return lambda root, theirs: linked(place)(root, theirs / to)


LINKS = {
    "the store's own folder": linked(".sweepctl"),
    "the work area": linked(SCRATCH),
    "the work area, a file": linked_file(SCRATCH),
    "the work area's lock": linked_file(f"{SCRATCH}/lock"),
    "the lock of replacements": linked_file(".sweepctl/replace.lock"),
    "a table": linked("a"),
    "a run's folder of a table": linked("a/run=r"),
    "an object": linked_file(KEY, "shard-00000000.parquet"),
    "an object that is not there": linked_file(KEY),
    "partial": linked("partial"),
}
OF_WRITERS = ("the store's own folder", "the work area", "the lock of replacements", "partial")


def contents(folder: Path) -> list[tuple[str, float, bytes]]:
    paths = sorted(folder.rglob("*"))
    return [(str(path), path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in paths]


@pytest.mark.parametrize("name", LINKS)
def test_a_link_is_refused_by_name_and_nothing_behind_it_changes(root: Path, theirs: Path, name: str) -> None:
    LINKS[name](root, theirs)
    before = contents(theirs)
    with pytest.raises(StoreError, match="symbolic link") as caught:
        written(root)
    assert "remove" in str(caught.value.remedy)
    assert contents(theirs) == before


@pytest.mark.parametrize("name", [name for name in LINKS if not name.startswith(OF_WRITERS)])
def test_a_reader_does_not_follow_a_link(root: Path, theirs: Path, name: str) -> None:
    LINKS[name](root, theirs)
    with pytest.raises(StoreError, match="symbolic link"):
        read(root)


def test_a_folder_that_is_a_link_is_not_of_the_store(root: Path, theirs: Path) -> None:
    linked("runs/run=r")(root, theirs)
    (root / "runs/run=s").mkdir()
    assert LocalStore(root).folders("runs/") == ["run=s"]


def test_the_store_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    written(tmp_path / "link")
    read(tmp_path / "link")
    assert (root / KEY).read_bytes() == b"new"


def test_a_way_back_from_a_linked_folder_is_the_systems(root: Path, theirs: Path, tmp_path: Path) -> None:
    """As any other program takes it: `link/..` is above what the link leads to, by every way of reading."""
    decoy = tmp_path / "elsewhere/store"
    for place, body in ((root, BODY), (decoy, b"decoy")):
        LocalStore(place).create(KEY, body)
    (tmp_path / "elsewhere/link").symlink_to(theirs)
    store = LocalStore(tmp_path / "elsewhere/link/../store")
    stored = store.read(KEY)
    with store.borrow(KEY) as borrowed:
        assert borrowed is not None
    assert stored is not None
    assert store.fetch(KEY, tmp_path / "copy")
    system, start = store.filesystem()
    with system.open_input_file(start + KEY) as file:
        found = [stored.body, borrowed.read_bytes(), (tmp_path / "copy").read_bytes(), file.read()]
    assert found == [BODY] * 4
    assert [entry.key for entry in store.objects("a/")] == [KEY]


@pytest.mark.parametrize("way", ["a/../", "../theirs/", "a/run=r/../../", "./", "a/./"])
def test_no_way_back_is_listed_or_read(root: Path, theirs: Path, way: str) -> None:
    linked("a")(root, theirs / "thesis")
    store = LocalStore(root)
    for ask in (
        lambda: list(store.objects(way)),
        lambda: store.folders(way),
        lambda: store.read(f"{way}shard-00000000.parquet"),
        lambda: store.borrow(f"{way}shard-00000000.parquet").__enter__(),
        lambda: store.fetch(f"{way}shard-00000000.parquet", root / "copy"),
    ):
        with pytest.raises(ValueError, match="not a key"):
            ask()


def abandoned(root: Path, name: str) -> Path:
    """A folder that nobody holds in the work area."""
    folder = root / SCRATCH / name
    folder.mkdir(parents=True)
    (folder / "file").touch()
    (folder / "lock").touch()
    return folder


def test_only_what_sweepctl_made_is_swept(root: Path, theirs: Path) -> None:
    mine = abandoned(root, "thesis")
    ours = abandoned(root, OURS)
    (root / SCRATCH / f"sweepctl-87654321{MACHINE}").symlink_to(theirs)
    linked_into = abandoned(root, f"sweepctl-linked{MACHINE}")
    (linked_into / "inner").symlink_to(theirs)
    before = contents(theirs)
    with LocalStore(root).scratch():
        assert not ours.exists()
        assert not linked_into.exists()
    assert sorted(path.name for path in mine.iterdir()) == ["file", "lock"]
    assert contents(theirs) == before


def test_what_another_user_left_in_the_work_area_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(root).scratch():
        pass
    theirs = abandoned(root, OURS)
    _as_of_another(monkeypatch, theirs)
    with LocalStore(root).scratch():
        assert (theirs / "file").exists()


def test_a_work_area_of_another_user_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = abandoned(root, OURS)
    _as_of_another(monkeypatch, folder.parent)
    with pytest.raises(StoreError, match="another user"):
        LocalStore(root).scratch().__enter__()
    assert (folder / "file").exists()


def _as_of_another(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Make the folder at `path` look like another user's: only root could give it away."""
    real, wanted = os.fstat, path.stat()

    def fstat(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if not os.path.samestat(found, wanted):
            return found
        return os.stat_result((*found[: stat.ST_UID], os.geteuid() + 1, *found[stat.ST_UID + 1 :]))

    monkeypatch.setattr(os, "fstat", fstat)


def test_a_file_is_not_written_through_a_link_beside_it(tmp_path: Path, theirs: Path) -> None:
    for name in (".out.csv.part", "out.csv"):
        (tmp_path / name).symlink_to(theirs / "thesis/chapter-1.txt")
    before = contents(theirs)
    with written_whole(tmp_path / "out.csv") as file:
        file.write(BODY)
    assert contents(theirs) == before
    assert (tmp_path / "out.csv").read_bytes() == BODY
    assert not (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / ".out.csv.part").is_symlink()


def test_a_file_beside_an_output_is_not_taken_for_its_own(tmp_path: Path) -> None:
    (tmp_path / ".out.csv.part").write_text("mine")
    with written_whole(tmp_path / "out.csv") as file:
        file.write(BODY)
    assert (tmp_path / ".out.csv.part").read_text() == "mine"

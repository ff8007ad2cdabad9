"""A directory as a store: created by link-or-fail, replaced by rename under a lock.

A crash at any instruction leaves the old object or the new one, never half of one, and a power cut never leaves a name
without its content. Work in progress is in `.sweepctl` inside the directory: next to the tables, never in one. pyarrow
and pandas skip it even from the root; DuckDB's `**` does so only from a table down. A power cut between a writer's link
and its sync can undo an object that was already read: whoever builds on what was read calls `make_durable`.
"""

import datetime as dt
import hashlib
import itertools
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from sweepctl.errors import DamagedError, StoreError
from sweepctl.store import files
from sweepctl.store.contract import MAX_BODY, MAX_OBJECT, Entry, Put, Stored, body_at, require_key, too_large

if TYPE_CHECKING:
    from pyarrow import fs

_WORK = ".sweepctl"
_Durable = TypeVar("_Durable")
KNOWN_DURABLE = 1000  # objects, and folders, whose durability is remembered
READERS = 8  # threads that read many objects
KEYS_AT_ONCE = 125  # by one of them: a thread's turn costs as much as reading some


class LocalStore:
    """The store contract on one directory, for any number of threads and processes of one machine."""

    def __init__(self, root: str | Path) -> None:
        """Open the store in the directory `root`, which the first write creates."""
        self._url = str(root)
        self._root = Path(root).absolute()
        self._work = self._root / _WORK  # on the same file system: links and renames do not cross
        # Each user's own: whoever owns a folder may exchange what is in it.
        self._area = files.WorkArea(self._root, _WORK, f"scratch-{os.geteuid()}")
        self._durable: set[Path] = set()  # folders whose own names this process has synced, up to the root
        self._known_durable: set[tuple[str, int, int]] = set()  # objects of which this process has synced the name

    @property
    def url(self) -> str:
        """The directory as the user named it."""
        return self._url

    def locate(self, key: str) -> str:
        """Return the object's path."""
        return str(Path(self._url) / require_key(key))

    def read(self, key: str) -> Stored | None:
        """Return the object and the SHA-256 of its body, or None."""
        path = self._path(key)
        with files.store_errors("read", path):
            try:
                with self._opened(key) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > MAX_BODY:
                        raise too_large(str(path), MAX_BODY)
                    body = file.read(size)
            except FileNotFoundError:
                return None
        return Stored(body, hashlib.sha256(body).hexdigest())

    def bodies(self, keys: Sequence[str], most: int = MAX_BODY) -> Iterator[bytes | DamagedError | None]:
        """Read objects by several threads, for which a disk is three times as fast; no digest is computed."""
        parts = [keys[at : at + KEYS_AT_ONCE] for at in range(0, len(keys), KEYS_AT_ONCE)]
        with ThreadPoolExecutor(READERS) as pool:
            for bodies in pool.map(lambda part: self._read_some(part, most), parts):
                yield from bodies

    def _read_some(self, keys: Sequence[str], most: int) -> list[bytes | DamagedError | None]:
        """Read objects, opening each folder once."""
        bodies: list[bytes | DamagedError | None] = []
        for prefix, some in itertools.groupby(keys, key=lambda key: require_key(key).rpartition("/")[0]):
            with ExitStack() as opened:
                folder = None
                with suppress(OSError):  # which `read` reports
                    folder = opened.enter_context(self._folder(prefix))
                for key in some:
                    body = None if folder is None else files.small_body(folder, key.rpartition("/")[2], most)
                    bodies.append(body_at(self, key, most) if body is None else body)
        return bodies

    def fetch(self, key: str, destination: Path, most: int = MAX_OBJECT) -> bool:
        """Copy the object: with a link, the reader could change it."""
        path = self._path(key)
        with files.store_errors(f"copy {path} to", destination), ExitStack() as opened:
            try:
                source = opened.enter_context(self._opened(key))
            except FileNotFoundError:
                return False
            if os.fstat(source.fileno()).st_size > most:
                raise too_large(str(path), most)
            with destination.open("wb") as target:
                shutil.copyfileobj(source, target)
        return True

    def borrow(self, key: str) -> AbstractContextManager[Path | None]:
        """Provide the object's own path."""
        path = self._path(key)
        with files.store_errors("read", path):
            try:
                with self._opened(key):
                    return nullcontext(path)
            except FileNotFoundError:
                return nullcontext()

    def require_present(self) -> None:
        """Raise an error if there is no such folder."""
        if not self._root.is_dir():
            what = "is a file, not a folder" if self._root.exists() else "does not exist"
            remedy = (
                "Correct the store (--store, SWEEPCTL_STORE, or `store` in Python): "
                "`sweepctl run` and workers make one where there is none."
            )
            raise StoreError(f"the store {self._url} {what}", remedy=remedy)

    def folders(self, prefix: str) -> list[str]:
        """List the directories of one directory, without the work area and without links."""
        with files.store_errors("list", self._root / prefix):
            try:
                with self._folder(prefix) as folder, os.scandir(folder) as found:
                    return sorted(
                        each.name for each in found if each.is_dir(follow_symlinks=False) and each.name[0] != "."
                    )
            except (FileNotFoundError, NotADirectoryError):
                return []

    def objects(self, prefix: str, cuts: Sequence[str] = ()) -> Iterator[Entry]:
        """List the files below one directory, one directory at a time, for which cuts are of no use."""
        del cuts
        with files.store_errors("list", self._root / prefix), ExitStack() as opened:
            try:
                folder = opened.enter_context(self._folder(prefix))
            except (FileNotFoundError, NotADirectoryError):
                return
            yield from _entries(folder, prefix)

    def filesystem(self) -> "tuple[fs.FileSystem, str]":
        """Return Arrow's file system, and the store's own folder."""
        from pyarrow import fs  # noqa: PLC0415  heavy; only readers of many files need it

        return fs.LocalFileSystem(), f"{self._root}/"

    def create(self, key: str, body: bytes | Path) -> Put:
        """Create the object. A file in `scratch()` becomes the object, and must not be written again.

        A file from elsewhere is copied.
        """
        path = self._path(key)
        with files.store_errors("write", path), ExitStack() as work:
            if isinstance(body, Path) and body.is_relative_to(self._work):
                source = body
            else:
                source = work.enter_context(self.scratch()) / "body"
                _fill(source, body)
            # Content before name: a power cut must not leave a name without content.
            files.sync(source)
            try:
                with self._folder(key.rpartition("/")[0]) as folder:
                    put = _link(source, path.name, folder)
            except FileNotFoundError:
                self._durable.clear()  # folders that were synced may have been removed
                with self._folder(key.rpartition("/")[0], create=True) as folder:
                    put = _link(source, path.name, folder)
            self._sync_folders(path.parent)
            return put

    def replace(self, key: str, body: bytes, etag: str) -> Put:
        """Replace the object if its body's SHA-256 is still `etag`."""
        path = self._path(key)
        with files.store_errors("write", path), self.scratch() as folder:
            source = folder / "body"
            source.write_bytes(body)
            files.sync(source)
            # No other process may rename between the comparison and the rename: its object would be overwritten unseen.
            with files.locked(self._work / "replace.lock"):
                current = self.read(key)
                if current is None or current.etag != etag:
                    return Put.CHANGED
                with self._folder(key.rpartition("/")[0]) as parent:
                    os.replace(source, path.name, dst_dir_fd=parent)
                self._sync_folders(path.parent)
                return Put.WRITTEN

    def make_durable(self, key: str) -> None:
        """Sync the name, and those of the folders above: content is durable before it has a name."""
        path = self._path(key)
        with files.store_errors("sync", path):
            facts = path.lstat()
            version = (key, facts.st_ino, facts.st_mtime_ns)
            if version in self._known_durable:
                return  # as a run's record is for each of its shards
            self._sync_folders(path.parent)
            _remember(self._known_durable, version)

    def make_all_durable(self, keys: Iterable[str]) -> None:
        """Sync each folder once, whatever is known of one object or another in it."""
        for prefix in dict.fromkeys(require_key(key).rpartition("/")[0] for key in keys):
            folder = self._root / prefix
            with files.store_errors("sync", folder):
                self._sync_folders(folder)

    def scratch(self) -> AbstractContextManager[Path]:
        """Provide a private folder on the store's own file system."""
        return self._area.folder()

    def probe(self) -> None:
        """Raise StoreError unless this can be written, on a file system that has links, renames, locks and syncing."""
        with files.store_errors("keep results in", self._root):
            self._root.mkdir(parents=True, exist_ok=True)
            self._sync_way_to_root()
            with self.scratch() as folder:
                self._probe_links(folder)
                self._probe_locks(folder)
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise StoreError(f"cannot write in {self._root}", remedy="Give this user permission.")

    def _probe_links(self, folder: Path) -> None:
        file = folder / "file"
        file.touch()
        # In another folder, as an object is: some file systems have links within a folder alone (BeeGFS up to 7).
        with files.opened_folder(folder, "object", create=True) as opened:
            if _link(file, "link", opened) is not Put.WRITTEN or _link(file, "link", opened) is not Put.EXISTS:
                self._refuse("hard links")
            # Or make a symbolic one, which is none once the work folder is gone.
            if not stat.S_ISREG(os.stat("link", dir_fd=opened, follow_symlinks=False).st_mode):
                self._refuse("hard links between folders")

            other = folder / "other"
            other.write_bytes(b"other")
            os.replace(other, "link", dst_dir_fd=opened)
            if other.exists() or os.stat("link", dir_fd=opened).st_size == 0:
                self._refuse("renaming over a file")

    def _probe_locks(self, folder: Path) -> None:
        with files.locked(folder / "lock"):
            if not files.is_locked(folder / "lock"):
                self._refuse("locks")

    def _refuse(self, what: str) -> None:
        raise StoreError(
            f"{self._root} is on a file system that does not support {what}",
            remedy="Use a local disk, or an S3 store.",
        )

    def _sync_way_to_root(self) -> None:
        """Make the root's own name durable, whoever created it and the folders above it."""
        for folder in (self._root, *self._root.parents):
            try:
                files.sync(folder)
            except PermissionError:
                return  # a folder that cannot be read was not created by this user's sweepctl

    def _sync_folders(self, folder: Path) -> None:
        """Make the names from `folder` up to the root durable.

        Also after a link that failed: another process may have created any of them and died before its own sync, and
        the caller is about to build on what exists there. Each folder's own name is synced once while remembered.
        """
        files.sync(folder)
        if folder == self._root or folder in self._durable:
            return
        for above in folder.parents:
            files.sync(above)
            if above == self._root:
                break
        _remember(self._durable, folder)

    def _path(self, key: str) -> Path:
        return self._root / require_key(key)

    def _folder(self, prefix: str, *, create: bool = False) -> AbstractContextManager[int]:
        names = [name for name in prefix.split("/") if name]
        if {".", ".."} & set(names):  # any other name may be listed
            raise ValueError(f"not a key: {prefix!r}")
        return files.opened_folder(self._root, *names, create=create)

    def _opened(self, key: str) -> AbstractContextManager[BinaryIO]:
        return files.opened_file(self._root, *key.split("/"))


def _remember(known: set[_Durable], one: _Durable) -> None:
    if len(known) >= KNOWN_DURABLE:  # several threads may add one at the same moment
        known.clear()
    known.add(one)


def _fill(path: Path, body: bytes | Path) -> None:
    if isinstance(body, Path):
        shutil.copyfile(body, path)
    else:
        path.write_bytes(body)


def _entries(folder: int, prefix: str) -> Iterator[Entry]:
    """Yield the files below `folder`, whose keys begin with `prefix`."""
    with os.scandir(folder) as found:
        # In the order of keys: `a.b` comes before `a/b`.
        named = {f"{each.name}/" if each.is_dir(follow_symlinks=False) else each.name: each for each in found}
    for name in sorted(named):
        if name.endswith("/"):
            inner = files.open_without_links(name[:-1], os.O_RDONLY | os.O_DIRECTORY, folder)
            try:
                yield from _entries(inner, prefix + name)
            finally:
                os.close(inner)
        else:
            facts = named[name].stat(follow_symlinks=False)
            modified_at = dt.datetime.fromtimestamp(facts.st_mtime, dt.UTC)
            # A replacement has another inode and a later mtime.
            version = f"{facts.st_ino}-{facts.st_mtime_ns}"
            yield Entry(prefix + name, facts.st_size, version, modified_at, stat.S_ISREG(facts.st_mode))


def _link(source: Path, name: str, folder: int) -> Put:
    """Link a finished file to its name, unless the name is taken: the kernel decides between competing writers."""
    try:
        os.link(source, name, dst_dir_fd=folder)
    except FileExistsError:
        return Put.EXISTS
    return Put.WRITTEN

"""Files that survive crashes: syncing, locking, private work folders, and OSErrors as StoreErrors.

Knows nothing about keys and conditions; both stores build on it.
"""

import errno
import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock

from sweepctl.errors import ScratchError, StoreError

_PERMISSION = "Give this user permission, or choose another directory."
_ABILITY = "Use a file system with hard links, locks and durable directories (ext4, xfs, btrfs, APFS), or an S3 store."
_SPACE = "Free space there. What is committed is safe, and nothing half-written is in the tables."
_REMEDIES = {
    errno.EACCES: _PERMISSION,
    errno.EDQUOT: _SPACE,
    errno.EEXIST: "A file exists where a directory is needed: choose another directory.",
    errno.EINVAL: _ABILITY,
    errno.EMFILE: "Allow this process more open files (ulimit -n).",
    errno.EMLINK: _ABILITY,
    errno.ENOLCK: _ABILITY,
    errno.ENOSPC: _SPACE,
    errno.ENOSYS: _ABILITY,
    errno.ENOTDIR: "A file exists where a directory is needed: choose another directory.",
    errno.ENOTSUP: _ABILITY,
    errno.EOPNOTSUPP: _ABILITY,  # the same number on Linux, another on macOS
    errno.EPERM: _ABILITY,  # Linux's answer on a file system without hard links
    errno.EROFS: "The file system is read-only: choose another directory.",
}


@contextmanager
def store_errors(action: str, path: Path, kind: type[StoreError] = StoreError) -> Iterator[None]:
    """Turn an OSError in the block into a StoreError, of that kind, that names `path` and a remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk and its file system.")
        raise kind(f"cannot {action} {path}: {error.strerror or error}", remedy=remedy) from error


def sync(path: Path) -> None:
    """Return when a file's content, or a directory's names, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on the file at `path`, across threads and processes; freed if the holder dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether the lock file at `path` is held; a missing file is not."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


class WorkArea:
    """Private folders within an area that processes share.

    The first use claims a part of the area for this object's life, which makes every further folder cheap. What killed
    processes left behind is removed at the next claim.
    """

    def __init__(self, area: Path) -> None:
        """Set the area; the first use creates it."""
        self._area = area
        self._part: Path | None = None
        self._claiming = Lock()
        claims = ExitStack()
        self._claim = claims.enter_context
        weakref.finalize(self, claims.close)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Provide a private folder, removed on exit.

        Raises:
            ScratchError: the folder cannot be created. Errors of the block that uses it pass unchanged.
        """
        with store_errors("create a work folder in", self._area, ScratchError):
            with self._claiming:
                # The area may have been cleared, which takes nothing from the store.
                if self._part is None or not self._part.is_dir():
                    self._part = self._claim(_claim(self._area))
            folder = Path(tempfile.mkdtemp(dir=self._part))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _claim(area: Path) -> Iterator[Path]:
    area.mkdir(parents=True, exist_ok=True)
    with ExitStack() as claim:
        # One process at a time creates and locks a folder, and looks for abandoned ones: a folder that is created but
        # not yet locked would look abandoned.
        with locked(area / "lock"):
            _sweep(area)
            part = Path(tempfile.mkdtemp(dir=area))
            claim.enter_context(locked(part / "lock"))
        # Before the lock is released; another process that removes it at that moment does no harm.
        claim.callback(shutil.rmtree, part, ignore_errors=True)
        yield part


def _sweep(area: Path) -> None:
    for folder in area.iterdir():
        try:
            abandoned = folder.is_dir() and not is_locked(folder / "lock")
        except PermissionError:
            continue  # another user's
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed now is tried again at the next claim

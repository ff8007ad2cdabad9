"""Files that survive crashes: syncing, locking, private work folders, and OSErrors as StoreErrors.

Knows nothing about keys and conditions; both stores build on it.
"""

import errno
import fcntl
import os
import re
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from sweepctl import system
from sweepctl.errors import DamagedError, ScratchError, StoreError

PART = "sweepctl-"  # begins the name of each part of a work area, and marks it as sweepctl's own
# Ends that name. What random characters mkdtemp draws has no `@`, so that no machine's ending is another's.
MACHINE = "@" + re.sub(r"[^A-Za-z0-9.-]", "_", os.uname().nodename)
# Where locks hold on one machine only, a part of another one looks abandoned while it is in use.
OTHER_MACHINES_SECONDS = 7 * 86_400.0
_PERMISSION = "Give this user permission, or choose another directory."
_ABILITY = "Use a file system with hard links, locks and durable directories (ext4, xfs, btrfs, APFS), or an S3 store."
_SPACE = "Free space there. What is committed is safe, and nothing half-written is in the tables."
_REMEDIES = {
    errno.EACCES: _PERMISSION,
    errno.EDQUOT: _SPACE,
    errno.EEXIST: "A file exists where a directory is needed: choose another directory.",
    errno.EINVAL: _ABILITY,
    errno.ELOOP: "sweepctl follows no link below a store's own folder: remove it, or choose another directory.",
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
    errno.EXDEV: _ABILITY,  # the answer where links do not cross folders
}
# A link; a socket, or a device that is not there.
_NOT_FILES = {errno.ELOOP, errno.ENXIO, errno.ENODEV}


@contextmanager
def store_errors(action: str, path: Path | str, kind: type[StoreError] = StoreError) -> Iterator[None]:
    """Turn an OSError in the block into a StoreError, of that kind, that names `path` and a remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _NOT_FILES and kind is StoreError:
            kind = DamagedError
        remedy = _REMEDIES.get(error.errno or 0, "Check the disk and its file system.")
        raise kind(f"cannot {action} {path}: {error.strerror or error}", remedy=remedy) from error


def open_without_links(name: str | Path, flags: int, folder: int | None = None) -> int:
    """Open `name`, in the folder with that descriptor, unless it is a symbolic link.

    A store may come from a clone, an archive or a shared folder, and its links may lead anywhere.
    """
    try:
        # Not blocking: otherwise, a pipe would wait for its other end.
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=folder)
    except OSError as error:
        # Where a folder is wanted, a link is only "not a directory".
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and _is_link(name, folder):
            raise OSError(errno.ELOOP, f"{name} is a symbolic link") from error
        raise


def _is_link(name: str | Path, folder: int | None) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


@contextmanager
def opened_folder(root: Path, *below: str, create: bool = False) -> Iterator[int]:
    """Provide a descriptor of the folder `below` the root, reached without following a link below the root.

    With `create`, folders that are missing are created.
    """
    if create:
        root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        opened.callback(os.close, folder)
        for name in below:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
            folder = open_without_links(name, os.O_RDONLY | os.O_DIRECTORY, folder)
            opened.callback(os.close, folder)
        yield folder


@contextmanager
def opened_file(root: Path, *below: str) -> Iterator[BinaryIO]:
    """Provide the file `below` the root for reading, reached without following a link below the root.

    Raises:
        DamagedError: it is not a regular file: reading a pipe or a device might never end.
    """
    with opened_folder(root, *below[:-1]) as folder, ExitStack() as opened:
        descriptor = open_without_links(below[-1], os.O_RDONLY, folder)
        opened.callback(os.close, descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = f"{root.joinpath(*below)} is not a file"
            raise DamagedError(msg, remedy="Another program put it there. Move it away.")
        yield opened.enter_context(os.fdopen(descriptor, "rb", closefd=False))


def small_body(folder: int, name: str, most: int) -> bytes | None:
    """Return the content of a regular file of at most so many bytes; None if it is anything else, or missing."""
    try:
        descriptor = open_without_links(name, os.O_RDONLY, folder)
    except OSError:
        return None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most:
            return None
        body = os.read(descriptor, facts.st_size)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return body if len(body) == facts.st_size else None


def sync(path: Path) -> None:
    """Return when a file's content, or a directory's names, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        system.sync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(name: str | Path, folder: int | None = None) -> Iterator[None]:
    """Hold an exclusive lock on a file, across threads and processes; freed if the holder dies."""
    descriptor = open_without_links(name, os.O_RDWR | os.O_CREAT, folder)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_locked(name: str | Path, folder: int | None = None) -> bool:
    """Whether the lock file is held; a missing file is not."""
    try:
        descriptor = open_without_links(name, os.O_RDWR, folder)
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
    """Private folders within an area that this user's processes share.

    The first use claims a part of the area for this object's life, which makes every further folder cheap. What killed
    processes left behind is removed at the next claim, and nothing else: only folders of this user that carry the name
    of a part, in an area of this user that no link leads to. What is of another machine is left for a week after its
    last use.
    """

    def __init__(self, root: Path, *below: str) -> None:
        """Set the area; the first use creates it, and the root."""
        self._root = root
        self._below = below
        self._area = root.joinpath(*below)
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
                    self._part = self._claim(_claim(self._root, self._below))
            folder = Path(tempfile.mkdtemp(dir=self._part))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


# Not a method: what is claimed is held until its WorkArea is gone, and must not hold it.
@contextmanager
def _claim(root: Path, below: Sequence[str]) -> Iterator[Path]:
    place = root.joinpath(*below)
    with ExitStack() as claim:
        with opened_folder(root, *below, create=True) as area:
            if os.fstat(area).st_uid != os.geteuid():
                msg = f"the work area {place} belongs to another user"
                raise ScratchError(msg, remedy="Remove it, or choose another directory.")
            # One process at a time creates and locks a folder, and looks for abandoned ones: a folder that is created
            # but not yet locked would look abandoned.
            with locked("lock", area):
                # The time of the area's own file server: machines' clocks may differ.
                os.utime("lock", dir_fd=area, follow_symlinks=False)
                _sweep(area, os.stat("lock", dir_fd=area, follow_symlinks=False).st_mtime)
                part = Path(tempfile.mkdtemp(prefix=PART, suffix=MACHINE, dir=place))
                claim.enter_context(locked(part / "lock"))
        # Before the lock is released; another process that removes it at that moment does no harm.
        claim.callback(shutil.rmtree, part, ignore_errors=True)
        yield part


def _sweep(area: int, now: float) -> None:
    for name in os.listdir(area):
        if name.startswith(PART) and _is_abandoned(name, area, now):
            # What cannot be removed now is tried again at the next claim.
            shutil.rmtree(name, ignore_errors=True, dir_fd=area)


def _is_abandoned(name: str, area: int, now: float) -> bool:
    """Whether `name` is a folder of this user, not a link, that no process holds; another machine's also unused."""
    try:
        part = open_without_links(name, os.O_RDONLY | os.O_DIRECTORY, area)
    except OSError:
        return False
    try:
        facts = os.fstat(part)
        # Each folder that is made or removed in it counts as use.
        is_due = name.endswith(MACHINE) or now - facts.st_mtime > OTHER_MACHINES_SECONDS
        return is_due and facts.st_uid == os.geteuid() and not is_locked("lock", part)
    except OSError:
        return False
    finally:
        os.close(part)

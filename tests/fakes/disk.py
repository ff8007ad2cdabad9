"""A file system in memory that loses power.

Each system call is one at the Gate of the process whose task makes it; only closing a descriptor and asking for its
facts are none, since nobody else can tell when they happen. A file has what was written and what was synced, a folder
the names that it shows and those that were synced. When the power fails, of what was not synced is left what is drawn:
of a file any prefix; of a name what it stood for before or after.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

from simulation.scheduler import Crash, Process, Scheduler

T = TypeVar("T")
Call = Callable[[Process, str, str, Callable[[], Any]], Any]  # process, kind of call, where, what it does
OnName = Callable[[str, str, "bytes | None", bytes], None]  # process, key, what stood, what stands now

STORE = "/disk/store"
USER = 1000
LOCK_WAIT = 1.0  # seconds between two looks at a lock that is held


@dataclass(eq=False)
class Inode:
    number: int
    is_folder: bool
    changed_at: float
    body: bytes = b""
    synced: bytes = b""
    names: "dict[str, Inode]" = field(default_factory=dict)
    synced_names: "dict[str, Inode]" = field(default_factory=dict)

    def sync(self) -> None:
        self.synced, self.synced_names = self.body, dict(self.names)

    @property
    def facts(self) -> Any:  # noqa: ANN401  what is used of an `os.stat_result`
        kind = stat.S_IFDIR if self.is_folder else stat.S_IFREG
        nanoseconds = int(self.changed_at * 1e9)
        return SimpleNamespace(
            st_mode=kind, st_size=len(self.body), st_ino=self.number, st_uid=USER, st_mtime=self.changed_at,
            st_mtime_ns=nanoseconds,
        )  # fmt: skip


@dataclass
class Opened:
    """What a descriptor stands for."""

    inode: Inode
    path: str
    process: Process | None
    is_locked: bool = False

    @property
    def holds(self) -> bool:
        return self.is_locked and not (self.process is not None and self.process.dead)


class Disk:
    """The file system. `call` carries out each system call of a process; without a process, all succeed at once."""

    def __init__(self, scheduler: Scheduler, call: Call, on_name: OnName) -> None:
        self._scheduler = scheduler
        self._call = call
        self._on_name = on_name
        self._inodes = 0
        self._drawn = 0  # names of temporary folders
        self._opened: dict[int, Opened] = {}
        self.top = self._new(is_folder=True)
        self.place(".sweepctl/replace.lock", b"")  # so that the store's folder is there, as a worker's probe has it
        self.at_exit: list[Callable[[], None]] = []  # what `weakref.finalize` is to do, unless processes die

    # What no process does.

    def place(self, key: str, body: bytes) -> None:
        """Have an object of the store with this body; durable."""
        folder = self.top
        *above, name = f"{STORE}/{key}".strip("/").split("/")
        for each in above:
            inode = folder.names.get(each) or self._new(is_folder=True)
            folder.names[each] = folder.synced_names[each] = inode
            folder = inode
        inode = self._new(is_folder=False)
        inode.body = inode.synced = body
        folder.names[name] = folder.synced_names[name] = inode

    def lose_power(self, choice: Callable[[int], int]) -> list[str]:
        """Lose what was not synced, as `choice` draws it; return the keys of objects that are no longer whole."""
        self._opened.clear()
        cut: set[Inode] = set()
        self._settle(self.top, choice, set(), cut)
        return [key for key, inode in self._objects(self.find(STORE), "") if inode in cut]

    def _settle(self, inode: Inode, choice: Callable[[int], int], seen: set[Inode], cut: set[Inode]) -> None:
        if inode in seen:  # by another of its names
            return
        seen.add(inode)
        if inode.body != inode.synced:
            inode.body = inode.body[: choice(len(inode.body) + 1)]
            cut.add(inode)
        for name in sorted(inode.names.keys() | inode.synced_names.keys()):
            now, then = inode.names.get(name), inode.synced_names.get(name)
            left = now if now is then or choice(2) else then
            if left is None:
                inode.names.pop(name, None)
            else:
                inode.names[name] = left
                self._settle(left, choice, seen, cut)
        inode.sync()

    def objects(self) -> dict[str, bytes]:
        """Return the store's objects."""
        return {key: inode.body for key, inode in self._objects(self.find(STORE), "")}

    def _objects(self, folder: Inode, prefix: str) -> Iterator[tuple[str, Inode]]:
        for name, inode in folder.names.items():
            if inode.is_folder and not name.startswith("."):
                yield from self._objects(inode, f"{prefix}{name}/")
            elif not inode.is_folder:
                yield prefix + name, inode

    # System calls.

    def _do(self, kind: str, what: str, path: str, effect: Callable[[], T]) -> T:
        process = self._process
        if process is None:
            return effect()
        if process.dead:
            raise Crash(process.name)
        answer: T = self._call(process, kind, f"{what} {path.removeprefix(f'{STORE}/')}".strip(), effect)
        return answer

    @property
    def _process(self) -> Process | None:
        return self._scheduler.running

    def _new(self, *, is_folder: bool) -> Inode:
        self._inodes += 1
        return Inode(self._inodes, is_folder, self._scheduler.now)

    def path(self, name: Any, folder: int | None = None) -> str:  # noqa: ANN401  a path, or a name in a folder
        return str(name) if folder is None else f"{self._opened[folder].path}/{name}"

    def find(self, name: Any, folder: int | None = None) -> Inode:  # noqa: ANN401  as above
        inode = self.top if folder is None else self._opened[folder].inode
        for part in str(name).strip("/").split("/"):
            if not inode.is_folder:
                raise _error(errno.ENOTDIR, name)
            if part not in inode.names:
                raise _error(errno.ENOENT, name)
            inode = inode.names[part]
        return inode

    def place_of(self, name: Any, folder: int | None = None) -> tuple[Inode, str]:  # noqa: ANN401  as above
        """Return the folder in which a name is, or may be."""
        above, _, last = str(name).rpartition("/")
        inode = self.find(above, folder) if above else self.top if folder is None else self._opened[folder].inode
        if not inode.is_folder:
            raise _error(errno.ENOTDIR, name)
        return inode, last

    def open(self, name: Any, flags: int, _mode: int = 0o777, *, dir_fd: int | None = None) -> int:  # noqa: ANN401
        path = self.path(name, dir_fd)

        def effect() -> int:
            folder, last = self.place_of(name, dir_fd)
            if flags & os.O_CREAT and last not in folder.names:
                self._name(folder, last, self._new(is_folder=False))
            inode = self.find(name, dir_fd)
            if flags & os.O_DIRECTORY and not inode.is_folder:
                raise _error(errno.ENOTDIR, name)
            if flags & os.O_TRUNC:
                inode.body = b""
            self._drawn += 1
            self._opened[self._drawn] = Opened(inode, path, self._process)
            return self._drawn

        return self._do("change" if flags & os.O_CREAT else "look", "open", path, effect)

    def _name(self, folder: Inode, name: str, inode: Inode) -> None:
        folder.names[name] = inode
        folder.changed_at = self._scheduler.now

    def close(self, descriptor: int) -> None:
        self._opened.pop(descriptor, None)

    def fstat(self, descriptor: int) -> Any:  # noqa: ANN401  an `os.stat_result`
        return self._opened[descriptor].inode.facts

    def stat(self, name: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> Any:  # noqa: ANN401
        del follow_symlinks
        return self._do("look", "stat", self.path(name, dir_fd), lambda: self.find(name, dir_fd).facts)

    def read(self, descriptor: int, size: int = -1) -> bytes:
        opened = self._opened[descriptor]
        return self._do("look", "read", opened.path, lambda: opened.inode.body[: size if size >= 0 else None])

    def read_file(self, name: Any) -> bytes:  # noqa: ANN401  a path
        return self._do("file", "read", self.path(name), lambda: self.find(name).body)

    def write(self, descriptor: int, body: bytes) -> None:
        opened = self._opened[descriptor]

        def effect() -> None:
            opened.inode.body += body
            opened.inode.changed_at = self._scheduler.now

        self._do("change", "write", opened.path, effect)

    def sync(self, descriptor: int) -> None:
        opened = self._opened[descriptor]
        self._do("change", "sync", opened.path, opened.inode.sync)

    def mkdir(self, name: Any, _mode: int = 0o777, *, dir_fd: int | None = None) -> None:  # noqa: ANN401
        def effect() -> None:
            folder, last = self.place_of(name, dir_fd)
            if last in folder.names:
                raise _error(errno.EEXIST, name)
            self._name(folder, last, self._new(is_folder=True))

        self._do("change", "mkdir", self.path(name, dir_fd), effect)

    def link(self, source: Any, name: str, *, dst_dir_fd: int) -> None:  # noqa: ANN401  a path
        def effect() -> None:
            folder, _ = self.place_of(name, dst_dir_fd)
            if name in folder.names:
                raise _error(errno.EEXIST, name)
            self._put(folder, name, self.path(name, dst_dir_fd), self.find(source))

        self._do("change", "link", self.path(name, dst_dir_fd), effect)

    def replace(self, source: Any, name: str, *, dst_dir_fd: int) -> None:  # noqa: ANN401  a path
        def effect() -> None:
            folder, _ = self.place_of(name, dst_dir_fd)
            inode = self.find(source)
            above, last = self.place_of(source)
            self._put(folder, name, self.path(name, dst_dir_fd), inode)
            del above.names[last]

        self._do("rename", "", self.path(name, dst_dir_fd), effect)

    def _put(self, folder: Inode, name: str, path: str, inode: Inode) -> None:
        old = folder.names.get(name)
        self._name(folder, name, inode)
        key = path.removeprefix(f"{STORE}/")
        if not key.startswith("."):
            self._on_name(self._scheduler.current.process.name, key, None if old is None else old.body, inode.body)

    def remove(self, name: Any, *, dir_fd: int | None = None) -> None:  # noqa: ANN401  a path
        def effect() -> None:
            folder, last = self.place_of(name, dir_fd)
            if self.find(name, dir_fd).names:
                raise _error(errno.ENOTEMPTY, name)
            del folder.names[last]
            folder.changed_at = self._scheduler.now

        self._do("change", "remove", self.path(name, dir_fd), effect)

    def listdir(self, folder: int) -> list[str]:
        opened = self._opened[folder]
        return self._do("look", "list", opened.path, lambda: list(opened.inode.names))

    @contextmanager
    def scandir(self, folder: int) -> Iterator[Iterator[Any]]:
        opened = self._opened[folder]
        found = self._do("look", "list", opened.path, lambda: dict(opened.inode.names))
        yield iter([self._entry(name, inode) for name, inode in found.items()])

    @staticmethod
    def _entry(name: str, inode: Inode) -> Any:  # noqa: ANN401  an `os.DirEntry`
        return SimpleNamespace(
            name=name,
            is_dir=lambda *, follow_symlinks: inode.is_folder,  # noqa: ARG005  there are no links
            stat=lambda *, follow_symlinks: inode.facts,  # noqa: ARG005
        )

    def utime(self, name: str, *, dir_fd: int, follow_symlinks: bool) -> None:
        del follow_symlinks
        inode = self.find(name, dir_fd)
        self._do("change", "utime", self.path(name, dir_fd), lambda: setattr(inode, "changed_at", self._scheduler.now))

    def flock(self, descriptor: int, operation: int) -> None:
        opened = self._opened[descriptor]

        def effect() -> bool:
            is_held = any(each.holds for each in self._opened.values() if each.inode is opened.inode)
            opened.is_locked = not is_held
            return opened.is_locked

        while not self._do("look", "lock", opened.path, effect):
            if operation & FCNTL.LOCK_NB:
                raise _error(errno.EWOULDBLOCK, opened.path)
            self._scheduler.sleep(LOCK_WAIT)

    # What is made of them.

    @contextmanager
    def fdopen(self, descriptor: int, _mode: str, *, closefd: bool) -> Iterator[Any]:
        assert not closefd
        yield SimpleNamespace(fileno=lambda: descriptor, read=lambda size=-1: self.read(descriptor, size))

    def rmtree(self, name: Any, *, ignore_errors: bool, dir_fd: int | None = None) -> None:  # noqa: ANN401
        assert ignore_errors
        with suppress(OSError):
            folder = self.open(name, os.O_RDONLY, dir_fd=dir_fd)
            with self.scandir(folder) as found:
                for each in found:
                    if each.is_dir(follow_symlinks=False):
                        self.rmtree(each.name, ignore_errors=True, dir_fd=folder)
                    else:
                        with suppress(OSError):
                            self.remove(each.name, dir_fd=folder)
            self.close(folder)
            self.remove(name, dir_fd=dir_fd)

    def mkdtemp(self, *, dir: Any, prefix: str = "tmp", suffix: str = "") -> str:  # noqa: A002, ANN401  as tempfile
        self._drawn += 1
        path = f"{dir}/{prefix}{self._drawn}{suffix}"
        self.mkdir(path)
        return path

    def finalize(self, _owner: object, close: Callable[[], None]) -> None:
        self.at_exit.append(close)


FCNTL = SimpleNamespace(LOCK_EX=2, LOCK_NB=4)


def _error(number: int, path: object) -> OSError:
    return OSError(number, os.strerror(number), str(path))

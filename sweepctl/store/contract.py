"""The contract of a store, which keeps results; `local` and `s3` implement it.

Objects are created once or replaced under a condition, never deleted and never written unconditionally. Keys are
relative, with `/` between their parts, and hold only characters that a validated message can contain.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sweepctl.errors import DamagedError

if TYPE_CHECKING:
    from pyarrow import fs

# What is read whole is a record, or as small; larger files are fetched or borrowed. A run's spec may have a megabyte as
# a message, which is several as text of its own.
MAX_BODY = 16 << 20
MAX_OBJECT = 5 << 30  # what S3 takes in one request
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9=._-]*(?:/[A-Za-z0-9_][A-Za-z0-9=._-]*)*")


def is_key(text: str) -> bool:
    """Whether `text` can be a key: no part begins with a dot or a dash, or is empty, so no key leaves the store."""
    return _KEY.fullmatch(text) is not None


def require_key(key: str) -> str:
    """Return `key`, or raise ValueError: keys are made of validated names, so a bad one is a bug in the caller."""
    if not is_key(key):
        raise ValueError(f"not a key: {key!r}")
    return key


def exists(store: "Store", key: str) -> bool:
    """Return whether there is something at `key`, which may be damaged or larger than what `read` returns."""
    try:
        return store.read(key) is not None
    except DamagedError:
        return True


def body_at(store: "Store", key: str, most: int = MAX_BODY) -> bytes | DamagedError | None:
    """Return what is at `key`: its body, the error of what is damaged or larger, or None."""
    try:
        stored = store.read(key)
    except DamagedError as error:
        return error
    if stored is None:
        return None
    return stored.body if len(stored.body) <= most else too_large(store.locate(key), most)


def too_large(address: str, most: int) -> DamagedError:
    """Return the error for an object of more than so many bytes."""
    msg = f"{address} is larger than anything that sweepctl keeps there: more than {most} bytes"
    return DamagedError(msg, remedy="Another program wrote it. Move it away.")


class Put(Enum):
    """The result of a conditional write.

    After a lost reply, a write may find its own success and return EXISTS or CHANGED: the caller reads back and
    compares.
    """

    WRITTEN = "written"
    EXISTS = "exists"  # create: the key is taken
    CHANGED = "changed"  # replace: the key no longer holds the body that was judged, or is gone


@dataclass(frozen=True)
class Stored:
    """One object as it was read: its body, and the etag of exactly that body."""

    body: bytes
    etag: str


@dataclass(frozen=True)
class Entry:
    """One object in a listing."""

    key: str
    bytes: int
    version: str  # changes when the object is replaced: while it is the same, nothing need be read again
    modified_at: dt.datetime  # when it was written, by the store's clock
    is_file: bool = True  # else a link, pipe or device in a directory, which nothing may open


class Store(Protocol):
    """The contract, tested by tests/store/test_contract.py on every implementation.

    Every method raises `StoreError` when the store cannot be reached or refuses, after bounded retries. Those that read
    an object raise `DamagedError` where there is something else than a file, or something too large.
    """

    @property
    def url(self) -> str:
        """The store as the user named it: a directory's path, or `s3://bucket/prefix`."""

    def locate(self, key: str) -> str:
        """An object's address for people: a path, or an `s3://` URL."""

    def read(self, key: str) -> Stored | None:
        """The object at `key`, of at most `MAX_BODY` bytes, or None."""

    def bodies(self, keys: Sequence[str], most: int = MAX_BODY) -> Iterator[bytes | DamagedError | None]:
        """What `read` has for each of many keys, in their order: its body, its DamagedError, or None if missing.

        What is larger than `most` bytes is a DamagedError, too.

        Faster than `read`, since many are read at a time; all of a call's bodies may be in memory together.
        """

    def fetch(self, key: str, destination: Path, most: int = MAX_OBJECT) -> bool:
        """Copy the object at `key`, of at most `most` bytes, into a new file; False, and no file, if missing."""

    def borrow(self, key: str) -> AbstractContextManager[Path | None]:
        """A file with the object's content, only for reading: its own, or a copy, gone on exit. None if missing."""

    def require_present(self) -> None:
        """Raise `StoreError` if the store is a folder that does not exist. A missing bucket is one anyway."""

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below `prefix`, which is empty or ends in `/`; sorted."""

    def objects(self, prefix: str, cuts: Sequence[str] = ()) -> Iterator[Entry]:
        """Every object below `prefix`, a folder that ends in `/`; in no particular order.

        `cuts` are keys of files in the folder, in order, whether they exist or not. A store may list what is between
        them at the same time. They change neither what is listed nor that each object is listed once.
        """

    def filesystem(self) -> "tuple[fs.FileSystem, str]":
        """An Arrow file system for the same objects, and the prefix of their paths: for reading many files."""

    def create(self, key: str, body: bytes | Path) -> Put:
        """Write `body`, or a file's content, unless the key exists: WRITTEN or EXISTS. Durable on return.

        A file in `scratch()` must not be written again afterwards: it may have become the object.
        """

    def replace(self, key: str, body: bytes, etag: str) -> Put:
        """Write `body` if the object's etag is still `etag`: WRITTEN or CHANGED. Durable on return."""

    def make_durable(self, key: str) -> None:
        """Return when the object that was read at `key` would survive a power cut.

        What is read may be there before its writer's `create` or `replace` has made it durable. Whoever acknowledges a
        message because of it, or writes what depends on it, calls this first.
        """

    def make_all_durable(self, keys: Iterable[str]) -> None:
        """`make_durable` for many objects at a time, which takes no longer than for one of each folder."""

    def scratch(self) -> AbstractContextManager[Path]:
        """A private directory for files not yet in the store; removed on exit, or after a crash by a later process."""

    def probe(self) -> None:
        """Raise `StoreError` unless the store can be written and honours both conditions."""

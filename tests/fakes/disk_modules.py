"""What stands for `os`, `fcntl`, `shutil`, `tempfile`, `weakref` and `Path` where a `LocalStore` is on a `Disk`."""

import io
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PosixPath
from types import SimpleNamespace
from typing import Any, ClassVar, Self

from fakes.disk import FCNTL, USER, Disk


class DiskPath(PosixPath):
    """A path on the disk of the history that is being played."""

    disk: ClassVar[Disk]

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:  # noqa: ANN401  as of pathlib
        if mode == "rb":
            return io.BytesIO(self.read_bytes())
        assert mode == "wb"
        return _Writing(self)

    def read_bytes(self) -> bytes:
        """Read as Arrow does: a file at once."""
        return self.disk.read_file(self)

    def write_bytes(self, data: Any) -> int:  # noqa: ANN401  as of pathlib
        with _Writing(self) as file:
            return file.write(data)

    def stat(self, **_: Any) -> Any:  # noqa: ANN401  as of pathlib
        return self.disk.stat(self)

    def is_dir(self) -> bool:
        with suppress(OSError):
            return stat.S_ISDIR(self.stat().st_mode)
        return False

    def exists(self, **_: Any) -> bool:  # noqa: ANN401  as of pathlib
        with suppress(OSError):
            return bool(self.stat())
        return False

    def touch(self, *_: Any, **__: Any) -> None:  # noqa: ANN401  as of pathlib
        self.write_bytes(b"")

    def mkdir(self, _mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:  # noqa: FBT001, FBT002
        del parents  # which are there: the store's folder is
        try:
            self.disk.mkdir(self)
        except FileExistsError:
            if not exist_ok:
                raise


class _Writing:
    """A file that is written from its beginning."""

    def __init__(self, path: DiskPath) -> None:
        self._disk = path.disk
        self._descriptor = self._disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._disk.close(self._descriptor)

    def write(self, body: bytes) -> int:
        self._disk.write(self._descriptor, body)
        return len(body)


def _copyfileobj(source: Any, target: _Writing) -> None:  # noqa: ANN401  what `fdopen` gave
    target.write(source.read())


def _copyfile(source: Path, target: DiskPath) -> None:
    target.write_bytes(source.read_bytes())


def stand_ins(disk: Disk) -> Sequence[tuple[str, Any]]:
    """Return what takes the place of modules, by their names in `store/files.py` and `store/local.py`."""
    calls = (
        "open",
        "close",
        "fstat",
        "stat",
        "read",
        "mkdir",
        "link",
        "replace",
        "listdir",
        "scandir",
        "utime",
        "fdopen",
    )
    constants = {name: value for name, value in vars(os).items() if name.startswith("O_") or name.endswith("_OK")}
    system_calls = {name: getattr(disk, name) for name in calls}
    user = {"geteuid": lambda: USER, "access": lambda *_: True}
    return (
        ("os", SimpleNamespace(**constants, **system_calls, **user)),
        ("fcntl", SimpleNamespace(**vars(FCNTL), flock=disk.flock)),
        ("shutil", SimpleNamespace(rmtree=disk.rmtree, copyfile=_copyfile, copyfileobj=_copyfileobj)),
        ("system", SimpleNamespace(sync=disk.sync)),
        ("tempfile", SimpleNamespace(mkdtemp=disk.mkdtemp)),
        ("weakref", SimpleNamespace(finalize=disk.finalize)),
        ("Path", DiskPath),
        ("MACHINE", "@machine"),
    )

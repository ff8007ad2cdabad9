"""A drain as a process that is watched: with a scratch disk that can be filled, and a clock that can be set.

Both as far as this machine allows: the disk needs a mount namespace of the process's own (`unshare -rm`), the clock a
compiler, which Rust needs as well.
"""

import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from soak.models import Work
from waiting import LIMIT
from worker.processes import SWEEPCTL, environment

if TYPE_CHECKING:
    from collections.abc import Sequence

OFFSET_BYTES = 8
DISK_BYTES = 16 << 20
OWN_DISK = 'mount -t tmpfs -o "size=$1" tmpfs "$TMPDIR" && shift && exec "$@"'
FILLER = "fills-the-disk"


@cache
def can_have_disk() -> bool:
    """Whether this user may have a disk of his own for a process."""
    tried = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /tmp"]
    return bool(shutil.which("unshare")) and subprocess.run(tried, check=False, capture_output=True).returncode == 0


def build_clock(folder: Path) -> Path | None:
    """Build the clock that can be set; None where there is no compiler."""
    library, source = folder / "clock.so", Path(__file__).with_name("clock.c")
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    subprocess.run((compiler, "-O1", "-shared", "-fPIC", "-o", library, source), check=True)
    return library


class Drain:
    """`sweepctl drain`, within a `with` block."""

    def __init__(self, work: Work, folder: Path, clock: Path | None, settings: dict[str, str]) -> None:
        self.work = work
        self.has_clock = clock is not None
        self._folder = folder
        self._temporary, self.cache, self._offset = folder / "tmp", folder / "cache", folder / "offset"
        for each in (self._temporary, self.cache):
            each.mkdir(parents=True)
        self._offset.write_bytes(bytes(OFFSET_BYTES))
        self._environment = {
            **environment(),
            **settings,
            "TMPDIR": str(self._temporary),
            "XDG_CACHE_HOME": str(self.cache),
            **({"LD_PRELOAD": str(clock), "SOAK_CLOCK": str(self._offset)} if clock else {}),
        }

    def __enter__(self) -> Self:
        command: Sequence[str] = (*SWEEPCTL, "drain", "--concurrency", "2", *self.work.options())
        if can_have_disk():
            command = ("unshare", "-rm", "sh", "-c", OWN_DISK, "sh", str(DISK_BYTES), *command)
        with (self._folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                command, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def scratch(self) -> Path:
        """The scratch folder as the drain sees it."""
        return Path(f"/proc/{self.process.pid}/root{self._temporary}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT)

    def set_clock(self, seconds: int) -> None:
        with self._offset.open("r+b") as file:
            os.pwrite(file.fileno(), seconds.to_bytes(OFFSET_BYTES, sys.byteorder, signed=True), 0)

    def fill_disk(self) -> None:
        with (self.scratch / FILLER).open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:  # it is full
                return

    def empty_disk(self) -> None:
        (self.scratch / FILLER).unlink()

    def last_words(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-2000:]

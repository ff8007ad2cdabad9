"""What differs between Linux and macOS. The calls of macOS are stand-ins: no test runs there."""

import errno
import fcntl
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import wait_until

from sweepctl import system

SESSION = "import subprocess; print(subprocess.Popen(['sleep', '600'], process_group=0).pid, flush=True); input()"


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(sys, "platform", "darwin")
    return monkeypatch


@pytest.fixture
def session() -> Iterator[tuple[int, int]]:
    """A session, and the second process group that it has."""
    command = (sys.executable, "-c", SESSION)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())


def full_sync(answer: int) -> Callable[[int, int], None]:
    def call(_descriptor: int, command: int) -> None:
        assert command == 51
        if answer:
            raise OSError(answer, os.strerror(answer))

    return call


@pytest.mark.parametrize(
    ("answer", "syncs"), [(0, 0), (errno.ENOTSUP, 1), (errno.ENOTTY, 1), (errno.EINVAL, 1), (errno.EIO, None)]
)
def test_on_macos_the_drive_writes_its_cache_where_the_file_system_can_ask_for_it(
    macos: pytest.MonkeyPatch, answer: int, syncs: int | None
) -> None:
    done: list[int] = []
    macos.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    macos.setattr(fcntl, "fcntl", full_sync(answer))
    macos.setattr(os, "fsync", done.append)
    if syncs is None:
        with pytest.raises(OSError, match=os.strerror(answer)):
            system.sync(7)
    else:
        system.sync(7)
    assert done == [7] * (syncs or 0)


class Events:
    """A queue of kernel events for one process, which runs, has ended, or had ended before it was watched."""

    def __init__(self, state: str) -> None:
        self._state = state
        self.closed = False

    def control(self, changes: list[object] | None, most: int, _patience: float = 0) -> list[str]:
        if changes and self._state == "had ended":
            raise ProcessLookupError
        return ["exit"][:most] if self._state == "has ended" else []

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("state", ["runs", "has ended", "had ended"])
def test_on_macos_the_kernel_says_whether_a_child_has_ended(macos: pytest.MonkeyPatch, state: str) -> None:
    events = Events(state)
    macos.setattr(select, "kqueue", lambda: events, raising=False)
    macos.setattr(select, "kevent", lambda *facts: facts, raising=False)
    for name in ("KQ_FILTER_PROC", "KQ_EV_ADD", "KQ_NOTE_EXIT"):
        macos.setattr(select, name, 0, raising=False)
    assert system.has_ended(1) == (state != "runs")
    assert events.closed


def test_a_child_that_has_ended_is_not_reaped() -> None:
    with subprocess.Popen(("/bin/sleep", "600")) as child:
        assert not system.has_ended(child.pid)
        child.kill()
        wait_until(lambda: system.has_ended(child.pid))
        assert system.has_ended(child.pid)
        assert child.wait() == -9


def test_a_group_that_has_ended_is_killed_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(("/bin/true",), start_new_session=True) as child:
        wait_until(lambda: system.has_ended(child.pid))
        system.kill_group(child.pid)
    system.kill_group(child.pid)

    def refuse(_group: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    with pytest.raises(PermissionError):
        system.kill_group(child.pid)
    monkeypatch.setattr(sys, "platform", "darwin")
    system.kill_group(child.pid)


@pytest.mark.parametrize("name", ["linux", "darwin"])
def test_the_groups_of_a_session_are_known(
    monkeypatch: pytest.MonkeyPatch, session: tuple[int, int], name: str
) -> None:
    if name != sys.platform and shutil.which("/bin/ps") is None:
        pytest.skip("there is no ps")
    monkeypatch.setattr(sys, "platform", name)
    first, second = session
    assert system.groups_of(first) == {second}
    system.kill_group(second)
    assert system.groups_of(os.getpid()) == set()


def test_memory_is_in_bytes_everywhere(macos: pytest.MonkeyPatch) -> None:
    usage: Any = SimpleNamespace(ru_maxrss=64 << 20)
    assert system.peak_bytes(usage) == 64 << 20
    macos.undo()
    assert 1 << 20 < system.peak_bytes(getrusage(RUSAGE_SELF)) < 1 << 40


def test_no_other_module_asks_which_system_it_is() -> None:
    asks = ("sys.platform", ".sysname", "platform.system", "/proc/", "waitid(", "prctl(", "killpg(", "F_SETPIPE_SZ")
    root = Path(system.__file__).parent
    asking = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if path != Path(system.__file__) and any(each in path.read_text() for each in asks)
    }
    assert asking == set()

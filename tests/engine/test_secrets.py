"""An engine finds no secret of its worker in /proc: neither its environment nor its memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from sweepctl import system
from sweepctl.engine.client import Engine
from sweepctl.errors import EngineUnavailableError

# The worker's user and rights are the engine's, too. Root may read everything, unless it has lost CAP_SYS_PTRACE,
# CAP_SYS_ADMIN and CAP_PERFMON, as in a container. What is run after that needs no file that root alone may read.
RIGHTS = {
    "another user": "os.setgroups([]), os.setgid(65534), os.setuid(65534)",
    "root in a container": "[libc.prctl(24, each, 0, 0, 0) for each in (19, 21, 38)]; "
    'libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))',
}
PROGRAM = """
import ctypes, json, os, resource, struct, subprocess, threading
from sweepctl.engine.child import Child
libc = ctypes.CDLL(None)
if os.getuid() == 0:
    {rights}
    libc.prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which a change of users resets
look = "for each in environ mem maps auxv fd/0; do (exec 3< /proc/$PPID/$each) 2>/dev/null && echo $each; done; id -u"
command = ["/bin/sh", "-c", look]
print(json.dumps(subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.split()))
with Child(command, {{}}, stdin=b"", timeout=None, stop=threading.Event()) as child:
    found = b""
    while not child.output_ended:
        found += child.read(60)
print(json.dumps(found.decode().split()))
"""
SCORE = (
    PROGRAM.partition("look =")[0]
    + """
before = open("/proc/self/oom_score_adj").read()
command = ["/bin/sh", "-c", "read line; cat /proc/self/oom_score_adj; echo $line"]
with Child(command, {{}}, stdin=before.encode(), timeout=None, stop=threading.Event()) as child:
    found = b""
    while not child.output_ended:
        found += child.read(60)
print(json.dumps(found.decode().split()))
"""
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such files")


@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
def test_an_engine_opens_nothing_of_its_parent(rights: str) -> None:
    program = [sys.executable, "-c", PROGRAM.format(rights=rights)]
    done = subprocess.run(program, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (*files, user), engine = map(json.loads, done.stdout.splitlines())
    assert "environ" in files, "any other child reads it"
    assert engine == [user]


@pytest.mark.parametrize("rights", RIGHTS.values(), ids=RIGHTS)
def test_the_system_would_kill_an_engine_before_its_worker(rights: str) -> None:
    program = [sys.executable, "-c", SCORE.format(rights=rights)]
    done = subprocess.run(program, env={"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    engine, worker = map(int, json.loads(done.stdout))
    assert worker < engine < 1000


def test_no_engine_starts_where_that_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PR_SET_DUMPABLE", 1 << 20)  # an option that no kernel has
    with pytest.raises(EngineUnavailableError, match="Invalid argument"):
        Engine(Path("/bin/true")).start(b"")

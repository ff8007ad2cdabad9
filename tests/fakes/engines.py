"""Engines of `toy` that are processes: each is a script that speaks as much of the protocol as a test wants.

    scripted(folder, "if shard == 2 and first('crash'): sys.exit(3)\\nrun()")

Its behaviour is Python after the request was read. It may use os, signal, sys and time; `say(text)`; `points`, all that
is to be said of points 0 to n - 1; of the shard it was asked for, which has four points, `shard`, `begin`, `end`,
`start()`, `point(index)` and `run(failing=())`; and what the test and the engine tell one another by files in `folder`:
`tell(name)`, `told(name)` (where that file is), `first(name)` (whether nobody told it before), `wait_for(name)`.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fakes import toy_model
from paths import TESTS

from sweepctl.engine.child import Child

if TYPE_CHECKING:
    import pytest

POINTS = 4  # of a shard

PROGRAM = """#!{python} -IS
import json, os, select, signal, sys, time
if sys.argv[1] == "describe":
    print({description!r})
    sys.exit(0)
sys.path.append({tests!r})
from fakes import toy_model
request = json.loads(sys.stdin.buffer.readline())
points = toy_model.good({points})
begin, end = request.get("start_index", 0), request.get("end_index_exclusive", 0)
shard = begin // {size}
def say(text):
    sys.stdout.buffer.write(text if isinstance(text, bytes) else text.encode() + b"\\n")
    sys.stdout.buffer.flush()
def told(name):
    return os.path.join({folder!r}, name)
def tell(name):
    open(told(name), "x").close() if not os.path.exists(told(name)) else None
def first(name):
    try:
        os.close(os.open(told(name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
def wait_for(name):
    while not os.path.exists(told(name)):
        # The end of its input is the end of its parent.
        if select.select([0], [], [], 0.01)[0]:
            sys.exit(9)
def start():
    say(toy_model.STARTED)
def point(index, failing=()):
    say(toy_model.failed_point(index) if index in failing else toy_model.point(index))
def run(failing=()):
    start()
    if sys.argv[1] == "points":
        for index in range(begin, end):
            say(toy_model.identity(index))
        failing = ()
    else:
        for index in range(begin, end):
            point(index, failing)
    say(toy_model.finished(end - begin, sum(index in failing for index in range(begin, end))))
    sys.exit(0)
{behaviour}
"""


REFUSED = toy_model.line(record="refused", error_code="bad_request", message="design.std: too large", parameter=None)

# Refuses to run anything, and names a point whose parameters are the model's defaults.
REFUSING = f"""
if sys.argv[1] == "points":
    start()
    say(toy_model.identity(0))
    say(toy_model.finished(1))
else:
    say({REFUSED!r})
sys.exit(0)
"""


def scripted(folder: Path, behaviour: str, points: int = 10) -> Path:
    """Write an engine into `folder`."""
    path = folder / "engine"
    text = PROGRAM.format(
        python=sys.executable,
        description=json.dumps(toy_model.DESCRIPTION),
        tests=str(TESTS),
        points=points,
        size=POINTS,
        folder=str(folder),
        behaviour=behaviour,
    )
    path.write_text(text)
    path.chmod(0o755)
    return path


def clock_until(monkeypatch: "pytest.MonkeyPatch", said: bytes) -> Callable[[], float]:
    """Return a clock that stands still until an engine's `said` has been read, and is beyond every deadline then.

    It goes on in the same way each time that this is read again.
    """
    now, read = 0.0, Child.read

    def noting(child: Child, seconds: float) -> bytes:
        nonlocal now
        output = read(child, seconds)
        if said in output:
            now += 1e9
        return output

    monkeypatch.setattr(Child, "read", noting)
    return lambda: now

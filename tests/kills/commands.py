"""Runs commands of sweepctl in forks of this process, in which they start without imports."""

import atexit
import importlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kills.forks import in_fork
from kills.scenes import Place

from sweepctl import cli, numpy_gate, system


def command(place: Place, words: Sequence[str]) -> int:
    """Run a command as `sweepctl` does, to the end of its process but for that; return its exit code."""
    with suppress(FileNotFoundError):
        os.chdir(place.given)
    with place.said.open("wb") as said, Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    os.environ.update(TMPDIR=str(place.temporary), XDG_CACHE_HOME=str(place.root / "cache"), COLUMNS="200")
    tempfile.tempdir = None
    # The tracer may not read the memory of such a process, unless it is root's.
    system.close_proc = _stay_open
    sys.argv = ["sweepctl", *words, "--store", os.path.relpath(place.store, place.given)]
    code = 0
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    return code


def _stay_open() -> None:
    pass


def learn(place: Place, words: Sequence[str]) -> int:
    """Run a command in a fork, and import here what it has imported; return its exit code."""
    imported = place.root / "imported"

    def work() -> int:
        code = command(place, words)
        imported.write_text(json.dumps(sorted(sys.modules)))
        return code

    code = in_fork(work)
    with numpy_gate.shut():
        for name in json.loads(imported.read_text()):
            with suppress(ImportError):  # names that modules have made
                importlib.import_module(name)
    return code

"""Runs commands one after the other in a fork of a process that has imported everything already, and measures them.

    python forked.py < requests > results    a line of JSON each

A command that hangs is ended by a signal, whatever it waits for, and the fork with it. A process of its own, because
only one without threads may fork.
"""

import functools
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import duckdb  # noqa: F401  imported once, for all
import pyarrow.dataset  # noqa: F401
import rich.progress  # noqa: F401
import scipy.special  # noqa: F401
import typer.main

import sweepctl.cli
import sweepctl.local_sweep.run
import sweepctl.results.recorded
import sweepctl.results.run
import sweepctl.runs.retry
import sweepctl.runs.reuse
import sweepctl.runs.status
import sweepctl.store.local
import sweepctl.verify.proof
import sweepctl.view.compare
import sweepctl.view.page.page
import sweepctl.view.query
import sweepctl.view.shard
import sweepctl.view.summary
import sweepctl.view.sweep
import sweepctl.view.verify

typer.main.get_command = functools.cache(typer.main.get_command)
typer.main.get_command(sweepctl.cli.app)  # the tree of all commands, once for all forks
LIMIT = 120  # seconds of a command
SPACE = 16 << 30


def run(folder: str, commands: list[list[str]]) -> dict[str, Any]:
    """Return each command's exit code and output, and the most memory that any had, in bytes.

    A command that a signal ended has none, and is the last.
    """
    child = os.fork()
    if child == 0:
        _become(folder, commands)
    _, _, used = os.wait4(child, 0)
    results = [
        {"code": int(code.read_text()), "output": Path(folder, f"{number}.output").read_text(errors="replace")}
        for number in range(len(commands))
        if (code := Path(folder, f"{number}.code")).exists()
    ]
    return {"results": results, "memory": used.ru_maxrss << 10}


def _become(folder: str, commands: list[list[str]]) -> None:
    try:
        resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, arguments in enumerate(commands):
            signal.alarm(LIMIT)
            output = os.open(f"{number}.output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            for stream in (1, 2):
                os.dup2(output, stream)
            Path(f"{number}.code").write_text(str(_code_of(arguments)))
    finally:
        os._exit(0)


def _code_of(arguments: list[str]) -> int:
    sys.argv = ["sweepctl", *arguments]
    try:
        sweepctl.cli.main()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 0
    except BaseException:  # noqa: BLE001  whatever it is, the test has to see it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 70


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(**json.loads(line))) + "\n")
        sys.stdout.flush()

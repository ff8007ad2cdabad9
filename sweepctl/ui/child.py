"""Questions to processes of their own: some at a time, each ended with whoever asked, or when its time is over."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from sweepctl.errors import SweepctlError
from sweepctl.records.compact import find_manifest
from sweepctl.records.run import require_run
from sweepctl.results.recorded import many_shards
from sweepctl.store import open_store
from sweepctl.system import kill_group
from sweepctl.ui.place import Place
from sweepctl.ui.problem import Problem

AT_ONCE = 2  # processes: each may use all cores
# Statements of people end early; a report may prove 100,000 shards, as long as its page is open.
SECONDS = {"means": 600.0, "points": 60.0, "sql": 60.0, "report": 3_600.0}
MOST_BYTES = 4 << 30  # of memory; DuckDB may take half of it
MARGIN = 10  # seconds after which a process ends itself, if nobody else has ended it
ANSWER = "sweepctl.ui"  # its `__main__`
QUOTED = 2_000  # characters of a traceback
# What helps where a question meets a limit.
LESS: Mapping[str, str] = {
    "means": "`sweepctl summary` has no such limit.",
    "points": "Ask for less, with a narrower condition. `sweepctl query` has no such limit.",
    "sql": "Ask for less: fewer columns or rows, or a narrower condition. `sweepctl query` has no such limit.",
    "report": "`sweepctl report` has no such limit.",
}
# What Python, C++ and the system say at the limit of memory, which threads need, too.
NO_MEMORY = (
    *("MemoryError", "bad_alloc", "Cannot allocate memory"),
    *("can't start new thread", "Resource temporarily unavailable"),
)


class Desk:
    """Has questions answered, a few at a time."""

    def __init__(self, place: Place) -> None:
        """Answer questions about a store."""
        self._place = place
        self._free = asyncio.Semaphore(AT_ONCE)

    async def ask(self, run_id: str, kind: str, **arguments: Any) -> Mapping[str, Any]:  # noqa: ANN401  any JSON value
        """Return the answer of `answers.QUESTIONS`; if the asker is cancelled, the process is killed.

        Raises:
            Problem: the question has no answer, or not within its limits.
        """
        seconds = SECONDS[kind]
        limits = {"seconds": int(seconds) + MARGIN, "bytes": MOST_BYTES}
        question = {"place": asdict(self._place), "run_id": run_id, "kind": kind, "arguments": arguments, **limits}
        async with self._free:
            try:
                async with asyncio.timeout(seconds):
                    code, output, errors = await _run(json.dumps(question).encode())
            except TimeoutError:
                message = f"This takes longer than {seconds:g} seconds, and was ended."
                raise Problem(422, message, await self._less(run_id, kind)) from None
        if code:
            said = errors.decode("utf-8", "replace")
            if any(each in said for each in NO_MEMORY):
                message = "This takes more memory than a page may, and was ended."
                raise Problem(422, message, await self._less(run_id, kind))
            raise _failed(code, said)
        found: dict[str, Any] = json.loads(output)
        if "error" in found:
            raise Problem.of(found)
        return found

    async def _less(self, run_id: str, kind: str) -> str:
        """Return what helps against a limit: fewer files, if the run has many."""
        advice = await asyncio.to_thread(_to_compact, self._place, run_id)
        return f"{advice[:1].upper()}{advice[1:]}. {LESS[kind]}" if advice else LESS[kind]


def _to_compact(place: Place, run_id: str) -> str | None:
    with suppress(SweepctlError):
        store = open_store(place.store, endpoint_url=place.endpoint_url, region=place.region)
        run = require_run(store, run_id)
        return None if find_manifest(store, run) is not None else many_shards(run)
    return None


async def _run(question: bytes) -> tuple[int, bytes, bytes]:
    """Run one process to its end; kill it if that is not waited for."""
    # The modules of this process, wherever they lie, and none of the folder it was started in.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", ANSWER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the server
    )
    sent, told, complained = process.stdin, process.stdout, process.stderr
    assert sent is not None and told is not None and complained is not None  # noqa: PT018, S101  pipes
    try:
        # Its standard input stays open: the process ends with whoever holds the other end (`answers.main`).
        sent.write(question + b"\n")
        output, errors, _ = await asyncio.gather(told.read(), complained.read(), process.wait())
    finally:
        if process.returncode is None:
            kill_group(process.pid)
            await process.wait()
    return process.returncode or 0, output, errors


def _failed(code: int, errors: str) -> Problem:
    """Return what became of a process that gave no answer, and met no limit."""
    sys.stderr.write(errors[-QUOTED:])
    if code == -signal.SIGKILL:
        message = "The process that computes this was killed. The system does that where memory is short."
        return Problem(503, message, "Load the page again.")
    if code < 0:
        return Problem(500, f"The process that computes this crashed: signal {-code}, {signal.strsignal(-code)}.")
    return Problem.from_exception(RuntimeError(errors))

"""Questions to processes of their own: some at a time, each ended with whoever asked, or when its time is over."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

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
NARROWER = "Ask for less: fewer columns or rows, or a narrower condition. `sweepctl query` has no such limit."


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
                raise Problem(422, f"This takes longer than {seconds:g} seconds, and was ended.", NARROWER) from None
        if code:
            raise _failed(code, errors.decode("utf-8", "replace"))
        found: dict[str, Any] = json.loads(output)
        if "error" in found:
            raise Problem.of(found)
        return found


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
    try:
        output, errors = await process.communicate(question)
    finally:
        if process.returncode is None:
            kill_group(process.pid)
            await process.wait()
    return process.returncode or 0, output, errors


def _failed(code: int, errors: str) -> Problem:
    """Return what became of a process that gave no answer: it met a limit of the system, or a bug."""
    if code < 0 or "MemoryError" in errors or "bad_alloc" in errors:
        return Problem(422, "This takes more memory than a page may, and was ended.", NARROWER)
    sys.stderr.write(errors[-QUOTED:])
    return Problem.from_exception(RuntimeError(errors))

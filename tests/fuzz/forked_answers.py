"""Answers the questions of pages, each in a fork of a process that has imported everything already.

    python forked_answers.py < questions > answers

For each line there are two: the process that computes, and what became of it. It does what `python -m sweepctl.ui`
does, without taking half a second to start. A process of its own, because only one without threads may fork.
"""

import json
import os
import sys
import tempfile
from contextlib import suppress

from sweepctl import numpy_gate

with numpy_gate.shut():
    import duckdb  # noqa: F401  imported once, for all
    import pyarrow.dataset  # noqa: F401

    from sweepctl.ui import answers


def answered(question: str) -> list[object]:
    """Say which process computes; return its exit code as `asyncio` has it, and what it wrote to its two streams."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writer)
            _become(reader, output.fileno(), errors.fileno())
        os.close(reader)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        with suppress(BrokenPipeError), os.fdopen(writer, "w", closefd=False) as asking:
            asking.write(question)
        _, status = os.waitpid(child, 0)
        os.close(writer)
        texts = [os.pread(each.fileno(), os.fstat(each.fileno()).st_size, 0) for each in (output, errors)]
    return [os.waitstatus_to_exitcode(status), *(each.decode(errors="replace") for each in texts)]


def _become(*streams: int) -> None:
    code = 1
    try:
        for own, stream in enumerate(streams):
            os.dup2(stream, own)
        sys.stdin = os.fdopen(0, closefd=False)
        with numpy_gate.shut():
            answers.main()
        sys.stdout.flush()
        code = 0
    except BaseException:  # noqa: BLE001  as the interpreter shows it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answered(line)) + "\n")
        sys.stdout.flush()

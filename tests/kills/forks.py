"""Forks of this process, which must have one thread."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

_CRASHED = 70


def in_fork(work: Callable[[], int]) -> int:
    """Do `work` in a fork, and return what it returns, or how the fork ended."""
    child = os.fork()
    if child == 0:
        end_with(work)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def end_with(work: Callable[[], int]) -> NoReturn:
    """Do `work` and end this process, a fork, with what it returns; nothing of the forked process goes on in it."""
    code = _CRASHED
    try:
        code = work()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  of a fork, which would go on as its parent
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)

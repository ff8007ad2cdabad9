"""Keeps NumPy and pandas out of a command that does not need them.

pyarrow imports both wherever they are installed, at the latest when it first converts a Python value, and has no switch
for it; it works without them. Importing them takes longer than most commands run. Only `cli.main` shuts the gate: a
process that uses sweepctl as a library is not affected.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

_KEPT_OUT = frozenset({"numpy", "pandas"})


class _Gate:
    """A finder of modules that reports both as not installed."""

    def find_spec(self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /) -> None:
        if fullname in _KEPT_OUT:
            raise ModuleNotFoundError(f"{fullname} is kept out of this command", name=fullname)


@contextmanager
def shut() -> Iterator[None]:
    """Let imports of both fail as if they were not installed; one that is already imported stays usable."""
    sys.meta_path.insert(0, _Gate())
    try:
        yield
    finally:
        reopen()


def reopen() -> None:
    """Let both be imported again, for example for SALib."""
    sys.meta_path = [finder for finder in sys.meta_path if not isinstance(finder, _Gate)]

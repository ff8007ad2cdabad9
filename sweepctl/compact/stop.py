"""The end of a compaction by a signal."""

from collections.abc import Iterable, Iterator
from threading import Event
from typing import TypeVar

from sweepctl.errors import InterruptedRunError

T = TypeVar("T")


def until_stopped(stop: Event, values: Iterable[T]) -> Iterator[T]:
    """Yield values; raise InterruptedRunError at the first one after `stop` was set."""
    for each in values:
        if stop.is_set():
            raise InterruptedRunError("stopped by a signal", remedy="Run compact again: it adopts what is written.")
        yield each

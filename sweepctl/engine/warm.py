"""Engines that wait for their next shard: each is a process that one shard has at a time.

An engine waits here only if it did all that it was asked for, without a failed point. It is replaced after some time
and some requests, and when its file was. Each shard has new threads in it, and so new scratch memory of its model.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event

from sweepctl.engine.child import Child

MOST_SECONDS = 600.0  # from an engine's start to its last request
MOST_REQUESTS = 1_000


@dataclass(frozen=True)
class Warm:
    """An engine's process, and what it was started from."""

    child: Child
    sha256: str | None  # of the engine's file
    began_at: float
    requests: int = 1


class WarmEngines:
    """Engines of one file; those that wait are ended with this object."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin with none."""
        self._monotonic = monotonic
        # A list's `pop` and `append` are atomic: threads share it without a lock.
        self._waiting: list[Warm] = []
        weakref.finalize(self, _end, self._waiting)

    def take(self, sha256: str | None, request: bytes, timeout: float | None, stop: Event) -> Warm | None:
        """Have an engine that waits begin with a request; None if there is none that can."""
        while self._waiting:
            try:
                warm = self._waiting.pop()
            except IndexError:  # another thread was faster
                return None
            is_young = self._monotonic() - warm.began_at < MOST_SECONDS and warm.requests < MOST_REQUESTS
            if is_young and warm.sha256 == sha256 and warm.child.resume(request, timeout, stop):
                return replace(warm, requests=warm.requests + 1)
            _end([warm])
        return None

    def keep(self, warm: Warm) -> None:
        """Have an engine wait for another request."""
        self._waiting.append(warm)


def _end(waiting: list[Warm]) -> None:
    while waiting:
        waiting.pop().child.__exit__(None, None, None)

"""Engines that wait for their next shard: each is a process that one shard has at a time.

An engine waits here only if it did all that it was asked for, without a failed point. It is replaced after some time
and some requests, and when its file was. Each shard has new threads in it, and so new scratch memory of its model. It
serves shards of one spec only: what a model keeps of parameters that its run does not vary is right for them.
"""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event

from sweepctl import logs
from sweepctl.engine.child import Child

MOST_SECONDS = 600.0  # from an engine's start to its last request
MOST_REQUESTS = 1_000


@dataclass(frozen=True)
class Warm:
    """An engine's process, and what it was started from."""

    child: Child
    sha256: str | None  # of the engine's file
    spec: str  # the fingerprint of what all its requests are of
    began_at: float
    requests: int = 1


class WarmEngines:
    """Engines of one file; those that wait are ended with this object."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Begin with none."""
        self._monotonic = monotonic
        # A list's `pop` and `append` are atomic: threads share it without a lock.
        self._waiting: list[Warm] = []
        weakref.finalize(self, _end_own, self._waiting, os.getpid())

    def take(self, sha256: str | None, spec: str, request: bytes, timeout: float | None, stop: Event) -> Warm | None:
        """Have an engine that waits begin with a request; None if there is none that can."""
        while self._waiting:
            try:
                warm = self._waiting.pop()
            except IndexError:  # another thread was faster
                return None
            is_young = self._monotonic() - warm.began_at < MOST_SECONDS and warm.requests < MOST_REQUESTS
            is_same = (warm.sha256, warm.spec) == (sha256, spec)
            if is_young and is_same and warm.child.resume(request, timeout, stop):
                return replace(warm, requests=warm.requests + 1)
            if is_young and is_same:
                logs.warn("engine_replaced", why="it ended, or wrote something, while it waited for its next shard")
            _end([warm])
        return None

    def keep(self, warm: Warm) -> None:
        """Have an engine wait for another request."""
        self._waiting.append(warm)


def _end_own(waiting: list[Warm], creator: int) -> None:
    """End the engines that wait, but not from a fork of the process that has them."""
    if os.getpid() == creator:
        _end(waiting)


def _end(waiting: list[Warm]) -> None:
    while waiting:
        waiting.pop().child.__exit__(None, None, None)

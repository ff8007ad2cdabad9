"""A value that many pages watch and one reader reads: again only while a page waits for it, and never all the time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, TypeVar

from sweepctl.ui.problem import Problem

Value = TypeVar("Value")

FAILED_SECONDS = 1.0  # between two reads, at least, of which the first one failed


class Feed(Generic[Value]):
    """Reads on demand: what was read lately serves everybody, and a read that nobody waits for is cancelled."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Value]],
        rest: Callable[[Value], float],
        times: float = 1.0,
        patience: float | None = None,
    ) -> None:
        """Read by `read`.

        Args:
            read: Returns the value of now.
            rest: Seconds between two reads, at least, after this value.
            times: Rest this many times as long as reading took, at least, so that a large store is not read all the
                time.
            patience: Seconds that a caller waits for a value; None is as long as it takes.
        """
        self._read, self._rest, self._times, self._patience = read, rest, times, patience
        self._reading: asyncio.Task[Value] | None = None
        self._waiting = self._watching = 0
        self._until = 0.0  # when the latest value is too old

    @property
    def is_watched(self) -> bool:
        """Whether anybody waits for a value, now or for the next one."""
        return bool(self._waiting or self._watching)

    async def fresh(self) -> Value:
        """Return the value of now, or of shortly before.

        Raises:
            SweepctlError: what reading raised; the next call reads again.
            Problem: it takes too long.
        """
        try:
            async with asyncio.timeout(self._patience) as limit:
                return await self._shared()
        except TimeoutError:
            if not limit.expired():
                raise
            problem = f"The store has not answered for {self._patience:g} seconds."
            raise Problem(503, problem, "Load the page again: what was read of its outcomes is kept.") from None

    async def _shared(self) -> Value:
        while (cancelled := self._reading) is not None and cancelled.cancelling():
            await asyncio.wait([cancelled])
            if self._reading is cancelled:
                self._reading = None
        if self._reading is None or (self._reading.done() and self._is_old()):
            self._reading = asyncio.create_task(self._timed())
        reading = self._reading
        self._waiting += 1
        try:
            return await asyncio.shield(reading)
        finally:
            self._waiting -= 1
            if not self._waiting and not reading.done():
                reading.cancel()

    def _is_old(self) -> bool:
        return asyncio.get_running_loop().time() >= self._until

    async def _timed(self) -> Value:
        clock = asyncio.get_running_loop().time
        began, rest = clock(), FAILED_SECONDS
        try:
            value = await self._read()
            rest = self._rest(value)
            return value
        finally:
            took = clock() - began
            self._until = clock() + max(rest, self._times * took)

    async def watch(self) -> AsyncIterator[Value | Exception]:
        """Yield the value whenever it was read, and the error when that failed."""
        self._watching += 1
        try:
            while True:
                try:
                    yield await self.fresh()
                except Exception as error:  # noqa: BLE001  shown by who watches
                    yield error
                await asyncio.sleep(max(0.05, self._until - asyncio.get_running_loop().time()))
        finally:
            self._watching -= 1


async def in_thread(work: Callable[[], Value], stop: Callable[[], None]) -> Value:
    """Return what `work` returns in a thread; when cancelled, call `stop` and wait for the thread to end."""
    running = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop()
        with suppress(Exception):
            await running
        raise

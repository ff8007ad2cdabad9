"""One reader for all who watch, and none where nobody does."""

import asyncio
from collections.abc import Awaitable, Callable
from threading import Event

import pytest

from sweepctl.ui.feed import Feed, in_thread
from sweepctl.ui.problem import Problem

REST = 0.05


class Source:
    """Counts how often it is read; a read takes until `gate` is set."""

    def __init__(self) -> None:
        self.reads, self.cancelled = 0, 0
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None

    async def read(self) -> int:
        self.reads += 1
        self.begun.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return self.reads

    def feed(self, rest: float = 3_600, patience: float | None = None) -> Feed[int]:
        return Feed(self.read, lambda _value: rest, patience=patience)


def together(test: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await test()

    asyncio.run(whole())


def test_a_hundred_that_ask_share_a_read() -> None:
    async def test() -> None:
        source = Source()
        feed = source.feed()
        asking = [asyncio.create_task(feed.fresh()) for _ in range(100)]
        await source.begun.wait()
        source.gate.set()
        assert await asyncio.gather(*asking) == [1] * 100
        assert await feed.fresh() == 1

    together(test)


def test_what_rested_is_read_again() -> None:
    async def test() -> None:
        source = Source()
        source.gate.set()
        feed = source.feed(rest=0)
        assert [await feed.fresh() for _ in range(3)] == [1, 2, 3]

    together(test)


def test_a_watch_yields_each_value_and_reads_for_nobody_else() -> None:
    async def test() -> None:
        source = Source()
        source.gate.set()
        feed, found = source.feed(REST), list[int | Exception]()
        watched = feed.watch()
        async for each in watched:
            found.append(each)
            if len(found) == 3:
                break
        assert found == [1, 2, 3]
        reads = source.reads
        await asyncio.sleep(10 * REST)  # only what should not be would need longer
        assert source.reads == reads

    together(test)


def test_a_read_that_nobody_waits_for_is_cancelled_and_the_next_one_waits_for_its_end() -> None:
    async def test() -> None:
        source = Source()
        feed = source.feed()
        asking = [asyncio.create_task(feed.fresh()) for _ in range(2)]
        await source.begun.wait()
        asking[0].cancel()
        await asyncio.wait(asking[:1])
        assert source.cancelled == 0, "somebody still waits"
        asking[1].cancel()
        await asyncio.wait(asking)
        source.gate.set()
        assert await feed.fresh() == 2
        assert source.cancelled == 1

    together(test)


def test_an_error_is_everybodys_and_passes() -> None:
    async def test() -> None:
        source = Source()
        source.gate.set()
        source.error = ValueError("no answer")
        feed = source.feed(rest=0)
        watched = feed.watch()
        assert isinstance(await anext(watched), ValueError)
        with pytest.raises(ValueError, match="no answer"):
            await feed.fresh()
        source.error = None
        assert isinstance(await anext(watched), int)

    together(test)


def test_a_read_that_takes_too_long_is_a_problem_for_who_waits_and_is_cancelled() -> None:
    async def test() -> None:
        source = Source()
        feed = source.feed(patience=REST)
        with pytest.raises(Problem, match="The store has not answered") as caught:
            await feed.fresh()
        assert caught.value.status == 503
        source.gate.set()
        assert isinstance(await anext(feed.watch()), int)
        assert source.cancelled == 1

    together(test)


def test_it_is_watched_while_somebody_waits_for_this_value_or_the_next_one() -> None:
    async def test() -> None:
        source = Source()
        feed = source.feed()
        found = [feed.is_watched]
        asking = asyncio.create_task(feed.fresh())
        await source.begun.wait()
        found.append(feed.is_watched)
        source.gate.set()
        await asking
        found.append(feed.is_watched)
        watched = feed.watch()
        await anext(watched)
        found.append(feed.is_watched)
        await watched.aclose()  # type: ignore[attr-defined]
        found.append(feed.is_watched)
        assert found == [False, True, False, True, False]

    together(test)


def test_work_in_a_thread_is_stopped_and_waited_for() -> None:
    async def test() -> None:
        loop, begun, stop = asyncio.get_running_loop(), asyncio.Event(), Event()
        ended = list[bool]()

        def work() -> None:
            loop.call_soon_threadsafe(begun.set)
            stop.wait()
            ended.append(True)

        working = asyncio.create_task(in_thread(work, stop.set))
        await begun.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert ended == [True]

    together(test)

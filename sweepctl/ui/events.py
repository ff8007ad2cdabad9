"""A stream of server-sent events: the parts of a page that have changed, at most once a second."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from sweepctl.ui.parts import problem_part
from sweepctl.ui.problem import Problem
from sweepctl.ui.runs import Parts
from sweepctl.view.page.markup import Markup

PERIOD = 1.0  # seconds between two events, at least
QUIET = 20.0  # seconds without one, after which a comment shows that both sides are there

Send = Callable[[dict[str, Any]], Awaitable[None]]


async def send_events(send: Send, watched: Sequence[AsyncIterator[Parts | Exception]]) -> None:
    """Send the parts of all that is watched, whenever some have changed; until it is cancelled."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    changed, pending = asyncio.Event(), Parts()
    followers = [asyncio.create_task(_follow(each, pending, changed)) for each in watched]
    try:
        await _send_changes(send, pending, changed)
    finally:
        for each in followers:
            each.cancel()
        await asyncio.gather(*followers, return_exceptions=True)


async def _send_changes(send: Send, pending: Parts, changed: asyncio.Event) -> None:
    while True:
        event = b": still here\n\n"
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET):
                await changed.wait()
            event = f"data: {json.dumps(pending)}\n\n".encode()
            pending.clear()
            changed.clear()
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.sleep(PERIOD)


async def _follow(watched: AsyncIterator[Parts | Exception], pending: Parts, changed: asyncio.Event) -> None:
    shown = Parts()
    async for found in watched:
        parts = found if isinstance(found, dict) else {"problem": _problem(found)}
        # What was wrong is over once reading succeeds.
        parts = {"problem": Markup(), **parts} if "problem" in shown else parts
        different = {name: part for name, part in parts.items() if shown.get(name) != part}
        shown.update(different)
        pending.update(different)
        if different:
            changed.set()


def _problem(error: Exception) -> Markup:
    problem = Problem.from_exception(error)
    return problem_part(problem.message, problem.remedy)

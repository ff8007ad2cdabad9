"""The application: which page answers which address. What takes long is cancelled when its page closes."""

import asyncio
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from sweepctl.messages import require_run_id
from sweepctl.texts import counted
from sweepctl.ui import pages
from sweepctl.ui.access import HEADERS, require_allowed
from sweepctl.ui.events import send_events
from sweepctl.ui.live import Snapshot
from sweepctl.ui.parts import problem_part
from sweepctl.ui.problem import Problem
from sweepctl.ui.runs import LiveRun, Parts, Runs
from sweepctl.ui.tables import LAST_PAGE, Wanted
from sweepctl.view.page.markup import Markup

MOST_TEXT = 20_000  # characters of a statement or condition
MOST_DIGITS = 10  # of the number of a page
BACK = (("../../", "All runs"), ("./", "The run"))


class Pages:
    """The handlers of all addresses."""

    def __init__(self, runs: Runs, store: str) -> None:
        """Answer about `runs`, those of `store`."""
        self._runs, self._store = runs, store

    def routes(self) -> list[Route]:
        """Return which handler has which address."""
        of_a_run: Mapping[str, Callable[[Request], Any]] = {
            "": self.run, "points": self.points, "query": self.query, "report": self.report, "events": self.run_events,
        }  # fmt: skip
        return [
            Route("/", self.index),
            Route("/events", self.index_events),
            *(Route(f"/runs/{{run_id}}/{name}", handler) for name, handler in of_a_run.items()),
        ]

    async def index(self, _request: Request) -> Response:
        """Show the runs of the store."""
        parts = await self._runs.index.fresh()
        return HTMLResponse(pages.runs_page(self._store, parts["runs"]))

    async def index_events(self, _request: Request) -> Response:
        """Tell of changes to the list of runs."""
        return _Events([self._runs.index.watch()])

    async def run(self, request: Request) -> Response:
        """Show a run as it goes on."""
        run, metric = self._run(request), request.query_params.get("metric")
        snapshot, parts = await run.status.fresh()
        status = snapshot.status
        about = f"{status.model} · {counted('points', status.total_points)} · {status.run_date}"
        halves = pages.run_page(status.run_id, about, parts)
        return StreamingResponse(_in_halves(halves, run, metric), media_type="text/html")

    async def run_events(self, request: Request) -> Response:
        """Tell of changes to a run."""
        run, metric = self._run(request), request.query_params.get("metric")
        try:
            await run.status.fresh()
        except Exception as error:
            # A browser does not come back after a refusal. What may pass is told in the stream, which goes on.
            if Problem.from_exception(error).status in {400, 404}:
                raise
        return _Events([_parts(run.status.watch()), run.means(metric).watch()])

    async def points(self, request: Request) -> Response:
        """Show a page of a run's points."""
        asked, run_id = request.query_params, request.path_params["run_id"]
        wanted = Wanted(
            _text(asked.get("where", "")),
            asked.get("sort", "point_index"),
            asked.get("order") == "desc",
            _page(asked.get("page", "1")),
        )
        draw = partial(pages.points_page, run_id, wanted)
        return await self._asked(draw, run_id, "points", **vars(wanted))

    async def query(self, request: Request) -> Response:
        """Show the first rows of a statement."""
        statement, run_id = _text(request.query_params.get("sql", "")), request.path_params["run_id"]
        draw = partial(pages.query_page, run_id, statement or "SELECT * FROM points LIMIT 10")
        if not statement.strip():
            await self._run(request).status.fresh()
            return HTMLResponse(draw(Markup()))
        return await self._asked(draw, run_id, "sql", statement=statement)

    async def report(self, request: Request) -> Response:
        """Show the report of a run, as `sweepctl report` writes it."""
        run_id = request.path_params["run_id"]
        require_run_id(run_id)
        found = await self._runs.desk.ask(run_id, "report")
        policy = f"{found['policy']}; frame-ancestors 'none'"
        return HTMLResponse(found["html"], headers={"Content-Security-Policy": policy})

    def _run(self, request: Request) -> LiveRun:
        return self._runs.run(request.path_params["run_id"])

    async def _asked(self, draw: Callable[[Markup], str], run_id: str, kind: str, **arguments: Any) -> Response:  # noqa: ANN401  JSON
        """Answer with a form's page: with what was asked for, or with what is wrong with it."""
        require_run_id(run_id)
        try:
            found = await self._runs.desk.ask(run_id, kind, **arguments)
        except Problem as problem:
            if problem.status not in {400, 422}:
                raise
            return HTMLResponse(draw(problem_part(problem.message, problem.remedy)), problem.status)
        return HTMLResponse(draw(Markup(found["html"])))


async def _in_halves(halves: tuple[str, str], run: LiveRun, metric: str | None) -> AsyncIterator[str]:
    yield halves[0]
    try:
        parts = await run.means(metric).fresh()
    except Exception as error:  # noqa: BLE001  shown
        problem = Problem.from_exception(error)
        parts = {"choice": Markup(), "means": problem_part(problem.message, problem.remedy), "failed": Markup()}
    yield pages.later(parts) + halves[1]


async def _parts(watched: AsyncIterator[tuple[Snapshot, Parts] | Exception]) -> AsyncIterator[Parts | Exception]:
    async for found in watched:
        yield found if isinstance(found, Exception) else found[1]


class _Events(Response):
    """A response of server-sent events."""

    def __init__(self, watched: list[AsyncIterator[Parts | Exception]]) -> None:
        self._watched = watched

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send_events(send, self._watched)


def _text(text: str) -> str:
    if len(text) > MOST_TEXT:
        raise Problem(400, f"A statement may have {MOST_TEXT:,} characters here.", "Use `sweepctl query`.")
    return text


def _page(text: str) -> int:
    # Python makes no number of thousands of digits.
    if not (len(text) <= MOST_DIGITS and text.isascii() and text.isdecimal() and 1 <= int(text) <= LAST_PAGE):
        raise Problem(400, f"{text[:50]!r} is not the number of a page.")
    return int(text)


ENDED = Problem(503, "The server has ended.", "Start `sweepctl ui` again.")


class Gate:
    """Lets in who may ask, shows what goes wrong, and ends what a closed page has asked for."""

    def __init__(self, app: ASGIApp, token: str, own_name: str) -> None:
        """Stand before `app`."""
        self._app, self._token, self._own_name = app, token, own_name
        self._ended = asyncio.Event()

    def end(self) -> None:
        """End all answers, those that go on as long as their page is open too."""
        self._ended.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        asking = asyncio.create_task(self._answer(scope, _with_headers(send)))
        tasks = (asking, asyncio.create_task(_closed(receive)), asyncio.create_task(self._ended.wait()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, scope: Scope, send: Send) -> None:
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        begun = False

        async def begin(message: Any) -> None:  # noqa: ANN401  ASGI's
            nonlocal begun
            begun = True
            await send(message)

        async def refuse(problem: Problem) -> None:
            back = BACK if "/runs/" in scope["path"] and problem.status not in {403, 421} else ()
            await HTMLResponse(pages.problem_page(problem, back), problem.status)(scope, _never, send)

        try:
            require_allowed(scope["method"], host, scope["path"], self._token, self._own_name)
            await self._app({**scope, "root_path": f"/{self._token}"}, _never, begin)
        except asyncio.CancelledError:
            # The server waits until each answer is complete, and shows those that are not as errors.
            if self._ended.is_set():
                await (send({"type": "http.response.body"}) if begun else refuse(ENDED))
            raise
        except Exception as error:  # noqa: BLE001  the server goes on
            problem = Problem.from_exception(error)
            if problem.status == 500:  # noqa: PLR2004
                traceback.print_exception(error, file=sys.stderr)
            if not begun:
                await refuse(problem)


def _with_headers(send: Send) -> Send:
    async def headed(message: Any) -> None:  # noqa: ANN401  ASGI's
        if message["type"] == "http.response.start":
            own = dict(message.get("headers", ()))
            usual = {**HEADERS, "Content-Security-Policy": pages.policy()}
            more = {name.lower().encode(): value.encode() for name, value in usual.items()}
            message = {**message, "headers": [*(more | own).items()]}
        await send(message)

    return headed


async def _never() -> Any:  # noqa: ANN401  ASGI's
    await asyncio.Event().wait()


async def _closed(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unknown(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(404, "There is no such page.")


def make_app(runs: Runs, store: str, token: str, own_name: str) -> Gate:
    """Return the application."""
    # Not Starlette's application, which answers errors itself.
    router = Router(Pages(runs, store).routes(), redirect_slashes=False, default=_unknown)
    return Gate(router, token, own_name)

"""What is watched of a store: its list of runs, and each run. All pages of one thing share one feed."""

import asyncio
import datetime as dt
from collections.abc import Callable
from math import inf
from threading import Event

from sweepctl.errors import UnknownRunError
from sweepctl.messages import require_run_id
from sweepctl.records.outcome import UNKNOWN_CALLER, Caller
from sweepctl.runs.index import list_runs
from sweepctl.store.contract import Store
from sweepctl.ui.child import Desk
from sweepctl.ui.feed import Feed, in_thread
from sweepctl.ui.live import LiveReader, Snapshot
from sweepctl.ui.parts import live_parts, runs_part
from sweepctl.ui.problem import Problem
from sweepctl.view.page.markup import Markup

RUN_SECONDS, DONE_SECONDS = 0.8, 10.0  # between two reads of a run; of one that is done, which may be retried
MEANS_SECONDS, RUNS_SECONDS = 2.0, 5.0
MEANS_TIMES = 4.0  # means rest this many times as long as they took: they read every file of the run
PATIENCE = 30.0  # seconds that a page waits for the store
STORE_SECONDS = 30.0  # after which means are tried again that the store did not let be computed
MOST_KEPT = 16  # runs of which is kept what was read, and metrics of each, besides those that a page watches

Parts = dict[str, Markup]


class Means:
    """The parts about one metric of a run, or why there are none: computed again once something has happened to it."""

    def __init__(self, status: Feed[tuple[Snapshot, Parts]], desk: Desk, run_id: str, metric: str | None) -> None:
        """Ask `desk`, whenever the run's status has other counts."""
        self._status, self._desk, self._run_id, self._metric = status, desk, run_id, metric
        self._counts: tuple[object, ...] = ()  # those that `_found` is of
        self._found: Parts | Problem = {}
        self._until = inf  # when it is too old whatever the counts
        self.feed: Feed[Parts] = Feed(self._read, lambda _parts: MEANS_SECONDS, MEANS_TIMES)

    async def _read(self) -> Parts:
        snapshot, _ = await self._status.fresh()
        clock = asyncio.get_running_loop().time
        if self._counts != snapshot.status.counts or clock() >= self._until:
            self._found = await self._ask()
            is_passing = isinstance(self._found, Problem) and self._found.status == 503  # noqa: PLR2004
            self._counts, self._until = snapshot.status.counts, clock() + STORE_SECONDS if is_passing else inf
        if isinstance(self._found, Problem):
            raise self._found.with_traceback(None)
        return self._found

    async def _ask(self) -> Parts | Problem:
        try:
            found = await self._desk.ask(self._run_id, "means", metric=self._metric)
        except Problem as problem:
            return problem
        return {name: Markup(found[name]) for name in ("choice", "means", "failed")}


class LiveRun:
    """One run that is watched: parts of its page."""

    def __init__(self, store: Store, run_id: str, desk: Desk, caller: Caller, now: Callable[[], dt.datetime]) -> None:
        """Watch run `run_id` of `store`."""
        self._run_id, self._desk, self._caller = run_id, desk, caller
        self._reader = LiveReader(store, run_id, now)
        self.status = Feed(self._read, _rest, patience=PATIENCE)
        self.was_found = False
        self._means: dict[str | None, Means] = {}

    @property
    def is_watched(self) -> bool:
        """Whether a page waits for anything of it."""
        return self.status.is_watched or any(each.feed.is_watched for each in self._means.values())

    async def _read(self) -> tuple[Snapshot, Parts]:
        self._reader.stop.clear()
        try:
            snapshot = await in_thread(self._reader.read, self._reader.stop.set)
        except UnknownRunError:
            self.was_found = False
            raise
        self.was_found = True
        return snapshot, live_parts(snapshot, self._caller)

    def means(self, metric: str | None) -> Feed[Parts]:
        """Return the feed of the parts that are about one metric, which may have any name."""
        found = self._means.pop(metric, None) or Means(self.status, self._desk, self._run_id, metric)
        idle = [name for name, each in self._means.items() if not each.feed.is_watched]
        for old in idle[: -MOST_KEPT + 1]:
            del self._means[old]
        self._means[metric] = found  # the last one used is the last one
        return found.feed


def _rest(found: tuple[Snapshot, Parts]) -> float:
    return DONE_SECONDS if found[0].status.is_done else RUN_SECONDS


class Runs:
    """The runs of a store."""

    def __init__(self, store: Store, desk: Desk, options: str, now: Callable[[], dt.datetime]) -> None:
        """Watch the runs of `store`; `options` name it in commands."""
        self.store, self.desk, self._now = store, desk, now
        self._caller = Caller(UNKNOWN_CALLER.file, options)
        self._runs: dict[str, LiveRun] = {}
        self.index: Feed[Parts] = Feed(self._list, lambda _parts: RUNS_SECONDS, patience=PATIENCE)

    async def _list(self) -> Parts:
        stop = Event()
        runs, malformed = await in_thread(lambda: list_runs(self.store, self._now(), stop=stop), stop.set)
        return {"runs": runs_part(runs, malformed)}

    def run(self, run_id: str) -> LiveRun:
        """Return a run that is watched.

        Raises:
            UsageError: this is not a valid run_id.
        """
        require_run_id(run_id)
        found = self._runs.pop(run_id, None) or LiveRun(self.store, run_id, self.desk, self._caller, self._now)
        idle = {name: each for name, each in self._runs.items() if not each.is_watched}
        unknown = [name for name, each in idle.items() if not each.was_found]
        for old in {*unknown, *[*idle][: -MOST_KEPT + 1]}:
            del self._runs[old]
        self._runs[run_id] = found  # the last one used is the last one
        return found

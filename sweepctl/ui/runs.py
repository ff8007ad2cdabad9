"""What is watched of a store: its list of runs, and each run. All pages of one thing share one feed."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from threading import Event

from sweepctl.messages import require_run_id
from sweepctl.records.outcome import UNKNOWN_CALLER, Caller
from sweepctl.runs.index import list_runs
from sweepctl.store.contract import Store
from sweepctl.ui.child import Desk
from sweepctl.ui.feed import Feed, in_thread
from sweepctl.ui.live import LiveReader, Snapshot
from sweepctl.ui.parts import live_parts, runs_part
from sweepctl.view.page.markup import Markup

RUN_SECONDS, DONE_SECONDS = 0.8, 10.0  # between two reads of a run; of one that is done, which may be retried
MEANS_SECONDS, RUNS_SECONDS = 2.0, 5.0
MEANS_TIMES = 4.0  # means rest this many times as long as they took: they read every file of the run
MOST_KEPT = 16  # runs of which is kept what was read

Parts = dict[str, Markup]


class LiveRun:
    """One run that is watched: parts of its page."""

    def __init__(self, store: Store, run_id: str, desk: Desk, caller: Caller, now: Callable[[], dt.datetime]) -> None:
        """Watch run `run_id` of `store`."""
        self._run_id, self._desk, self._caller = run_id, desk, caller
        self._reader = LiveReader(store, run_id, now)
        self.status = Feed(self._read, _rest)
        self._means: dict[str | None, Feed[Parts]] = {}
        self._computed: dict[str | None, tuple[tuple[object, ...], Parts]] = {}

    async def _read(self) -> tuple[Snapshot, Parts]:
        self._reader.stop.clear()
        snapshot = await in_thread(self._reader.read, self._reader.stop.set)
        return snapshot, live_parts(snapshot, self._caller)

    def means(self, metric: str | None) -> Feed[Parts]:
        """Return the feed of the parts that are about one metric."""
        read = partial(self._compute, metric)
        return self._means.setdefault(metric, Feed(read, lambda _parts: MEANS_SECONDS, MEANS_TIMES))

    async def _compute(self, metric: str | None) -> Parts:
        """Return the parts, computed again if something has happened to the run since."""
        snapshot, _ = await self.status.fresh()
        counts, parts = self._computed.get(metric, ((), {}))
        if counts != snapshot.status.counts:
            found = await self._desk.ask(self._run_id, "means", metric=metric)
            parts = {name: Markup(found[name]) for name in ("choice", "means", "failed")}
            self._computed[metric] = snapshot.status.counts, parts
        return parts


def _rest(found: tuple[Snapshot, Parts]) -> float:
    return DONE_SECONDS if found[0].status.is_done else RUN_SECONDS


class Runs:
    """The runs of a store."""

    def __init__(self, store: Store, desk: Desk, options: str, now: Callable[[], dt.datetime]) -> None:
        """Watch the runs of `store`; `options` name it in commands."""
        self.store, self.desk, self._now = store, desk, now
        self._caller = Caller(UNKNOWN_CALLER.file, options)
        self._runs: dict[str, LiveRun] = {}
        self.index: Feed[Parts] = Feed(self._list, lambda _parts: RUNS_SECONDS)

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
        self._runs[run_id] = found  # the last one used is the last one
        for old in [*self._runs][:-MOST_KEPT]:
            del self._runs[old]
        return found

"""What is kept of the runs that are watched: what failed too, and never more than a few that nobody watches."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from runs.test_status import RUN, file, outcome
from ui.served import now

from sweepctl.errors import UnknownRunError
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.ui import runs
from sweepctl.ui.child import Desk
from sweepctl.ui.problem import Problem
from sweepctl.ui.runs import MOST_KEPT, LiveRun, Runs


class Answers(Desk):
    """Answers each question with the next answer, and counts them."""

    def __init__(self, *answers: Problem | None) -> None:
        self.answers, self.asked = answers, 0

    async def ask(self, run_id: str, kind: str, **arguments: object) -> Mapping[str, Any]:  # noqa: ARG002
        self.asked += 1
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if answer is not None:
            raise answer
        return {"choice": "", "means": "the means", "failed": ""}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    return store


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RUN_SECONDS", "MEANS_SECONDS", "MEANS_TIMES"):
        monkeypatch.setattr(runs, name, 0.0)
    # A read that failed is not tried again for a second, which no test waits for.
    monkeypatch.setattr("sweepctl.ui.feed.FAILED_SECONDS", 0.0)


def watched(store: Store, desk: Desk) -> Runs:
    return Runs(store, desk, "", now)


async def means(run: LiveRun) -> str:
    try:
        return (await run.means(None).fresh())["means"]
    except Problem as problem:
        return problem.message


def test_means_that_fail_are_computed_again_only_when_something_has_happened(store: Store) -> None:
    desk = Answers(Problem(422, "takes too long"), None)

    async def test() -> None:
        run = watched(store, desk).run("r")
        assert [await means(run) for _ in range(3)] == ["takes too long"] * 3
        assert desk.asked == 1
        file(store, outcome(0))
        while await means(run) != "the means":  # the status rests as long as reading it took
            pass
        assert [await means(run) for _ in range(3)] == ["the means"] * 3
        assert desk.asked == 2

    asyncio.run(test())


def test_what_the_store_did_not_give_is_asked_for_again_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        desk = Answers(Problem(503, "no answer"), Problem(503, "no answer"), None)
        run = watched(store, desk).run("r")
        assert [await means(run) for _ in range(3)] == ["no answer"] * 3
        assert desk.asked == 1
        monkeypatch.setattr(runs, "STORE_SECONDS", 0.0)
        desk = Answers(Problem(503, "no answer"), None)
        run = watched(store, desk).run("r")
        assert [await means(run) for _ in range(2)] == ["no answer", "the means"]

    asyncio.run(test())


def test_a_run_that_is_watched_is_kept_whatever_is_asked_for(store: Store) -> None:
    async def test() -> None:
        kept = watched(store, Answers(None))
        run = kept.run("r")
        pages = run.status.watch()
        await anext(pages)
        for place in range(3 * MOST_KEPT):
            with pytest.raises(UnknownRunError):
                await kept.run(f"nope-{place}").status.fresh()
        assert kept.run("r") is run
        assert len(kept._runs) == 1, "none that is unknown is kept"
        for place in range(3 * MOST_KEPT):
            kept.run(f"r-{place}").was_found = True
        assert kept.run("r") is run
        await pages.aclose()  # type: ignore[attr-defined]

    asyncio.run(test())


def test_few_runs_that_nobody_watches_are_kept(store: Store) -> None:
    async def test() -> None:
        kept = watched(store, Answers(None))
        first = kept.run("r")
        await first.status.fresh()
        for place in range(3 * MOST_KEPT):
            kept.run(f"r-{place}").was_found = True
        assert len(kept._runs) == MOST_KEPT
        assert kept.run("r") is not first

    asyncio.run(test())


def test_few_metrics_that_nobody_watches_are_kept(store: Store) -> None:
    async def test() -> None:
        run = watched(store, Answers(None)).run("r")
        feed = run.means("mean_wait")
        pages = feed.watch()
        await anext(pages)
        for place in range(3 * MOST_KEPT):
            run.means(f"made-up-{place}")
        assert run.means("mean_wait") is feed
        assert len(run._means) <= MOST_KEPT + 1
        await pages.aclose()  # type: ignore[attr-defined]

    asyncio.run(test())

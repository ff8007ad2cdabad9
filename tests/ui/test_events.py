"""Updates: what has changed, at most once a second, from one reader, for those who watch."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.faulty import FaultyStore
from runs.test_status import RUN, file, outcome
from ui.served import Client, served
from waiting import wait_until

from sweepctl.records import layout
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.store.contract import Store
from sweepctl.ui import runs

pytestmark = pytest.mark.slow


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return a store of a run that has not begun."""
    store = open_store(str(tmp_path / "store"))
    commit.pin_run(store, RUN)
    return store


class Watcher:
    """Reads the events of a page."""

    def __init__(self, client: Client, path: str = "runs/r/events") -> None:
        self.connection = client.begin(path)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        assert self.answer.headers["content-type"] == "text/event-stream"

    def next(self) -> dict[str, str]:
        """Wait for the next event."""
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            if line.startswith("data: "):
                parts: dict[str, str] = json.loads(line.removeprefix("data: "))
                return parts

    def until(self, part: str, text: str) -> dict[str, str]:
        while text not in (found := self.next()).get(part, ""):
            pass
        return found

    def close(self) -> None:
        self.answer.close()
        self.connection.close()


def test_an_event_has_what_has_changed(store: Store) -> None:
    with served(store) as client:
        watcher = Watcher(client)
        first = watcher.next()
        assert {"state", "progress", "pace", "next", "shards", "failures"} <= set(first)
        watcher.until("means", "No point has succeeded yet")
        file(store, outcome(0))
        changed = watcher.until("progress", "4 of 40 points done")
        assert "failures" not in changed
        watcher.close()


def test_events_come_once_a_second_at_most(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUN_SECONDS", 0.01)
    with served(store) as client:
        watcher = Watcher(client)
        at = []
        for shard_id in range(3):
            file(store, outcome(shard_id))
            watcher.until("progress", f"{4 * shard_id + 4} of 40 points")
            at.append(time.monotonic())
        watcher.close()
    # What is measured here is late by what the machine was busy with, never early.
    assert at[-1] - at[0] > 1.5


def test_a_hundred_tabs_have_one_reader(store: Store) -> None:
    faulty = FaultyStore(store)
    with served(faulty) as client:
        watchers = [Watcher(client) for _ in range(100)]
        for each in watchers:
            each.next()
        file(store, outcome(0))
        for each in watchers:
            each.until("progress", "4 of 40 points done")
        reads = [call.key for call in faulty.calls if call.method == "read" and "outcomes" in call.key]
        assert len(reads) == 1, "of the only outcome"
        assert client.get("runs/r/").status == 200
        for each in watchers:
            each.close()


def test_a_browser_that_is_closed_costs_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUN_SECONDS", 0.01)
    faulty = FaultyStore(store)
    with served(faulty) as client:
        watcher = Watcher(client)
        watcher.next()
        watcher.close()

        def is_quiet() -> bool:
            before = len(faulty.calls)
            time.sleep(0.5)  # fifty reads
            return len(faulty.calls) == before

        wait_until(is_quiet)


def test_a_store_that_does_not_answer_is_told_and_followed_again(store: Store) -> None:
    with served(store) as client:
        watcher = Watcher(client)
        watcher.next()
        record = Path(store.url) / layout.run_record("r")
        body = record.read_bytes()
        record.write_bytes(b"damaged")
        assert record.name in watcher.until("problem", "role=")["problem"]
        record.write_bytes(body)
        file(store, outcome(0))
        found: dict[str, Any] = watcher.until("progress", "4 of 40 points done")
        assert found["problem"] == ""
        shutil.rmtree(record.parent)
        watcher.until("problem", "sweepctl runs")
        watcher.close()


def test_updates_that_are_asked_for_at_a_bad_moment_come_later(store: Store) -> None:
    record = Path(store.url) / layout.run_record("r")
    body = record.read_bytes()
    record.write_bytes(b"damaged")
    with served(store) as client:
        watcher = Watcher(client)
        assert record.name in watcher.next()["problem"]
        record.write_bytes(body)
        assert watcher.until("progress", "0 of 40 points done")["problem"] == ""
        watcher.close()


def test_the_list_of_runs_is_followed_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS_SECONDS", 0.01)
    with served(store) as client:
        watcher = Watcher(client, "events")
        assert "not begun" in watcher.next()["runs"]
        file(store, outcome(0))
        watcher.until("runs", "standing still")
        watcher.close()


def test_the_server_ends_quietly_while_pages_are_open(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with served(store) as client:
        watchers = [Watcher(client), Watcher(client, "events")]
        for each in watchers:
            each.next()
    for each in watchers:
        while each.answer.readline():  # to the end of the stream, or an error
            pass
        each.close()
    assert not caplog.records

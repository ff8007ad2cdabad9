"""What a page may take: a question ends with its page, with its time and with its memory, and the server goes on."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from results.runs import run
from ui.served import Client, served
from waiting import wait_until

from sweepctl.store import open_store
from sweepctl.ui import child

pytestmark = pytest.mark.slow

# Takes minutes, whatever the machine, and no memory.
ENDLESS = "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c WHERE a.range + b.range = -c.range"
LARGE = "SELECT count(DISTINCT repeat(CAST(range AS VARCHAR), 20)) FROM range(30000000)"
LONG = "SELECT length(repeat('x', 3000000000))"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    store = open_store(str(tmp_path_factory.mktemp("store")))
    run(store, "a", "queue")
    with served(store) as client:
        yield client


def ask(statement: str) -> str:
    return f"runs/a/query?sql={quote(statement)}"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the processes that are started, as they are."""
    pids, usual = list[int](), asyncio.create_subprocess_exec

    async def start(*command: str, **options: object) -> asyncio.subprocess.Process:
        process = await usual(*command, **options)  # type: ignore[arg-type]
        pids.append(process.pid)
        return process

    monkeypatch.setattr("asyncio.create_subprocess_exec", start)
    return pids


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_a_query_ends_with_its_page(client: Client, started: list[int]) -> None:
    connection = client.begin(ask(ENDLESS))
    wait_until(lambda: started)
    assert is_there(started[0])
    connection.close()
    wait_until(lambda: not is_there(started[0]))
    assert client.get("runs/a/").status == 200


def test_a_report_ends_with_its_page(client: Client, started: list[int]) -> None:
    connection = client.begin("runs/a/report")
    wait_until(lambda: started)
    connection.close()
    wait_until(lambda: not is_there(started[0]))


def test_pages_that_wait_do_not_keep_the_others(client: Client, started: list[int]) -> None:
    client.get("runs/a/")
    waiting = [client.begin(ask(ENDLESS)) for _ in range(child.AT_ONCE + 3)]
    wait_until(lambda: len([*filter(is_there, started)]) == child.AT_ONCE)
    assert client.get("runs/a/").status == 200
    assert client.get().status == 200
    for each in waiting:
        each.close()
    assert client.get(ask("SELECT 1")).status == 200
    wait_until(lambda: not any(map(is_there, started)))


def test_a_query_ends_after_its_time(client: Client, monkeypatch: pytest.MonkeyPatch, started: list[int]) -> None:
    monkeypatch.setitem(child.SECONDS, "sql", 0.5)
    answer = client.get(ask(ENDLESS))
    assert answer.status == 422
    assert "This takes longer than 0.5 seconds, and was ended." in answer.text
    assert ENDLESS.partition("<")[0][:40] in answer.text, "to be changed"
    assert not is_there(started[0])


@pytest.mark.parametrize("statement", [LARGE, LONG])
def test_a_query_that_takes_much_memory_ends(client: Client, monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    monkeypatch.setattr(child, "MOST_BYTES", 300 << 20)
    answer = client.get(ask(statement))
    assert answer.status in {400, 422}
    assert "memory" in answer.text.lower()
    assert client.get(ask("SELECT 1")).status == 200


def test_the_processes_end_quietly_with_the_server(
    tmp_path: Path, started: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(str(tmp_path))
    run(store, "a", "queue")
    with served(store) as client:
        connection = client.begin(ask(ENDLESS))
        wait_until(lambda: started)
    wait_until(lambda: not is_there(started[0]))
    assert "The server has ended." in connection.getresponse().read().decode()
    connection.close()
    assert not caplog.records

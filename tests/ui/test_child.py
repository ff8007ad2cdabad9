"""What a page may take: a question ends with its page, with its time and with its memory, and the server goes on."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from results.runs import run
from runs.test_status import RUN
from ui.served import Client, served
from waiting import wait_until

from sweepctl.results import recorded
from sweepctl.shard import commit
from sweepctl.store import open_store
from sweepctl.ui import child

pytestmark = pytest.mark.slow

# Pages without an early end of their own.
COMMAND = "from sweepctl.ui import child; child.SECONDS['sql'] = 1e6; from sweepctl.cli import main; main()"
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


def test_what_took_too_long_has_a_remedy_that_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, started: list[int]
) -> None:
    monkeypatch.setattr(child, "SECONDS", dict.fromkeys(child.SECONDS, 0.01))
    store = open_store(str(tmp_path))
    commit.pin_run(store, RUN)
    many = "Run r: opening the files of 10 shards takes long; once it is whole, use `sweepctl compact r`."
    with served(store) as client:
        for path, command in {"": "summary", "points": "query", "report": "report"}.items():
            text = client.get(f"runs/r/{path}").text
            assert f"`sweepctl {command}` has no such limit." in text
            assert many not in text
        monkeypatch.setattr(recorded, "MANY_SHARDS", 10)
        assert f"{many} Ask for less, with a narrower condition." in client.get("runs/r/points").text
    assert not any(map(is_there, started))


ENDS = {
    "raise MemoryError": (422, "This takes more memory than a page may"),
    "raise RuntimeError('can\\'t start new thread')": (422, "This takes more memory than a page may"),
    "os.kill(os.getpid(), signal.SIGKILL)": (503, "was killed. The system does that where memory is short."),
    "os.kill(os.getpid(), signal.SIGSEGV)": (500, f"crashed: signal {signal.SIGSEGV:d}, "),
    "raise RuntimeError": (500, "it is a bug of sweepctl"),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_process_that_ends_without_an_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str
) -> None:
    (tmp_path / "ended.py").write_text(f"import os, signal\n{end}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(child, "ANSWER", "ended")
    answer, (status, told) = client.get(ask("SELECT 1")), ENDS[end]
    assert (answer.status, told in answer.text) == (status, True)


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


def test_the_processes_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    run(store, "a", "queue")
    command = (sys.executable, "-P", "-c", COMMAND, "ui", "--store", store.url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = next(line for line in server.stdout if "http://" in line)
        connection = Client(url[url.index("http://") :].split()[0]).begin(ask(ENDLESS))
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        wait_until(children.read_text)
        (asked,) = map(int, children.read_text().split())
        server.kill()
    wait_until(lambda: not is_there(asked))
    connection.close()

"""What reaches the server of pages: raw bytes on its socket, and SQL in the two places that take it, to be fuzzed.

Whoever asks gets one of the documented statuses, soon. No answer has what is of another run or another file, none shows
the token, and nothing below the store changes.
"""

import asyncio
import html
import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from unittest.mock import patch
from urllib.parse import quote_from_bytes

from fuzz import forked_answers
from fuzz.fuzzer import ACCEPTED, Fuzzer, kind_of
from results import hostile_sql
from results.runs import run
from results.test_no_writes import OF_OTHERS, seen
from ui.served import Client, served
from waiting import LIMIT

from sweepctl.store import open_store
from sweepctl.ui import child
from sweepctl.ui.access import HEADERS

STATUSES = {200, 400, 403, 404, 405, 421, 422}
NO_HTTP = b"Invalid HTTP request received."  # the server's own answer, before any page is asked
SECONDS = 3.0  # of a question
OTHER_RUN = "elsewhere"
RUNS = "Runs · sweepctl"  # the title of the page that names all runs
PATHS = (
    "", "events", "runs/a/", "runs/a/?metric=utilisation", "runs/a/events?metric=mean_wait", "runs/nothing/", "nothing",
    "runs/a/points?where=servers+%3D+2&sort=mean_wait&order=desc&page=1", "runs/a/points?page=2", "runs/a/report",
    "runs/a/query?sql=SELECT+count(*)+FROM+points", "runs/a/query", "runs/%2e%2e/query", "../TOKEN/runs/a/",
)  # fmt: skip
REQUESTS = (
    *(f"GET /TOKEN/{path} HTTP/1.1\r\nHost: ADDRESS\r\n".encode() for path in PATHS),
    b"HEAD /TOKEN/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
    b"POST /TOKEN/ HTTP/1.1\r\nHost: ADDRESS\r\nContent-Length: 5\r\n\r\nsql=1",
    b"GET /TOKEN/ HTTP/1.1\r\nHost: ADDRESS\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n1\r\na",
    b"GET http://ADDRESS/TOKEN/ HTTP/1.1\r\nHost: ADDRESS\r\n",
    b"GET /TOKEN/events HTTP/1.1\r\nHost: ADDRESS\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    b"GET /TOKEN/ HTTP/1.0\r\n",
    b"GET /TOKEN/ HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\n",
    b"GET /wrong/runs/a/ HTTP/1.1\r\nHost: ADDRESS\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
)
WORDS = (
    b"TOKEN", b"ADDRESS", b"%00", b"%2e%2e/", b"../", b"%2f", b"%ff", b"%F0%9F%98%80", b"\r\n", b"\x00", b"?", b"&",
    b"=", b"/", b"//", b";", b"#", b"%27", b"--", b"Host: [::1]:80\r\n", b"Host: evil.example\r\n",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"&page=99999999999",
    b"&page=0", b"&sort=run_id", b"&order=desc", b"&where=", b"?sql=", b"?metric=", b"GET ", b"DELETE ",
    b" HTTP/1.1\r\n", b" HTTP/9.9\r\n", b"runs/", b"x" * 5_000, b"%C3%A4", b"\xc3\xa4", b"nan", b"1e999", b"a" * 70,
    b"\n", b"\t",
)  # fmt: skip
STATEMENTS = (
    "SELECT count(*) AS n, avg(mean_wait) FROM points GROUP BY servers ORDER BY n", "FROM runs", "DESCRIBE points",
    "SELECT * FROM point_outcomes LIMIT 5", "SELECT p.run_id FROM points p JOIN effective_parameters e USING (run_id)",
    "WITH x AS (SELECT 1 AS y) SELECT * FROM x", "SELECT unnest([1, 2]) AS a, {'b': 'c'} AS s", "SUMMARIZE points",
    "SELECT DATE '2026-01-01' - INTERVAL 1 DAY, 'x'::BLOB, 1::DECIMAL(9, 2), 1e400, NULL, [NULL]",
    "PIVOT points ON servers", "SELECT window_end, row_number() OVER (PARTITION BY status) FROM points",
    "SELECT * FROM duckdb_settings()", "servers = 2", "status = 'success' AND mean_wait > 0.1 -- of the two",
    "servers IN (SELECT servers FROM points)", "FROM duckdb_views()", "SELECT current_setting('temp_directory')",
    "SELECT * FROM pragma_database_list()",
)  # fmt: skip
SQL = (
    b"points", b"runs", b"*", b"(", b")", b",", b" UNION ALL ", b" FROM ", b" WHERE ", b"SELECT ", b"; ", b"--", b"/*",
    b"'", b"'x'", b'"x"', b"NULL", b"1e999", b"9223372036854775808", b"::BLOB", b"::BIT", b"::TIME", b"::VARCHAR[]",
    b"::JSON", b"::UUID", b"INTERVAL 1 DAY", b"read_text('../home/secret.txt')", b"glob('/**')",
    b"'../home/secret.txt'", b"\x00", b"getenv('HOME')", b"query('FROM runs')", b"$1", b"?", b"COLUMNS(*)",
    b"DATE '99999-01-01'", b"'\\xff'::BLOB", b"chr(0)", b"struct_pack()", b"MAP {}", b"1::UHUGEINT",
    b"'infinity'::TIMESTAMP", b"LIMIT 0", b"\xc3\xa4", b"\xff",
)  # fmt: skip


class _Forks:
    """Has questions answered as `child._run` does, by forks of one process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._free = asyncio.Lock()

    async def run(self, question: bytes) -> tuple[int, bytes, bytes]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._free:
            self._process.stdin.write(question.decode() + "\n")
            self._process.stdin.flush()
            computing = int(self._process.stdout.readline())
            ended = asyncio.ensure_future(asyncio.to_thread(self._process.stdout.readline))
            try:
                await asyncio.shield(ended)
            finally:
                if not ended.done():  # nobody waits for it any more
                    with suppress(ProcessLookupError):
                        os.kill(computing, signal.SIGKILL)
                    await ended
            code, *streams = json.loads(ended.result())
            output, errors = (each.encode() for each in streams)
            return code, output, errors


class _Errors(logging.Handler):
    """What the server and its loop report as errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(logging.Formatter().format(record))


@dataclass(frozen=True)
class _Asker:
    """Sends bytes to a server, and judges the answer."""

    client: Client
    folder: Path
    errors: _Errors
    before: object

    def answer(self, text: bytes) -> str:
        """Return the kind of answer to bytes in which words stand for the address and the token."""
        host, port = self.client.address
        token = self.client.root.strip("/").encode()
        sent = text.replace(b"ADDRESS", f"{host}:{port}".encode()).replace(b"TOKEN", token) + b"\r\n\r\n"
        with socket.create_connection((host, port), timeout=LIMIT) as connection:
            connection.sendall(sent)
            with http.client.HTTPResponse(connection, method=text.split(b" ")[0].decode("latin-1")) as response:
                response.begin()
                is_stream = response.getheader("content-type", "").startswith("text/event-stream")
                body = b"" if is_stream else response.read()
        assert not self.errors.found
        assert seen(self.folder) == self.before
        return self._judged(response, body, sent)

    def _judged(self, response: http.client.HTTPResponse, body: bytes, sent: bytes) -> str:
        assert response.status in STATUSES, (response.status, body)
        if response.status == 400 and response.getheader("content-type", "").startswith("text/plain"):
            assert body in {NO_HTTP, b""}  # nothing, if the method seems to be HEAD
            return "no HTTP"
        assert all(response.getheader(name) for name in (*HEADERS, "Content-Security-Policy"))
        text = html.unescape(body.decode())
        title = "".join(re.findall("<title>(.*?)</title>", text)[:1])
        # A page may repeat what was asked for, but not where the token belongs.
        asked = sent.decode(errors="replace").removeprefix(f"GET {self.client.root}")
        hidden = [self.client.root.strip("/"), OF_OTHERS]
        if title != RUNS and response.status != 404:  # which may ask whether another run was meant
            hidden.append(OTHER_RUN)
        assert not [each for each in hidden if each in text and each not in asked]
        said = re.search('(?:<div class="problem"[^>]*><p>|<p class="lead">)(.*?)</p>', text)
        status = ACCEPTED if response.status == 200 else str(response.status)
        return f"{status} {kind_of(title)} {kind_of(said[1] if said else '')}"


def _fuzzer(folder: Path, make: Callable[[_Asker], Fuzzer]) -> Fuzzer:
    """Serve a store with two runs as long as the fuzzer is used."""
    for name in ("store", "cwd", "home", "cache"):
        (folder / name).mkdir()
    (folder / "home/secret.txt").write_text(OF_OTHERS)
    store, errors = open_store(str(folder / "store")), _Errors()
    for run_id in ("a", OTHER_RUN):
        run(store, run_id, "queue")
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": str(folder / "home")}
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment | {"XDG_CACHE_HOME": str(folder / "cache")}))
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-P", forked_answers.__file__],
                cwd=folder / "cwd",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        stack.enter_context(patch.object(child, "_run", _Forks(process).run))
        stack.enter_context(patch.object(child, "SECONDS", dict.fromkeys(child.SECONDS, SECONDS)))
        for logger in map(logging.getLogger, ("uvicorn", "asyncio")):
            logger.addHandler(errors)
            stack.callback(logger.removeHandler, errors)
        asker = _Asker(stack.enter_context(served(store)), folder / "store", errors, seen(folder / "store"))
        fuzzer = make(asker)
        fuzzer.ends = stack.pop_all()
    return fuzzer


def requests(seed: int, folder: Path) -> Fuzzer:
    return _fuzzer(folder, lambda asker: Fuzzer(asker.answer, list(REQUESTS), seed, WORDS))


def statements(seed: int, folder: Path) -> Fuzzer:
    """SQL of the page of queries, and the condition of the page of points."""
    targets = cycle([str(folder / "home/secret.txt"), f"{folder}/store/*/queue/*/run=else*/*.parquet", "../home/x"])
    forms = cycle(hostile_sql.FORMS)
    hostile = [
        *(hostile_sql.wrapped(each, next(forms)).replace("{target}", next(targets)) for each in hostile_sql.KINDS[::6]),
        *(each.replace("{target}", next(targets)) for each in hostile_sql.READS),
    ]

    def make(asker: _Asker) -> Fuzzer:
        def answer(text: bytes) -> str:
            page = "points?where=" if text[:1].islower() else "query?sql="
            address = f"/TOKEN/runs/a/{page}{quote_from_bytes(text)}"
            return asker.answer(f"GET {address} HTTP/1.1\r\nHost: ADDRESS\r\n".encode())

        return Fuzzer(answer, [each.encode() for each in (*STATEMENTS, *hostile)], seed, SQL)

    return _fuzzer(folder, make)

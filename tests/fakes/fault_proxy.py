"""An HTTP proxy on 127.0.0.1 between a client and its server, which spoils requests on a schedule.

    with FaultProxy(server.endpoint_url) as proxy:
        proxy.schedule([Fault.DROP_AFTER, Rule(Fault.UNAVAILABLE, method="PUT", path="shard_outcomes/")])
        store = open_store("s3://bucket/prefix", endpoint_url=proxy.url)

Each request uses up the first rule that fits it; without one it passes unchanged. `proxy.log` tells what came by,
`proxy.pending` what has not happened yet. Any HTTP server will do, S3 or SQS, where all requests have one path: there
the action follows it, as in `/AmazonSQS.DeleteMessage`.
"""

import http.client
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from waiting import LIMIT

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


class Fault(Enum):
    DROP_BEFORE = "the connection closes, the server never hears of it"
    DROP_AFTER = "the server has done it, the connection closes without a reply"
    ERROR_AFTER = "the server has done it, the reply is 500"
    UNAVAILABLE = "503 SlowDown, the server never hears of it"
    CONFLICT = "409 ConditionalRequestConflict, the server never hears of it"
    STALL = "no reply comes, the server never hears of it"
    STALL_AFTER = "the server has done it, no reply comes"
    TRUNCATE = "half of the reply's body comes, then the connection closes"


REFUSALS = {
    Fault.ERROR_AFTER: (HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError"),
    Fault.UNAVAILABLE: (HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown"),
    Fault.CONFLICT: (HTTPStatus.CONFLICT, "ConditionalRequestConflict"),
}
BEFORE = {Fault.DROP_BEFORE, Fault.UNAVAILABLE, Fault.CONFLICT, Fault.STALL}


@dataclass(frozen=True)
class Rule:
    """Which request a fault is for: one of `method` whose path contains `path`."""

    fault: Fault
    method: str = ""
    path: str = ""

    def fits(self, method: str, path: str) -> bool:
        return self.method in {"", method} and self.path in path


class Seen(NamedTuple):
    method: str
    path: str
    fault: Fault | None


class FaultProxy:
    """Serves within its `with` block."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.log: list[Seen] = []
        self.pending: list[Rule] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def schedule(self, rules: Iterable[Rule | Fault]) -> Self:
        """Replace what is pending. A bare fault fits every request."""
        with self._lock:
            self.pending = [rule if isinstance(rule, Rule) else Rule(rule) for rule in rules]
        return self

    def take(self, method: str, path: str) -> Fault | None:
        """Log a request and return its fault, which is used up by that."""
        with self._lock:
            rule = next((rule for rule in self.pending if rule.fits(method, path)), None)
            if rule is not None:
                self.pending.remove(rule)
            fault = None if rule is None else rule.fault
            self.log.append(Seen(method, path, fault))
            return fault

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # waits for the requests' threads


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, proxy: FaultProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet: clients leave in the middle here, that is the purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # answers `Expect: 100-continue`, which boto3 sends with every file
    server: _Server

    def do_request(self) -> None:
        self.close_connection = True
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = proxy.take(self.command, unquote(self.path) + self.headers.get("X-Amz-Target", ""))
        if fault not in BEFORE:
            reply = self._forward(body)
        if fault in {Fault.STALL, Fault.STALL_AFTER}:
            proxy.closing.wait()
        elif fault in REFUSALS:
            self._refuse(*REFUSALS[fault])
        elif fault is Fault.TRUNCATE:
            self._reply(*reply[:2], reply[2][: len(reply[2]) // 2])
        elif fault is None:
            self._reply(*reply)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_request  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """`proxy.log` has it."""

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.proxy.upstream, timeout=LIMIT)
        try:
            # With the client's own Host: its signature covers it.
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            content = reply.read()
            headers = [(name, value) for name, value in reply.getheaders() if name.lower() not in HOP_BY_HOP]
            if reply.getheader("Content-Length") is None:
                headers.append(("Content-Length", str(len(content))))
            return reply.status, headers, content
        finally:
            connection.close()

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>scheduled</Message></Error>".encode()
        self._reply(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))], body)

    def _reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

"""A server of pages in a thread of the test, and requests that say exactly what they say."""

import contextlib
import datetime as dt
import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from urllib.parse import urlsplit

from fakes.sweep_files import ENGINE
from waiting import LIMIT

from sweepctl.store.contract import Store
from sweepctl.ui.place import Place
from sweepctl.ui.server import Server


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Client:
    """Asks one server."""

    url: str

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 0)

    @property
    def root(self) -> str:
        return urlsplit(self.url).path

    def get(self, path: str = "", *, host: str | None = None, method: str = "GET", root: str | None = None) -> Answer:
        with contextlib.closing(self.begin(path, host=host, method=method, root=root)) as connection:
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())

    def begin(
        self, path: str = "", *, host: str | None = None, method: str = "GET", root: str | None = None
    ) -> http.client.HTTPConnection:
        """Send a request, whose answer is not waited for."""
        connection = http.client.HTTPConnection(*self.address, timeout=LIMIT)
        connection.putrequest(method, (self.root if root is None else root) + path, skip_host=host is not None)
        if host is not None:
            connection.putheader("Host", host)
        connection.endheaders()
        return connection


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextmanager
def served(store: Store, host: str = "127.0.0.1") -> Iterator[Client]:
    """Serve a store's pages while the block lasts."""
    server = Server(store, Place(store.url, engine=str(ENGINE)), host, 0, now)
    thread = Thread(target=server.run)
    thread.start()
    try:
        yield Client(server.url)
    finally:
        server.stop()
        thread.join()

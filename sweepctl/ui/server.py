"""The server: listens on this machine alone unless it is told otherwise, with a token that is drawn at each start."""

import datetime as dt
import ipaddress
import secrets
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from sweepctl.errors import UsageError
from sweepctl.store.contract import Store
from sweepctl.ui.app import make_app
from sweepctl.ui.child import Desk
from sweepctl.ui.place import Place
from sweepctl.ui.runs import Runs

GRACE = 1  # seconds that open pages have at the end


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that whoever has its address may ask at once.

    Raises:
        UsageError: the address cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        msg = f"cannot listen on {host}, port {port}: {error}"
        raise UsageError(msg, remedy="Choose another --port or --host.") from error


def _reachable(host: str, listening: socket.socket) -> str:
    """Return the host for a browser: the one that was told or, instead of "all addresses", one of this machine."""
    if not ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_unspecified:
        return host
    family = listening.family
    elsewhere, alone = ("192.0.2.1", "127.0.0.1") if family == socket.AF_INET else ("2001:db8::1", "::1")
    # Nothing is sent: the system says which of its addresses it would send from (RFC 5737, RFC 3849).
    with socket.socket(family, socket.SOCK_DGRAM) as unused:
        try:
            unused.connect((elsewhere, 9))
        except OSError:  # there is no network
            return alone
        return str(unused.getsockname()[0])


class Server:
    """A server of one store's pages."""

    def __init__(self, store: Store, place: Place, host: str, port: int, now: Callable[[], dt.datetime]) -> None:
        """Take the port; 0 takes a free one.

        Raises:
            UsageError: the address cannot be used.
        """
        self._socket = listen(host, port)
        token = secrets.token_urlsafe(32)
        shown, port = _reachable(host, self._socket), self._socket.getsockname()[1]
        self.url = f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/{token}/"
        app = make_app(Runs(store, Desk(place), place.options, now), store.url, token, host)
        self._server = _Server(
            uvicorn.Config(
                app,
                http="h11",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # its lines would have the token
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            ),
            app.end,
        )

    def run(self) -> None:
        """Serve until `stop` is called."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End; from any thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the answers first: some go on as long as their page is open."""
        self._end()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the command."""
        yield

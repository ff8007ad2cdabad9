"""A TCP proxy on 127.0.0.1 that brings each reply later than the server gives it: a network's latency."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

CHUNK = 1 << 16


@contextmanager
def delayed(upstream: str, seconds: float) -> Iterator[str]:
    """Serve `upstream` with so much added to the time of each reply; provide the URL."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    port: list[int] = []

    async def serve() -> None:
        place = urlsplit(upstream)

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner, outer = await asyncio.open_connection(place.hostname, place.port)
            await asyncio.gather(_pass(reader, outer, 0), _pass(inner, writer, seconds), return_exceptions=True)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()

    loop.create_task(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{port[0]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    while data := await reader.read(CHUNK):
        await asyncio.sleep(seconds)  # a reply of several chunks waits for each: those of outcomes have one
        writer.write(data)
        await writer.drain()
    writer.close()

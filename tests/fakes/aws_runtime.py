"""The function as AWS runs it: its package under AWS's own runtime client, which asks a Runtime API served here.

    with Sandbox(function, {"SWEEPCTL_STORE": …}) as sandbox:
        reply = sandbox.invoke(event(bodies))

The process sees the variables that AWS sets and no others, and a file system that is read-only but for /tmp (in a mount
namespace of its own, which root has and other users may have: `unshare -rm`; elsewhere the disk is as it is).
"""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import function_python
import lambda_package
import pytest
from fakes import servers
from paths import ROOT
from waiting import LIMIT

CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
ARN = "arn:aws:lambda:us-east-1:123456789012:function:sweeps"
QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:shards"
# The last is a disk of so many bytes in place of the temporary folder, where one is given.
SEAL = """set -e
mount --bind /tmp /tmp
mount -o remount,bind,ro /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
[ -z "$2" ] || mount -t tmpfs -o "size=$2" tmpfs "$TMPDIR"
shift 2
exec "$@"
"""


@dataclass(frozen=True)
class Function:
    """A package, unpacked, and what AWS brings: Python and its runtime client."""

    python: str
    task: Path
    runtime: Path


def find_wheel() -> Path | None:
    """Return the wheel that `make` has built."""
    return next((ROOT / "target" / "wheel").glob("sweepctl-*.whl"), None)


def python_of_function() -> str:
    """Return the function's Python; where this machine has none, the package is built for this one."""
    return function_python.find_python() or sys.executable


def build(wheel: Path, folder: Path) -> Path:
    """Build the package as `make lambda` does; return the zip file."""
    package = folder / "sweepctl-lambda.zip"
    lambda_package.build(wheel, package, python_of_function())
    return package


def extract(package: Path, task: Path) -> None:
    """Unpack a package as AWS does."""
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, task))
            path.chmod(entry.external_attr >> 16)


def unpack(package: Path, folder: Path) -> Function:
    """Unpack a package, and install AWS's client beside it."""
    task, runtime = folder / "task", folder / "runtime"
    extract(package, task)
    python = python_of_function()
    locked = ("-c", str(ROOT / "requirements" / "dev.txt"), *CLIENT)
    function_python.install(runtime, function_python.version_of(python), locked)
    subprocess.run((python, "-m", "compileall", "-q", str(runtime)), check=True)
    return Function(python, task, runtime)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wheel = find_wheel()
    if wheel is None:
        servers.missing("no wheel in target/wheel for the function's package: `make lambda` builds it")
    return build(wheel, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="session")
def function(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Function:
    return unpack(package, tmp_path_factory.mktemp("function"))


@cache
def can_seal() -> bool:
    """Whether this user may have a read-only file system for a process."""
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        probe = _sealed(folder, "", ("true",))
        return subprocess.run(probe, check=False, capture_output=True).returncode == 0


def _sealed(task: str, disk: str, command: Sequence[str]) -> tuple[str, ...]:
    return ("unshare", "-rm", "sh", "-c", SEAL, "seal", task, disk, *command)


def record(message_id: str, body: bytes, receives: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return one record as AWS writes it."""
    return {
        "messageId": message_id,
        "receiptHandle": f"receipt-{message_id}",
        "body": body.decode(),
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": "1770000000000",
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": "1770000000001",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": "us-east-1",
        **changes,
    }


def event(bodies: Sequence[bytes], receives: int = 1) -> dict[str, Any]:
    """Return a batch of messages m0, m1, …"""
    return {"Records": [record(f"m{number}", body, receives) for number, body in enumerate(bodies)]}


@dataclass(frozen=True)
class Reply:
    """What one invocation came to, and the seconds from its event to its reply."""

    path: str  # ends in response or error
    body: Any
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Return the ids of the messages that are to come again."""
        assert self.path.endswith("/response"), self.body
        return [each["itemIdentifier"] for each in self.body["batchItemFailures"]]


class _Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a reply waits 40 ms for the acknowledgement of its own headers
    server: "_Server"

    def do_GET(self) -> None:
        self.server.asked.put(time.monotonic())
        invocation = self.server.events.get()
        if invocation is None:
            self.close_connection = True
            return
        number, body, seconds = invocation
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"request-{number}",
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": ARN,
            "Lambda-Runtime-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0",
        }
        self._answer(200, body, headers)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.replies.put((self.path, json.loads(body), time.monotonic()))
        self._answer(202, b"", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a process that was killed closes its connections

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.asked: queue.SimpleQueue[float] = queue.SimpleQueue()
        self.events: queue.SimpleQueue[tuple[int, bytes, float] | None] = queue.SimpleQueue()
        self.replies: queue.SimpleQueue[tuple[str, Any, float]] = queue.SimpleQueue()


class Sandbox:
    """One process of the function, from its cold start to its end."""

    def __init__(self, function: Function, environment: dict[str, str], disk: str = "") -> None:
        """Start it. `disk` is the size of its temporary folder, for instance `256k`."""
        self._server = _Server()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
        self._log = Path(self._folder.name, "log")
        scratch = Path(self._folder.name, "scratch")
        scratch.mkdir()
        everything = {
            # As on AWS, where its Python is in /var/lang/bin.
            "PATH": f"{Path(function.python).parent}:/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": f"{function.task}:{function.runtime}",
            "TMPDIR": str(scratch),
            "LAMBDA_TASK_ROOT": str(function.task),
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "sweeps",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_REGION": servers.REGION,
            "AWS_SESSION_TOKEN": "of-the-function-alone",
            **servers.SETTINGS,
            **environment,
        }
        command: tuple[str, ...] = (function.python, "-P", "-m", "awslambdaric", "sweepctl.aws_lambda.handler")
        if can_seal():
            command = _sealed(str(function.task), disk, command)
        self._invoked = 0
        with self._log.open("wb") as log:
            self.started_at = time.monotonic()
            self.process = subprocess.Popen(
                command, env=everything, cwd=function.task, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        with suppress(queue.Empty):
            while True:
                self._server.replies.get_nowait()
        self._server.events.put(None)  # what a killed process had asked
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def ready(self) -> float:
        """Wait until it asks for the first event; return the seconds since its start."""
        asked_at = self._server.asked.get(timeout=LIMIT)
        self._server.asked.put(asked_at)
        return asked_at - self.started_at

    def send(self, event: object, seconds: float = 900.0) -> float:
        """Have it invoked with so many seconds left; return when."""
        self._invoked += 1
        sent_at = time.monotonic()
        self._server.events.put((self._invoked, json.dumps(event).encode(), seconds))
        return sent_at

    def invoke(self, event: object, seconds: float = 900.0) -> Reply:
        """Have it invoked, and wait for its reply."""
        sent_at = self.send(event, seconds)
        path, body, at = self._server.replies.get(timeout=LIMIT)
        return Reply(path, body, at - sent_at)

    def init_error(self) -> Any:  # noqa: ANN401  any JSON value
        """Wait for it to report that it cannot start."""
        path, body, _ = self._server.replies.get(timeout=LIMIT)
        assert path.endswith("/init/error")
        return body

    @property
    def output(self) -> str:
        """What it wrote, as CloudWatch gets it."""
        return self._log.read_text()

    def lines(self, message: str = "shard_finished") -> list[dict[str, Any]]:
        """Return its log lines of one event."""
        return [line for line in self._json_lines() if line.get("message") == message]

    def metrics(self) -> list[dict[str, Any]]:
        """Return what it measured, a blob an invocation; those of cold starts, which come by themselves, left out."""
        return [line for line in self._json_lines() if "_aws" in line and "Points" in line]

    def _json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines() if line.startswith("{")]

    def megabytes(self) -> float:
        """Return the most memory that it has had; engines are processes of their own."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1e3


def clean_environment() -> dict[str, str]:
    """Return what a process needs that is to see nothing of this one."""
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}

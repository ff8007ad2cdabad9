"""What the containers run, run directly: a stop hands the messages back and ends in order."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deploy import dockerfile
from fakes import toys
from fakes.servers import Server
from waiting import LIMIT, wait_until
from worker.processes import environment

from sweepctl.queue.sqs import open_queue

PROGRAM = [sys.executable, "-P", "-c", "from sweepctl.cli import main; main()"]
# The folder can be written to, as /tmp can in the containers, and nothing around it; the worker is process 1.
SEAL = """
mount --bind {around} {around} && mount --bind {folder} {folder} &&
mount -o remount,ro,bind {around} && mount -o remount,ro,bind / && ! touch {around}/x 2>/dev/null && exec {command}
"""


def command() -> list[str]:
    """Return what the image runs, without tini, which may be missing here: a worker needs it for nothing."""
    instructions = dockerfile.read()
    last = {each.name: each.words for each in instructions if each.stage == instructions[-1].stage}
    assert last["ENTRYPOINT"][:2] == ["/usr/bin/tini", "--"]
    name, *arguments = [*last["ENTRYPOINT"][2:], *last["CMD"]]
    assert name == "sweepctl"
    return [*PROGRAM, *arguments]


def sealed(folder: Path) -> list[str]:
    script = SEAL.format(
        folder=shlex.quote(str(folder)), around=shlex.quote(str(folder.parent)), command=shlex.join(command())
    )
    spaces = ["unshare", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"]
    return [*spaces, "sh", "-c", script]


def has_namespaces() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return subprocess.run([unshare, "-rmpf", "true"], check=False, capture_output=True).returncode == 0


@contextmanager
def worker(arguments: list[str], folder: Path, queue_url: str, store: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker as a manifest does, with a grace of a second, and no poll for a stop to wait for."""
    settings = {
        **environment(),
        "SWEEPCTL_QUEUE_URL": queue_url,
        "SWEEPCTL_STORE": store,
        "SWEEPCTL_GRACE": "1",
        "SWEEPCTL_CONCURRENCY": "1",
        "SWEEPCTL_LOG_FORMAT": "json",
        "SWEEPCTL_ENGINE": str(toys.engine_path(folder, "tell('running')\nwait_for('never')")),
        "SWEEPCTL_ENDPOINT_URL": queue_url.rsplit("/", 2)[0],
        "TMPDIR": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with subprocess.Popen(arguments, env=settings, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_stop_hands_the_message_back(moto_server: Server, tmp_path: Path, *, is_sealed: bool) -> None:
    if is_sealed and not has_namespaces():
        pytest.skip("no namespaces: a worker as process 1 with a read-only file system was left out")
    url = moto_server.queue(f"stopping-{is_sealed}", max_receive_count=10)
    queue = open_queue(url)
    queue.send(toys.messages(1))
    arguments = sealed(tmp_path) if is_sealed else command()
    with worker(arguments, tmp_path, url, f"s3://sweeps/stopping-{is_sealed}") as process:
        wait_until(lambda: (tmp_path / "running").exists() or process.poll() is not None)
        assert process.returncode is None, process.stderr and process.stderr.read().decode()
        os.kill(_worker_of(process) if is_sealed else process.pid, 15)
        assert process.wait(LIMIT) == 0, process.stderr and process.stderr.read().decode()
    (message,) = queue.receive(10, wait=0, visibility=30)
    assert message.receive_count == 2
    assert not [key for key in moto_server.keys(f"stopping-{is_sealed}/") if "outcomes" in key]


def _worker_of(process: "subprocess.Popen[bytes]") -> int:
    """Return the process that `unshare` waits for."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])

"""`make dev-servers`: what it prints works."""

import os
import re
import signal
import socket
import subprocess
import sys

import boto3
import pytest
from fakes.servers import free_ports
from paths import ROOT
from waiting import LIMIT

from sweepctl.queue.sqs import open_queue

SCRIPT = ROOT / "tools" / "dev_servers.py"


def _start(port: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PORT": str(port)}
    return subprocess.Popen([sys.executable, SCRIPT], env=environment, text=True, stdout=subprocess.PIPE)


@pytest.mark.servers
def test_what_it_prints_reaches_bucket_and_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with _start(*free_ports(1)) as process:
        try:
            assert process.stdout is not None
            printed = ""
            while "Ctrl-C" not in printed:
                line = process.stdout.readline()
                assert line, printed
                printed += line
            exports = dict(re.findall(r"^export (\w+)=(\S+)$", printed, re.MULTILINE))
            for name, value in exports.items():
                monkeypatch.setenv(name, value)
            facts = open_queue(exports["SWEEPCTL_QUEUE_URL"]).facts()
            assert (facts.visible, facts.dead_letter_queue, facts.max_receive_count) == (0, "shards-dead", 10)
            s3 = boto3.session.Session().client("s3", endpoint_url=exports["SWEEPCTL_ENDPOINT_URL"])
            assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["sweeps"]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) == 0


def test_a_taken_port_is_said() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        environment = {**os.environ, "PORT": str(other.getsockname()[1])}
        result = subprocess.run([sys.executable, SCRIPT], check=False, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "is taken" in result.stderr

"""What a newcomer does first: start the dev servers, paste what they print, look at the outcome."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from fakes.servers import free_ports
from paths import ROOT


def printed_by(server: subprocess.Popen[str]) -> str:
    """Return all that the dev servers print when they are ready."""
    assert server.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        line = server.stdout.readline()
        assert line, printed
        printed += line
    return printed


@pytest.mark.servers
def test_a_newcomers_first_queue(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')
    (port,) = free_ports(1)
    environment = {**os.environ, "PORT": str(port)}
    command = [sys.executable, str(ROOT / "tools" / "dev_servers.py")]
    with subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE) as server:
        try:
            pasted = printed_by(server).partition("In another terminal:")[2].partition("Ctrl-C")[0]
            done = subprocess.run(["/bin/sh", "-ec", pasted], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "4 messages sent" in done.stdout
            assert "4  succeeded" in done.stdout
            assert "already complete: nothing was run" in done.stdout
            assert "WHOLE  run queue-demo, 200 points in 4 shards" in done.stdout
            s3 = boto3.session.Session().client("s3", endpoint_url=f"http://127.0.0.1:{port}")
            found = s3.list_objects_v2(Bucket="sweeps", Prefix="demo/shard_outcomes/")["Contents"]
            assert len(found) == 4
        finally:
            server.send_signal(signal.SIGINT)

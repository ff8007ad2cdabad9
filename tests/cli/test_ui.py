"""The command `ui`: says where its pages are, and ends in order."""

import http.client
import json
import signal
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner
from waiting import LIMIT

from sweepctl.cli import app

START = [sys.executable, "-P", "-c", "from sweepctl.cli import main; main()", "ui"]


def begin(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=LIMIT)
    connection.request("GET", parts.path)
    return connection


def answer(url: str) -> int:
    connection = begin(url)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_the_address_serves_and_ends_with_a_signal(tmp_path: Path, stop: signal.Signals) -> None:
    (tmp_path / "store" / "runs").mkdir(parents=True)
    command = [*START, "--store", str(tmp_path / "store"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = json.loads(process.stdout.readline())
        assert printed["store"] == str(tmp_path / "store")
        assert answer(printed["url"]) == 200
        assert answer(printed["url"].rsplit("/", 2)[0] + "/") == 403
        page = begin(printed["url"] + "events")
        events = page.getresponse()
        assert events.readline().startswith(b"data: ")
        process.send_signal(stop)
        _, errors = process.communicate(timeout=LIMIT)
        page.close()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.slow
def test_it_ends_with_a_signal_while_the_store_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = [*START, "--store", "s3://bucket/x", "--endpoint-url", endpoint, "--region", "eu-west-1", "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            page = begin(json.loads(process.stdout.readline())["url"])
            asked, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=LIMIT)
            assert page.getresponse().status == 503
            page.close()
            asked.close()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.slow
def test_a_person_reads_the_address_alone_on_its_line(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with subprocess.Popen([*START, "--store", str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert answer(process.stdout.readline().strip()) == 200
        assert "Ctrl-C ends them" in process.stdout.readline()
        process.terminate()


def test_a_wrong_store_or_address_is_a_usage_error() -> None:
    for wrong in (["--store", "http://x"], ["--host", "nope.invalid"], ["--port", "99999"]):
        done = CliRunner().invoke(app, ["ui", *wrong])
        assert done.exit_code == 2, wrong


@pytest.mark.parametrize("package", ["duckdb", "starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else usual(name))
    done = CliRunner().invoke(app, ["ui", "--json"])
    assert done.exit_code == 2
    assert "duckdb, starlette and uvicorn, which the extra `ui` brings" in json.loads(done.stdout)["error"]["remedy"]

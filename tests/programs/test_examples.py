"""The examples of programs: from plan to report, and killed in between."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from fakes.sweep_files import ENGINE
from paths import ROOT
from typer.testing import CliRunner
from waiting import wait_until
from worker.processes import SWEEPCTL

from sweepctl.cli import app

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("elsewhere")]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this engine, and this Python, which has NumPy and SimPy, as `python3`."""
    monkeypatch.setenv("SWEEPCTL_ENGINE", str(ENGINE))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


class Forward(BaseHTTPRequestHandler):
    """A UM-Bridge server of one model, to which the input (1, 1) is an error, and whose code fails at (2, 2)."""

    answers: ClassVar[dict[str, Any]] = {"/InputSizes": {"inputSizes": [2]}, "/OutputSizes": {"outputSizes": [1]}}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body["name"] == "forward"
        status, answer = 200, self.answers.get(self.path)
        if answer is None:
            ((x, y),) = body["input"]
            answer = {"output": [[(1 - x) ** 2 + 100 * (y - x * x) ** 2]]}
            if (x, y) == (2, 2):
                status = 500
            if (x, y) == (1, 1):
                status, answer = 400, {"error": {"type": "InvalidInput", "message": "not there"}}
        self.send_response(status)
        self.end_headers()
        if body.get("input") == [[2, 2]]:
            self.wfile.write(b"500 Internal Server Error\n\nServer got itself in trouble")  # as UM-Bridge's does
        else:
            self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


SERVER = """\
import sys
import umbridge

class Forward(umbridge.Model):
    def get_input_sizes(self, config):
        return [2]

    def get_output_sizes(self, config):
        return [1]

    def __call__(self, parameters, config):
        if parameters == [[2.0, 2.0]]:
            raise ValueError("dry")
        return [[5.0]]

    def supports_evaluate(self):
        return True

umbridge.serve_models([Forward("forward")], int(sys.argv[1]))
"""


@pytest.fixture
def umbridge(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as server:
        monkeypatch.setenv("UMBRIDGE_URL", f"http://127.0.0.1:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def copied(example: str) -> Path:
    """Copy an example to a folder of its own, build it, and return its sweep file."""
    folder = Path.cwd() / example
    shutil.copytree(ROOT / "examples" / example, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if example == "clinic":
        pytest.importorskip("simpy")
    for tool, needed in {"cc": "cannon", "node": "ising-js"}.items():
        if example == needed and not shutil.which(tool):
            pytest.skip(f"there is no {tool}")
    if example == "cannon":
        first = (folder / "cannon.toml").read_text().splitlines()[0]
        subprocess.run(first.removeprefix("# Build it first: ").split(), cwd=folder, check=True)
    return folder / "sweep.toml"


def sweepctl(*arguments: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == 0, told
    return told


def query(sql: str) -> str:
    """Return the row of one row."""
    return CliRunner().invoke(app, ["query", "r", sql, "--format", "csv"]).stdout.splitlines()[1]


def require_whole(manifest: Path, points: int) -> None:
    """Require each point once, and the same when all are run again."""
    proof = sweepctl("verify", "r", "--reexecute", "all", "--program", manifest)
    rerun = sum(build["points_rerun"] for build in proof["builds"])
    assert (proof["verdict"], proof["total_points"], rerun) == ("whole", points, points), proof


@pytest.mark.parametrize(
    ("example", "manifest", "points", "metric", "rows"),
    [
        ("lotka-volterra", "lv.toml", 60, "peak", "population"),
        ("clinic", "clinic.toml", 60, "gave_up", "visits"),
        ("cannon", "cannon.toml", 40, "distance", "path"),
        ("ising-js", "ising.toml", 35, "magnetization", None),
        ("umbridge", "umbridge.toml", 32, "value", None),
    ],
)
@pytest.mark.usefixtures("umbridge")
def test_from_plan_to_report(example: str, manifest: str, points: int, metric: str, rows: str | None) -> None:
    sweep = copied(example)
    assert sweepctl("plan", sweep)["total_points"] == points
    assert sweepctl("run", sweep, "--run-id", "r")["verdict"] == "whole"
    require_whole(sweep.parent / manifest, points)
    counted = f"SELECT count(*), count(DISTINCT point_index), count({metric}) FROM points"
    assert query(counted) == f"{points},{points},{points}"
    if rows:
        assert query(f"SELECT count(DISTINCT point_index) FROM {rows}") == str(points)
    assert metric in json.dumps(sweepctl("summary", "r", "--metric", metric))
    sweepctl("report", "r", "--out", "report.html")
    assert metric in Path("report.html").read_text()


def umbridge_error() -> str:
    """Return the message of the point that the server's model fails at, which is the only one that fails."""
    sweep = copied("umbridge")
    head = sweep.read_text().partition("[design]")[0]
    sweep.write_text(head + '[design]\nkind = "grid"\n[design.dimensions]\nx = [2.0]\ny = [1.0, 2.0]\n')
    done = CliRunner().invoke(app, ["run", str(sweep), "--run-id", "r", "--json"])
    assert query("SELECT count(*), count(value) FROM points") == "2,1", done.stdout
    return query("SELECT replace(error_message, chr(10), ' ') FROM points WHERE value IS NULL")


PLAIN = "RuntimeError: forward: HTTP 500: 500 Internal Server Error  Server got itself in trouble"


@pytest.mark.usefixtures("umbridge")
def test_what_a_umbridge_server_says_in_plain_text_is_its_points_message() -> None:
    assert PLAIN in umbridge_error()


def test_the_package_umbridge_says_which_point_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("umbridge", reason="the package umbridge is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("UMBRIDGE_URL", f"http://127.0.0.1:{port}")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVER, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as server:
        try:
            wait_until(lambda: listens(port) or server.poll() is not None)
            assert PLAIN in umbridge_error()
        finally:
            server.kill()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


# What the examples do first in some points: each of these writes who it is, and waits for a file.
HELD_IN_PYTHON = """\
    import os, time
    while {some} and not os.path.exists("free"):
        open(f"held-{{os.getpid()}}", "w").close()
        time.sleep(0.01)
"""
HELD_IN_JAVASCRIPT = """\
  const fs = require("node:fs");
  while (temperature > 3 && !fs.existsSync("free")) {
    fs.writeFileSync(`held-${process.pid}`, "");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
"""
HELD_IN_SHELL = """\
#!/bin/sh
while grep -q "angle = 30" shot.in && [ ! -e {folder}/free ]; do
    touch {folder}/held-$$
    sleep 0.01
done
exec {folder}/built
"""


def held(example: str) -> tuple[Path, str, int]:
    """Return an example that holds some of its points, its manifest and how many points it has."""
    sweep = copied(example)
    folder = sweep.parent
    if example == "cannon":
        (folder / "cannon").rename(folder / "built")
        (folder / "cannon").write_text(HELD_IN_SHELL.format(folder=folder))
        (folder / "cannon").chmod(0o755)
        return sweep, "cannon.toml", 40
    python = HELD_IN_PYTHON.format
    name, source, first, hold, points = {
        "lotka-volterra": ("lv", "lv.py", "    draw = random.numpy()\n", python(some="predators == 30"), 60),
        "clinic": ("clinic", "clinic.py", "    draw = random.python()\n", python(some="gap == 8"), 60),
        "ising-js": ("ising", "ising.js", "  const spins = ", HELD_IN_JAVASCRIPT, 35),
        "umbridge": ("umbridge", "umbridge_model.py", '    return {"value"', python(some="x > 1"), 32),
    }[example]
    text = (folder / source).read_text()
    assert text.count(first) == 1
    (folder / source).write_text(text.replace(first, hold + first))
    if example == "umbridge":  # whose points have no order
        head, _, tail = sweep.read_text().partition("[design]")
        grid = 'kind = "grid"\n[design.dimensions]\nx = [-1.0, 0.0, 1.0, 2.0]\ny = { linspace = '
        shards = "[shards]" + tail.partition("[shards]")[2]
        sweep.write_text(f"{head}[design]\n{grid}{{ start = 0.0, stop = 0.5, num = 8 }} }}\n{shards}")
    return sweep, f"{name}.toml", points


def processes() -> dict[int, int]:
    """Return the parent of each process that has not ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(path.parent.name)] = int(parent)
    return found


def started_by(process: int) -> set[int]:
    """Return a process and all that it and these have started."""
    parents, found = processes(), {process}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.mark.parametrize("example", ["lotka-volterra", "clinic", "cannon", "ising-js", "umbridge"])
@pytest.mark.usefixtures("umbridge")
def test_a_killed_worker_leaves_no_process_and_loses_no_point(example: str) -> None:
    sweep, manifest, points = held(example)
    command = [*SWEEPCTL, "run", str(sweep), "--run-id", "r", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        wait_until(
            lambda: list(sweep.parent.glob("held-*")) and list(Path.cwd().glob("sweep-results/shard_outcomes/*/*/*"))
        )
        left = started_by(worker.pid)
        assert {int(path.name.removeprefix("held-")) for path in sweep.parent.glob("held-*")} <= left
        worker.send_signal(signal.SIGKILL)
    if example == "ising-js":  # which sees only after its point that its standard input has ended
        (sweep.parent / "free").touch()
    wait_until(lambda: not left & processes().keys())
    (sweep.parent / "free").touch()
    resumed = sweepctl("run", sweep, "--run-id", "r")
    assert (resumed["skipped"] > 0, resumed["succeeded"] > 0, resumed["verdict"]) == (True, True, "whole")
    require_whole(sweep.parent / manifest, points)
    assert query("SELECT count(*), count(DISTINCT point_index) FROM points") == f"{points},{points}"

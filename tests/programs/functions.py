"""Starts the helpers that run an author's function, as the engine does, in every Python that is installed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paths import ROOT

FOLDER = ROOT / "rust/runtime/src/program"
SERVE = (FOLDER / "python.py").read_text()
DECLARE = (FOLDER / "python_declare.py").read_text()
RANDOM = [2871463, 90351, 1880264421, 3018]
SEED = 2871463 | 90351 << 32 | 1880264421 << 64 | 3018 << 96


def interpreters() -> list[str]:
    """Return this interpreter, and one of each other version that is installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {sys.version_info[:2]: sys.executable}
    for minor in range(9, 20):
        installed = [*pyenv.glob(f"3.{minor}.*/bin/python"), shutil.which(f"python3.{minor}")]
        if any(installed):
            found.setdefault((3, minor), str(next(filter(None, installed))))
    return list(found.values())


def declared(file: Path, function: str = "simulate", interpreter: str = sys.executable) -> dict[str, Any]:
    """Return what a function declares, or its problem."""
    done = subprocess.run(
        [interpreter, "-I", "-S", "-X", "utf8", "-c", DECLARE],
        input=json.dumps({"file": str(file), "function": function}) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


class Child:
    """A function that answers points."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Take the process."""
        self.process = process
        self.asked = 0

    def line(self) -> str:
        """Return the next line that it writes."""
        assert self.process.stdout
        return self.process.stdout.readline()

    def ask(self, outputs: list[str] | None = None, random: list[int] = RANDOM, **parameters: Any) -> str:  # noqa: ANN401
        """Return the reply to a point, as it is written after its id."""
        self.asked += 1
        point = {"parameters": parameters, "seed": 42, "replicate": 0, "random": random, "outputs": outputs or []}
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"id": self.asked, **point}) + "\n")
        self.process.stdin.flush()
        reply = self.line()
        start = f'{{"id":{self.asked},'
        assert reply.startswith(start), reply
        return reply.removeprefix(start).removesuffix("}\n")

    def metrics(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the metrics of a point."""
        values: dict[str, Any] = json.loads(f"{{{self.ask(**parameters)}}}")["metrics"]
        return values

    def last_words(self) -> tuple[int, str]:
        """Ask for a point that ends the process, and return its status and what it wrote to standard error."""
        with pytest.raises(AssertionError):
            self.ask()
        return self.ended()

    def ended(self) -> tuple[int, str]:
        """Close its input, and return its status and what it wrote to standard error."""
        _, errors = self.process.communicate()
        return self.process.returncode, errors


@contextmanager
def started(
    file: Path,
    function: str = "simulate",
    *,
    parameters: dict[str, str] | None = None,
    metrics: dict[str, str] | None = None,
    datasets: dict[str, dict[str, str]] | None = None,
    interpreter: str = sys.executable,
) -> Iterator[Child]:
    """Start a function; it has not said hello yet."""
    task = {
        "file": str(file),
        "function": function,
        "takes_random": declared(file, function, interpreter).get("takes_random", False),
        "hello": '{"protocol":"v1","model":{"doc":"ä"}}',
        "parameters": parameters or {},
        "metrics": metrics or {"y": "float"},
        "datasets": datasets or {},
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [interpreter, "-X", "utf8", "-c", SERVE],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
        cwd=file.parent,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
    ) as process:
        assert process.stdin
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        yield Child(process)
        process.kill()


@contextmanager
def greeted(file: Path, function: str = "simulate", **declaration: Any) -> Iterator[Child]:  # noqa: ANN401
    """Start a function that says hello."""
    with started(file, function, **declaration) as child:
        assert child.line() == '{"protocol":"v1","model":{"doc":"ä"}}\n'
        yield child

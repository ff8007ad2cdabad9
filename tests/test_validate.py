"""The command that writes docs/validation.md writes all of it or nothing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

ROW = {"check": 2, "what": "a wait", "measured": 1.5, "expected": "1", "error": 0.1, "number": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], 101),  # nothing compiled
        ([{**ROW, "verdict": "passes"}], 0),  # lines of other checks are missing
        ([{**ROW, "verdict": "fails"}], 101),
    ],
)
def test_nothing_is_written_where_a_line_is_missing(tmp_path: Path, lines: list[object], code: int) -> None:
    shutil.copytree(ROOT / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs").mkdir()
    doc = tmp_path / "docs/validation.md"
    doc.write_text("<!-- measured -->\n\nas it was\n\n<!-- end -->\n")
    (tmp_path / "lines").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    cargo = tmp_path / "bin/cargo"
    cargo.parent.mkdir()
    cargo.write_text(f"#!/bin/sh\ncat {tmp_path}/lines\necho 'error: it does not compile' >&2\nexit {code}\n")
    cargo.chmod(0o755)
    path = f"{cargo.parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, str(tmp_path / "tools/validate.py")]
    told = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "error: it does not compile" in told.stderr
    assert "check 1: 0 lines instead of 2" in told.stderr
    assert "as it was" in doc.read_text()
    assert not (tmp_path / "docs/figures").exists()

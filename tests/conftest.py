"""Fixtures for every test; the servers are in servers.py, the function's package is in aws_runtime.py."""

from pathlib import Path

import pytest

pytest_plugins = ["servers", "aws_runtime"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder of its own, at a width at which nothing is folded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

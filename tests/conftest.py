"""Fixtures for every test; servers and stand-ins are in fakes/."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["fakes.servers", "fakes.aws_runtime", "fakes.aws", "results.runs"]


# However slow the machine is: what an example takes is no property of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder of its own, at a width at which nothing is folded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

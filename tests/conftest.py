"""Fixtures for every test; servers and stand-ins are in fakes/."""

import os
from functools import cache
from pathlib import Path

import pytest
import typer.testing
from hypothesis import HealthCheck, settings

import sweepctl

pytest_plugins = ["fakes.servers", "fakes.aws_runtime", "fakes.aws", "fakes.chromium", "results.runs"]

# What tests start as a process takes the same sweepctl, the tree's or the installed one.
os.environ["PYTHONPATH"] = str(Path(sweepctl.__file__).parents[1])

# Typer builds all commands again for each call of its CliRunner, though they are the same.
typer.testing._get_command = cache(typer.testing._get_command)  # type: ignore[attr-defined]

# However slow the machine is: what an example takes is no property of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what waits for AWS's stand-in in this process to start and to be reset."""
    for item in items:
        if {"moto_server", "glue_and_athena"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder of its own, at a width at which nothing is folded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")


@pytest.fixture(autouse=True)
def no_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a command remembers out of the user's own folders, and out of other tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "no-cache"))

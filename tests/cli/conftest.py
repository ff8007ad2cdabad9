"""What all tests of commands share."""

import pytest


@pytest.fixture(autouse=True)
def no_build_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have log lines be as they are outside of a build service, in which they are text by default."""
    monkeypatch.delenv("CI", raising=False)

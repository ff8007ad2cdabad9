"""A store of a test's own."""

from pathlib import Path

import pytest

from sweepctl.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))

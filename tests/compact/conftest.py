"""A run that can be compacted."""

import shutil
from pathlib import Path

import pytest
from verify.runs import whole_store


@pytest.fixture(scope="package")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards of six points, one of which fails by itself."""
    return whole_store(tmp_path_factory.mktemp("whole") / "store")


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """Return a copy of the run's store, to be changed."""
    shutil.copytree(whole, tmp_path / "store")
    return tmp_path / "store"

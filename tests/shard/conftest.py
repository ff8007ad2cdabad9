"""A store, and engines of the toy model."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engines import scripted
from shard.toy_shard import GOOD, POINTS

from sweepctl.engine.client import Engine
from sweepctl.store import open_store
from sweepctl.store.contract import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def engine(tmp_path: Path) -> Callable[..., Engine]:
    """Return a maker of engines that behave as told, or well."""

    def make(behaviour: str = GOOD) -> Engine:
        return Engine(scripted(tmp_path, behaviour, POINTS))

    return make

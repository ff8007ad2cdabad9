"""The store that is asked."""

from pathlib import Path

import pytest
from query.runs import run

from sweepctl.store import open_store


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store under an awkward name: two runs of one model, one of another."""
    root = tmp_path_factory.mktemp("it's a store")
    for shard_id in range(3):
        run(open_store(str(root)), "a", "queue", shard_id, 3)
    run(open_store(str(root)), "b", "queue")
    run(open_store(str(root)), "e", "epidemic")
    return root

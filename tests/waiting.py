"""How a test waits: for an event, however long that takes.

LIMIT only ends what hangs, and is the one limit of all waits: a machine ten times slower does not come near it. The
`timeout` of pytest is longer, so that it is the test that tells what never came.
"""

import time
from collections.abc import Callable

LIMIT = 600.0  # seconds


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for something that must come."""
    until = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.01)

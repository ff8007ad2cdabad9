"""One of several processes that write the same keys at the same time; prints what it won.

    python racer.py STORE ENDPOINT|- NAME

Says `ready`, waits for a line, then tries to create every one of KEYS, and adds TURNS to a counter by compare-and-swap.
"""

import json
import sys

from sweepctl.store import Put, open_store
from sweepctl.store.contract import Store

KEYS = [f"race/key-{n:02d}" for n in range(10)]
COUNTER = "race/counter"
TURNS = 5


def add(store: Store, turns: int) -> None:
    while turns:
        stored = store.read(COUNTER)
        assert stored is not None
        turns -= store.replace(COUNTER, b"%d" % (int(stored.body) + 1), stored.etag) is Put.WRITTEN


def main(url: str, endpoint_url: str, name: str) -> None:
    store = open_store(url, endpoint_url=None if endpoint_url == "-" else endpoint_url)
    store.read(COUNTER)  # connected before the start
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    won = [key for key in KEYS if store.create(key, name.encode() * 1000) is Put.WRITTEN]
    add(store, TURNS)
    sys.stdout.write(json.dumps(won) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Many outcomes or attempts of a store, read in bounded memory: some at a time, many requests in flight.

What is damaged or missing is one file's matter: the others are read. What a reader has learnt of the form of files, it
may lose at any time; no outcome is remembered.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from sweepctl.errors import DamagedError
from sweepctl.records.outcome import Outcome
from sweepctl.records.template import OutcomeDecoder
from sweepctl.store.contract import Store

AT_ONCE = 1_000  # files whose bodies may be in memory together

Found = Outcome | DamagedError | None  # None: there is no such file


class OutcomeReader:
    """Reads outcomes of one store; not for several threads at once."""

    def __init__(self, store: Store, *, exact: bool = False) -> None:
        """Read from `store`; with `exact`, what has other bytes than its outcome is written with is damaged."""
        self._store = store
        self._decoder = OutcomeDecoder(exact)

    def read(self, keys: Iterable[str]) -> Iterator[tuple[str, Found]]:
        """Yield each key, in order, with what is there.

        Raises:
            StoreError: the store does not answer.
        """
        left = iter(keys)
        while some := list(islice(left, AT_ONCE)):
            for key, body in zip(some, self._store.bodies(some), strict=True):
                yield key, self._decode(key, body) if isinstance(body, bytes) else body

    def _decode(self, key: str, body: bytes) -> Found:
        try:
            return self._decoder.decode(body, partial(self._store.locate, key))
        except DamagedError as error:
            return error

"""A store and a queue that fail on a schedule: for tests of code that must survive them, and its own death.

    store = FaultyStore(inner, {3: StoreFault.CRASH_AFTER})

Calls are counted from 0 and logged in `calls`; the schedule says which of them fail, and how. Run once without a
schedule to learn how many calls there are, then once for each call and fault.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeVar

from pyarrow import fs

from sweepctl.errors import DamagedError, QueueError, StoreError
from sweepctl.queue.contract import Received
from sweepctl.queue.sqs import Queue, SqsClients
from sweepctl.store.contract import MAX_BODY, MAX_OBJECT, Entry, Put, Store, Stored, body_at

T = TypeVar("T")


class Crash(BaseException):
    """The process dies here: nothing may catch it but the test."""


class StoreFault(Enum):
    ERROR_BEFORE = "the store refuses, nothing is done"
    ERROR_AFTER = "it is done, the reply is lost"
    CRASH_BEFORE = "the process dies, nothing is done"
    CRASH_AFTER = "the process dies, it is done"


class Call(NamedTuple):
    method: str
    key: str


@dataclass
class FaultyStore:
    inner: Store
    schedule: Mapping[int, StoreFault] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.inner.url

    def locate(self, key: str) -> str:
        return self.inner.locate(key)

    def read(self, key: str) -> Stored | None:
        return self._call("read", key, lambda: self.inner.read(key))

    def bodies(self, keys: Sequence[str], most: int = MAX_BODY) -> Iterator[bytes | DamagedError | None]:
        return (body_at(self, key, most) for key in keys)

    def fetch(self, key: str, destination: Path, most: int = MAX_OBJECT) -> bool:
        return self._call("fetch", key, lambda: self.inner.fetch(key, destination, most))

    @contextmanager
    def borrow(self, key: str) -> Iterator[Path | None]:
        with ExitStack() as lent:
            yield self._call("borrow", key, lambda: lent.enter_context(self.inner.borrow(key)))

    def require_present(self) -> None:
        self.inner.require_present()

    def folders(self, prefix: str) -> list[str]:
        return self._call("folders", prefix, lambda: self.inner.folders(prefix))

    def objects(self, prefix: str, cuts: Sequence[str] = ()) -> Iterator[Entry]:
        return self._call("objects", prefix, lambda: self.inner.objects(prefix, cuts))

    def create(self, key: str, body: bytes | Path) -> Put:
        return self._call("create", key, lambda: self.inner.create(key, body))

    def replace(self, key: str, body: bytes, etag: str) -> Put:
        return self._call("replace", key, lambda: self.inner.replace(key, body, etag))

    def make_durable(self, key: str) -> None:
        self.inner.make_durable(key)

    def make_all_durable(self, keys: Iterable[str]) -> None:
        self.inner.make_all_durable(keys)

    def filesystem(self) -> tuple[fs.FileSystem, str]:
        return self.inner.filesystem()

    def scratch(self) -> AbstractContextManager[Path]:
        return self.inner.scratch()

    def probe(self) -> None:
        self.inner.probe()

    def _call(self, method: str, key: str, action: Callable[[], T]) -> T:
        fault = self.schedule.get(len(self.calls))
        self.calls.append(Call(method, key))
        where = f"{method} {key}"
        if fault is StoreFault.CRASH_BEFORE:
            raise Crash(where)
        if fault is StoreFault.ERROR_BEFORE:
            raise StoreError(f"scheduled before {where}")
        result = action()
        if fault is StoreFault.CRASH_AFTER:
            raise Crash(where)
        if fault is StoreFault.ERROR_AFTER:
            raise StoreError(f"scheduled after {where}")
        return result


class QueueFault(Enum):
    BEFORE = "the queue does not answer, nothing is done"
    AFTER = "it is done, the reply is lost"


class QueueCall(NamedTuple):
    method: str
    receipt: str = ""
    seconds: int = 0


class FaultyQueue(Queue):
    """`down` makes every call fail; `before` sees each before it happens, and may raise."""

    def __init__(self, url: str, clients: SqsClients, sleep: Callable[[float], None]) -> None:
        super().__init__(url, clients, sleep)
        self.calls: list[QueueCall] = []
        self.down = False
        self.schedule: Mapping[int, QueueFault] = {}
        self.before: Callable[[QueueCall], None] = lambda _: None

    def receive(self, most: int, *, wait: int, visibility: int) -> list[Received]:
        call = QueueCall("receive")
        return self._call(call, lambda: super(FaultyQueue, self).receive(most, wait=wait, visibility=visibility))

    def extend(self, receipt: str, seconds: int) -> bool:
        call = QueueCall("extend", receipt, seconds)
        return self._call(call, lambda: super(FaultyQueue, self).extend(receipt, seconds))

    def delete(self, receipt: str) -> bool:
        return self._call(QueueCall("delete", receipt), lambda: super(FaultyQueue, self).delete(receipt))

    def count(self, method: str) -> int:
        """How often a method was called."""
        return sum(call.method == method for call in self.calls)

    def _call(self, call: QueueCall, action: Callable[[], T]) -> T:
        fault = self.schedule.get(len(self.calls))
        self.calls.append(call)
        self.before(call)
        if fault is QueueFault.BEFORE or self.down:
            raise QueueError(f"scheduled before {call.method}")
        result = action()
        if fault is QueueFault.AFTER:
            raise QueueError(f"scheduled after {call.method}")
        return result

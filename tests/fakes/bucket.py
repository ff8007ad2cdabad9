"""An S3 bucket in memory with conditional writes, and boto3's client of it, as far as `S3Store` uses one.

`S3Store` itself runs unchanged on top: what it makes of 503, 409, 412 and lost replies is part of what is tested.
"""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, BinaryIO

from botocore.exceptions import ClientError, IncompleteReadError
from simulation.faults import Fault
from simulation.gate import Gate, refusal

OnPut = Callable[[str, str, "bytes | None", bytes], None]  # process, key, what stood, what stands now


@dataclass
class Bucket:
    """The objects. `on_put` sees every write that changes something."""

    objects: dict[str, bytes] = field(default_factory=dict)
    written_at: dict[str, dt.datetime] = field(default_factory=dict)  # by the wall clock; no history depends on it
    lock: Lock = field(default_factory=Lock)
    on_put: OnPut = lambda _process, _key, _old, _new: None

    def put(self, process: str, key: str, body: bytes, conditions: dict[str, str]) -> str:
        """Write under the conditions; return what became of it."""
        with self.lock:
            old = self.objects.get(key)
            if "IfNoneMatch" in conditions and old is not None:
                return "exists"
            if "IfMatch" in conditions and (old is None or etag_of(old) != conditions["IfMatch"]):
                return "gone" if old is None else "changed"
            self.objects[key] = body
            self.written_at[key] = dt.datetime.now(dt.UTC)
        self.on_put(process, key, old, body)
        return "created" if old is None else "replaced"


def etag_of(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


class NoSuchKey(ClientError):  # noqa: N818 - boto3's name
    def __init__(self) -> None:
        super().__init__(refusal(404).response, "GetObject")


class _Exceptions:
    NoSuchKey = NoSuchKey


@dataclass
class _Body:
    content: bytes
    truncated: bool

    def iter_chunks(self, _size: int) -> Iterator[bytes]:
        if self.truncated:
            yield self.content[: len(self.content) // 2]
            raise IncompleteReadError(actual_bytes=0, expected_bytes=len(self.content))
        yield self.content

    def close(self) -> None:
        pass


class Client:
    """boto3's client of a bucket in memory. Without a gate, every call succeeds at once."""

    exceptions = _Exceptions

    def __init__(self, bucket: Bucket, gate: Gate | None = None) -> None:
        self._bucket = bucket
        self._gate = gate

    def put_object(self, *, Bucket: str, Key: str, Body: "bytes | BinaryIO", **conditions: str) -> dict[str, Any]:  # noqa: N803
        del Bucket
        body = Body if isinstance(Body, bytes) else Body.read()
        gate = self._gate
        process = "" if gate is None else gate.process.name

        def write(_fault: Fault | None) -> dict[str, Any]:
            became = self._bucket.put(process, Key, body, conditions)
            if gate is not None:
                gate.outside.log.note(gate.outside.scheduler.now, process, "put", Key, became)
            if became in {"exists", "changed", "gone"}:
                raise refusal(404 if became == "gone" else 412)
            return {"ETag": etag_of(body)}

        return write(None) if gate is None else gate.call("put", Key, write)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        del Bucket
        gate = self._gate
        if gate is None:
            return self._get(Key, None)
        return gate.call("get", Key, lambda fault: self._get(Key, fault))

    def _get(self, key: str, fault: Fault | None) -> dict[str, Any]:
        body = self._bucket.objects.get(key)
        if body is None:
            raise NoSuchKey
        return {"Body": _Body(body, fault is Fault.TRUNCATED), "ETag": etag_of(body)}

    def _listed(self, key: str) -> dict[str, Any]:
        body = self._bucket.objects[key]
        return {"Key": key, "Size": len(body), "ETag": etag_of(body), "LastModified": self._bucket.written_at[key]}

    def get_paginator(self, _operation: str) -> "Client":
        return self

    def paginate(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str,  # noqa: N803
        Delimiter: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
    ) -> Iterator[dict[str, Any]]:
        del Bucket
        if self._gate is None:
            yield self._page(Prefix, Delimiter, StartAfter)
        else:
            yield self._gate.call("list", Prefix, lambda _fault: self._page(Prefix, Delimiter, StartAfter))

    def _page(self, prefix: str, delimiter: str, after: str) -> dict[str, Any]:
        below = sorted(key for key in self._bucket.objects if key.startswith(prefix) and key > after)
        if not delimiter:
            return {"Contents": [self._listed(key) for key in below]}
        rests = [key[len(prefix) :] for key in below]
        folders = {rest.partition(delimiter)[0] for rest in rests if delimiter in rest}
        return {"CommonPrefixes": [{"Prefix": f"{prefix}{name}{delimiter}"} for name in sorted(folders)]}

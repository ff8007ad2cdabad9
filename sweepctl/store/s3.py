"""An S3 bucket as a store: each PUT has `If-None-Match` or `If-Match`, so the server decides between competing writers.

Credentials come only from boto3's own chain. botocore repeats a request whose reply was lost, so a write may find its
own earlier success and return EXISTS or CHANGED: the contract's callers read back. Nothing is deleted.
"""

import io
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from sweepctl.aws_errors import error_code, open_client
from sweepctl.errors import DamagedError, NoRoomError, StoreError
from sweepctl.store import files
from sweepctl.store.bucket import Bucket
from sweepctl.store.contract import MAX_BODY, MAX_OBJECT, Entry, Put, Stored, body_at, require_key, too_large
from sweepctl.store.listing import Page, list_parts
from sweepctl.store.s3_errors import store_error
from sweepctl.store.s3_gets import SignedGets
from sweepctl.store.temporary import temporary_folder

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef, ListObjectsV2OutputTypeDef, PutObjectOutputTypeDef
    from pyarrow import fs

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 60
REQUEST_ATTEMPTS = 5
CONNECTIONS = 64  # more threads than these would wait, or open and drop a connection for each request
# Seconds between retries of what botocore does not retry: a create that met another request in flight (409), and a
# download that broke off.
DELAYS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
_CHUNK = 2**20
# No key begins with a dot, so no run's object can collide with the probe, and readers of datasets skip it.
_PROBE = ".sweepctl/probe"
_PROBE_BODY = b"sweepctl keeps this object to test that the store honours conditional writes.\n"
_NO_ETAG = '"00000000000000000000000000000000"'


def open_s3(
    bucket: str,
    prefix: str,
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
    attempts: int = REQUEST_ATTEMPTS,
    read_timeout: float = READ_TIMEOUT,
) -> "S3Store":
    """Open a bucket; no request is sent yet.

    Args:
        bucket: The bucket's name.
        prefix: The prefix of every key, without a slash at its end.
        endpoint_url: As for `open_store`.
        region: As for `open_store`.
        sleep: Waits between retries.
        attempts: Attempts for each request.
        read_timeout: Seconds that a request waits for its reply.

    Raises:
        UsageError: the endpoint is not a URL, or has a password.
        StoreError: boto3's settings cannot be used, for instance an unknown profile.
    """
    timeouts = (CONNECT_TIMEOUT, read_timeout)
    config = Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=read_timeout,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    try:
        # A session of its own: boto3's default one is not safe among threads.
        session = boto3.session.Session(region_name=region)
        client = open_client("S3", lambda: session.client("s3", endpoint_url=endpoint_url, config=config))
    except BotoCoreError as error:
        raise store_error(error, f"s3://{bucket}") from error
    return S3Store(bucket, prefix, client, sleep, lambda: SignedGets(session, client, bucket, timeouts))


class S3Store:
    """The store contract on one prefix of a bucket, for any number of threads, processes and machines."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        client: "S3Client",
        sleep: Callable[[float], None],
        gets: Callable[[], SignedGets | None] = lambda: None,
    ) -> None:
        """Use `open_s3`, which creates the client with suitable retries and timeouts."""
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = client
        self._sleep = sleep
        self._gets = gets

    @property
    def url(self) -> str:
        """The store as `s3://bucket/prefix`."""
        return self._address("").rstrip("/")

    @property
    def bucket(self) -> Bucket:
        """The bucket, for diagnosis."""
        return Bucket(self._bucket, self._prefix, self._client)

    def locate(self, key: str) -> str:
        """Return the object's `s3://` address."""
        return self._address(require_key(key))

    def read(self, key: str) -> Stored | None:
        """Return the object and the server's etag, both from one reply; or None."""
        body = io.BytesIO()
        etag = self._download(require_key(key), body)
        return None if etag is None else Stored(body.getvalue(), etag)

    def bodies(self, keys: Sequence[str], most: int = MAX_BODY) -> Iterator[bytes | DamagedError | None]:
        """Read objects, with many requests in flight."""
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            yield from pool.map(lambda key: self._body(key, most), keys)

    def _body(self, key: str, most: int) -> bytes | DamagedError | None:
        gets = self._signed_gets
        body = None if gets is None else gets.get(self._prefix + require_key(key), most)
        # Whatever is missing, refused, too large or late has its error, and its retries, from `read`.
        return body_at(self, key, most) if body is None else body

    @cached_property
    def _signed_gets(self) -> SignedGets | None:
        with suppress(BotoCoreError):  # which `read` reports
            return self._gets()
        return None

    def fetch(self, key: str, destination: Path, most: int = MAX_OBJECT) -> bool:
        """Stream the object into a file."""
        with files.store_errors("write", destination, NoRoomError), destination.open("wb") as file:
            found = self._download(require_key(key), file, most) is not None
        if not found:
            destination.unlink()
        return found

    @contextmanager
    def borrow(self, key: str) -> Iterator[Path | None]:
        """Stream the object into a temporary file."""
        with temporary_folder() as folder:
            copy = folder / "copy"
            yield copy if self.fetch(key, copy) else None

    def require_present(self) -> None:
        """Do nothing: any request to a bucket that does not exist is an error."""

    def folders(self, prefix: str) -> list[str]:
        """List common prefixes."""
        pages = self._pages(prefix, Delimiter="/")
        found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return sorted(each.rstrip("/").rpartition("/")[2] for each in found)

    def objects(self, prefix: str, cuts: Sequence[str] = ()) -> Iterator[Entry]:
        """List objects, a page at a time; with cuts, several pages."""
        if cuts:
            return list_parts(lambda after: self._listed(prefix, after), prefix, cuts)
        return (entry for page in self._listed(prefix, "") for entry in page.entries)

    def _listed(self, prefix: str, after: str) -> Iterator[Page]:
        gets = self._signed_gets
        while gets is not None and (page := gets.page(self._prefix, prefix, after)) is not None:
            yield page
            if page.is_last:
                return
            after = page.entries[-1].key
        for rest in self._pages(prefix, **({"StartAfter": self._prefix + after} if after else {})):
            entries = [
                Entry(each["Key"].removeprefix(self._prefix), each["Size"], each["ETag"], each["LastModified"])
                for each in rest.get("Contents", [])
            ]
            yield Page(entries, not rest.get("IsTruncated"))

    def filesystem(self) -> "tuple[fs.FileSystem, str]":
        """Return Arrow's S3 file system, with boto3's current credentials, region and endpoint."""
        from pyarrow import fs  # noqa: PLC0415  heavy; only readers of many files need it

        meta = self._client.meta
        found = boto3.session.Session().get_credentials()
        if found is None:
            raise store_error(NoCredentialsError(), self.url)
        credentials = found.get_frozen_credentials()
        system = fs.S3FileSystem(
            access_key=credentials.access_key,
            secret_key=credentials.secret_key,
            session_token=credentials.token,
            region=meta.region_name,
            endpoint_override=meta.endpoint_url,
            request_timeout=READ_TIMEOUT,
            connect_timeout=CONNECT_TIMEOUT,
        )
        return system, f"{self._bucket}/{self._prefix}"

    def create(self, key: str, body: bytes | Path) -> Put:
        """Create the object in one PUT, a file streamed from disk."""
        return self._create(require_key(key), body)

    def replace(self, key: str, body: bytes, etag: str) -> Put:
        """Replace the object if its etag is still `etag`."""
        return self._replace(require_key(key), body, etag)

    def make_durable(self, key: str) -> None:
        """Do nothing: what a bucket shows is durable."""

    def make_all_durable(self, keys: Iterable[str]) -> None:
        """Do nothing, either."""

    def scratch(self) -> AbstractContextManager[Path]:
        """Provide a private folder in this user's temporary directory."""
        return temporary_folder()

    def probe(self) -> None:
        """Raise StoreError unless the bucket can be read and written and honours both conditions.

        One small object stays at a fixed key, because nothing is ever deleted.
        """
        # A missing key must read as missing: without permission to list, S3 answers "access denied" for it.
        self._download(f"{_PROBE}-absent", io.BytesIO())
        self._create(_PROBE, _PROBE_BODY)
        if self._create(_PROBE, _PROBE_BODY) is not Put.EXISTS:
            raise self._no_conditions("If-None-Match")
        if self._replace(_PROBE, _PROBE_BODY, _NO_ETAG) is not Put.CHANGED:
            raise self._no_conditions("If-Match")

    def probe_replacing(self) -> None:
        """Raise StoreError unless the object of `probe` is replaced under its own etag, which Ceph's RGW 16 refuses.

        Not part of `probe`: such a server loses nothing, and whoever sets one up is told by `doctor`.
        """
        etag = self._download(_PROBE, io.BytesIO())
        if etag is None:  # what was said to exist
            raise self._no_conditions("If-None-Match")
        status = self._put(partial(self._client.put_object, IfMatch=etag), _PROBE, _PROBE_BODY)
        # 409, or another etag: another probe came between, so that some replacement is carried out.
        if status == HTTPStatus.PRECONDITION_FAILED and self._download(_PROBE, io.BytesIO()) == etag:
            raise self._no_conditions("If-Match")

    def _pages(self, prefix: str, **options: Any) -> "Iterator[ListObjectsV2OutputTypeDef]":  # noqa: ANN401  boto3's
        where = self._prefix + prefix
        try:
            yield from self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=where, **options
            )
        except (BotoCoreError, ClientError) as error:
            raise store_error(error, self._address(prefix)) from error

    def _create(self, key: str, body: bytes | Path) -> Put:
        for _ in self._tries():
            status = self._put(partial(self._client.put_object, IfNoneMatch="*"), key, body)
            if status == HTTPStatus.OK:
                return Put.WRITTEN
            if status == HTTPStatus.PRECONDITION_FAILED:
                return Put.EXISTS
            # 409: another request was in flight, and maybe neither succeeded.
        raise StoreError(
            f"{self._address(key)}: the store keeps answering that another write is in progress",
            remedy="Try again later; nothing was overwritten.",
        )

    def _replace(self, key: str, body: bytes, etag: str) -> Put:
        # 404 and 409 are changes too: the object that was judged is gone or being replaced, so the caller judges again.
        status = self._put(partial(self._client.put_object, IfMatch=etag), key, body)
        return Put.WRITTEN if status == HTTPStatus.OK else Put.CHANGED

    def _put(self, send: "Callable[..., PutObjectOutputTypeDef]", key: str, body: bytes | Path) -> HTTPStatus:
        """Return 200, or the status that says why the condition in `send` did not hold: 404, 409 or 412."""
        address = self._address(key)
        _require_one_put(body, address)
        with ExitStack() as opened:
            content: bytes | BinaryIO = body if isinstance(body, bytes) else opened.enter_context(_read_from(body))
            try:
                send(Bucket=self._bucket, Key=self._prefix + key, Body=content)
            except ClientError as error:
                status = _condition_status(error)
                # Of a PUT, the condition is what a server may not implement (501). Nothing was written.
                if error_code(error) == "NotImplemented":
                    raise self._no_conditions("NotImplemented") from error
                if status is None:
                    raise store_error(error, address) from error
                return status
            except BotoCoreError as error:
                raise store_error(error, address) from error
        return HTTPStatus.OK

    def _download(self, key: str, sink: BinaryIO, most: int = MAX_BODY) -> str | None:
        """Write the object, of at most so many bytes, into `sink` and return its etag; None when there is none."""
        for _ in self._tries():
            response = self._get(key)
            if response is None:
                return None
            sink.seek(0)
            sink.truncate()
            try:
                with closing(response["Body"]) as body:
                    # Raises if the body is shorter than its Content-Length, or does not match its checksum.
                    for chunk in body.iter_chunks(_CHUNK):
                        sink.write(chunk)
                        if sink.tell() > most:
                            raise too_large(self._address(key), most)
            except BotoCoreError as error:
                failure = error
            else:
                return response["ETag"]
        raise store_error(failure, self._address(key)) from failure

    def _get(self, key: str) -> "GetObjectOutputTypeDef | None":
        try:
            return self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        except self._client.exceptions.NoSuchKey:
            return None
        except (BotoCoreError, ClientError) as error:
            raise store_error(error, self._address(key)) from error

    def _tries(self) -> Iterator[None]:
        yield
        for delay in DELAYS:
            self._sleep(delay)
            yield

    def _address(self, key: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def _no_conditions(self, header: str) -> StoreError:
        return StoreError(
            f"{self.url} does not honour conditional writes ({header})",
            remedy="Use AWS S3 or a server with conditional writes (docs/stores.md lists some): otherwise two workers "
            "could overwrite each other.",
        )


def _condition_status(error: ClientError) -> HTTPStatus | None:
    """Return the status of a failed condition, None for every other error."""
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if status in {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.CONFLICT}:
        return HTTPStatus(status)
    return HTTPStatus.NOT_FOUND if error.response["Error"]["Code"] == "NoSuchKey" else None


@contextmanager
def _read_from(path: Path) -> Iterator[BinaryIO]:
    with files.store_errors("read", path), path.open("rb") as file:
        yield file


def _require_one_put(body: bytes | Path, address: str) -> None:
    # A multipart upload can be left unfinished, and takes a condition only at its end.
    with files.store_errors("read", body if isinstance(body, Path) else Path()):
        size = body.stat().st_size if isinstance(body, Path) else len(body)
    if size > MAX_OBJECT:
        raise StoreError(
            f"{address}: {size} bytes are more than the 5 GiB that S3 accepts in one request",
            remedy="Plan smaller shards.",
        )

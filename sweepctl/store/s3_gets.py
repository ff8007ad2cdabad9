"""GETs of many small objects and of listings, for a third or less of the CPU time that boto3's client takes.

botocore signs these, too, and Python's own client of HTTP sends them. What is left out is what surrounds that for each
request: parameters, endpoints, hooks, checksums, pools and retries. Whatever is not a plain answer is None, and the
caller asks again in the usual way.
"""

import ssl
import weakref
from collections import deque
from contextlib import ExitStack
from datetime import datetime
from functools import cached_property
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit
from xml.etree import ElementTree as ET

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from sweepctl.store.contract import Entry
from sweepctl.store.listing import Page

if TYPE_CHECKING:
    import boto3.session
    from mypy_boto3_s3 import S3Client

MOST_REFUSED = 8  # answers that are not plain, after which no more are asked for
MAX_PAGE_BYTES = 16 << 20
_KEY = "key"


class SignedGets:
    """Reads objects of one bucket, for any number of threads."""

    def __init__(
        self, session: "boto3.session.Session", client: "S3Client", bucket: str, timeouts: tuple[float, float]
    ) -> None:
        """Use the credentials of `session` and the endpoint of `client`; nothing is sent yet.

        Raises:
            BotoCoreError: there are no credentials, or boto3's settings cannot be used.
        """
        address = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": _KEY})
        self._root = address.partition("?")[0].removesuffix(_KEY)
        self._host = urlsplit(self._root)
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        self._auth = S3SigV4Auth(credentials, "s3", client.meta.region_name)
        self._ca_bundle = botocore.session.Session().get_config_variable("ca_bundle") or True
        self._connect_timeout, self._read_timeout = timeouts
        self._idle = deque[HTTPConnection]()
        weakref.finalize(self, _close, self._idle)
        # A proxy is left to the client.
        self._refused = MOST_REFUSED if get_environ_proxies(self._root) else 0

    def page(self, root: str, prefix: str, after: str) -> Page | None:
        """Return the objects below `prefix` after a key, all without `root` before it; None if anything else comes."""
        query = {"list-type": "2", "prefix": root + prefix} | ({"start-after": root + after} if after else {})
        body = self._try(f"{self._root}?{urlencode(sorted(query.items()), quote_via=quote, safe='~')}", MAX_PAGE_BYTES)
        try:
            return None if body is None else _page(ET.fromstring(body), len(root))  # noqa: S314  as botocore does
        except (ET.ParseError, KeyError, ValueError, IndexError):
            self._refused += 1
            return None

    def get(self, key: str, most: int) -> bytes | None:
        """Return the object at `key`, prefix included, of at most `most` bytes; None if anything else comes."""
        return self._try(self._root + quote(key, safe="/~"), most)

    def _try(self, address: str, most: int) -> bytes | None:
        if self._refused >= MOST_REFUSED:
            return None
        try:
            body = self._get(address, most)
        except (BotoCoreError, ClientError, HTTPException, OSError):
            body = None
        if body is None:
            self._refused += 1
        return body

    def _get(self, address: str, most: int) -> bytes | None:
        request = AWSRequest("GET", address)
        self._auth.add_auth(request)
        target = address.removeprefix(f"{self._host.scheme}://{self._host.netloc}")
        asked = (target, dict(request.headers.items()), most)
        try:
            kept = self._idle.pop()
        except IndexError:
            return self._ask(self._connect(), *asked)
        try:
            return self._ask(kept, *asked)
        except ConnectionError:  # the server has closed it meanwhile
            return self._ask(self._connect(), *asked)

    def _ask(self, connection: HTTPConnection, target: str, headers: dict[str, str], most: int) -> bytes | None:
        with ExitStack() as ended:
            ended.callback(connection.close)
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
            length = response.length
            if response.status != HTTPStatus.OK or (not response.chunked if length is None else length > most):
                return None
            body = response.read(most + 1)
            if not response.isclosed() or (length is not None and len(body) != length):
                return None  # too long, or broken off
            if connection.sock is not None:
                ended.pop_all()
                self._idle.append(connection)
        return body

    def _connect(self) -> HTTPConnection:
        host, port, timeout = self._host.hostname or "", self._host.port, self._connect_timeout
        if self._host.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(host, port, timeout=timeout, context=self._tls)
        else:
            connection = HTTPConnection(host, port, timeout=timeout)
        connection.connect()
        connection.sock.settimeout(self._read_timeout)
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=get_cert_path(self._ca_bundle))


def _close(connections: "deque[HTTPConnection]") -> None:
    for each in connections:
        each.close()


def _page(listing: ET.Element, skipped: int) -> Page:
    """Return the page that a server's answer holds, whose names may have any namespace, without the keys' root."""
    found = [(each.tag.rpartition("}")[2], each) for each in listing]
    entries = [
        _entry({field.tag.rpartition("}")[2]: field.text or "" for field in each}, skipped)
        for tag, each in found
        if tag == "Contents"
    ]
    is_last = dict(found)["IsTruncated"].text == "false"
    if not is_last and not entries:
        raise ValueError("a page without objects, and not the last")
    return Page(entries, is_last)


def _entry(fields: dict[str, str], skipped: int) -> Entry:
    modified_at = datetime.fromisoformat(fields["LastModified"])
    return Entry(fields["Key"][skipped:], int(fields["Size"]), fields["ETag"], modified_at)

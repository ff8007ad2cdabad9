"""GETs of many small objects and of listings, for a third or less of the CPU time that boto3's client takes.

botocore signs and sends these, too. What is left out is what surrounds that for each request: parameters, endpoints,
hooks, checksums and retries. Whatever is not a plain answer is None, and the caller asks again in the usual way.
"""

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

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
        self,
        session: "boto3.session.Session",
        client: "S3Client",
        bucket: str,
        timeouts: tuple[float, float],
        most: int,
    ) -> None:
        """Use the credentials of `session`, the endpoint of `client` and `most` connections; nothing is sent yet.

        Raises:
            BotoCoreError: there are no credentials, or boto3's settings cannot be used.
        """
        address = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": _KEY})
        self._root = address.partition("?")[0].removesuffix(_KEY)
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        self._auth = S3SigV4Auth(credentials, "s3", client.meta.region_name)
        self._http = URLLib3Session(
            verify=botocore.session.Session().get_config_variable("ca_bundle") or True,
            proxies=get_environ_proxies(self._root),
            timeout=timeouts,  # type: ignore[arg-type]
            max_pool_connections=most,
        )
        self._refused = 0

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
        except (BotoCoreError, ClientError, HTTPError, OSError):
            body = None
        if body is None:
            self._refused += 1
        return body

    def _get(self, address: str, most: int) -> bytes | None:
        request = AWSRequest("GET", address, stream_output=True)
        self._auth.add_auth(request)
        response = self._http.send(request.prepare())
        length = int(response.headers.get("Content-Length", -1))
        if response.status_code != HTTPStatus.OK or not 0 <= length <= most:
            response.raw.close()
            return None
        body: bytes = response.raw.read()
        return body if len(body) == length else None


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

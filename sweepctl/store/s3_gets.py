"""GETs of many small objects, each for a third of the CPU time that boto3's client takes.

botocore signs and sends these, too. What is left out is what surrounds that for each request: parameters, endpoints,
hooks, checksums and retries. Whatever is not a plain answer is None, and the caller asks again in the usual way.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

import botocore.session
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    import boto3.session
    from mypy_boto3_s3 import S3Client

MOST_REFUSED = 8  # answers that are not plain, after which no more are asked for
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

    def get(self, key: str, most: int) -> bytes | None:
        """Return the object at `key`, prefix included, of at most `most` bytes; None if anything else comes."""
        if self._refused >= MOST_REFUSED:
            return None
        try:
            body = self._get(key, most)
        except (BotoCoreError, ClientError, HTTPError, OSError):
            body = None
        if body is None:
            self._refused += 1
        return body

    def _get(self, key: str, most: int) -> bytes | None:
        request = AWSRequest("GET", self._root + quote(key, safe="/~"), stream_output=True)
        self._auth.add_auth(request)
        response = self._http.send(request.prepare())
        length = int(response.headers.get("Content-Length", -1))
        if response.status_code != HTTPStatus.OK or not 0 <= length <= most:
            response.raw.close()
            return None
        body: bytes = response.raw.read()
        return body if len(body) == length else None

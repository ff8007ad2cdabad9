"""The AWS identity of this process, from STS: for `sweepctl doctor` only, workers never ask for it."""

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import CLOCK, CREDENTIALS, LOGIN, REGION, SECRET, date_of, explain, open_client
from sweepctl.errors import AccountError

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

_BY_CODE = {
    "ExpiredToken": LOGIN,
    "InvalidClientTokenId": CREDENTIALS,
    "RegionDisabledException": REGION,
    "RequestExpired": CLOCK,
    "SignatureDoesNotMatch": f"{SECRET} {CLOCK}",  # STS returns this for a wrong clock, too
}
_LATER = "AWS does not respond: try again later."
_OTHER = "See the STS documentation for this code."


@dataclass(frozen=True)
class Account:
    """boto3's credentials, and the identity that AWS knows them by.

    Every method raises AccountError if AWS cannot be reached or rejects the credentials.
    """

    method: str  # how boto3 found the credentials, for instance `env` or `iam-role`
    sts: "STSClient"

    @property
    def endpoint(self) -> str:
        """The URL that requests go to."""
        return self.sts.meta.endpoint_url

    def caller(self) -> str:
        """Return the ARN of the caller."""
        try:
            return self.sts.get_caller_identity()["Arn"]
        except (BotoCoreError, ClientError) as error:
            raise _account_error(error) from error

    def server_time(self) -> dt.datetime | None:
        """Return the time on AWS's clock, from the date of its response, errors included."""
        try:
            return date_of(self.sts.get_caller_identity())
        except ClientError as error:
            return date_of(error.response)
        except BotoCoreError as error:
            raise _account_error(error) from error


def open_account(region: str | None) -> Account:
    """Find boto3's credentials; nothing is sent, unless their provider needs it.

    Raises:
        AccountError: there are no credentials, or boto3's configuration is invalid.
        UsageError: the endpoint is not a URL, or has a password.
    """
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
    try:
        session = boto3.session.Session(region_name=region)
        credentials = session.get_credentials()
        if credentials is None:
            raise AccountError("boto3 finds no credentials", remedy=CREDENTIALS)
        # STS has a global endpoint: the identity can be read without a region, too.
        region = session.region_name or "us-east-1"
        sts = open_client("STS", lambda: session.client("sts", region_name=region, config=config))
        return Account(credentials.method, sts)
    except BotoCoreError as error:
        raise _account_error(error) from error


def is_of_aws(endpoint: str) -> bool:
    """Whether requests to `endpoint` go to AWS, not to a compatible server."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def _account_error(error: BotoCoreError | ClientError) -> AccountError:
    text, remedy = explain(error, _BY_CODE, later=_LATER, other=_OTHER)
    return AccountError(text, remedy=remedy)

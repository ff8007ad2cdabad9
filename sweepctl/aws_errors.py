"""Errors common to all AWS services and botocore, with a remedy. Chosen by codes and classes, never by message text."""

import datetime as dt
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    ConnectionError,  # noqa: A004 - botocore's own
    CredentialRetrievalError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    InvalidRegionError,
    LoginError,
    MetadataRetrievalError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from sweepctl.errors import UsageError
from sweepctl.urls import refuse_password, without_password

if TYPE_CHECKING:
    from botocore.client import BaseClient

Client = TypeVar("Client", bound="BaseClient")

CREDENTIALS = "Give boto3 credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine's role."
LOGIN = "Log in again (for instance `aws sso login`), or renew the temporary credentials."
SECRET = "Check AWS_SECRET_ACCESS_KEY: it does not belong to the access key."  # noqa: S105 - advice
CLOCK = "Correct this machine's clock."
REGION = "Give the right region: --region, or AWS_DEFAULT_REGION."
_ENDPOINT = "Check the network and the endpoint: --endpoint-url, or AWS_ENDPOINT_URL."

_BY_CLASS: tuple[tuple[tuple[type[BotoCoreError], ...], str], ...] = (
    ((NoCredentialsError, PartialCredentialsError), CREDENTIALS),
    ((CredentialRetrievalError, LoginError, MetadataRetrievalError, SSOError, TokenRetrievalError), LOGIN),
    ((InvalidRegionError, NoRegionError), REGION),
    ((ConfigNotFound, ConfigParseError, ProfileNotFound), "Correct AWS_PROFILE or boto3's configuration files."),
    ((ConnectionError, FlexibleChecksumError, HTTPClientError, IncompleteReadError), _ENDPOINT),
)


def error_code(error: ClientError) -> str:
    """Return the service's code in its short form: SQS has two names for one error, and prefixes on both."""
    found = error.response["Error"]
    return str(found.get("QueryErrorCode") or found["Code"]).rpartition(".")[2]


def date_of(reply: Mapping[str, Any]) -> dt.datetime | None:
    """Return when a server sent `reply`, by its own clock; for an error, pass its `response`."""
    date = reply["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    return None if date is None else parsedate_to_datetime(date)


class Explained(NamedTuple):
    """An error's text and its remedy."""

    text: str
    remedy: str


def explain(error: BotoCoreError | ClientError, by_code: Mapping[str, str], *, later: str, other: str) -> Explained:
    """Return what `error` means, after botocore's own retries.

    Args:
        error: What botocore raised.
        by_code: The service's own error codes and their remedies.
        later: The remedy for a server error (5xx) whose code is not in `by_code`.
        other: The remedy for every other code.
    """
    if isinstance(error, ClientError):
        code = error_code(error)
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        remedy = by_code.get(code, later if status >= 500 else other)  # noqa: PLR2004
        return Explained(f"{code}: {error.response['Error']['Message']}", remedy)
    remedy = next((text for classes, text in _BY_CLASS if isinstance(error, classes)), "Check boto3's configuration.")
    return Explained(without_password(str(error)), remedy)


def open_client(service: str, create: Callable[[], Client]) -> Client:
    """Return the client of `service` that `create` makes; its endpoint may come from boto3's own settings.

    Raises:
        UsageError: the endpoint is not a URL, or has a password.
    """
    try:
        client = create()
    except ValueError as error:
        raise UsageError(
            f"the {service} endpoint is not a URL: {without_password(str(error))}",
            remedy="Give http://host:port or https://host.",
        ) from error
    refuse_password(client.meta.endpoint_url, f"the {service} endpoint")
    return client

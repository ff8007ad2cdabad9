"""What S3 and botocore refuse, told as StoreErrors with a remedy. Decided by codes and classes, never by wording."""

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

from sweepctl.errors import StoreError

_CREDENTIALS = (
    "Give boto3 credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine's role."
)
_LOGIN = "Log in anew (for instance `aws sso login`), or renew the temporary credentials."
_ALLOW = (
    "Allow s3:GetObject and s3:PutObject on the prefix and s3:ListBucket on the bucket; without the last one, "
    "S3 answers `access denied` for an object that does not exist."
)
_REGION = "Give the bucket's own region: --region, or AWS_REGION."
_ENDPOINT = "Check the network and the endpoint: --endpoint-url, or AWS_ENDPOINT_URL."
_LATER = "Try again later: the store is overloaded or out of order."
_CLOCK = "Set this machine's clock."

_BY_CODE = {
    "AccessDenied": _ALLOW,
    "AllAccessDisabled": _ALLOW,
    "AuthorizationHeaderMalformed": _REGION,
    "ExpiredToken": _LOGIN,
    "IllegalLocationConstraintException": _REGION,
    "InternalError": _LATER,
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidToken": _LOGIN,
    "NoSuchBucket": "Create the bucket, or correct its name; sweepctl creates none.",
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": _CLOCK,
    "ServiceUnavailable": _LATER,
    "SignatureDoesNotMatch": "Check AWS_SECRET_ACCESS_KEY: it does not belong to the access key.",
    "SlowDown": _LATER,
    "TokenRefreshRequired": _LOGIN,
}
_BY_CLASS: tuple[tuple[tuple[type[BotoCoreError], ...], str], ...] = (
    ((NoCredentialsError, PartialCredentialsError), _CREDENTIALS),
    ((CredentialRetrievalError, LoginError, MetadataRetrievalError, SSOError, TokenRetrievalError), _LOGIN),
    ((InvalidRegionError, NoRegionError), _REGION),
    ((ConfigNotFound, ConfigParseError, ProfileNotFound), "Correct AWS_PROFILE or boto3's configuration files."),
    ((ConnectionError, FlexibleChecksumError, HTTPClientError, IncompleteReadError), _ENDPOINT),
)


def store_error(error: BotoCoreError | ClientError, address: str) -> StoreError:
    """Say what `error` means for `address`, after botocore's own retries have ended."""
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        other = _LATER if status >= 500 else "See the store's documentation for this code."  # noqa: PLR2004
        text = error.response["Error"]["Message"]
        return StoreError(f"{address}: {code}: {text}", remedy=_BY_CODE.get(code, other))
    remedy = next((text for classes, text in _BY_CLASS if isinstance(error, classes)), "Check boto3's configuration.")
    return StoreError(f"{address}: {error}", remedy=remedy)

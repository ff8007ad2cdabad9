"""S3's errors as StoreErrors with a remedy. Chosen by error codes and classes, never by message text."""

from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import CLOCK, CREDENTIALS, LOGIN, SECRET, explain
from sweepctl.errors import StoreError

_ALLOW = (
    "Allow s3:GetObject and s3:PutObject on the prefix and s3:ListBucket on the bucket; without the last one, "
    "S3 answers `access denied` for an object that does not exist."
)
_REGION = "Give the bucket's own region: --region, or AWS_DEFAULT_REGION."
_LATER = "Try again later: the store is overloaded or unavailable."
_OTHER = "See the store's documentation for this error code."

_BY_CODE = {
    "AccessDenied": _ALLOW,
    "AllAccessDisabled": _ALLOW,
    "AuthorizationHeaderMalformed": _REGION,
    "ExpiredToken": LOGIN,
    "IllegalLocationConstraintException": _REGION,
    "InternalError": _LATER,
    "InvalidAccessKeyId": CREDENTIALS,
    "InvalidToken": LOGIN,
    "NoSuchBucket": "Create the bucket, or correct its name; sweepctl does not create buckets.",
    "PermanentRedirect": _REGION,
    "RequestTimeTooSkewed": CLOCK,
    "ServiceUnavailable": _LATER,
    "SignatureDoesNotMatch": SECRET,
    "SlowDown": _LATER,
    "TokenRefreshRequired": LOGIN,
}


def store_error(error: BotoCoreError | ClientError, address: str) -> StoreError:
    """Return what `error` means for `address`, after botocore's own retries."""
    text, remedy = explain(error, _BY_CODE, later=_LATER, other=_OTHER)
    return StoreError(f"{address}: {text}", remedy=remedy)

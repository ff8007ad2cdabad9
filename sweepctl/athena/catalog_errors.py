"""Errors of Glue and Athena as CatalogErrors with a remedy. Chosen by code and class, never by message text."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import CLOCK, CREDENTIALS, LOGIN, SECRET, explain
from sweepctl.errors import CatalogError

_ALLOW = (
    "Allow glue:GetTables, glue:GetTable, glue:GetDatabase, glue:CreateDatabase, glue:CreateTable, glue:UpdateTable, "
    "athena:GetWorkGroup, athena:StartQueryExecution, athena:GetQueryExecution and athena:GetQueryResults, and "
    "s3:PutObject and s3:GetBucketLocation on the location of query results; with Lake Formation, also its grants."
)
_AGAIN = "Run the command again: it continues where it stopped."
_LATER = "Try again later: AWS is overloaded or unavailable."
_OTHER = "See the documentation of Glue or Athena for this error code."
_WORKGROUP = "Check --workgroup and --output: both must exist, in this region."
_BY_CODE = {
    "AccessDeniedException": _ALLOW,
    "AlreadyExistsException": f"Another process created it at the same time. {_AGAIN}",
    "ConcurrentModificationException": f"Another process changed it at the same time. {_AGAIN}",
    "ExpiredTokenException": LOGIN,
    "GlueEncryptionException": "Check the KMS key of Glue's catalog: it must be enabled, for this identity too.",
    "IncompleteSignature": SECRET,
    "InternalServerException": _LATER,
    "InternalServiceException": _LATER,
    "InvalidRequestException": _WORKGROUP,
    "InvalidSignatureException": f"{SECRET} {CLOCK}",
    "MissingAuthenticationTokenException": CREDENTIALS,
    "OperationTimeoutException": _LATER,
    "RequestExpired": CLOCK,
    "ResourceNumberLimitExceededException": "Drop unused tables from Glue's catalog, or have its quota raised.",
    "ThrottlingException": _LATER,
    "TooManyRequestsException": _LATER,
    "UnrecognizedClientException": CREDENTIALS,
}


@contextmanager
def catalog_errors(what: str) -> Iterator[None]:
    """Raise a CatalogError for what AWS raises here, which is asked about `what`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise catalog_error(error, what) from error


def catalog_error(error: BotoCoreError | ClientError, what: str) -> CatalogError:
    """Return what `error` means for `what`, after botocore's own retries."""
    text, remedy = explain(error, _BY_CODE, later=_LATER, other=_OTHER)
    return CatalogError(f"{what}: {text}", remedy=remedy)

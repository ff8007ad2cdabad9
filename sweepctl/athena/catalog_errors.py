"""What Glue and Athena refuse, told as CatalogErrors with a remedy. Decided by codes and classes, never by wording."""

from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import CLOCK, CREDENTIALS, LOGIN, SECRET, explain
from sweepctl.errors import CatalogError

_ALLOW = (
    "Allow glue:GetTables, glue:GetTable, glue:GetDatabase, glue:CreateDatabase, glue:CreateTable, glue:UpdateTable, "
    "athena:GetWorkGroup, athena:StartQueryExecution and athena:GetQueryExecution, and s3:PutObject and "
    "s3:GetBucketLocation where results of queries go; with Lake Formation, its grants, too."
)
_AGAIN = "Run the command again: it goes on where it ended."
_LATER = "Try again later: AWS is overloaded or out of order."
_OTHER = "See the documentation of Glue or Athena for this code."
_WORKGROUP = "Check --workgroup and --output: both must exist, in this region."
_BY_CODE = {
    "AccessDeniedException": _ALLOW,
    "AlreadyExistsException": f"Somebody else made it meanwhile. {_AGAIN}",
    "ConcurrentModificationException": f"Somebody else changed it meanwhile. {_AGAIN}",
    "ExpiredTokenException": LOGIN,
    "GlueEncryptionException": "Check the KMS key of Glue's catalog: it must be enabled, and for this identity, too.",
    "IncompleteSignature": SECRET,
    "InternalServerException": _LATER,
    "InternalServiceException": _LATER,
    "InvalidRequestException": _WORKGROUP,
    "InvalidSignatureException": f"{SECRET} {CLOCK}",
    "MissingAuthenticationTokenException": CREDENTIALS,
    "OperationTimeoutException": _LATER,
    "RequestExpired": CLOCK,
    "ResourceNumberLimitExceededException": "Drop what is not needed in Glue's catalog, or have its quota raised.",
    "ThrottlingException": _LATER,
    "TooManyRequestsException": _LATER,
    "UnrecognizedClientException": CREDENTIALS,
}


def catalog_error(error: BotoCoreError | ClientError, what: str) -> CatalogError:
    """Say what `error` means for `what`, after botocore's own retries have ended."""
    text, remedy = explain(error, _BY_CODE, later=_LATER, other=_OTHER)
    return CatalogError(f"{what}: {text}", remedy=remedy)

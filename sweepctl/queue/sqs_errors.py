"""SQS's errors as QueueErrors with a remedy. Chosen by error codes and classes, never by message text."""

from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import CLOCK, CREDENTIALS, LOGIN, SECRET, error_code, explain
from sweepctl.errors import QueueError, QueueRefusedError

_ALLOW = (
    "Allow sqs:ReceiveMessage, sqs:ChangeMessageVisibility, sqs:DeleteMessage and sqs:GetQueueAttributes on the queue, "
    "and sqs:SendMessage for the sender."
)
_KEY = "Check the queue's KMS key: it must be enabled, and this identity needs kms:Decrypt and kms:GenerateDataKey."
_LATER = "Try again later: the queue is overloaded or unavailable."
_MISSING = "Create the queue, or correct its URL and region; sweepctl does not create queues."
_SLOWER = "Try again later, or with fewer workers: the queue is throttling requests."
TEXT = "Send UTF-8 text of 1 byte to 1 MiB, without control characters."
_OTHER = "See the queue's documentation for this error code."
_BY_CODE = {
    "AccessDenied": _ALLOW,
    "AccessDeniedException": _ALLOW,
    "ExpiredToken": LOGIN,
    "ExpiredTokenException": LOGIN,
    "InternalError": _LATER,
    "InternalFailure": _LATER,
    "InvalidAccessKeyId": CREDENTIALS,
    "InvalidAddress": _MISSING,
    "InvalidClientTokenId": CREDENTIALS,
    "InvalidMessageContents": TEXT,
    "InvalidSignatureException": SECRET,
    "KmsAccessDenied": _KEY,
    "KmsDisabled": _KEY,
    "KmsInvalidKeyUsage": _KEY,
    "KmsInvalidState": _KEY,
    "KmsNotFound": _KEY,
    "KmsOptInRequired": _KEY,
    "KmsThrottled": _SLOWER,
    "MissingAuthenticationToken": CREDENTIALS,
    "MissingAuthenticationTokenException": CREDENTIALS,
    "NonExistentQueue": _MISSING,
    "OverLimit": "Wait until messages in flight are done: the queue has reached its limit of them.",
    "QueueDoesNotExist": _MISSING,
    "RequestExpired": CLOCK,
    "RequestThrottled": _SLOWER,
    "ServiceUnavailable": _LATER,
    "SignatureDoesNotMatch": SECRET,
    "Throttling": _SLOWER,
    "ThrottlingException": _SLOWER,
    "TokenRefreshRequired": LOGIN,
    "UnrecognizedClientException": CREDENTIALS,
}
# Only a person can fix these. A clock may be corrected and a queue emptied meanwhile, so those remedies are not here.
_LASTING = frozenset(
    code for code, remedy in _BY_CODE.items() if remedy in {_ALLOW, _KEY, _MISSING, CREDENTIALS, LOGIN, SECRET}
)


def queue_error(error: BotoCoreError | ClientError, url: str) -> QueueError:
    """Return what `error` means for the queue at `url`, after botocore's own retries."""
    text, remedy = explain(error, _BY_CODE, later=_LATER, other=_OTHER)
    is_lasting = isinstance(error, ClientError) and error_code(error) in _LASTING
    return (QueueRefusedError if is_lasting else QueueError)(f"{url}: {text}", remedy=remedy)


def refused_entry(code: str | None, text: str) -> QueueError:
    """Return the error of a message that an accepted request left out; without a code, it kept failing temporarily."""
    if code is None:
        return QueueError(text, remedy=_LATER)
    return QueueError(f"{text} ({code})", remedy=_BY_CODE.get(code, _OTHER))

"""Every request to S3 and SQS that code makes, as the request that a policy judges."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from deploy.stack import NAMES

from sweepctl.doctor.iam import Request

ACTIONS = {
    ("s3", "GetObject"): "s3:GetObject",
    ("s3", "PutObject"): "s3:PutObject",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "HeadBucket"): "s3:ListBucket",
    ("s3", "GetBucketPolicy"): "s3:GetBucketPolicy",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("sqs", "ReceiveMessage"): "sqs:ReceiveMessage",
    ("sqs", "DeleteMessage"): "sqs:DeleteMessage",
    ("sqs", "ChangeMessageVisibility"): "sqs:ChangeMessageVisibility",
    ("sqs", "SendMessageBatch"): "sqs:SendMessage",
    ("sqs", "GetQueueAttributes"): "sqs:GetQueueAttributes",
}
SECURE = {"aws:securetransport": "true"}
NEEDS_NO_PERMISSION = {("sts", "GetCallerIdentity")}


@contextmanager
def recorded() -> Iterator[list[Request]]:
    """Give a list that every request is added to."""
    made: list[Request] = []
    usual: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:  # noqa: ANN401  a reply
        asked = (client.meta.service_model.service_name, operation)
        if asked not in NEEDS_NO_PERMISSION:
            made.append(request(asked, parameters))
        try:
            return usual(client, operation, parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                # AWS tells this from "access denied" to who may list alone.
                made.append(Request("s3:ListBucket", NAMES["Bucket.Arn"], SECURE))
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield made


def request(asked: tuple[str, str], parameters: Mapping[str, Any]) -> Request:
    """Return what a policy sees, in the names of the stack; a call that is not known here is a KeyError."""
    action = ACTIONS[asked]
    context = dict(SECURE)
    if asked[0] == "sqs":
        name = "DeadLetters" if parameters["QueueUrl"].endswith("-dead") else "Queue"
        return Request(action, NAMES[f"{name}.Arn"], context)
    conditions = {"IfNoneMatch": "s3:if-none-match", "IfMatch": "s3:if-match"}
    context |= {key: parameters[header] for header, key in conditions.items() if header in parameters}
    key = f"/{parameters['Key']}" if "Key" in parameters else ""
    return Request(action, f"{NAMES['Bucket.Arn']}{key}", context)

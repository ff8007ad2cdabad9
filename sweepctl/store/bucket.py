"""Properties of an S3 bucket, for diagnosis by `doctor`; a worker never asks for them."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from sweepctl.aws_errors import date_of, error_code
from sweepctl.store.s3_errors import store_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")


@dataclass(frozen=True)
class Bucket:
    """A bucket, and the prefix of a store in it, which is empty or ends in `/`.

    Every method raises StoreError if the bucket does not answer or this identity lacks the permission.
    """

    name: str
    prefix: str
    client: "S3Client"

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return self.client.meta.endpoint_url

    def arn(self, key: str) -> str:
        """Return the ARN of the object at `key` of the store."""
        return f"arn:{self.client.meta.partition}:s3:::{self.name}/{self.prefix}{key}"

    def region(self) -> str | None:
        """Return the bucket's region; None from a server without regions."""
        return self._ask(lambda: self.client.head_bucket(Bucket=self.name).get("BucketRegion"))

    def server_time(self) -> dt.datetime | None:
        """Return the time on the server's clock, from any answer, an error included."""
        try:
            return date_of(self.client.head_bucket(Bucket=self.name))
        except ClientError as error:
            return date_of(error.response)
        except BotoCoreError as error:
            raise store_error(error, f"s3://{self.name}") from error

    def policy(self) -> Mapping[str, Any] | None:
        """Return the bucket's policy; None if it has none."""
        text = self._ask(lambda: self.client.get_bucket_policy(Bucket=self.name)["Policy"], "NoSuchBucketPolicy")
        found: Mapping[str, Any] | None = None if text is None else json.loads(text)
        return found

    def is_private(self) -> bool:
        """Whether the bucket blocks public access in all four ways."""
        blocks = self._ask(
            lambda: self.client.get_public_access_block(Bucket=self.name)["PublicAccessBlockConfiguration"],
            "NoSuchPublicAccessBlockConfiguration",
        )
        names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        return blocks is not None and all(blocks.get(name, False) for name in names)

    def encryption(self) -> str | None:
        """Return the default encryption algorithm, for instance `aws:kms`; None if there is none."""
        rules = self._ask(
            lambda: self.client.get_bucket_encryption(Bucket=self.name)["ServerSideEncryptionConfiguration"]["Rules"],
            "ServerSideEncryptionConfigurationNotFoundError",
        )
        return rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] if rules else None

    def _ask(self, question: Callable[[], T], code_of_none: str | None = None) -> T | None:
        try:
            return question()
        except ClientError as error:
            if error_code(error) == code_of_none:
                return None
            raise store_error(error, f"s3://{self.name}") from error
        except BotoCoreError as error:
            raise store_error(error, f"s3://{self.name}") from error

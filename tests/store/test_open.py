"""Which URL opens which store."""

import subprocess
import sys

import pytest

from sweepctl.errors import StoreError, UsageError
from sweepctl.store import open_store
from sweepctl.store.local import LocalStore
from sweepctl.store.s3 import S3Store


@pytest.mark.parametrize("path", ["results", "./a:b", "/abs/olute", "a b", "~odd", "."])
def test_a_path_is_a_directory(path: str) -> None:
    store = open_store(path)
    assert isinstance(store, LocalStore)
    assert store.url == path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://my.bucket-1/a/b=c/", "s3://my.bucket-1/a/b=c"),
    ],
)
def test_an_s3_url_is_a_bucket_and_a_prefix(url: str, address: str) -> None:
    store = open_store(url)
    assert isinstance(store, S3Store)
    assert store.url == address
    assert store.locate("k") == f"{address}/k"


@pytest.mark.parametrize(
    "url",
    ["", "gs://bucket/a", "file:///tmp", "s3:", "s3:/bucket", "s3://", "s3:///a", "S3://bucket", "s3://b", "s3://a b/c",
     "s3://bucket//a", "s3://bucket/a//b", "s3://bucket/../a", "s3://bucket/a?b", "https://bucket", "a:b", "a\0b"],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert "s3://bucket/prefix" in str(caught.value.remedy) or "slashes" in str(caught.value.remedy)


def test_an_endpoint_must_be_a_url() -> None:
    with pytest.raises(UsageError, match="endpoint"):
        open_store("s3://bucket", endpoint_url="localhost")


def test_an_unknown_profile_is_a_store_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError) as caught:
        open_store("s3://bucket")
    assert "AWS_PROFILE" in str(caught.value.remedy)


def test_a_directory_does_not_cost_the_import_of_boto3() -> None:
    script = "import sys; from sweepctl.store import open_store; open_store('x'); sys.exit('boto3' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)

"""A password in a URL is nowhere to be seen, whatever the URL is of and however it is written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, HTTPClientError, ProxyConnectionError
from paths import ROOT
from typer.testing import CliRunner

from sweepctl.athena.apply import open_clients
from sweepctl.athena.catalog_errors import catalog_error
from sweepctl.cli import app
from sweepctl.doctor.account import open_account
from sweepctl.errors import SweepctlError, UsageError
from sweepctl.queue.sqs import open_queue
from sweepctl.queue.sqs_errors import queue_error
from sweepctl.store import open_store
from sweepctl.store.s3_errors import store_error

UNENCODED = "user:hidden/word"  # parsers disagree about where its host begins
URLS = {
    "a queue's": "https://user:hidden@127.0.0.1:1/q/shards",
    "unencoded": f"http://{UNENCODED}@127.0.0.1:1/q/shards",
    "without a scheme": "user:hidden@127.0.0.1:1/q/shards",
    "with two": "http://user:hidden@word@127.0.0.1:1",
    "with no host": "http://user:hidden@",
    "of another scheme": "ftp://user:hidden@127.0.0.1/x",
    "a token": "https://hidden@127.0.0.1:1/q/shards",
}
SHARD = str(ROOT / "examples" / "queue" / "shard-0.json")
S3 = ("--store", "s3://bucket/prefix")
STORES = (
    ("status", "r"),
    ("runs",),
    ("verify", "r"),
    ("query", "r", "SELECT 1"),
    ("summary", "r"),
    ("report", "r", "--out", "r.html"),
    ("compare", "r", "s"),
    ("run-shard", SHARD),
    ("run", "sweep/sweep.toml"),
    ("retry", "r"),
    ("doctor",),
    ("submit", "sweep/sweep.toml", "--queue-url", "http://127.0.0.1:1/q/shards"),
    ("drain", "--queue-url", "http://127.0.0.1:1/q/shards"),
)
QUEUES = (
    ("send", SHARD),
    ("drain",),
    ("drain", "--check"),
    ("doctor",),
    ("submit", "sweep/sweep.toml"),
    ("status", "r"),
)

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def require_refused(*arguments: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert "hidden" not in result.output + result.stderr
    assert "word@" not in result.output + result.stderr
    error = json.loads(result.stdout)
    assert (result.exit_code, error["error"]["kind"]) == (2, "usage")
    assert "password" in error["error"]["message"] or "is not a URL" in error["error"]["message"]


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_no_way_to_write_one_shows_it(url: str) -> None:
    require_refused("status", "r", *S3, "--endpoint-url", url)
    require_refused("send", SHARD, "--queue-url", url)
    require_refused("status", "r", "--store", url)


@pytest.mark.slow
@pytest.mark.parametrize("command", STORES, ids=" ".join)
def test_no_command_shows_that_of_a_store_or_an_endpoint(command: tuple[str, ...]) -> None:
    CliRunner().invoke(app, ["init", "sweep"])
    require_refused(*command, "--store", URLS["a queue's"])
    require_refused(*command, *S3, "--endpoint-url", URLS["a queue's"])


@pytest.mark.slow
@pytest.mark.parametrize("command", QUEUES, ids=" ".join)
def test_no_command_shows_that_of_a_queue(command: tuple[str, ...]) -> None:
    CliRunner().invoke(app, ["init", "sweep"])
    require_refused(*command, "--queue-url", URLS["a queue's"])


CLIENTS: dict[str, Callable[[], object]] = {
    "s3": lambda: open_store("s3://bucket"),
    "sqs": lambda: open_queue("https://sqs.eu-central-1.amazonaws.com/123456789012/shards"),
    "sts": lambda: open_account(None),
    "glue": lambda: open_clients(None),
}


@pytest.mark.parametrize("url", [URLS["a queue's"], URLS["without a scheme"]])
@pytest.mark.parametrize("opens", CLIENTS.values(), ids=CLIENTS)
def test_that_of_an_endpoint_of_boto3_is_refused(
    monkeypatch: pytest.MonkeyPatch, opens: Callable[[], object], url: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(UsageError) as caught:
        opens()
    assert "hidden" not in f"{caught.value.message} {caught.value.remedy}"


TEXTS = (
    ProxyConnectionError(proxy_url="http://socks5://user:hidden@127.0.0.1:1", error="x"),
    HTTPClientError(error=f"Failed to parse: http://{UNENCODED}@127.0.0.1:99999"),
    HTTPClientError(error="Failed to parse: user:hidden@127.0.0.1:x"),
    EndpointConnectionError(endpoint_url="https://user:hidden@127.0.0.1/"),
)
ERRORS = (queue_error, store_error, catalog_error)


@pytest.mark.parametrize("error", TEXTS, ids=str)
def test_that_of_a_proxy_is_left_out_of_an_error(error: HTTPClientError) -> None:
    for told in (explain(error, "place") for explain in ERRORS):
        assert isinstance(told, SweepctlError)
        assert "hidden" not in told.message
        assert "***@127.0.0.1" in told.message


def test_an_address_that_is_no_password_is_shown(tmp_path: Path) -> None:
    assert open_store(f"{tmp_path}/me@example.com").url == f"{tmp_path}/me@example.com"
    assert "me@example.com" in store_error(HTTPClientError(error="profile me@example.com"), "s3://bucket").message

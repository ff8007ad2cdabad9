"""`sweepctl doctor`: all is well, and each thing that can be wrong, against moto and by its judgements alone."""

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from doctor.test_iam import STATEMENT
from fakes.servers import REGION, Server, free_ports
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.doctor import diagnose
from sweepctl.doctor.account import is_of_aws, open_account
from sweepctl.doctor.preflight import Diagnosis
from sweepctl.errors import AccountError, StoreError
from sweepctl.queue.contract import QueueFacts
from sweepctl.store.bucket import Bucket

NOW = dt.datetime(2026, 2, 14, 12, tzinfo=dt.UTC)
NOWHERE = ["versions", "extras", "engine", "store"]
LOCAL = [*NOWHERE, "file system"]
AWS = [
    "versions",
    "extras",
    "engine",
    "credentials",
    "clock",
    "store",
    "region",
    "bucket policy",
    "public access",
    "encryption",
]
QUEUE = ["queue", "visibility", "dead letters", "dead-letter queue"]
PRIVATE = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_numbers = itertools.count()


class Place:
    """A bucket and a queue of a test's own, as examples/deploy/ makes them."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.name = f"doctor-{next(_numbers)}"
        server.s3.create_bucket(Bucket=self.name)
        server.s3.put_bucket_policy(Bucket=self.name, Policy=json.dumps({"Statement": self.policy()}))
        server.s3.put_public_access_block(
            Bucket=self.name,
            PublicAccessBlockConfiguration=dict.fromkeys(PRIVATE, True),  # type: ignore[arg-type]
        )
        server.s3.put_bucket_encryption(
            Bucket=self.name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self.queue = server.queue(self.name, max_receive_count=10)
        self.set(f"{self.queue}-dead", MessageRetentionPeriod="1209600")

    def policy(self) -> list[dict[str, Any]]:
        # Of outcomes alone: moto does not look at conditions, and would keep the probe out.
        outcomes = {**STATEMENT, "Resource": f"arn:aws:s3:::{self.name}/sweeps/shard_outcomes/*"}
        return [
            {**outcomes, "Condition": {"Null": {"s3:if-none-match": "true", "s3:if-match": "true"}}},
            {**outcomes, "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        ]

    def set(self, url: str, **attributes: str) -> None:
        self.server.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)  # type: ignore[arg-type]

    def told(self, *arguments: str, exit_code: int = 0) -> dict[str, dict[str, Any]]:
        return told("--store", f"s3://{self.name}/sweeps", "--queue-url", self.queue, *arguments, exit_code=exit_code)


@pytest.fixture
def place(moto_server: Server, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    return Place(moto_server)


def told(*arguments: str, exit_code: int = 0) -> dict[str, dict[str, Any]]:
    """Return every finding by what it is of."""
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments])
    assert result.exit_code == exit_code, result.output
    report = json.loads(result.stdout)
    assert report["exit_code"] == exit_code
    assert report["ok"] is (exit_code == 0)
    found = {each["what"]: each for each in report["checks"]}
    assert len(found) == len(report["checks"])
    assert all(each["remedy"] for each in report["checks"] if each["state"] != "ok")
    return found


def test_a_local_store_needs_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    found = told("--store", str(tmp_path / "store"))
    assert list(found) == LOCAL
    assert "models: " in found["engine"]["finding"]


def test_a_table_has_a_remedy_below_its_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(app, ["doctor", "--store", str(tmp_path), "--engine", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "✗   engine" in result.output
    assert "✓   store" in result.output
    assert "→ " in result.output


@pytest.mark.slow
def test_all_is_well(place: Place) -> None:
    found = place.told()
    assert list(found) == [*AWS, *QUEUE]
    assert {each["state"] for each in found.values()} == {"ok"}, found
    assert found["credentials"]["finding"].endswith("found by env")
    assert ":sts:" in found["credentials"]["finding"]
    assert "not-a-secret-at-all" not in json.dumps(found)


def test_no_credentials(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = place.told(exit_code=1)
    assert found["credentials"]["state"] == "error"
    assert "AWS_PROFILE" in found["credentials"]["remedy"]
    assert found["store"]["state"] == "error"


def test_aws_does_not_answer(tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{port}")
    found = told("--store", str(tmp_path), "--queue-url", place.queue, exit_code=1)
    assert found["credentials"]["state"] == found["clock"]["state"] == "error"
    assert "network" in found["credentials"]["remedy"]


@pytest.mark.slow
def test_the_keys_of_another_server_are_not_shown_to_aws(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    found = told("--store", f"s3://{place.name}/sweeps", "--endpoint-url", place.server.endpoint_url)
    assert "not checked: http" in found["credentials"]["finding"]
    assert found["clock"]["state"] == "ok"


def test_a_bucket_as_it_is_made_without_a_template(place: Place) -> None:
    bare = f"{place.name}-bare"
    place.server.s3.create_bucket(Bucket=bare)
    found = told("--store", f"s3://{bare}/sweeps")
    assert list(found) == AWS
    warned = {what for what, each in found.items() if each["state"] == "warning"}
    assert {"bucket policy", "public access"} <= warned
    assert "overwritten" in found["bucket policy"]["finding"]
    assert "TLS" in found["bucket policy"]["finding"]
    assert "examples/deploy/template.yaml" in found["bucket policy"]["remedy"]


def test_a_server_without_a_setting_is_no_cause_for_a_remedy(place: Place) -> None:
    with Stubber(place.server.s3) as answers:
        answers.add_client_error("get_public_access_block", "NotImplemented", http_status_code=501)
        answers.add_client_error("get_public_access_block", "ServiceUnavailable", http_status_code=503)
        bucket = Bucket(place.name, "", place.server.s3)
        found = [
            diagnose._setting("public access", "", lambda: diagnose.check_privacy(is_private=bucket.is_private()))
            for _ in range(2)
        ]
    assert found[0] == [Diagnosis("public access", "not checked: the server has no such setting")]
    assert found[1][0].remedy


def test_a_bucket_that_is_not_there(place: Place) -> None:
    found = told("--store", f"s3://{place.name}-none/sweeps", exit_code=1)
    assert found["store"]["state"] == "error"
    assert "sweepctl does not create buckets" in found["store"]["remedy"]


@pytest.mark.slow
def test_a_queue_that_is_not_there(place: Place) -> None:
    place.queue = f"{place.queue}-none"
    found = place.told(exit_code=1)
    assert found["queue"]["state"] == "error"
    assert "correct its URL" in found["queue"]["remedy"]


@pytest.mark.slow
def test_a_function_that_the_queue_does_not_wait_for(place: Place) -> None:
    assert place.told("--function-timeout", "5")["visibility"]["state"] == "ok"
    found = place.told("--function-timeout", "30")["visibility"]
    assert found["state"] == "warning"
    assert "180 or more" in found["remedy"]
    assert place.told("--function-timeout", "31", exit_code=1)["visibility"]["state"] == "error"


def test_a_function_without_its_queue_is_refused() -> None:
    result = CliRunner().invoke(app, ["doctor", "--function-timeout", "30"])
    assert (result.exit_code, "--queue-url" in result.stderr) == (2, True)


@pytest.mark.slow
def test_dead_letters(place: Place) -> None:
    place.server.sqs.send_message(QueueUrl=f"{place.queue}-dead", MessageBody="x")
    found = place.told()["dead-letter queue"]
    assert found["state"] == "warning"
    assert found["finding"] == "messages: 1"
    place.set(f"{place.queue}-dead", MessageRetentionPeriod="345600")
    assert "MessageRetentionPeriod" in place.told()["dead-letter queue"]["remedy"]
    place.server.sqs.delete_queue(QueueUrl=f"{place.queue}-dead")
    assert place.told()["dead-letter queue"]["state"] == "warning"


def test_a_queue_without_dead_letters(place: Place) -> None:
    place.queue = place.server.queue(f"{place.name}-alone")
    found = place.told()
    assert found["dead letters"]["state"] == "warning"
    assert "dead-letter queue" not in found


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, "ok"), (-29, "ok"), (31, "warning"), (-299, "warning"), (301, "error"), (-301, "error")]
)
def test_a_clock_that_is_off(seconds: int, state: str) -> None:
    (found,) = diagnose.check_clock(NOW, NOW + dt.timedelta(seconds=seconds))
    assert state_of(found) == state
    assert ("ahead" if seconds > 0 else "behind") in found.finding


def test_a_server_without_a_clock() -> None:
    (found,) = diagnose.check_clock(None, NOW)
    assert "not compared" in found.finding


@pytest.mark.parametrize(
    ("buckets", "queues", "state"),
    [(REGION, REGION, "ok"), (None, None, "ok"), ("eu-west-1", REGION, "warning"), (REGION, "eu-west-1", "warning")],
)
def test_regions_that_differ(buckets: str | None, queues: str | None, state: str) -> None:
    (found,) = diagnose.check_region(buckets, REGION, queues)
    assert state_of(found) == state


def test_a_policy_that_keeps_workers_out_is_a_fault() -> None:
    statement = {**STATEMENT, "Condition": {"Null": {"s3:if-none-match": "true"}}}
    (found,) = diagnose.check_policy({"Statement": [statement]}, lambda key: f"arn:aws:s3:::bucket/{key}")
    assert state_of(found) == "error"
    assert "If-Match" in found.finding


def test_encryption_without_a_default_is_a_warning() -> None:
    assert state_of(diagnose.check_encryption(None)[0]) == "warning"
    assert diagnose.check_encryption("aws:kms")[0].finding == "aws:kms"


def test_an_unknown_retention_is_no_warning() -> None:
    facts = QueueFacts(0, 0, 0, 30, "dead", 10, fifo=False)
    assert state_of(diagnose.check_dead(facts, facts)) == "ok"


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("https://sts.amazonaws.com", True),
        ("https://s3.cn-north-1.amazonaws.com.cn", True),
        ("http://127.0.0.1:5000", False),
        ("https://amazonaws.com.example.org", False),
    ],
)
def test_which_endpoint_is_of_aws(endpoint: str, expected: bool) -> None:  # noqa: FBT001
    assert is_of_aws(endpoint) is expected


def state_of(check: Diagnosis) -> str:
    return str(check.to_json()["state"])


@pytest.mark.slow
def test_a_clock_is_read_from_the_refusal_that_it_causes() -> None:
    account = open_account(REGION)
    with Stubber(account.sts) as replies:
        for _ in range(2):
            replies.add_client_error(
                "get_caller_identity",
                "SignatureDoesNotMatch",
                http_status_code=403,
                response_meta={"HTTPHeaders": {"date": "Sat, 14 Feb 2026 10:00:00 GMT"}},
            )
        with pytest.raises(AccountError) as refused:
            account.caller()
        assert "clock" in str(refused.value.remedy)
        (found,) = diagnose.check_clock(account.server_time(), NOW)
    assert found.finding.startswith("7200 s ahead")
    assert state_of(found) == "error"


def test_the_clock_of_another_server_is_read_from_a_refusal_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    found = told("--store", "s3://doctor-none/x", "--endpoint-url", place.server.endpoint_url, exit_code=1)
    assert found["store"]["state"] == "error"
    assert found["clock"]["state"] == "ok"


def test_a_server_that_is_not_there_has_no_clock() -> None:
    (port,) = free_ports(1)
    settings = Config(retries={"total_max_attempts": 1})
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", config=settings)
    with pytest.raises(StoreError):
        Bucket("none", "", client).server_time()


QUEUE_ELSEWHERE = "http://127.0.0.1:1/123456789012/q"


def test_a_missing_region_is_a_finding_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    arguments = ["--store", str(tmp_path), "--queue-url", QUEUE_ELSEWHERE]
    found = told(*arguments, exit_code=1)
    assert list(found) == [*LOCAL, "queue"]
    assert "AWS_DEFAULT_REGION" in found["queue"]["remedy"]
    monkeypatch.setenv("COLUMNS", "200")
    table = CliRunner().invoke(app, ["doctor", *arguments]).output
    assert "✓   engine" in table
    assert "✗   queue" in table


def test_a_profile_that_opens_neither_store_nor_queue_is_a_finding_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "none")
    found = told("--store", "s3://bucket/sweeps", "--queue-url", QUEUE_ELSEWHERE, exit_code=1)
    assert list(found) == [*NOWHERE, "queue"]
    assert found["store"]["state"] == found["queue"]["state"] == "error"
    assert "AWS_PROFILE" in found["store"]["remedy"]


def test_a_profile_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(AccountError) as refused:
        open_account(None)
    assert "AWS_PROFILE" in str(refused.value.remedy)

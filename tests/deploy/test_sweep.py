"""A sweep through the stack's queue, bucket and tables, and whether its roles allow just what was called for that."""

import json
import logging
import os
import re
from collections.abc import Collection, Iterator

import pytest
from deploy import calls
from deploy.deployed import Deployed
from deploy.event_source import Handler, deliver
from deploy.stack import BUCKET, texts
from fakes.aws_runtime import Function, Sandbox

from sweepctl.doctor.iam import Request

pytestmark = pytest.mark.slow

WRONG_MODEL = json.dumps(
    {"schema_version": "v1", "run_id": "other", "run_date": "2026-02-14", "model": "unknown", "dimensions": {"x": [1]},
     "total_points": 1, "shard_id": 0, "start_index": 0, "end_index_exclusive": 1, "seed": 1}
)  # fmt: skip


def test_a_sweep_from_submit_to_verify_by_drain(deployed: Deployed) -> None:
    run_id = deployed.submit()
    done = deployed.sweepctl("drain", "--max-shards", 4)
    assert done["points"] == 4
    assert deployed.sweepctl("verify", run_id)["verdict"] == "whole"


class Context:
    """What a function is told of its invocation."""

    function_name = "sweeps"
    function_version = "$LATEST"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:sweeps"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def handle(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Handler]:
    """The function, of this test's stack; it takes the process's logger over, which is given back."""
    log = logging.getLogger("sweepctl")
    before = (log.handlers[:], log.level, log.propagate)
    from sweepctl import aws_lambda  # noqa: PLC0415  reads the environment when it is imported

    settings = {**os.environ, **deployed.made.properties("Function")["Environment"]["Variables"]}
    settings["SWEEPCTL_STORE"] = settings["SWEEPCTL_STORE"].replace(BUCKET, deployed.bucket)
    monkeypatch.setattr(aws_lambda, "worker", aws_lambda.open_worker(settings))
    log.handlers = [aws_lambda.logger.registered_handler]
    yield lambda event: aws_lambda.handler(event, Context())
    log.handlers, log.level, log.propagate = before


def test_a_sweep_from_submit_to_verify_by_the_function(deployed: Deployed, handle: Handler) -> None:
    run_id = deployed.submit()
    deployed.server.sqs.send_message(QueueUrl=deployed.queue_url, MessageBody="{}")
    assert deliver(deployed.server, deployed.queue_url, handle, batch_size=3) == 1
    assert deployed.sweepctl("verify", run_id, "--reexecute", "all")["verdict"] == "whole"
    assert deployed.sweepctl("submit", deployed.sweep, "--run-id", run_id)["sent"] == 0


@pytest.mark.servers
def test_a_sweep_from_submit_to_verify_by_the_package_under_the_runtime_client(
    deployed: Deployed, function: Function
) -> None:
    run_id = deployed.submit()
    deployed.server.sqs.send_message(QueueUrl=deployed.queue_url, MessageBody="{}")
    settings = {"AWS_ENDPOINT_URL": deployed.server.endpoint_url, "SWEEPCTL_STORE": f"s3://{deployed.bucket}/sweeps"}
    with Sandbox(function, settings) as sandbox:
        handed_back = deliver(
            deployed.server, deployed.queue_url, lambda event: sandbox.invoke(event).body, batch_size=3
        )
    assert handed_back == 1
    assert deployed.sweepctl("verify", run_id, "--reexecute", "all")["verdict"] == "whole"


def test_the_function_may_do_what_it_does(deployed: Deployed, handle: Handler) -> None:
    deployed.submit()
    with calls.recorded() as made:
        deliver(deployed.server, deployed.queue_url, handle, batch_size=10)
    refused = [each for each in made if not deployed.made.allows("WorkerRole", each)]
    assert made
    assert not refused


def test_the_function_writes_what_its_alarm_looks_at(
    deployed: Deployed, handle: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.submit()
    deliver(deployed.server, deployed.queue_url, handle, batch_size=10)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (written,) = (line for line in lines if "Shards" in line)
    (directive,) = written["_aws"]["CloudWatchMetrics"]
    names = {each["Name"] for each in directive["Metrics"]}
    rate, *metrics = deployed.made.properties("FailedShardsAlarm")["Metrics"]
    assert set(re.findall(r"[a-z]{2,}", rate["Expression"])) == {each["Id"] for each in metrics}
    for each in (metric["MetricStat"]["Metric"] for metric in metrics):
        assert each["MetricName"] in names
        assert each["Namespace"] == directive["Namespace"]
        assert directive["Dimensions"] == [[dimension["Name"] for dimension in each["Dimensions"]]]


def test_doctor_finds_the_stack_well(deployed: Deployed) -> None:
    timeout = deployed.made.properties("Function")["Timeout"]
    told = deployed.sweepctl("doctor", "--function-timeout", timeout)
    # The policy is not on moto's bucket, whose policies know no conditions; test_policies.py shows doctor's verdict.
    assert {each["what"] for each in told["checks"] if each["state"] != "ok"} == {"bucket policy"}


def test_a_submitter_may_do_what_submitting_does(deployed: Deployed) -> None:
    with calls.recorded() as made:
        run_id = deployed.submit()
        deployed.sweepctl("verify", run_id, "--requeue", "--yes", exit_code=1)
        deployed.sweepctl("doctor")
    assert_just_enough(deployed, "SubmitterRole", made)


def test_a_worker_may_do_what_draining_does(deployed: Deployed) -> None:
    deployed.submit()
    for body in (WRONG_MODEL, "{}"):  # one is handed back, and one is recorded as rejected
        deployed.server.sqs.send_message(QueueUrl=deployed.queue_url, MessageBody=body)
    with calls.recorded() as made:
        deployed.sweepctl("drain", "--max-shards", 6, exit_code=1)
    assert_just_enough(deployed, "WorkerRole", made)
    assert any("/rejected/" in each.resource for each in made)


def test_a_reader_may_do_what_looking_does(deployed: Deployed) -> None:
    run_id = deployed.submit()
    deployed.sweepctl("drain", "--max-shards", 4)
    with calls.recorded() as made:
        deployed.sweepctl("status", run_id)
        deployed.sweepctl("runs")
        deployed.sweepctl("verify", run_id, "--reexecute", "all")
    assert_just_enough(deployed, "ReaderRole", made, athena={"PutObject", "AbortMultipartUpload", "GetBucketLocation"})


def assert_just_enough(
    deployed: Deployed, role: str, requests: list[Request], athena: Collection[str] = frozenset()
) -> None:
    """Every request is allowed, and every action on S3 and SQS that the role has was needed, here or by Athena."""
    assert requests
    assert not [each for each in requests if not deployed.made.allows(role, each)]
    needed = {each.action for each in requests} | {f"s3:{each}" for each in athena}
    granted = {action for statement in deployed.made.statements(role) for action in texts(statement["Action"])}
    assert {action for action in granted if action.startswith(("s3:", "sqs:"))} == needed

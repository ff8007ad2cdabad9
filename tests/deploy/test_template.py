"""The template is valid for SAM and CloudFormation, and says what a sweep needs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import function_python
import pytest
from deploy.stack import ACCOUNT, NAMES, TEMPLATE, raw, stack
from fakes.servers import REGION
from paths import ROOT

from sweepctl.doctor import diagnose
from sweepctl.doctor.preflight import ENOUGH_RECEIVES
from sweepctl.store import open_store

SAM = Path(os.environ.get("SWEEPCTL_SAM", ROOT / "target" / "tools" / "sam")) / "bin"
# Neither network nor account: an environment without any of both is all that these may ask for.
ENVIRONMENT = {"PATH": os.defpath, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "LC_ALL": "C.UTF-8"}
TIMEOUTS = raw()["Parameters"]["FunctionTimeout"]["AllowedValues"]


def run(*command: str | Path, home: Path) -> "subprocess.CompletedProcess[str]":
    if not Path(command[0]).exists():
        message = "AWS SAM was left out: `make test-python` installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    environment = ENVIRONMENT | {"HOME": str(home)}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment)


def lint(template: Path) -> str:
    command = (Path(sys.executable).parent / "cfn-lint", "--include-checks", "I", "--template", template)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_sam_finds_it_valid(tmp_path: Path) -> None:
    done = run(SAM / "sam", "validate", "--lint", "--template", TEMPLATE, home=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is a valid SAM Template" in done.stdout


@pytest.mark.slow
def test_sam_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "template.yaml"
    wrong.write_text(TEMPLATE.read_text().replace("maxReceiveCount: 10", "maxReceiveCuont: 10"))
    assert run(SAM / "sam", "validate", "--lint", "--template", wrong, home=tmp_path).returncode != 0


@pytest.fixture
def transformed(tmp_path: Path) -> Path:
    done = run(SAM / "python", "-P", Path(__file__).with_name("transform.py"), TEMPLATE, home=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "transformed.json"
    path.write_text(done.stdout)
    return path


@pytest.mark.slow
def test_what_sam_makes_of_it_passes_the_linter_of_cloudformation(transformed: Path) -> None:
    assert lint(transformed) == ""


def test_what_sam_makes_of_it(transformed: Path) -> None:
    made: dict[str, Any] = json.loads(transformed.read_text())["Resources"]
    (source,) = (each["Properties"] for each in made.values() if each["Type"] == "AWS::Lambda::EventSourceMapping")
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert source["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "MaximumConcurrency"}}
    # SAM adds a role of its own, with more rights, to a function that names none.
    assert {name for name, each in made.items() if each["Type"] == "AWS::IAM::Role"} == {
        "WorkerRole",
        "SubmitterRole",
        "ReaderRole",
    }


def test_the_function_is_what_make_lambda_builds() -> None:
    function = stack().properties("Function")
    assert function["Runtime"] == f"python{function_python.FUNCTION_PYTHON}"
    package = (TEMPLATE.parent / function["CodeUri"]).resolve().relative_to(ROOT)
    assert str(package) in (ROOT / "Makefile").read_text().partition("\nlambda:")[2].partition("\n\n")[0]
    module, _, name = function["Handler"].rpartition(".")
    assert f"\ndef {name}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_no_template_needs_what_cloudformation_does_not_read() -> None:
    """`sam deploy` would write aliases out; who deploys in another way would learn of them there."""
    lines = TEMPLATE.read_text().splitlines()
    assert not [line for line in lines if "<<:" in line or ": &" in line or ": *" in line]


@pytest.mark.parametrize("timeout", TIMEOUTS)
def test_the_queue_waits_for_six_times_the_function(timeout: str) -> None:
    made = stack(FunctionTimeout=timeout)
    check = diagnose.check_visibility(
        made.properties("Queue")["VisibilityTimeout"], int(made.properties("Function")["Timeout"])
    )
    assert check.remedy is None, check


def test_dead_letters_are_kept_for_longer_than_messages() -> None:
    queue, dead = stack().properties("Queue"), stack().properties("DeadLetters")
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= ENOUGH_RECEIVES
    assert dead["MessageRetentionPeriod"] == 1_209_600 > queue["MessageRetentionPeriod"]


def test_no_other_queue_sends_its_messages_to_the_dead_letters() -> None:
    made = stack()
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{made.properties('Queue')['QueueName']}"
    assert made.properties("DeadLetters")["RedriveAllowPolicy"] == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [arn],
    }
    assert arn == NAMES["Queue.Arn"]


def test_bucket_and_queues_are_closed_and_encrypted() -> None:
    plain, keyed = stack(), stack(KmsKeyArn="arn:aws:kms:us-east-1:123456789012:key/k")
    bucket = plain.properties("Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert _encryption(plain) == {"SSEAlgorithm": "AES256"}
    assert _encryption(keyed)["SSEAlgorithm"] == "aws:kms"
    for name in ("Queue", "DeadLetters"):
        assert plain.properties(name)["SqsManagedSseEnabled"] is True
        assert keyed.properties(name)["KmsMasterKeyId"].endswith(":key/k")
    for name in ("Bucket", "BucketPolicy"):
        assert plain.resources[name]["DeletionPolicy"] == plain.resources[name]["UpdateReplacePolicy"] == "Retain"


def _encryption(made: Any) -> dict[str, str]:  # noqa: ANN401  a stack
    (rule,) = made.properties("Bucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    found: dict[str, str] = rule["ServerSideEncryptionByDefault"]
    return found


def test_no_result_expires() -> None:
    rules = stack().properties("Bucket")["LifecycleConfiguration"]["Rules"]
    expiring = [rule for rule in rules if any("Expiration" in key or "Transition" in key for key in rule)]
    assert [rule["Prefix"] for rule in expiring] == ["athena-results/"], "verify reads all that is below the store's"


def test_the_function_is_told_its_store() -> None:
    variables = stack().properties("Function")["Environment"]["Variables"]
    assert variables == {"SWEEPCTL_STORE": "s3://sweeps-bucket/sweeps"}
    assert open_store(variables["SWEEPCTL_STORE"]).url == variables["SWEEPCTL_STORE"]


def test_alarms_tell_the_topic_and_look_at_the_right_queue() -> None:
    alarms = stack(AlarmTopicArn="arn:aws:sns:us-east-1:123456789012:t").of_type("AWS::CloudWatch::Alarm")
    assert all(each["AlarmActions"] == ["arn:aws:sns:us-east-1:123456789012:t"] for each in alarms.values())
    assert all(each["AlarmActions"] == [] for each in stack().of_type("AWS::CloudWatch::Alarm").values())
    watched = {name: each["Dimensions"][0]["Value"] for name, each in alarms.items() if "Dimensions" in each}
    assert watched == {"DeadLettersAlarm": "DeadLetters.QueueName", "OldestMessageAlarm": "Queue.QueueName"}
    assert len(alarms) == 4

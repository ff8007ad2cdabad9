"""Who may do what: each action that is allowed, and those that are not, by name."""

import re
from pathlib import Path

import pytest
from deploy.stack import ECS, NAMES, TEMPLATE, raw, stack, texts

from sweepctl.doctor import diagnose, iam
from sweepctl.doctor.iam import Request

MADE = stack()
BUCKET, QUEUE, DEAD = NAMES["Bucket.Arn"], NAMES["Queue.Arn"], NAMES["DeadLetters.Arn"]
RESULTS = f"{BUCKET}/athena-results/x.csv"
OUTCOME = f"{BUCKET}/sweeps/shard_outcomes/run_date=2026-02-14/run=r/shard-00000000.parquet"
TRIPS = f"{BUCKET}/sweeps/trips/ridehail/run_date=2026-02-14/run=r/shard-00000000.parquet"
DATA = f"{BUCKET}/sweeps/point_outcomes/queue/run_date=2026-02-14/run=r/shard-00000000.parquet"
RUN = f"{BUCKET}/sweeps/runs/run=r/run.parquet"
PIN = f"{BUCKET}/sweeps/runs/run=r/engine.parquet"
SPEC = f"{BUCKET}/sweeps/specs/{'0' * 64}"
PROBE = f"{BUCKET}/sweeps/.sweepctl/probe"
REJECTED = f"{BUCKET}/sweeps/rejected/{'0' * 64}.json"
PARTIAL = DATA.replace("/sweeps/", "/sweeps/partial/")
OTHER = f"{BUCKET}/other/x"
FOREIGN = "arn:aws:s3:::another-bucket/sweeps/x"
CREATE = {"s3:if-none-match": "*"}
REPLACE = {"s3:if-match": '"etag"'}
CATALOG = "arn:aws:glue:us-east-1:123456789012"
WORKGROUP = "arn:aws:athena:us-east-1:123456789012:workgroup/sweeps-sweeps"

Row = tuple[str, str, dict[str, str]]
ALLOWED: dict[str, list[Row]] = {
    "WorkerRole": [
        *(("s3:GetObject", where, {}) for where in (OUTCOME, DATA, RUN, SPEC, PROBE)),
        *(("s3:PutObject", where, CREATE) for where in (OUTCOME, DATA, RUN, PIN, PROBE, REJECTED, PARTIAL)),
        *(("s3:PutObject", where, REPLACE) for where in (OUTCOME, PROBE)),
        ("s3:ListBucket", BUCKET, {}),
        ("sqs:ReceiveMessage", QUEUE, {}),
        ("sqs:DeleteMessage", QUEUE, {}),
        ("sqs:ChangeMessageVisibility", QUEUE, {}),
        ("sqs:GetQueueAttributes", QUEUE, {}),
        ("logs:CreateLogStream", "FunctionLogs.Arn", {}),
        ("logs:PutLogEvents", "FunctionLogs.Arn", {}),
    ],
    "SubmitterRole": [
        *(("s3:GetObject", where, {}) for where in (OUTCOME, DATA, RUN, SPEC, PROBE)),
        *(("s3:PutObject", where, CREATE) for where in (RUN, SPEC, PROBE)),
        ("s3:PutObject", PROBE, REPLACE),
        ("s3:ListBucket", BUCKET, {}),
        ("s3:GetBucketPolicy", BUCKET, {}),
        ("s3:GetBucketPublicAccessBlock", BUCKET, {}),
        ("s3:GetEncryptionConfiguration", BUCKET, {}),
        ("sqs:SendMessage", QUEUE, {}),
        ("sqs:GetQueueAttributes", QUEUE, {}),
        ("sqs:GetQueueAttributes", DEAD, {}),
    ],
    "ReaderRole": [
        *(("s3:GetObject", where, {}) for where in (OUTCOME, DATA, RUN, SPEC, RESULTS)),
        ("s3:PutObject", RESULTS, {}),
        ("s3:AbortMultipartUpload", RESULTS, {}),
        ("s3:ListBucket", BUCKET, {}),
        ("s3:GetBucketLocation", BUCKET, {}),
        ("sqs:GetQueueAttributes", QUEUE, {}),
        *(
            (f"athena:{name}", WORKGROUP, {})
            for name in (
                *("GetWorkGroup", "StartQueryExecution", "StopQueryExecution"),
                *("GetQueryExecution", "GetQueryResults"),
            )
        ),
        *(
            (f"glue:{name}", f"{CATALOG}:{what}", {})
            for name in ("GetDatabase", "GetTable", "GetTables", "GetPartitions")
            for what in ("catalog", "database/sweeps_database", "table/sweeps_database/point_outcomes")
        ),
    ],
}
DENIED: dict[str, list[Row]] = {
    "WorkerRole": [
        ("s3:PutObject", OUTCOME, {}),
        *(("s3:PutObject", where, how) for where in (DATA, TRIPS, REJECTED, PARTIAL) for how in ({}, REPLACE)),
        *(("s3:PutObject", where, REPLACE) for where in (RUN, PIN)),
        ("s3:PutObject", SPEC, {}),
        ("s3:PutObject", OTHER, CREATE),
        ("s3:PutObject", FOREIGN, CREATE),
        ("s3:GetObject", OTHER, {}),
        ("s3:GetObject", RESULTS, {}),
        ("s3:GetObject", OUTCOME, {"aws:securetransport": "false"}),
        ("s3:DeleteObject", OUTCOME, {}),
        ("s3:PutBucketPolicy", BUCKET, {}),
        ("s3:GetBucketPolicy", BUCKET, {}),
        ("s3:DeleteBucket", BUCKET, {}),
        ("sqs:SendMessage", QUEUE, {}),
        ("sqs:PurgeQueue", QUEUE, {}),
        ("sqs:SetQueueAttributes", QUEUE, {}),
        ("sqs:ReceiveMessage", QUEUE, {"aws:securetransport": "false"}),
        ("sqs:ReceiveMessage", DEAD, {}),
        ("sqs:DeleteMessage", DEAD, {}),
        ("logs:CreateLogGroup", "FunctionLogs.Arn", {}),
        ("kms:Decrypt", "arn:aws:kms:us-east-1:123456789012:key/k", {}),
        ("sts:AssumeRole", "arn:aws:iam::123456789012:role/x", {}),
        ("glue:GetTable", f"{CATALOG}:catalog", {}),
    ],
    "SubmitterRole": [
        *(("s3:PutObject", where, CREATE) for where in (OUTCOME, DATA, PIN, REJECTED, OTHER)),
        ("s3:PutObject", RUN, {}),
        ("s3:PutObject", RUN, REPLACE),
        ("s3:DeleteObject", RUN, {}),
        ("s3:PutBucketPolicy", BUCKET, {}),
        ("s3:GetObject", OTHER, {}),
        ("sqs:ReceiveMessage", QUEUE, {}),
        ("sqs:DeleteMessage", QUEUE, {}),
        ("sqs:PurgeQueue", QUEUE, {}),
        ("sqs:SendMessage", DEAD, {}),
        ("sqs:SendMessage", QUEUE, {"aws:securetransport": "false"}),
    ],
    "ReaderRole": [
        *(("s3:PutObject", where, CREATE) for where in (OUTCOME, DATA, RUN, SPEC, PROBE)),
        ("s3:DeleteObject", DATA, {}),
        ("s3:GetBucketPolicy", BUCKET, {}),
        ("sqs:SendMessage", QUEUE, {}),
        ("sqs:ReceiveMessage", QUEUE, {}),
        ("sqs:DeleteMessage", QUEUE, {}),
        ("athena:StartQueryExecution", WORKGROUP.replace("sweeps-sweeps", "primary"), {}),
        ("athena:UpdateWorkGroup", WORKGROUP, {}),
        *((f"glue:{name}Table", f"{CATALOG}:table/sweeps_database/x", {}) for name in ("Create", "Update", "Delete")),
        ("glue:GetTable", f"{CATALOG}:table/another/x", {}),
    ],
}
SECURE = {"aws:securetransport": "true"}


@pytest.mark.parametrize(
    ("role", "request_"), [(role, Request(a, on, SECURE | c)) for role, rows in ALLOWED.items() for a, on, c in rows]
)
def test_what_a_role_may_do(role: str, request_: Request) -> None:
    assert MADE.allows(role, request_)


@pytest.mark.parametrize(
    ("role", "request_"), [(role, Request(a, on, SECURE | c)) for role, rows in DENIED.items() for a, on, c in rows]
)
def test_what_a_role_may_not_do(role: str, request_: Request) -> None:
    assert not MADE.allows(role, request_)


@pytest.mark.parametrize("role", ALLOWED)
def test_every_action_that_a_policy_names_is_in_the_list_above(role: str) -> None:
    granted = {action for statement in MADE.statements(role) for action in texts(statement["Action"])}
    assert granted == {action for action, _, _ in ALLOWED[role]}
    assert not [action for action in granted if "*" in action]
    assert not [on for statement in MADE.statements(role) for on in texts(statement["Resource"]) if on == "*"]


def test_a_key_is_allowed_where_there_is_one_and_no_other() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    keyed = stack(KmsKeyArn=key)
    for role in ALLOWED:
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert keyed.allows(role, Request(action, key))
            assert not keyed.allows(role, Request(action, f"{key}2"))
        assert not keyed.allows(role, Request("kms:ScheduleKeyDeletion", key))


def test_another_prefix_is_guarded_as_the_usual_one() -> None:
    made = stack(Prefix="mine")
    outcome = OUTCOME.replace("/sweeps/", "/mine/")
    assert made.allows("WorkerRole", Request("s3:PutObject", outcome, SECURE | CREATE))
    assert not made.allows("WorkerRole", Request("s3:PutObject", outcome, SECURE))
    assert not made.allows("WorkerRole", Request("s3:PutObject", OUTCOME, SECURE | CREATE))


def test_even_an_administrator_overwrites_no_outcome() -> None:
    guard = MADE.properties("BucketPolicy")["PolicyDocument"]
    for action in ("s3:PutObject", "S3:putobject"):
        assert iam.denies(guard, Request(action, OUTCOME, SECURE))
    (found,) = diagnose.check_policy(guard, lambda key: f"{BUCKET}/sweeps/{key}")
    assert found.to_json()["state"] == "ok", found


def test_roles_are_taken_by_those_who_are_meant() -> None:
    def trusted(role: str) -> object:
        (statement,) = MADE.properties(role)["AssumeRolePolicyDocument"]["Statement"]
        return statement["Principal"]

    assert trusted("WorkerRole") == {"Service": ["lambda.amazonaws.com", "ecs-tasks.amazonaws.com"]}
    assert trusted("SubmitterRole") == trusted("ReaderRole") == {"AWS": "arn:aws:iam::123456789012:root"}


@pytest.mark.parametrize("template", [TEMPLATE, ECS], ids=lambda path: path.stem)
def test_services_take_a_role_for_this_account_alone(template: Path) -> None:
    roles = [each for each in raw(template)["Resources"].values() if each["Type"] == "AWS::IAM::Role"]
    statements = [each["Properties"]["AssumeRolePolicyDocument"]["Statement"] for each in roles]
    of_services = [each for (each,) in statements if "Service" in each["Principal"]]
    assert of_services
    for each in of_services:
        assert each["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_policies_use_only_what_the_judge_knows() -> None:
    """An operator that `iam` does not know applies to nothing, which would make a Deny of it look harmless here."""
    known = {"Bool", "Null"}
    documents = [each["PolicyDocument"] for each in MADE.of_type("AWS::S3::BucketPolicy").values()]
    documents += [each["PolicyDocument"] for each in MADE.of_type("AWS::SQS::QueuePolicy").values()]
    for statement in [each for document in documents for each in document["Statement"]]:
        assert set(statement["Condition"]) <= known
    assert not any("Condition" in each for role in ALLOWED for each in MADE.statements(role))


def test_the_template_names_no_account() -> None:
    assert not re.search(r"\d{12}", repr(raw()["Resources"]))

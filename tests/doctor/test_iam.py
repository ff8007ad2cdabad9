"""Whether a statement of a policy applies to a request, element by element."""

from typing import Any

import pytest

from sweepctl.doctor.iam import Request, applies, denies

OBJECT = "arn:aws:s3:::bucket/sweeps/shard_outcomes/x"
PUT = Request("s3:PutObject", OBJECT, {"aws:securetransport": "true", "s3:if-match": '"e"'})
STATEMENT = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::bucket/*"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
        ({"Action": ["s3:GetObject", "S3:put*"]}, True),
        ({"Action": "s3:GetObject"}, False),
        ({"Resource": "arn:aws:s3:::bucket"}, False),
        ({"Resource": "arn:aws:s3:::bucket/sweeps/shard_outcomes/?"}, True),
        ({"Resource": "arn:aws:s3:::bucket/Sweeps/*"}, False),
        ({"Condition": {"Null": {"s3:If-None-Match": "true"}}}, True),
        ({"Condition": {"Null": {"s3:if-none-match": True, "s3:if-match": "true"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": True}}}, True),
        ({"Condition": {"StringEquals": {"aws:none": "x"}}}, False),
        ({"Condition": {"StringEqualsIfExists": {"aws:none": "x"}}}, True),
        ({"Condition": {"StringLike": {"s3:if-match": ['"e*']}}}, True),
        ({"Condition": {"StringLikeWhatever": {"s3:if-match": "*"}}}, False),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2999-01-01"}}}, False),
    ],
)
def test_a_statement_applies_or_not(change: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    statement = {**STATEMENT, **change}
    assert applies(statement, PUT) is expected
    assert denies({"Statement": statement}, PUT) is expected
    assert not denies({"Statement": [{**statement, "Effect": "Allow"}]}, PUT)


def test_a_statement_for_all_but_one_principal_denies_nothing_to_everybody() -> None:
    statement = {key: value for key, value in STATEMENT.items() if key != "Principal"}
    assert applies(statement, PUT)
    assert not applies({**statement, "NotPrincipal": {"AWS": "arn:aws:iam::1:role/worker"}}, PUT)


def test_what_is_not_named_is_meant_by_the_other_elements() -> None:
    rest = {"Effect": "Deny", "NotAction": "sqs:*", "NotResource": "arn:aws:s3:::other/*"}
    assert applies(rest, PUT)
    assert not applies({**rest, "NotAction": "s3:*"}, PUT)
    assert not applies({**rest, "NotResource": "arn:aws:s3:::bucket/*"}, PUT)

"""examples/deploy/template.yaml as the stack that it describes: resolved here, and created on a server.

moto's own CloudFormation knows no Glue, and its buckets' policies know no conditions. So the functions of the template
are resolved by the few lines below, queue, bucket and tables are created through their services, and the policies are
judged by `sweepctl.iam` for the requests that were made.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from fakes.servers import REGION, Server
from paths import ROOT

from sweepctl.doctor import iam

TEMPLATE = ROOT / "examples" / "deploy" / "template.yaml"
ECS = TEMPLATE.with_name("ecs-service.yaml")
BATCH = TEMPLATE.with_name("batch.yaml")
ACCOUNT = "123456789012"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::NoValue": None,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "sweeps",
}
BUCKET = "sweeps-bucket"
# What Ref and GetAtt give, where the rest of the template uses it.
NAMES = {
    "Bucket": BUCKET,
    "Bucket.Arn": f"arn:aws:s3:::{BUCKET}",
    "Database": "sweeps_database",
    "Queue.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:sweeps-shards",
    "DeadLetters.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:sweeps-dead",
    "WorkGroup": "sweeps-sweeps",
}


@dataclass(frozen=True)
class Stack:
    """The template with its parameters put in."""

    resources: Mapping[str, Any]

    def properties(self, name: str) -> Any:  # noqa: ANN401  JSON
        return self.resources[name]["Properties"]

    def of_type(self, kind: str) -> dict[str, Any]:
        return {name: each["Properties"] for name, each in self.resources.items() if each["Type"] == kind}

    def statements(self, role: str) -> list[Any]:
        """Return what a role's policies say, its managed ones first."""
        found = self.properties(role)
        managed = [self.properties(name)["PolicyDocument"] for name in found["ManagedPolicyArns"]]
        inline = [each["PolicyDocument"] for each in found.get("Policies", [])]
        return [statement for document in [*managed, *inline] for statement in document["Statement"]]

    def allows(self, role: str, request: iam.Request) -> bool:
        """Whether the role may do it: its policies allow it, and neither bucket nor queue denies it."""
        guards = [self.properties(name)["PolicyDocument"] for name in ("BucketPolicy", "QueuePolicy")]
        return any(
            each["Effect"] == "Allow" and iam.applies(each, request) for each in self.statements(role)
        ) and not any(iam.denies(guard, request) for guard in guards)


@cache
def raw(path: Path = TEMPLATE) -> dict[str, Any]:
    from cfnlint.decode.cfn_yaml import load  # noqa: PLC0415  takes a second, in each process that collects tests

    template: dict[str, Any] = load(str(path))
    return template


def stack(**parameters: str) -> Stack:
    template = raw()
    values = {name: str(each["Default"]) for name, each in template["Parameters"].items()} | parameters
    return Stack(_Resolver(template, values).resolve(template["Resources"]))


@dataclass(frozen=True)
class _Resolver:
    template: Mapping[str, Any]
    values: Mapping[str, str]

    def resolve(self, node: Any) -> Any:  # noqa: ANN401  JSON
        match node:
            case {"Ref": name}:
                return self._name(name)
            case {"Fn::GetAtt": [*parts]}:
                return self._name(".".join(parts))
            case {"Fn::Sub": text}:
                return re.sub(r"\$\{([^}]+)\}", self._put_in, text)
            case {"Fn::If": [condition, yes, no]}:
                return self.resolve(yes if self._holds(self.template["Conditions"][condition]) else no)
            case {"Fn::FindInMap": [table, *keys]}:
                row, column = map(self.resolve, keys)
                return self.template["Mappings"][table][row][column]
            case {}:
                found = {key: self.resolve(value) for key, value in node.items()}
                assert not any(key.startswith("Fn::") for key in found), found
                return {key: value for key, value in found.items() if value is not None}
            case [*items]:
                return [value for item in items if (value := self.resolve(item)) is not None]
        return node

    def _put_in(self, found: re.Match[str]) -> str:
        name = found[1]
        return f"${{{name[1:]}}}" if name.startswith("!") else str(self._name(name))

    def _name(self, name: str) -> str | None:
        for known in (PSEUDO, self.values, NAMES):
            if name in known:
                return known[name]
        assert name.partition(".")[0] in self.template["Resources"], name
        return name

    def _holds(self, condition: Any) -> bool:  # noqa: ANN401  JSON
        match condition:
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::Equals": [one, other]}:
                return bool(self.resolve(one) == self.resolve(other))
        raise AssertionError(condition)


def create(server: Server, made: Stack, name: str) -> tuple[str, str]:
    """Create queues, bucket, database and tables as the stack has them; return the queue's URL and the bucket."""
    dead = server.sqs.create_queue(QueueName=f"{name}-dead", Attributes=_attributes(made.properties("DeadLetters")))
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}-dead"
    assert dead["QueueUrl"].endswith(f"/{name}-dead")
    properties = made.properties("Queue")
    redrive = {**properties["RedrivePolicy"], "deadLetterTargetArn": arn}
    queue = server.sqs.create_queue(
        QueueName=name, Attributes=_attributes({**properties, "RedrivePolicy": json.dumps(redrive)})
    )
    _create_bucket(server, made.properties("Bucket"), name)
    glue: Any = boto3.client("glue", endpoint_url=server.endpoint_url)
    database = name.replace("-", "_")
    glue.create_database(DatabaseInput={"Name": database, **made.properties("Database")["DatabaseInput"]})
    for table in made.of_type("AWS::Glue::Table").values():
        glue.create_table(DatabaseName=database, TableInput=table["TableInput"])
    return queue["QueueUrl"], name


def _attributes(properties: Mapping[str, Any]) -> Any:  # noqa: ANN401  of the SDK's own type
    unknown = {"QueueName", "RedriveAllowPolicy"}  # the one is no attribute, the other none of moto's
    return {
        name: json.dumps(value) if isinstance(value, bool) else str(value)
        for name, value in properties.items()
        if name not in unknown
    }


def _create_bucket(server: Server, properties: Mapping[str, Any], name: str) -> None:
    server.s3.create_bucket(Bucket=name)
    server.s3.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"]
    )
    (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    default = rule["ServerSideEncryptionByDefault"]
    server.s3.put_bucket_encryption(
        Bucket=name, ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}
    )


def texts(value: str | list[str]) -> list[str]:
    """Return the values of an element of a policy, whose list may be left out around one."""
    return value if isinstance(value, list) else [value]

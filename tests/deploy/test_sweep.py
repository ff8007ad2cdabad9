"""A sweep through the stack's queue, bucket and tables, and whether its roles allow just what was called for that."""

import itertools
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deploy import calls
from deploy.stack import Stack, create, stack, texts
from servers import Server
from typer.testing import CliRunner

from sweepctl.cli import app
from sweepctl.iam import Request

SWEEP = """
name = "deployed"
model = "queue"
seed = 7
[base]
customers = 50
[design]
kind = "grid"
[design.dimensions]
servers = [1, 2]
arrival_rate = [0.5, 0.9]
[shards]
points = 1
"""
WRONG_MODEL = json.dumps(
    {"schema_version": "v1", "run_id": "other", "run_date": "2026-02-14", "model": "unknown", "dimensions": {"x": [1]},
     "total_points": 1, "shard_id": 0, "start_index": 0, "end_index_exclusive": 1, "seed": 1}
)  # fmt: skip
_numbers = itertools.count()


@dataclass(frozen=True)
class Deployed:
    """The stack on a server, as environment variables have it, and a sweep."""

    server: Server
    made: Stack
    queue_url: str
    bucket: str
    sweep: Path

    def sweepctl(self, *arguments: object, exit_code: int = 0) -> dict[str, Any]:
        """Run a command and return the object that it prints."""
        result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
        assert result.exit_code == exit_code, result.output
        told: dict[str, Any] = json.loads(result.stdout)
        return told

    def submit(self) -> str:
        run_id: str = self.sweepctl("submit", self.sweep)["run_id"]
        return run_id


@pytest.fixture
def deployed(moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint_url)
    made = stack()
    queue_url, bucket = create(moto_server, made, f"deployed-{next(_numbers)}")
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", queue_url)
    monkeypatch.setenv("SWEEPCTL_STORE", f"s3://{bucket}/sweeps")
    sweep = tmp_path / "sweep.toml"
    sweep.write_text(SWEEP)
    return Deployed(moto_server, made, queue_url, bucket, sweep)


def test_a_sweep_from_submit_to_verify_by_drain(deployed: Deployed) -> None:
    run_id = deployed.submit()
    done = deployed.sweepctl("drain", "--max-shards", 4)
    assert done["points"] == 4
    assert deployed.sweepctl("verify", run_id)["verdict"] == "whole"


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

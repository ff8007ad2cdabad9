"""examples/deploy/batch.yaml and its page, checked without an account: nothing here ever ran on AWS Batch."""

import re
from typing import Any

import pytest
from botocore.session import get_session
from deploy.stack import BATCH, raw, stack
from deploy.test_containers import COMMIT_SECONDS, USER, assert_known
from deploy.test_template import lint
from paths import ROOT

PAGE = (ROOT / "docs" / "batch.md").read_text()


def resources() -> dict[str, Any]:
    return {name: each["Properties"] for name, each in raw(BATCH)["Resources"].items()}


def task() -> dict[str, Any]:
    (found,) = resources()["Workers"]["EcsProperties"]["TaskProperties"]
    return dict(found)


@pytest.mark.slow
def test_the_linter_of_cloudformation_finds_it_valid(tmp_path: Any) -> None:  # noqa: ANN401  a path
    assert lint(BATCH) == ""
    wrong = tmp_path / "batch.yaml"
    wrong.write_text(BATCH.read_text().replace("StopTimeout", "StopTimeouts"))
    assert "StopTimeouts" in lint(wrong)


def test_the_task_is_sealed_and_stops_in_time() -> None:
    (worker,) = task()["Containers"]
    assert worker["User"] == f"{USER}:{USER}"
    assert worker["ReadonlyRootFilesystem"] is True
    (mount,) = worker["MountPoints"]
    assert mount["ContainerPath"] == "/tmp"  # noqa: S108  of the image
    assert [volume["Name"] for volume in task()["Volumes"]] == [mount["SourceVolume"]]
    settings = {each["Name"]: each["Value"] for each in worker["Environment"]}
    assert float(settings["SWEEPCTL_GRACE"]) + COMMIT_SECONDS <= worker["StopTimeout"] <= 120
    assert_known(worker["Command"], ["drain", "--until-empty"], settings)


def test_it_runs_where_the_queues_and_the_capacity_are_its_own() -> None:
    found = resources()
    assert found["Capacity"]["ComputeResources"]["Type"] == "FARGATE_SPOT"
    assert found["Jobs"]["ComputeEnvironmentOrder"] == [{"Order": 1, "ComputeEnvironment": {"Ref": "Capacity"}}]
    assert found["Workers"]["PlatformCapabilities"] == ["FARGATE"]


def test_only_a_worker_that_could_get_further_is_started_again() -> None:
    strategy = resources()["Workers"]["RetryStrategy"]
    *ends, last = strategy["EvaluateOnExit"]
    assert {each["OnExitCode"]: each["Action"] for each in ends} == dict.fromkeys(["1", "2", "6"], "EXIT")
    assert last == {"Action": "RETRY", "OnReason": "*"}
    assert len(ends) + 1 <= 5, "Batch takes no more"
    assert strategy["Attempts"] == 5
    assert "with five attempts in all" in " ".join(PAGE.split())


def test_what_it_is_told_the_stack_has() -> None:
    named = re.findall(r"template\.yaml \(output (\w+)\)", BATCH.read_text())
    assert len(named) == 3
    assert set(named) <= raw()["Outputs"].keys()
    trusted = stack().properties("WorkerRole")["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    assert "ecs-tasks.amazonaws.com" in trusted


def test_the_page_names_what_there_is() -> None:
    for path in re.findall(r"examples/deploy/[\w.-]+\w", PAGE):
        assert (ROOT / path).is_file(), path
    (outputs,) = re.findall(r"outputs `(\w+)` and `(\w+)`", PAGE)
    assert set(outputs) <= raw(BATCH)["Outputs"].keys()
    (deployed,) = re.findall(r"--parameter-overrides (.*)", PAGE)
    assert set(re.findall(r"(\w+)=", deployed)) == {
        name for name, each in raw(BATCH)["Parameters"].items() if "Default" not in each
    }
    (submitted,) = re.findall(r"^\$ aws batch submit-job (.*)$", PAGE, re.MULTILINE)
    shape: Any = get_session().get_service_model("batch").operation_model("SubmitJob").input_shape
    options = re.findall(r"--([a-z-]+)", submitted)
    assert {re.sub(r"-(\w)", lambda letter: letter[1].upper(), option) for option in options} <= set(shape.members)
    assert raw()["Parameters"]["MaximumConcurrency"]["MinValue"] == 2

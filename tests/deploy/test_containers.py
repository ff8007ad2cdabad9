"""The image and the two services that run it, checked without an engine: nothing here was ever built by Docker."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from deploy import dockerfile
from deploy.stack import ECS, raw, stack
from deploy.test_template import lint
from paths import ROOT

from sweepctl.cli import app

DEPLOY = ROOT / "examples" / "deploy"
USER = "10001"
# As docs say: the grace ends so many seconds before the container is killed, for the last commit.
COMMIT_SECONDS = 30
CARGO = """#!/bin/sh
echo '{"executable": "ENGINE", "target": {"name": "sweep-engine"}}'
"""


def test_what_is_copied_is_there_and_in_the_context() -> None:
    sources = dockerfile.sources()
    assert len(sources) >= 9
    for source in sources:
        assert (ROOT / source).exists(), source
        assert dockerfile.is_in_context(source), source
    assert dockerfile.is_in_context(Path("sweepctl/cli/app.py"))
    for other in (".git", "target/release/x", ".venv/x", "tests/fakes/servers.py", "sweepctl/__pycache__/x.pyc"):
        assert not dockerfile.is_in_context(Path(other)), other


@pytest.mark.slow
def test_what_is_copied_is_enough_for_a_wheel(tmp_path: Path) -> None:
    """As the build stage does it, with an engine that stands there already in the place of cargo's."""
    context = tmp_path / "src"
    for source in dockerfile.sources():
        place = context / source
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    scripts = tmp_path / "bin"
    scripts.mkdir()
    (scripts / "engine").write_text("#!/bin/sh\n")
    (scripts / "cargo").write_text(CARGO.replace("ENGINE", str(scripts / "engine")))
    (scripts / "cargo").chmod(0o755)
    (command,) = (each.text for each in dockerfile.read() if each.text.endswith("--no-build-isolation ."))
    assert command.startswith("pip install ")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir"]
    environment = {"PATH": f"{scripts}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [*build, tmp_path / "out", "."], cwd=context, env=environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "out").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert {"sweepctl/worker/drain.py", "sweepctl/sweep/starter/sweep.toml"} <= set(names)
    assert any(name.endswith(".data/scripts/sweep-engine") for name in names)


def test_the_image_is_built_with_the_versions_of_the_project() -> None:
    versions = dict(each.text.split("=") for each in dockerfile.read() if each.name == "ARG")
    minimum = re.search(r'^rust-version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert minimum is not None
    pinned = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert versions["RUST"] == pinned
    assert pinned.startswith(f"{minimum[1]}.")
    assert f"python{versions['PYTHON']}" == stack().properties("Function")["Runtime"]
    # Nothing is installed but what is locked, and no image is of a tag that moves to another release.
    installs = [each.text for each in dockerfile.read() if each.name == "RUN" and "pip install" in each.text]
    assert all("--no-deps" in each for each in installs)
    assert sum("--require-hashes" in each for each in installs) == 1
    images = dockerfile.images()
    assert all("${" in image and "latest" not in image for image in images)


def test_images_are_of_the_bytes_that_were_meant() -> None:
    """Those that are built on can be given by digest, the one that is deployed must be."""
    images = dockerfile.images()
    assert [re.sub(r"^(\w+):.*", r"\1", each) for each in images] == ["rust", "python", "python"]
    assert all(each.endswith(f"${{{each.partition(':')[0].upper()}_DIGEST}}") for each in images)
    given = dict(each.text.split("=") for each in dockerfile.read() if each.name == "ARG")
    assert all(re.fullmatch(r"(@sha256:[0-9a-f]{64})?", given[f"{name}_DIGEST"]) for name in ("RUST", "PYTHON"))
    pattern = raw(ECS)["Parameters"]["Image"]["AllowedPattern"]
    assert re.fullmatch(pattern, f"registry.example/sweepctl@sha256:{'0' * 64}")
    assert not re.fullmatch(pattern, "registry.example/sweepctl:latest")
    assert "image: IMAGE@sha256:DIGEST\n" in (DEPLOY / "kubernetes.yaml").read_text()


def test_every_path_that_a_stage_takes_from_another_is_made_there() -> None:
    instructions = dockerfile.read()
    stages = {words[2]: each.stage for each in instructions if each.name == "FROM" and len(words := each.words) == 3}
    for each in instructions:
        if each.name == "COPY" and each.text.startswith("--from=") and not each.text.startswith("--from=program "):
            option, source, _ = each.words
            earlier = stages[option.removeprefix("--from=")]
            assert earlier < each.stage
            made = "rust:" if source.startswith("/usr/local/") else f"venv {source}"  # the Rust image has cargo there
            assert any(made in other.text for other in instructions if other.stage == earlier), source


def test_a_program_takes_an_empty_stages_place_and_is_looked_for_where_it_is_copied() -> None:
    instructions = dockerfile.read()
    assert "scratch AS program" in [each.text for each in instructions if each.name == "FROM"]
    (copied,) = (each.words for each in instructions if each.text.startswith("--from=program "))
    assert copied[1:] == ["/", "/opt/program/"]
    assert [each.text for each in instructions if each.name == "ARG" and each.stage > 0] == ["PROGRAM="]
    settings = dict(word.split("=", 1) for each in instructions if each.name == "ENV" for word in each.words)
    # Empty without the argument, which names no program.
    assert settings["SWEEPCTL_PROGRAMS"] == "${PROGRAM:+/opt/program/files/$PROGRAM}"
    assert settings["PATH"].startswith("/opt/program/bin:/opt/sweepctl/bin:")


def test_the_image_is_nobody_and_hands_signals_on() -> None:
    instructions = dockerfile.read()
    stage = instructions[-1].stage
    last = {each.name: each for each in instructions if each.stage == stage}
    assert last["USER"].text == f"{USER}:{USER}"
    assert last["ENTRYPOINT"].words == ["/usr/bin/tini", "--", "sweepctl"]
    assert last["CMD"].words == ["drain"]
    assert last["VOLUME"].text == "/tmp"  # noqa: S108  of the image
    assert "tini" in last["RUN"].text
    assert not re.search(r"\b(amd64|x86_64|arm64|aarch64)\b", " ".join(each.text for each in dockerfile.read()))


def ecs() -> dict[str, Any]:
    return {name: each["Properties"] for name, each in raw(ECS)["Resources"].items()}


@pytest.mark.slow
def test_the_ecs_service_passes_the_linter_of_cloudformation(tmp_path: Path) -> None:
    assert lint(ECS) == ""
    wrong = tmp_path / "ecs.yaml"
    wrong.write_text(ECS.read_text().replace("ReadonlyRootFilesystem", "ReadOnlyRootFilesystem"))
    assert lint(wrong)


def test_the_ecs_task_is_sealed_and_stops_in_time() -> None:
    task = ecs()["Task"]
    (worker,) = task["ContainerDefinitions"]
    assert worker["User"] == f"{USER}:{USER}"
    assert worker["ReadonlyRootFilesystem"] is True
    assert worker["Privileged"] is False
    assert worker["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    (mount,) = worker["MountPoints"]
    assert mount["ContainerPath"] == "/tmp"  # noqa: S108  of the image
    assert [volume["Name"] for volume in task["Volumes"]] == [mount["SourceVolume"]]
    settings = {each["Name"]: each["Value"] for each in worker["Environment"]}
    assert float(settings["SWEEPCTL_GRACE"]) + COMMIT_SECONDS <= worker["StopTimeout"] <= 120
    assert_known(worker["Command"], ["drain"], settings)


def test_the_ecs_service_is_of_spot_and_may_shrink_to_nothing() -> None:
    found = ecs()
    assert found["Service"]["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]
    assert found["Scaling"]["MinCapacity"] == 0
    assert "DesiredCount" not in found["Service"], "two would decide"
    assert found["MessagesWait"]["AlarmActions"] == [{"Ref": "Begin"}]
    assert found["NothingLeft"]["AlarmActions"] == [{"Ref": "End"}]
    metrics = {each["MetricStat"]["Metric"]["MetricName"] for each in found["NothingLeft"]["Metrics"][1:]}
    assert metrics == {"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"}


def test_messages_that_wait_never_lower_the_number_of_tasks() -> None:
    found = ecs()
    scaling = found["Begin"]["StepScalingPolicyConfiguration"]
    assert scaling["AdjustmentType"] == "ExactCapacity"
    assert {repr(step["ScalingAdjustment"]) for step in scaling["StepAdjustments"]} == {
        repr(found["Scaling"]["MaxCapacity"])
    }


def test_what_the_ecs_service_is_told_the_stack_has() -> None:
    outputs = raw()["Outputs"]
    named = re.findall(r"template\.yaml \(output (\w+)\)", ECS.read_text())
    assert len(named) == 3
    assert set(named) <= outputs.keys()
    trusted = stack().properties("WorkerRole")["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    assert "ecs-tasks.amazonaws.com" in trusted


@pytest.fixture
def kubernetes() -> dict[str, dict[str, Any]]:
    found = {each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}
    assert {kind: each["apiVersion"] for kind, each in found.items()} == {
        "ServiceAccount": "v1",
        "Deployment": "apps/v1",
        "TriggerAuthentication": "keda.sh/v1alpha1",
        "ScaledObject": "keda.sh/v1alpha1",
    }
    return found


def test_the_policy_of_the_service_account_is_an_output_of_the_stack() -> None:
    named = re.findall(r"template\.yaml \(output (\w+)\)", (DEPLOY / "kubernetes.yaml").read_text())
    assert named == ["WorkerPolicy"]
    assert raw()["Outputs"]["WorkerPolicy"]["Value"] == {"Ref": "WorkerPolicy"}


def test_the_pod_is_sealed_and_stops_in_time(kubernetes: dict[str, dict[str, Any]]) -> None:
    deployment = kubernetes["Deployment"]["spec"]
    pod = deployment["template"]["spec"]
    assert set(pod) <= POD_FIELDS
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert {pod["securityContext"][key] for key in ("runAsUser", "runAsGroup", "fsGroup")} == {int(USER)}
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (worker,) = pod["containers"]
    assert set(worker) <= CONTAINER_FIELDS
    assert worker["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert worker["volumeMounts"] == [{"name": "scratch", "mountPath": "/tmp"}]  # noqa: S108  of the image
    assert [volume["name"] for volume in pod["volumes"] if "emptyDir" in volume] == ["scratch"]
    settings = {each["name"]: each["value"] for each in worker["env"]}
    assert float(settings["SWEEPCTL_GRACE"]) + COMMIT_SECONDS <= pod["terminationGracePeriodSeconds"]
    assert_known(worker["args"], ["drain"], settings)
    shards = int(settings["SWEEPCTL_CONCURRENCY"])
    (volume,) = (each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each)
    size = int(volume["sizeLimit"].removesuffix("Gi")) << 30
    # Each shard may have its files twice: its own, and those of an earlier attempt, which it compares.
    assert 2 * shards * int(settings["SWEEPCTL_MAX_SCRATCH_BYTES"]) <= size
    for kind in ("requests", "limits"):
        assert set(worker["resources"][kind]) == {"cpu", "memory", "ephemeral-storage"}
        assert all(isinstance(value, str) for value in worker["resources"][kind].values())


def test_the_objects_of_kubernetes_name_one_another(kubernetes: dict[str, dict[str, Any]]) -> None:
    assert {each["metadata"]["name"] for each in kubernetes.values()} == {"sweep-worker"}
    assert {each["metadata"]["namespace"] for each in kubernetes.values()} == {"default"}
    deployment = kubernetes["Deployment"]["spec"]
    assert deployment["selector"]["matchLabels"] == deployment["template"]["metadata"]["labels"]
    assert "replicas" not in deployment, "two would decide"
    assert deployment["template"]["spec"]["serviceAccountName"] == "sweep-worker"


def test_the_scaler_has_the_fields_that_keda_knows(kubernetes: dict[str, dict[str, Any]]) -> None:
    scaled = kubernetes["ScaledObject"]["spec"]
    assert set(scaled) <= SCALED_FIELDS
    assert scaled["scaleTargetRef"] == {"name": "sweep-worker"}
    assert 0 == scaled["minReplicaCount"] < scaled["maxReplicaCount"]
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "aws-sqs-queue"
    assert trigger["authenticationRef"] == {"name": "sweep-worker"}
    assert {"queueURL", "awsRegion"} <= set(trigger["metadata"]) <= SQS_FIELDS
    assert all(isinstance(value, str) for value in trigger["metadata"].values()), "KEDA takes texts"
    assert trigger["metadata"]["scaleOnInFlight"] == "true"
    behavior = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == {"scaleDown": {"selectPolicy": "Disabled"}}
    identity = kubernetes["TriggerAuthentication"]["spec"]
    assert identity == {"podIdentity": {"provider": "aws", "identityOwner": "keda"}}
    worker = kubernetes["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    settings = {each["name"]: each["value"] for each in worker["env"]}
    assert settings["SWEEPCTL_QUEUE_URL"] == trigger["metadata"]["queueURL"]
    assert settings["SWEEPCTL_CONCURRENCY"] == trigger["metadata"]["queueLength"]
    assert settings["AWS_DEFAULT_REGION"] == trigger["metadata"]["awsRegion"]


def assert_known(command: list[str], expected: list[str], settings: dict[str, Any]) -> None:
    """The container runs `drain`, and drain knows each of its settings."""
    assert command == expected
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    known = {parameter.envvar for parameter in commands["drain"].params if getattr(parameter, "envvar", None)}
    assert {name for name in settings if name.startswith("SWEEPCTL_")} <= known
    assert {"SWEEPCTL_QUEUE_URL", "SWEEPCTL_STORE", "SWEEPCTL_GRACE"} <= settings.keys()


POD_FIELDS = {
    *("serviceAccountName", "automountServiceAccountToken", "terminationGracePeriodSeconds", "securityContext"),
    *("containers", "volumes"),
}
CONTAINER_FIELDS = {"name", "image", "args", "env", "securityContext", "resources", "volumeMounts"}
# Of ScaledObject and of the trigger, by KEDA's reference.
SCALED_FIELDS = {
    *("scaleTargetRef", "pollingInterval", "cooldownPeriod", "initialCooldownPeriod", "idleReplicaCount"),
    *("minReplicaCount", "maxReplicaCount", "fallback", "advanced", "triggers"),
}
SQS_FIELDS = {
    *("queueURL", "queueURLFromEnv", "queueLength", "activationQueueLength", "awsRegion", "awsEndpoint"),
    *("scaleOnInFlight", "scaleOnDelayed"),
}

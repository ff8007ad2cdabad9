"""docs/cloud.md and deploy.md: their commands exist with their options, and the numbers are those of the code."""

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from botocore.session import get_session
from deploy.stack import raw, stack
from deploy.test_template import SAM, run
from paths import ROOT

from sweepctl.cli import app
from sweepctl.doctor.diagnose import VISIBILITY_TIMES
from sweepctl.engine import client
from sweepctl.sweep.cost import PRICES_OF, Interval, estimate_cost
from sweepctl.worker.lease import LONGEST_DELAY

DOC = "\n".join((ROOT / "docs" / name).read_text() for name in ("cloud.md", "deploy.md"))
WORDS = " ".join(DOC.split())
CONSOLE = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", DOC, re.DOTALL)
    for line in block.splitlines()
]
# What stands in the text between backquotes and is a command.
SPANS = re.findall(r"`([^`]+)`", " ".join(re.sub(r"```.*?```", "", DOC, flags=re.DOTALL).split()))
INLINE = [text for text in SPANS if re.match(r"(sweepctl|sam|make|docker) [a-z]", text)]
AWS_OWN = {("s3", "rm"), ("s3", "rb")}  # of the AWS CLI alone, not of an API


def of_program(name: str) -> Iterator[list[str]]:
    """Yield the words after a program's name, wherever it is called."""
    for line in [*CONSOLE, *INLINE]:
        for call in re.findall(rf"(?:^|\$\(){name} ([^)]*)", line):
            yield shlex.split(call)


def test_ten_commands_lead_from_nothing_to_a_verified_sweep() -> None:
    first = DOC.partition("```console\n")[2].partition("```")[0].splitlines()
    assert len(first) == 10
    assert first[0] == "$ make lambda"
    assert first[-1].startswith("$ sweepctl verify ")


def test_every_command_of_sweepctl_exists_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEPCTL_QUEUE_URL", "as the third and fourth command set it")
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    calls = list(of_program("sweepctl"))
    assert {"doctor", "submit", "status", "verify", "drain", "runs"} <= {words[0] for words in calls}
    for name, *arguments in calls:
        if arguments:  # a name alone speaks of the command
            commands[name].make_context(name, list(arguments))


def test_options_that_the_text_names_are_of_some_command() -> None:
    commands: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
    known = {name for command in commands.values() for parameter in command.params for name in parameter.opts}
    named = {text.split()[0].partition("=")[0] for text in SPANS if text.startswith("--")}
    assert named - known - {"--parameter-overrides", "--stack-name"} == set()
    assert {"--run-id", "--requeue", "--json"} <= named


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deploy", "delete"])
def test_every_command_of_sam_exists_with_its_options(name: str, tmp_path: Any) -> None:  # noqa: ANN401  a path
    calls = [words[1:] for words in of_program("sam") if words[0] == name and len(words) > 1]
    assert calls
    text = run(SAM / "sam", name, "--help", home=tmp_path).stdout
    for option in {word for words in calls for word in words if word.startswith("--")}:
        assert option in text, option
    for words in calls:
        if "--template" in words:
            assert (ROOT / words[words.index("--template") + 1]).is_file()


def test_every_command_of_aws_exists_and_asks_for_what_the_stack_has() -> None:
    outputs = set()
    for service, name, *words in of_program("aws"):
        if (service, name) not in AWS_OWN:
            operation = "".join(part.title() for part in name.split("-"))
            shape: Any = get_session().get_service_model(service).operation_model(operation).input_shape
            asked = {part for part in words if part.startswith("--")} - {"--query", "--output"}
            assert {"".join(each.title() for each in part[2:].split("-")) for part in asked} <= set(shape.members)
            outputs |= set(re.findall(r"OutputKey=='(\w+)'", " ".join(words)))
    assert outputs == {"Store", "QueueUrl"} <= raw()["Outputs"].keys()


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for words in of_program("make")}
    assert "lambda" in named
    assert named <= targets


def test_every_file_and_resource_that_is_named_is_there() -> None:
    for path in re.findall(r"examples/deploy/[\w.-]+\w", DOC):
        assert (ROOT / path).is_file(), path
    template = raw()
    for name in re.findall(r"`([A-Z][a-z]+[A-Z][A-Za-z]+)(?:=[^`]*)?`", DOC):
        assert name in {*template["Parameters"], *template["Resources"], "BucketOwnerEnforced", "RedriveAllowPolicy"}, (
            name
        )


def test_the_costs_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| ([\d.]+) \| ([\d,]+) \| ([\d,]+) \| \$([\d.]+) \| \$([\d.]+) \|$", DOC, re.MULTILINE)
    assert len(rows) == 4
    for seconds, points, shards, of_lambda, of_fargate in rows:
        each, count = float(seconds), int(shards.replace(",", ""))
        assert int(points.replace(",", "")) == round(60 / each)
        assert count == -(-1_000_000 // round(60 / each))
        made = estimate_cost(Interval(each, each, each), 1_000_000, count, 2 + 3 * count, cores=1)
        assert (of_lambda, of_fargate) == (f"{made.lambda_dollars.mean:.2f}", f"{made.fargate_dollars.mean:.2f}")
    assert f"of us-east-1 of {PRICES_OF}" in WORDS


def test_numbers_of_the_text_are_those_of_template_and_code() -> None:
    made = stack()
    assert made.properties("Queue")["MessageRetentionPeriod"] == 10 * 86_400
    assert made.properties("DeadLetters")["MessageRetentionPeriod"] == 14 * 86_400
    assert made.properties("OldestMessageAlarm")["Threshold"] == str(6 * 3_600)
    assert made.properties("ErrorRateAlarm")["Threshold"] == 100 / 20
    assert made.properties("Queue")["RedrivePolicy"]["maxReceiveCount"] == 10
    assert LONGEST_DELAY == 15 * 60
    assert VISIBILITY_TIMES == 6
    variables = re.search(r"it is started with (.*?) alone", WORDS)
    assert variables is not None
    assert set(re.findall(r"`(\w+)`", variables[1])) == set(client.ENVIRONMENT)


def test_the_policy_of_the_other_account_is_json_and_names_what_the_worker_does() -> None:
    statement = json.loads(DOC.partition("```json\n")[2].partition("```")[0])
    worker = {action for each in stack().statements("WorkerRole") for action in each["Action"] if "s3:" in action}
    assert worker | {"s3:ListBucket"} == set(statement["Action"])

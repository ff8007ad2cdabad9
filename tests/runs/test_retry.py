"""What to do about shards that failed permanently."""

import datetime as dt
import json
from dataclasses import replace

import pytest

from sweepctl.records.outcome import UNKNOWN_CALLER, Caller, RunRecord
from sweepctl.runs.retry import ADVICE, FailedShards
from sweepctl.verify.report import FailureGroup

SPEC = '{"model":"toy","design":{},"base":{},"replications":1,"seed":1,"outputs":[]}'
RUN = RunRecord("r", "2026-03-01", SPEC, "0" * 64, 8, 4, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
MACHINE_ADVICE = UNKNOWN_CALLER.machine_advice("r", has_outputs=False)


@pytest.mark.parametrize(
    ("error_code", "machine_dependent", "parts"),
    [
        ("point_failed", 0, [ADVICE["point_failed"], UNKNOWN_CALLER.again("r", has_outputs=False)]),
        ("point_failed", 1, [ADVICE["point_failed"], MACHINE_ADVICE]),
        ("point_failed", 2, [MACHINE_ADVICE]),
        ("injected_failure", 2, [ADVICE["injected_failure"]]),
    ],
)
def test_the_advice_names_what_may_be_had_after_all(error_code: str, machine_dependent: int, parts: list[str]) -> None:
    group = FailureGroup(error_code, retryable=False, shards=(0, 1), points_failed=2, example="at_fault: x")
    failed = FailedShards(RUN, (), [group], (), 2, machine_dependent)
    assert failed.advice(group) == " ".join(parts)


@pytest.mark.parametrize("outputs", [(), ("trips",)])
def test_the_advice_has_the_command_that_was_given(outputs: tuple[str, ...]) -> None:
    record = replace(RUN, spec_json=SPEC.replace('"outputs":[]', f'"outputs":{json.dumps(outputs)}'))
    group = FailureGroup("point_failed", retryable=False, shards=(0,), points_failed=1, example="at_fault: x")
    failed = FailedShards(record, (), [group], (), 1, 0, Caller("s.toml", " --store a --engine e"))
    reuse = "" if outputs else " --reuse r"
    assert f"`sweepctl run s.toml --run-id r-again{reuse} --store a --engine e`" in failed.advice(group)


def test_points_without_a_valid_value_are_the_sweep_files() -> None:
    example = "invalid_derived_parameter: buffer = -1: must be >= 0; it is demand - 9"
    group = FailureGroup("point_failed", retryable=False, shards=(0,), points_failed=1, example=example)
    advice = FailedShards(RUN, (), [group], (), 1, 0).advice(group)
    assert "Correct `derived`" in advice
    assert "model_version" not in advice

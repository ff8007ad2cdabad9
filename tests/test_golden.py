"""Python recomputes what Rust's tests read too: canonical JSON and fingerprints never drift between the two."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.design import DESIGN
from sweepctl.engine.client import Engine, find_engine
from sweepctl.spec import Spec, canonical_json, fingerprint

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> Any:  # noqa: ANN401  any JSON value
    return json.loads((GOLDEN / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", golden("canonical.json"), ids=lambda vector: ascii(vector["input"]))
def test_canonical_json(vector: dict[str, str]) -> None:
    canonical = canonical_json(json.loads(vector["input"]))
    assert canonical.decode() == vector["canonical"]
    assert hashlib.sha256(canonical).hexdigest() == vector["sha256"]


@pytest.mark.parametrize("run", golden("points.json"), ids=lambda run: f"{run['model']}-{run['seed']}")
def test_identities(run: dict[str, Any]) -> None:
    for point in run["points"]:
        identity = {"model": run["model"], "parameters": point["parameters"]}
        assert canonical_json(point["parameters"]).decode() == point["effective_parameters_json"]
        assert fingerprint(identity) == point["parameter_fingerprint"]
        whole = {
            **identity,
            "model_version": run["model_version"],
            "seed": run["seed"],
            "replicate": point["replicate"],
        }
        assert fingerprint(whole) == point["point_fingerprint"]


def test_the_engine_through_the_workers_eyes() -> None:
    spec = Spec(
        model="queue",
        design={"kind": "grid", "dimensions": {"servers": [1, 2], "arrival_rate": [0.1, 1e-7, 5]}},
        base={"warmup": 3},
        replications=2,
        seed=-(2**63),
        outputs=(),
    )
    engine, space = Engine(find_engine()), DESIGN.validate_python(spec.design)
    for index in range(12):
        point = engine.identify(spec, space, index)
        cell, replicate = divmod(index, 2)
        # Names in byte order, the last one fastest: arrival_rate before servers.
        rate, servers = divmod(cell, 2)
        assert point.replicate == replicate
        assert (point.parameters["arrival_rate"], point.parameters["servers"]) == ([0.1, 1e-7, 5][rate], servers + 1)
        identity = {"model": "queue", "parameters": point.parameters}
        assert canonical_json(point.parameters).decode() == point.effective_parameters_json
        assert fingerprint(identity) == point.parameter_fingerprint
        version = engine.model("queue").version
        whole = {**identity, "model_version": version, "seed": spec.seed, "replicate": replicate}
        assert fingerprint(whole) == point.point_fingerprint


VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(st.text(max_size=5), st.lists(VALUES | st.text(max_size=5), max_size=4), max_size=4))
def test_a_spec_reads_back_with_every_type_and_digit(dimensions: dict[str, Any]) -> None:
    spec = Spec("m", {"kind": "grid", "dimensions": dimensions}, {"a": 5, "b": 5.0}, 1, -(2**63), ("x",))
    again = Spec.from_json(spec.to_json())
    assert repr(again) == repr(spec) or again == spec
    assert again.fingerprint == spec.fingerprint
    assert again.to_json() == spec.to_json()

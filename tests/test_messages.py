"""The decoder takes what DESIGN promised to take, refuses the rest in one line, and never loses a number's type."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepctl.errors import MessageError
from sweepctl.messages import MAX_BYTES, ShardMessageV2, decode
from sweepctl.spec import Limits, Spec

TODAY = dt.date(2026, 3, 1)
CONTRACT: dict[str, Any] = {
    "schema_version": "v1",
    "run_id": "demo-001",
    "run_date": "2026-02-14",
    "model": "ridehail",
    "dimensions": {"commission_rate": [0.1, 0.2], "num_drivers": [100, 200]},
    "total_points": 4,
    "shard_id": 1,
    "start_index": 2,
    "end_index_exclusive": 4,
    "seed": 42,
    "failure_injection_shards": [],
}
REQUIRED = ("run_id", "dimensions", "total_points", "shard_id", "start_index", "end_index_exclusive", "seed")


def body(**changes: Any) -> bytes:  # noqa: ANN401  any JSON value
    return json.dumps({**CONTRACT, **changes}).encode()


def refusal(raw: bytes) -> str:
    with pytest.raises(MessageError) as caught:
        decode(raw, TODAY)
    assert "\n" not in caught.value.message
    assert caught.value.remedy
    return caught.value.message


def test_takes_the_contract_message_as_it_is_written() -> None:
    message = decode(body(), TODAY)
    assert message.points == 2
    assert message.spec.design == {"kind": "grid", "dimensions": CONTRACT["dimensions"]}


def test_absent_fields_have_their_documented_meaning() -> None:
    message = decode(json.dumps({name: CONTRACT[name] for name in REQUIRED}).encode(), TODAY)
    assert (message.schema_version, message.model, message.run_date) == ("v1", "ridehail", None)
    assert (message.base, message.replications, message.outputs) == ({}, 1, [])


@pytest.mark.parametrize("name", REQUIRED)
def test_required_fields(name: str) -> None:
    assert refusal(json.dumps({k: v for k, v in CONTRACT.items() if k != name}).encode()) == f"{name}: Field required"


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b" " * (MAX_BYTES + 1), "at most 1048576"),
        (b'{"run_id": "\xff"}', "byte 12: must be UTF-8"),
        (b'{"seed": 1, "seed": 1}', "seed: must appear once"),
        (b'{"dimensions": {"a": [1], "a": [1]}}', "a: must appear once"),
        (b"[" * 100_000, "nest at most 16"),
        (b"[" * 20 + b"]" * 20, "nest at most 16"),
        (b"{", "line 1, column 2: must be valid JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"seed": NaN}', "NaN: numbers must be finite"),
        (b'{"seed": -Infinity}', "-Infinity: numbers must be finite"),
        (b'{"seed": 1e999}', "1e999: numbers must be finite"),
        (b'{"seed": 9223372036854775808}', "must fit in signed 64 bits"),
        (b'{"seed": ' + b"9" * 10_000 + b"}", "must fit in signed 64 bits"),
        (b'{"run_id": "\\ud800"}', "an unpaired surrogate"),
        (body(bucket="mine"), "bucket: Extra inputs are not permitted"),
        (body(schema_version="v3"), "schema_version: must be 'v1' or 'v2'"),
        (body(seed=True), "seed: Input should be a valid integer"),
        (body(seed=1.0), "seed: Input should be a valid integer"),
        (body(seed="1"), "seed: Input should be a valid integer"),
        (body(run_id="a..b"), "run_id: must not contain '..'"),
        (body(run_id="../x"), "run_id"),
        (body(run_id="a/b"), "run_id"),
        (body(run_id="a\n"), "run_id"),
        (body(run_id="x" * 65), "run_id"),
        (body(run_date="2026-02-30"), "run_date"),
        (body(run_date="20260214"), "run_date"),
        (body(run_date="1999-12-31"), "run_date 1999-12-31: must be between 2000-01-01"),
        (body(run_date="2026-03-03"), "run_date 2026-03-03: must be between"),
        (body(model="Queue"), "model"),
        (body(dimensions={"seed": [1]}), "dimensions.seed: 'seed' is the name of an identity column"),
        (body(dimensions={"No": [1]}), "dimensions.No"),
        (body(dimensions={"a": [[1]]}), "dimensions.a.0: must be a number, a string, true, false or null"),
        (body(dimensions={"a": 1}), "dimensions.a"),
        (body(dimensions={"a": []}), "dimensions.a: must have at least one value"),
        (body(base={"num_drivers": 1}), "'num_drivers' is both a dimension and a base value"),
        (body(outputs=["trips", "trips"]), "outputs: must name each dataset once"),
        (body(replications=0), "replications"),
        (body(replications=2), "total_points 4: must be the design's cells times replications, 8"),
        (body(total_points=5), "total_points 5"),
        (body(start_index=4), "start_index 4"),
        (body(end_index_exclusive=5), "must satisfy start < end <= total"),
        (body(shard_id=-1), "shard_id"),
        (body(failure_injection_shards=[-1]), "failure_injection_shards"),
    ],
)
def test_refuses_with_the_field_and_the_rule(raw: bytes, says: str) -> None:
    assert says in refusal(raw)


def test_a_run_date_may_be_tomorrow() -> None:
    assert decode(body(run_date="2026-03-02"), TODAY).run_date == "2026-03-02"


def test_numbers_keep_their_type_and_all_their_digits() -> None:
    values = [1, 1.0, True, "1", None, 2**53 + 1, 5e-324]
    message = decode(body(dimensions={"a": values}, total_points=7), TODAY)
    assert list(map(repr, message.spec.design["dimensions"]["a"])) == list(map(repr, values))


def test_a_product_beyond_64_bits_is_refused_not_wrapped() -> None:
    huge = {f"d{i}": [0, 1] for i in range(64)}
    assert "over 9223372036854775807 cells times 1 replications: must be at most" in refusal(body(dimensions=huge))


def test_a_product_of_any_size_is_refused_in_words_and_soon() -> None:
    """A thousand lengths have a product of 19,000 digits, of which Python makes no text."""
    axis = {"linspace": {"start": 0, "stop": 1, "num": 2**63 - 1}}
    for axes in (1_000, 12_000):
        huge = {f"d{place}": axis for place in range(axes)}
        said = refusal(v2(design={"kind": "grid", "dimensions": huge}))
        assert said.startswith("over 9223372036854775807 cells times 1 replications: must be at most"), said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(CONTRACT)), JSON)
def test_any_value_in_any_field_is_taken_or_refused_in_one_line(name: str, value: object) -> None:
    raw = body(**{name: value})
    try:
        decode(raw, TODAY)
    except MessageError:
        refusal(raw)


@given(st.binary(max_size=64))
def test_any_bytes_are_refused_in_one_line(raw: bytes) -> None:
    refusal(raw)


V2: dict[str, Any] = {
    **{name: value for name, value in CONTRACT.items() if name != "dimensions"},
    "schema_version": "v2",
    "design": {"kind": "grid", "dimensions": CONTRACT["dimensions"]},
}
STORED = {**{name: value for name, value in V2.items() if name != "design"}, "design_sha256": "0" * 64}
SOBOL = {"kind": "sobol", "samples": 2, "dimensions": {"commission_rate": {"uniform": {"low": 0, "high": 0.5}}}}


def v2(**changes: Any) -> bytes:  # noqa: ANN401  any JSON value
    """Return a v2 body with fields changed; a value of ... leaves the field out."""
    return json.dumps({name: value for name, value in {**V2, **changes}.items() if value is not ...}).encode()


def test_a_grid_is_one_run_in_both_versions() -> None:
    old, new = decode(body(), TODAY), decode(v2(), TODAY)
    assert (old.spec, old.spec.fingerprint) == (new.spec, new.spec.fingerprint)
    assert old.spec.to_json() == new.spec.to_json()


def test_any_design_is_in_the_spec_as_it_was_written() -> None:
    message = decode(v2(design=SOBOL, replications=2), TODAY)
    assert message.space is not None
    assert (message.space.cells, list(message.space.parameters)) == (2, ["commission_rate"])
    assert message.spec.design == SOBOL
    assert decode(message.to_json(), TODAY) == message
    assert json.loads(message.to_json())["design"] == SOBOL


def test_a_stored_design_is_named_and_not_judged() -> None:
    message = decode(json.dumps({**STORED, "base": {"num_drivers": 1}}).encode(), TODAY)
    assert message.space is None
    assert message.spec.design == {"sha256": "0" * 64}
    assert decode(message.to_json(), TODAY) == message


@pytest.mark.parametrize("design", [V2["design"], {"sha256": "0" * 64}, SOBOL], ids=["grid", "stored", "sobol"])
def test_a_message_is_made_of_a_spec_and_gives_it_back(design: dict[str, Any]) -> None:
    spec = Spec("ridehail", design, {"a": 1.0}, 2, -1, ("trips",))
    points = 8 if design is V2["design"] else 4
    made = ShardMessageV2.of(
        spec, "r", "2026-02-14", total_points=points, shard_id=7, start_index=0, end_index_exclusive=1
    )
    again = decode(made.to_json(), TODAY)
    assert (again, again.spec, again.points) == (made, spec, 1)
    assert "limits" not in json.loads(made.to_json())


LIMITS = {"point_seconds": 60.0, "point_memory": 2**40, "failed_points": 0.25}


def test_limits_are_part_of_the_spec() -> None:
    limited = decode(v2(limits=LIMITS), TODAY)
    assert limited.spec.limits.to_json() == LIMITS
    made = ShardMessageV2.of(
        limited.spec, "r", "2026-02-14", total_points=4, shard_id=1, start_index=2, end_index_exclusive=4
    )
    assert decode(made.to_json(), TODAY).spec == limited.spec
    assert Spec.from_json(limited.spec.to_json()) == limited.spec
    assert Spec.from_json(limited.spec.to_json()).to_json() == limited.spec.to_json()
    others = [decode(v2(limits={name: value}), TODAY).spec.fingerprint for name, value in LIMITS.items()]
    assert len({limited.spec.fingerprint, decode(v2(), TODAY).spec.fingerprint, *others}) == 5
    # An integer is the same number of seconds.
    assert decode(v2(limits={"point_seconds": 60}), TODAY).spec.fingerprint == others[0]


@pytest.mark.parametrize("raw", [body(), v2(), v2(limits={}), v2(limits={"point_seconds": None})])
def test_a_spec_without_limits_is_what_it_always_was(raw: bytes) -> None:
    spec = decode(raw, TODAY).spec
    assert spec.to_json() == (
        '{"base":{},"design":{"dimensions":{"commission_rate":[0.1,0.2],"num_drivers":[100,200]},"kind":"grid"},'
        '"model":"ridehail","outputs":[],"replications":1,"seed":42}'
    )
    assert spec.fingerprint == "c3cbd5a1da3a8d219a7271757f1c551ca3bd2a350d3367b021462775c1feb276"
    assert Spec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("limit", "total", "most"),
    [(None, 100, None), (0, 100, 0), (7, 3, 7), (0.25, 10, 2), (0.29, 100, 29), (1e-9, 2**62, 4611686018)],
)
def test_a_share_of_failed_points_is_one_of_all(limit: float | None, total: int, most: int | None) -> None:
    assert Limits(failed_points=limit).most_failed(total) == most


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (v2(model=...), "model: Field required"),
        (v2(schema_version=2), "schema_version: must be 'v1' or 'v2'"),
        (v2(schema_version=["v2"]), "schema_version: must be 'v1' or 'v2'"),
        (v2(design=...), "design: must have exactly one of design, design_sha256"),
        (v2(design=None), "design: must have exactly one of design, design_sha256"),
        (v2(design_sha256="0" * 64), "design: must have exactly one of design, design_sha256"),
        (v2(dimensions={"a": [1]}), "dimensions: Extra inputs are not permitted"),
        (body(design=SOBOL), "design: Extra inputs are not permitted"),
        (body(design_sha256="0" * 64), "design_sha256: Extra inputs are not permitted"),
        (v2(design=..., design_sha256="0" * 63), "design_sha256: String should match pattern"),
        (v2(design=..., design_sha256="A" * 64), "design_sha256: String should match pattern"),
        (v2(design={"kind": "none"}), "design: kind: must be one of grid, zip, random"),
        (v2(design={"kind": "zip", "dimensions": {"a": [1], "b": [1, 2]}}), "design: dimensions: must have the same"),
        (v2(design={**SOBOL, "dimensions": {"a": {"normal": {"mean": 0}}}}), "design.dimensions.a.normal.std: Field"),
        (body(limits=LIMITS), "limits: Extra inputs are not permitted"),
        (v2(limits=None), "limits: Input should be a valid dictionary"),
        (v2(limits={"seconds": 1}), "limits.seconds: Extra inputs are not permitted"),
        (v2(limits={"point_seconds": 0}), "limits.point_seconds: Input should be greater than 0"),
        (v2(limits={"point_seconds": 1.1e9}), "limits.point_seconds: Input should be less than or equal to 1000000000"),
        (v2(limits={"point_seconds": "1"}), "limits.point_seconds: Input should be a valid number"),
        (v2(limits={"point_memory": 0}), "limits.point_memory: Input should be greater than or equal to 1"),
        (v2(limits={"point_memory": "2 GB"}), "limits.point_memory: Input should be a valid integer"),
        (v2(limits={"point_memory": 2**63}), "integer"),
        (v2(design={**SOBOL, "samples": 3}), "total_points 4: must be the design's cells times replications, 3"),
        (v2(design=SOBOL, replications=2, base={"commission_rate": 1}), "both a dimension and a base value"),
        (
            v2(design={**SOBOL, "samples": 2**62}, replications=4),
            f"{2**62} cells times 4 replications: must be at most",
        ),
    ],
)
def test_v2_is_refused_with_the_field_and_the_rule(raw: bytes, says: str) -> None:
    assert says in refusal(raw)


@pytest.mark.parametrize("share", [-1, 0.0, 1.0, True, "1", []])
def test_failed_points_are_a_count_or_a_share(share: object) -> None:
    says = "limits.failed_points: must be a number of points, an integer >= 0, or a share"
    assert refusal(v2(limits={"failed_points": share})).startswith(says)


@given(st.sampled_from(sorted({**V2, **STORED, "limits": LIMITS})), JSON)
def test_any_value_in_any_field_of_v2_is_taken_or_refused_in_one_line(name: str, value: object) -> None:
    raw = v2(**{name: value})
    try:
        decode(raw, TODAY)
    except MessageError:
        refusal(raw)
